//! Servers of NATS, and subjects.

use super::super::effects::{Reading, Seen};
use super::super::nats::{Nats, NatsKey};
use super::super::raw;
use super::super::shape::At;
use super::super::target::HeaderValue;
use super::super::wire::Tls;
use super::Check;

impl Check<'_, '_> {
    /// A server, and who we are there.
    pub(super) fn nats(&mut self, server: &At<String>, login: Option<&raw::NatsLogin>, tls: Option<&raw::Tls>) -> Nats {
        // As addresses of NATS are often written.
        let secured = server.value.strip_prefix("tls://");
        let bare = secured.or(server.value.strip_prefix("nats://")).unwrap_or(&server.value);
        let place = At { at: server.at, value: bare.to_owned() };
        self.host_port(&place);
        let tls = tls.map(|tls| self.within("tls", |c| c.tls(tls)));
        let tls = tls.or(secured.map(|_| Tls::default()));
        let mut nats = Nats { place: place.value, user: None, token: None, key: None, tls };
        if let Some(login) = login {
            self.within("login", |c| c.nats_login(login, &mut nats));
        }
        nats
    }

    fn nats_login(&mut self, login: &raw::NatsLogin, nats: &mut Nats) {
        let name = |secret: &raw::Secret| secret.secret.value.clone();
        let raw::NatsLogin { user, password, token, nkey, jwt, creds, .. } = login;
        match ((user, password), token, (jwt, nkey), creds) {
            ((Some(user), Some(password)), None, (None, None), None) => {
                let user = match user {
                    raw::Header::Text(text) => HeaderValue::Text(text.value.clone()),
                    raw::Header::Secret(secret) => HeaderValue::Secret(secret.secret.value.clone()),
                };
                nats.user = Some((user, name(password)));
            }
            ((None, None), Some(token), (None, None), None) => nats.token = Some(name(token)),
            ((None, None), None, (None, Some(seed)), None) => nats.key = Some(NatsKey::Seed(name(seed))),
            ((None, None), None, (Some(jwt), Some(seed)), None) => {
                nats.key = Some(NatsKey::Jwt(name(jwt), name(seed)));
            }
            ((None, None), None, (None, None), Some(creds)) => nats.key = Some(NatsKey::Credentials(name(creds))),
            _ if self.reader.is_broken_here() => {}
            ((None, None), None, (Some(_), None), None) => {
                let remedy = "add `nkey: { secret: VARIABLE }`, its seed; or give `creds`, which hold both";
                self.reader.wrong(login.place, "a JWT, and nothing that signs for it", remedy);
            }
            _ => {
                let what =
                    "a login is a `user` with a `password`, a `token`, an `nkey` with or without a `jwt`, or `creds`";
                self.reader.wrong(login.place, what, "write `{ user: NAME, password: { secret: VARIABLE } }`");
            }
        }
    }

    /// Where effects are seen, or where states are told.
    pub(super) fn on_subject(
        &mut self,
        (server, login, tls): (&At<String>, Option<&raw::NatsLogin>, Option<&raw::Tls>),
        subject: &At<String>,
        reading: Option<Reading>,
    ) -> Option<Seen> {
        let nats = self.nats(server, login, tls);
        let tokens: Vec<&str> = subject.value.split('.').collect();
        let fits = |(i, token): (usize, &str)| {
            let wild = token == "*" || (token == ">" && i + 1 == tokens.len());
            wild || (!token.is_empty() && token.chars().all(|c| c.is_ascii_graphic() && c != '*' && c != '>'))
        };
        if !tokens.iter().copied().enumerate().all(fits) {
            let what = format!("`{}` is no subject", subject.value);
            self.reader.wrong(subject.at, what, "tokens with dots between them; `*` for one, `>` for the rest");
        }
        Some(Seen::Nats { server: nats, subject: subject.value.clone(), reading: reading? })
    }
}
