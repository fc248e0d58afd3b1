//! Signatures of requests.

use super::super::raw;
use super::super::sign::{Coding, Sign, SignPlace};
use super::super::template::Slot;
use super::Check;
use super::template::{Scope, Stands};

/// What a signature can be over besides what templates can name.
pub(super) const SIGNED: [(&str, Slot); 4] =
    [("method", Slot::Method), ("path", Slot::Path), ("query", Slot::Query), ("body", Slot::Body)];

impl Check<'_, '_> {
    pub(super) fn sign(&mut self, raw: &raw::Sign, scope: &mut Scope<'_>) -> Option<Sign> {
        let hmac = &raw.hmac_sha256;
        if hmac.secret.value.is_empty() {
            let remedy = "name the environment variable that holds the key";
            self.reader.wrong(hmac.secret.at, "a secret without a name", remedy);
        }
        scope.signs = true;
        let over = self.filled(&hmac.over, Stands::Body, scope);
        scope.signs = false;
        if over.slots().next().is_none() {
            let remedy = "write what the other side signs too, such as \"{{ts}}{{method}}{{path}}{{body}}\"";
            self.reader.wrong(hmac.over.at, "a signature that is over nothing of the request", remedy);
        }
        let place = match (&hmac.header, &hmac.query) {
            (Some(header), None) => SignPlace::Header(header.value.clone()),
            (None, Some(query)) => SignPlace::Query(query.value.clone()),
            _ => {
                let remedy = "write exactly one of the two: `header: X-SIGN`";
                self.reader.wrong(hmac.place, "a signature goes into a `header` or into the `query`", remedy);
                return None;
            }
        };
        let (SignPlace::Header(name) | SignPlace::Query(name)) = &place;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            let at = hmac.header.as_ref().or(hmac.query.as_ref()).map_or(hmac.place, |name| name.at);
            self.reader.wrong(at, format!("`{name}` is no name for it"), "letters, digits, - and _");
        }
        if let Some(prefix) = hmac.prefix.as_ref().filter(|p| p.value.contains(|c: char| c.is_control())) {
            self.reader.wrong(prefix.at, "a control character in a header", "leave it out");
        }
        let coding = match hmac.encoding.as_ref().map(|e| (&e.value, e.at)) {
            None | Some((raw::Coding::Hex, _)) => Coding::Hex,
            Some((raw::Coding::Base64, _)) => Coding::Base64,
            Some((raw::Coding::Text, at)) => {
                self.reader.wrong(at, "a signature is no text", "write hex or base64");
                Coding::Hex
            }
        };
        let key = match hmac.key.as_ref().map(|k| &k.value) {
            None | Some(raw::Coding::Text) => Coding::Text,
            Some(raw::Coding::Hex) => Coding::Hex,
            Some(raw::Coding::Base64) => Coding::Base64,
        };
        let prefix = hmac.prefix.as_ref().map_or_else(String::new, |p| p.value.clone());
        Some(Sign { secret: hmac.secret.value.clone(), key, over, place, coding, prefix })
    }
}
