//! Promises about what became of signals: what makes sense of them.

use super::super::Place;
use super::super::claim::{Claim, Promise, Purpose, Window};
use super::super::effect_claim::{self, EffectClaim, EffectMeasure};
use super::super::effects::Seen;
use super::super::raw;
use super::super::shape::At;
use super::super::signal::Signal;
use super::super::traffic::Traffic;
use super::Check;

impl Check<'_, '_> {
    /// A claim about signals, if it can be read; `None` when it is about something else.
    pub(super) fn effect_claim(
        &mut self,
        expect: &At<String>,
        promql: Option<&At<String>>,
        traffic: &[Traffic],
        purpose: Purpose,
    ) -> Option<Option<Claim>> {
        if promql.is_some() {
            return None;
        }
        let known: Vec<(&str, bool)> = traffic.iter().map(|t| (t.name.as_str(), t.kind.signal().is_some())).collect();
        let read = effect_claim::parse(&expect.value, &known, purpose)?;
        Some(self.unless_told(expect, read.map(Claim::Effects)))
    }

    /// Settings that do not go together, and what its traffic cannot tell.
    pub(super) fn fits_effects(
        &mut self,
        claim: &EffectClaim,
        promise: &Promise,
        raw: &raw::Promise,
        traffic: &[Traffic],
    ) {
        let place = promise.place;
        if promise.steady {
            let remedy = "steady are promises on what the client sees at once; leave `steady` out";
            self.reader.wrong(place, format!("`{}` cannot be steady", claim.measure), remedy);
        }
        if let Some(stable) = raw.stable {
            self.reader.wrong(stable.at, "`stable` belongs to a promise on recovery", "leave it out");
        }
        if let Some(look_back) = &raw.look_back {
            self.reader.wrong(look_back.at, "`look_back` belongs to a PromQL promise", "leave it out");
        }
        let is_drain = claim.measure == EffectMeasure::Drain;
        if is_drain && !matches!(promise.window, Window::After(_)) {
            self.reader.wrong(place, "drain after what?", "name the fault: `after: FAULT`");
        }
        if is_drain && promise.each.is_some() {
            self.reader.wrong(place, "a drain happens once", "leave out `each`");
        }
        if let Some(confidence) = raw.confidence.filter(|_| !claim.measure.is_share()) {
            let what = "only quantiles, means and shares have a confidence interval";
            self.reader.wrong(confidence.at, what, "leave out `confidence`");
        }
        if claim.measure == EffectMeasure::Lost
            && traffic[claim.traffic].kind.signal().is_some_and(|signal| !names_ids(signal))
            && (promise.window != Window::Measured || promise.each.is_some())
        {
            let what = "a metric says how many effects there were, not of which signals";
            self.reader.wrong(place, what, "promise it of the whole run, or see effects where they name ids");
        }
        self.can_be_told(claim, place, traffic);
    }

    /// What the traffic of a claim cannot tell.
    pub(super) fn can_be_told(&mut self, claim: &EffectClaim, place: Place, traffic: &[Traffic]) {
        let Some(signal) = traffic[claim.traffic].kind.signal() else { return };
        let by_id = names_ids(signal);
        match claim.measure {
            EffectMeasure::Duplicated | EffectMeasure::Reordered | EffectMeasure::Drain if !by_id => {
                let what = format!("`{}` is not known where a metric only counts effects", claim.measure);
                self.reader.wrong(place, what, "see effects where they name ids: `kafka`, `nats`, `webhook` or `poll`");
            }
            EffectMeasure::Reordered if signal.how.key.is_none() => {
                let what = "signals without a key have no order";
                self.reader.wrong(place, what, "give them one: `key: \"{{ticker}}\"`");
            }
            EffectMeasure::Reordered if is_unnumbered_list(&signal.effects.seen) => {
                let what = "a list that is polled says nothing of the order in which its items came";
                self.reader.wrong(place, what, "say where their number stands: `sequence: $.seq`");
            }
            EffectMeasure::ConsumerLag if signal.consumer.is_none() => {
                let what = "nothing says who reads the topic";
                self.reader.wrong(place, what, "add `consumer: { group: NAME }` to the signals");
            }
            _ => {}
        }
    }
}

/// Whether it is known of which signals there were effects, and not only of how many.
pub(super) fn names_ids(signal: &Signal) -> bool {
    !matches!(signal.effects.seen, Seen::Metric(_))
}

fn is_unnumbered_list(seen: &Seen) -> bool {
    matches!(seen, Seen::Poll(poll) if poll.reading.sequence.is_none())
}
