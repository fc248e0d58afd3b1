//! Promises: each by itself, and against the rest of the scenario.

use std::time::Duration;

use super::super::claim::{Claim, Compare, Expectation, Filter, Measure, Promise, Purpose, Severity, Unit, Window};
use super::super::fault::Fault;
use super::super::part::Whose;
use super::super::promise;
use super::super::raw;
use super::super::relative::Relative;
use super::super::servers::Source;
use super::super::shape::At;
use super::super::traffic::Traffic;
use super::super::{Place, Timing, Wanted};
use super::{Check, alerts};
use crate::base::text;
use crate::base::units::Share;

/// Slices shorter than this are refused.
const SHORTEST_SLICE: Duration = Duration::from_secs(1);
/// How long steady promises must have held again before we call it recovery.
const STABLE: Duration = Duration::from_secs(5);
/// The grid on which windows are cut.
const GRID: Duration = Duration::from_millis(100);

impl Check<'_, '_> {
    pub(super) fn promises(&mut self, raw: &raw::Root, traffic: &[Traffic], faults: &[Fault]) -> Vec<Promise> {
        let written = raw.slo.iter().flatten();
        let mut read: Vec<Option<Promise>> = Vec::new();
        for (i, promise) in written.enumerate() {
            let checked = self.within(&i.to_string(), |c| {
                let mut checked = c.promise(promise, raw, traffic, faults);
                checked.iter_mut().for_each(|checked| c.sourced(promise, raw, checked));
                checked
            });
            read.push(checked);
        }
        // A reply class says nothing of shots without a reply; something else must.
        for promise in read.iter().flatten() {
            self.covered(promise, &read, traffic);
            if let Claim::Client(expectation) = &promise.claim {
                self.has_steady(expectation, promise.place, read.iter().flatten(), traffic);
            }
        }
        read.into_iter().flatten().collect()
    }

    fn promise(
        &mut self,
        raw: &raw::Promise,
        root: &raw::Root,
        traffic: &[Traffic],
        faults: &[Fault],
    ) -> Option<Promise> {
        let of_alert = match self.notified_claim(raw, root) {
            Some(read) => Some(read),
            None => self.alert_claim(raw, root),
        };
        let claim = match (of_alert, &raw.expect) {
            (Some(read), _) => read,
            (None, Some(expect)) => match self
                .absorbed(expect, raw.promql.as_ref(), traffic, faults)
                .or_else(|| self.effect_claim(expect, raw.promql.as_ref(), traffic, Purpose::Promise))
                .or_else(|| self.capacity_claim(expect, raw.promql.as_ref(), traffic))
                .or_else(|| self.leak_claim(expect, raw.promql.as_ref(), root, Purpose::Promise))
                .or_else(|| self.relative_claim(expect, raw.promql.as_ref(), traffic))
            {
                Some(read) => read,
                None => self.claim(expect, raw.promql.as_ref(), traffic, Purpose::Promise),
            },
            // What was written could not be read, and has had its mistake told.
            (None, None) if self.reader.is_broken_here() => None,
            (None, None) => {
                self.reader.wrong(raw.place, "`expect` is missing", "add `expect:`, or `alert:`");
                None
            }
        };
        let window = self.window(raw, faults);
        let each = raw.each.map(|each| self.slice(&each));
        let steady = raw.steady.is_some_and(|s| s.value);
        let confidence = raw.confidence.map(|c| {
            if c.value < Share(500_000_000) || c.value > Share(999_900_000) {
                self.reader.wrong(c.at, "a confidence is 50% to 99.99%", "write 95%");
            }
            c.value
        });
        let look_back = raw.look_back.as_ref().is_some_and(|l| match l.value.as_str() {
            "allowed" => true,
            _ => {
                self.reader.wrong(
                    l.at,
                    format!("`look_back: {}`", l.value),
                    "write `look_back: allowed`, or leave it out",
                );
                false
            }
        });
        let (mut claim, window) = (claim?, window?);
        let place = match &claim {
            Claim::Alert(claim) => claim.place,
            Claim::Notified(claim) => claim.place,
            _ => raw.expect.as_ref().map_or(raw.place, |expect| expect.at),
        };
        if let Claim::Absorbed(absorbed) = &mut claim {
            match absorbed.within(window) {
                Ok(narrowed) => *absorbed = narrowed,
                Err((what, remedy)) => self.reader.wrong(place, what, remedy),
            }
            self.is_accounted_for(place, absorbed.fault, faults);
            if let Some(each) = &raw.each {
                self.reader.wrong(each.at, "what faults struck is accounted for as a whole", "leave out `each`");
            }
        }
        let promise = Promise {
            text: match &claim {
                Claim::Alert(claim) => alerts::text(claim),
                Claim::Notified(claim) => claim.to_string(),
                _ => raw.expect.as_ref().map(|expect| expect.value.clone()).unwrap_or_default(),
            },
            claim,
            window,
            each,
            steady,
            stable: match &raw.stable {
                Some(stable) => self.slice(stable),
                None => self.scaled(STABLE),
            },
            severity: match raw.severity.as_ref().map(|s| &s.value) {
                Some(raw::Severity::Warning) => Severity::Warning,
                Some(raw::Severity::Info) => Severity::Info,
                Some(raw::Severity::Critical) | None => Severity::Critical,
            },
            confidence,
            look_back,
            place,
        };
        match &promise.claim {
            Claim::Alert(claim) => self.fits_alert(claim, window, raw),
            Claim::Notified(_) => self.fits_notified(window, place),
            Claim::Effects(claim) => self.fits_effects(claim, &promise, raw, traffic),
            Claim::Capacity(_) => self.fits_capacity(&promise, raw, root),
            Claim::Leak(_) => self.fits_leak(&promise, raw),
            _ => self.fits(&promise, raw),
        }
        self.has_clock(&promise, traffic);
        Some(promise)
    }

    /// What is expected: of the client's shots, or of a PromQL expression.
    pub(super) fn claim(
        &mut self,
        expect: &At<String>,
        promql: Option<&At<String>>,
        traffic: &[Traffic],
        purpose: Purpose,
    ) -> Option<Claim> {
        match promql {
            Some(expr) => {
                self.promql(expr, Wanted::Value);
                match promise::parse_server(&expect.value) {
                    Ok((compare, bound)) => Some(Claim::Server {
                        expr: expr.value.clone(),
                        compare,
                        bound,
                        source: Source::Scrape,
                        place: expr.at,
                    }),
                    Err((what, remedy)) => {
                        self.reader.wrong(expect.at, what, remedy);
                        None
                    }
                }
            }
            None => {
                let read = promise::parse_client(&expect.value, &promise::Known::all(traffic), purpose);
                self.unless_told(expect, read.map(Claim::Client))
            }
        }
    }

    /// A promise whose bound is another run; `None` where it is none.
    fn relative_claim(
        &mut self,
        expect: &At<String>,
        promql: Option<&At<String>>,
        traffic: &[Traffic],
    ) -> Option<Option<Claim>> {
        let read =
            promise::parse_relative(&expect.value, &promise::Known::all(traffic)).filter(|_| promql.is_none())?;
        Some(self.unless_told(expect, read.map(Claim::Relative)))
    }

    /// What was read, or its mistake, unless that was told already where the traffic is.
    pub(super) fn unless_told(&mut self, expect: &At<String>, read: Result<Claim, promise::Refusal>) -> Option<Claim> {
        let (what, remedy) = match read {
            Ok(claim) => return Some(claim),
            Err(refusal) => refusal,
        };
        let subject = what.strip_suffix(promise::NO_TRAFFIC).map(|subject| subject.trim_matches('`'));
        let told = subject.is_some_and(|subject| self.reader.is_broken(&format!("traffic.{subject}")));
        // What could not be read has had its mistakes told already.
        if !told && !self.reader.is_broken_here() {
            self.reader.wrong(expect.at, what, remedy);
        }
        None
    }

    /// A slice on the grid.
    fn slice(&mut self, length: &At<Duration>) -> Duration {
        if length.value < SHORTEST_SLICE {
            self.reader.wrong(length.at, "shorter than a second", "write 1s or more");
        }
        if !length.value.as_nanos().is_multiple_of(GRID.as_nanos()) {
            self.reader.wrong(length.at, "not a multiple of 100ms, the grid on which windows are cut", "round it");
        }
        let scaled = self.scaled(length.value).as_millis().max(1) as u64;
        Duration::from_millis(scaled.div_ceil(100) * 100)
    }

    fn window(&mut self, raw: &raw::Promise, faults: &[Fault]) -> Option<Window> {
        type Cut = fn(usize) -> Window;
        let given: Vec<(&At<String>, Cut)> = [
            (raw.before.as_ref(), Window::Before as Cut),
            (raw.during.as_ref(), Window::During),
            (raw.recovery.as_ref(), Window::Recovery),
            (raw.after.as_ref(), Window::After),
        ]
        .into_iter()
        .filter_map(|(name, window)| name.map(|n| (n, window)))
        .collect();
        if let Some(outside) = &raw.outside {
            if outside.value != "faults" {
                self.reader.wrong(outside.at, format!("`outside: {}`", outside.value), "write `outside: faults`");
            }
            if let Some((other, _)) = given.first() {
                self.reader.wrong(other.at, "a second window", "write one window per promise");
                return None;
            }
            return Some(Window::Outside);
        }
        match given.as_slice() {
            [] => Some(Window::Measured),
            [(name, window)] => {
                let names = faults.iter().map(|f| f.name.as_str());
                match names.clone().position(|n| n == name.value) {
                    Some(fault) => Some(window(fault)),
                    None if self.reader.is_broken(&format!("faults.{}", name.value)) => None,
                    None => {
                        self.reader.wrong(
                            name.at,
                            format!("`{}` is no fault of this scenario", name.value),
                            text::suggest(&name.value, names.collect::<Vec<_>>()),
                        );
                        None
                    }
                }
            }
            [_, (second, _), ..] => {
                self.reader.wrong(second.at, "a second window", "write one window per promise");
                None
            }
        }
    }

    /// A shot of a closed loop is due when it is sent: it has no lag and no wait.
    fn has_clock(&mut self, promise: &Promise, traffic: &[Traffic]) {
        let (of, measure, clock) = match &promise.claim {
            Claim::Client(e) => (&traffic[e.traffic], e.measure, e.clock),
            Claim::Relative(r) => (&traffic[r.whose.traffic], r.measure, r.clock),
            _ => return,
        };
        let load = &of.load;
        let planned = load.is_empty() || load.iter().any(|s| s.measured && s.saturate.is_none());
        if measure.is_timed() && matches!(clock, Timing::Lag | Timing::Wait) && !planned {
            let what = format!("`{}` is a closed loop, and its shots have no {}", of.name, clock.word());
            self.reader.wrong(
                promise.place,
                what,
                "promise `service` or a `rate`, or plan shots: `hold: { at: 50/s, for: 60s }`",
            );
        }
    }

    /// Settings that do not go together.
    fn fits(&mut self, promise: &Promise, raw: &raw::Promise) {
        let measure = if let Claim::Client(e) = &promise.claim { Some(e.measure) } else { None };
        let is_recovery = measure == Some(Measure::Recovery);
        let of_fault = measure.filter(|m| m.is_of_fault());
        if let Some(measure) = of_fault.filter(|_| !matches!(promise.window, Window::After(_))) {
            let of = if is_recovery { "from" } else { "of" };
            self.reader.wrong(promise.place, format!("{measure} {of} what?"), "name the fault: `after: FAULT`");
        }
        if let Some(measure) = of_fault.filter(|_| promise.each.is_some() || promise.confidence.is_some()) {
            let what = format!("a {measure} happens once");
            self.reader.wrong(promise.place, what, "leave out `each` and `confidence`");
        }
        if let (false, Some(stable)) = (is_recovery, raw.stable) {
            self.reader.wrong(stable.at, "`stable` belongs to a promise on recovery", "leave it out");
        }
        if let (Claim::Relative(_), Some(each)) = (&promise.claim, raw.each) {
            let what = "a slice is too short to be held against another run";
            self.reader.wrong(each.at, what, "leave out `each`, or write a fixed bound");
        }
        if let (Claim::Client(_) | Claim::Relative(_) | Claim::Absorbed(_), Some(look_back)) =
            (&promise.claim, &raw.look_back)
        {
            self.reader.wrong(look_back.at, "`look_back` belongs to a PromQL promise", "leave it out");
        }
        if let (Claim::Server { .. }, Some(confidence)) = (&promise.claim, raw.confidence) {
            self.reader.wrong(confidence.at, "a PromQL promise has no confidence interval", "leave it out");
        }
        if promise.confidence.is_some()
            && matches!(&promise.claim, Claim::Client(e) if matches!(e.measure, Measure::Max | Measure::Rate))
        {
            self.reader.wrong(
                promise.place,
                "only quantiles, means and shares have a confidence interval",
                "leave out `confidence`",
            );
        }
        if promise.steady && !can_be_steady(promise) {
            let remedy = "steady are quantiles and max below a bound, and shares of failures below a bound, over the whole run or outside faults";
            self.reader.wrong(promise.place, "this promise cannot be steady", remedy);
        }
    }

    /// Refuses a promise on a reply class that no promise on errors stands beside.
    fn covered(&mut self, promise: &Promise, all: &[Option<Promise>], traffic: &[Traffic]) {
        let (Claim::Client(Expectation { traffic: subject, class: Some(class), .. })
        | Claim::Relative(Relative { whose: Whose { traffic: subject, .. }, class: Some(class), .. })) = &promise.claim
        else {
            return;
        };
        let covers = |other: &Promise| match &other.claim {
            Claim::Client(e) => {
                e.measure == Measure::Errors
                    && e.traffic == *subject
                    && e.class.is_none()
                    && e.part.is_none()
                    && e.compare.is_ceiling_or_zero()
                    && other.severity == Severity::Critical
                    && spans(other.window, promise.window)
            }
            _ => false,
        };
        if !all.iter().flatten().any(covers) && !self.reader.is_broken("slo") {
            let traffic = &traffic[*subject];
            let what = format!(
                "`{}` says nothing of shots without a reply, which have no class",
                traffic.classes[*class].name
            );
            let remedy = format!("add a critical promise for the same window, such as `errors({}) < 1%`", traffic.name);
            self.reader.wrong(promise.place, what, remedy);
        }
    }

    /// Refuses what is claimed of recovery or detection where nothing says what that is.
    pub(super) fn has_steady<'p>(
        &mut self,
        expectation: &Expectation,
        place: Place,
        mut all: impl Iterator<Item = &'p Promise>,
        traffic: &[Traffic],
    ) {
        let (measure, whose) = (expectation.measure, expectation.whose());
        if !measure.is_of_fault() {
            return;
        }
        let steady =
            |other: &Promise| other.steady && matches!(&other.claim, Claim::Client(e) if whose.covers(e.whose()));
        if !all.any(steady) && !self.reader.is_broken("slo") {
            let name = traffic[whose.traffic].called(whose.part);
            let (what, means) = match measure {
                Measure::Recovery => {
                    (format!("nothing says when `{name}` has recovered"), "recovery means that it holds again")
                }
                _ => (format!("nothing says when `{name}` is broken"), "detection means that it does not hold"),
            };
            self.reader.wrong(place, what, format!("mark a promise on it as `steady: true`: {means}"));
        }
    }
}

impl Compare {
    fn is_ceiling_or_zero(self) -> bool {
        self.is_ceiling() || self == Compare::Equal
    }
}

/// Whether `outer` includes every instant of `inner`.
fn spans(outer: Window, inner: Window) -> bool {
    match outer {
        Window::Measured => true,
        Window::Outside => matches!(inner, Window::Outside | Window::Before(_) | Window::After(_)),
        outer => outer == inner,
    }
}

fn can_be_steady(promise: &Promise) -> bool {
    let Claim::Client(e) = &promise.claim else { return false };
    let measure = match e.measure {
        Measure::Quantile(_) | Measure::Max => e.compare.is_ceiling(),
        Measure::Errors | Measure::Timeouts | Measure::Rejected => {
            e.measure.unit() == Unit::Share && e.compare.is_ceiling_or_zero()
        }
        Measure::Mean | Measure::Rate | Measure::Recovery | Measure::Detection => false,
    };
    measure && e.filter != Filter::Failed && matches!(promise.window, Window::Measured | Window::Outside)
}
