//! Promises about what an Alertmanager does with an alert.

use super::super::Place;
use super::super::claim::{Claim, Window};
use super::super::notified::{Handled, Notified};
use super::super::raw;
use super::Check;

impl Check<'_, '_> {
    /// The claim of a promise about a notification; `None` for another promise, or after a mistake without which there is
    /// none.
    pub(super) fn notified_claim(&mut self, raw: &raw::Promise, root: &raw::Root) -> Option<Option<Claim>> {
        let claims = [
            raw.routed_within.map(|within| (within, Handled::Routed)),
            raw.notified_within.map(|within| (within, Handled::Notified)),
            raw.resolve_notified_within.map(|within| (within, Handled::Resolved)),
        ];
        let mut claims = claims.into_iter().flatten();
        let Some((within, handled)) = claims.next() else {
            let strays = [raw.receiver.as_ref().map(|r| r.at), raw.grouped_by.as_ref().map(|g| g.at)];
            let stray = strays.into_iter().flatten().next()?;
            let remedy = "add `notified_within: 60s` or `routed_within: 60s`, or leave it out";
            self.reader.wrong(stray, "this belongs to a promise about a notification", remedy);
            return None;
        };
        for (second, _) in claims {
            self.reader.wrong(second.at, "a second claim about one alert", "write one claim per promise");
        }
        let strays = [
            raw.expect.as_ref().map(|e| (e.at, "expect")),
            raw.promql.as_ref().map(|p| (p.at, "promql")),
            raw.fires_within.map(|w| (w.at, "fires_within")),
            raw.resolves_within.map(|w| (w.at, "resolves_within")),
            raw.stays_silent.map(|s| (s.at, "stays_silent")),
            raw.each.map(|e| (e.at, "each")),
            raw.steady.map(|s| (s.at, "steady")),
            raw.stable.map(|s| (s.at, "stable")),
            raw.confidence.map(|c| (c.at, "confidence")),
            raw.look_back.as_ref().map(|l| (l.at, "look_back")),
        ];
        for (at, key) in strays.into_iter().flatten() {
            let remedy = "leave it out, or write a promise of its own";
            self.reader.wrong(at, format!("`{key}` does not go with a notification"), remedy);
        }
        if within.value.is_zero() {
            self.reader.wrong(within.at, "no time at all", "write a length above 0");
        }
        self.has_alertmanager(within.at, handled, root);
        let Some(alert) = &raw.alert else {
            self.reader.wrong(within.at, "of what? there is no `alert` here", "add `alert: NAME`");
            return Some(None);
        };
        if let Some(empty) = raw.grouped_by.as_ref().filter(|labels| labels.value.is_empty()) {
            self.reader.wrong(empty.at, "grouped by nothing", "name the labels, or leave it out");
        }
        let labels = raw.labels.iter().flat_map(|l| &l.value.0);
        Some(Some(Claim::Notified(Notified {
            alert: alert.value.clone(),
            labels: labels.map(|(name, value)| (name.value.clone(), value.value.clone())).collect(),
            within: within.value,
            handled,
            receiver: raw.receiver.as_ref().map(|r| r.value.clone()),
            grouped_by: raw.grouped_by.as_ref().map(|g| g.value.iter().map(|l| l.value.clone()).collect()),
            place: alert.at,
        })))
    }

    /// Refuses a promise on what nobody would hear of.
    fn has_alertmanager(&mut self, at: Place, handled: Handled, root: &raw::Root) {
        if self.reader.is_broken("observe") {
            return;
        }
        let watched = root.observe.as_ref().and_then(|o| o.alertmanager.as_ref());
        let (what, remedy) = match (handled, watched) {
            (Handled::Routed, None) => {
                ("no Alertmanager is watched", "add `observe: { alertmanager: { url: http://HOST:9093 } }`")
            }
            (Handled::Notified | Handled::Resolved, None) => (
                "nothing receives notifications",
                "add `observe: { alertmanager: { url: http://HOST:9093, receiver_listen: HOST:PORT } }`",
            ),
            (Handled::Notified | Handled::Resolved, Some(watched)) if watched.receiver_listen.is_none() => (
                "nothing receives notifications",
                "add `receiver_listen: HOST:PORT` to `observe.alertmanager` and point a webhook there, or promise \
                 `routed_within`, which asks Alertmanager",
            ),
            _ => return,
        };
        self.reader.wrong(at, what, remedy);
    }

    /// Notifications are timed from a fault, or from the start of the measured phase.
    pub(super) fn fits_notified(&mut self, window: Window, place: Place) {
        if !matches!(window, Window::Measured | Window::After(_)) {
            let remedy = "write `after: FAULT`, or no window: then the time runs from the start of the measured phase";
            self.reader.wrong(place, "a notification has no such window", remedy);
        }
    }
}
