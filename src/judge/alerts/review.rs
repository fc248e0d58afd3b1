//! Before the run: what is wrong with the rules, and promises about alerts that cannot be kept, or not be decided, whatever
//! happens.

use std::time::Duration;

use super::basis;
use super::book::{Alert, Book};
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::plan::Plan;
use crate::scenario::{AlertClaim, Claim, Mistake, Must, Place, Promise, Scenario, Window};

/// A range must hold so many scrapes, or a rate over it never has a value.
const FEWEST_SCRAPES: u32 = 2;

/// What cannot work. Of rules that only a server knows nothing can be said before it has told them.
pub fn review(scenario: &Scenario, plan: &Plan) -> Vec<Mistake> {
    let Some(alerts) = scenario.alerts.as_ref().filter(|alerts| alerts.are_known()) else { return Vec::new() };
    let book = Book::read(alerts);
    let mut review = Review { scenario, plan, book: &book, mistakes: Vec::new() };
    for (file, place, mistake) in &book.mistakes {
        let Place { line, col, .. } = mistake.at;
        let what = match mistake.at == Place::default() {
            true => mistake.what.clone(),
            false => format!("{file}:{line}:{col}: {}", mistake.what),
        };
        review.wrong(*place, "alerts.rules".into(), what, mistake.remedy.clone());
    }
    for (name, _, place) in &alerts.expected {
        if let Some((what, remedy)) = review.unknown(name) {
            review.wrong(*place, format!("alerts.expected.{name}"), what, remedy);
        }
    }
    review.ranges();
    for (i, promise) in scenario.promises.iter().enumerate() {
        if let Claim::Alert(claim) = &promise.claim {
            review.promise(i, promise, claim);
        }
    }
    review.mistakes
}

struct Review<'a> {
    scenario: &'a Scenario,
    plan: &'a Plan,
    book: &'a Book,
    mistakes: Vec<Mistake>,
}

impl Review<'_> {
    fn wrong(&mut self, at: Place, path: String, what: String, remedy: String) {
        self.mistakes.push(Mistake { at, path, what, remedy });
    }

    /// Why a name is that of no alert. Of files with mistakes nobody knows what is in them.
    fn unknown(&self, name: &str) -> Option<(String, String)> {
        if !self.book.named(name).is_empty() || !self.book.mistakes.is_empty() {
            return None;
        }
        let known: Vec<&str> = self.book.alerts.iter().map(|alert| alert.name.as_str()).collect();
        Some(match self.book.recorded.contains_key(name) {
            true => (
                format!("`{name}` is recorded and never fires"),
                "name an alert, or promise its value with `promql:`".into(),
            ),
            false => (format!("no rule makes an alert `{name}`"), text::suggest(name, known)),
        })
    }

    /// Ranges that a scale has made too short.
    fn ranges(&mut self) {
        let Some(alerts) = self.scenario.alerts.as_ref().filter(|alerts| alerts.scale > 1) else { return };
        let scrape = basis::scrape(self.scenario);
        let least = scrape * FEWEST_SCRAPES;
        let ranges = |alert: &Alert| {
            let selections: Vec<i64> =
                alert.reads.iter().flat_map(|expr| expr.selectors()).filter_map(|s| s.range_ms).collect();
            selections.into_iter().map(|ms| Duration::from_millis(ms.unsigned_abs())).min()
        };
        let short = self.book.alerts.iter().filter_map(|alert| Some((alert, ranges(alert)?)));
        let short: Vec<String> = short
            .filter(|(_, range)| *range < least)
            .map(|(alert, range)| format!("that of `{}` is {}", alert.name, units::duration(range)))
            .collect();
        if let (Some(file), false) = (alerts.files.first(), short.is_empty()) {
            let what = format!(
                "scaled 1:{} a range holds fewer than {FEWEST_SCRAPES} scrapes, which are {} apart: {}",
                alerts.scale,
                units::duration(scrape),
                short.join(", ")
            );
            let remedy = "write a smaller `time_scale`, or scrape more often".to_owned();
            self.wrong(file.place, "alerts.time_scale".into(), what, remedy);
        }
    }

    fn promise(&mut self, i: usize, promise: &Promise, claim: &AlertClaim) {
        let path = format!("slo.{i}.alert");
        if let Some((what, remedy)) = self.unknown(&claim.alert) {
            return self.wrong(claim.place, path, what, remedy);
        }
        let rules = self.book.named(&claim.alert);
        let rules: Vec<&Alert> = rules.into_iter().map(|rule| &self.book.alerts[rule]).collect();
        let carries = |alert: &&&Alert| claim.labels.iter().all(|(name, value)| may_carry(alert, name, value));
        let meant: Vec<&Alert> = rules.iter().filter(carries).copied().collect();
        let (Some(one), false) = (rules.first(), meant.is_empty()) else {
            if let Some(one) = rules.first() {
                let labels =
                    one.labels.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ");
                let what = format!("`{claim}` is what no rule makes");
                let remedy = format!("its labels are {{ {labels} }}, and those of its series");
                self.wrong(claim.place, path, what, remedy);
            }
            return;
        };
        let refused = match (claim.must, promise.window) {
            (Must::Fire(within), Window::After(fault)) => self.cannot_fire(&meant, fault, within),
            (Must::Resolve(within), Window::After(fault)) => self.cannot_resolve(one, fault, within),
            (Must::StaySilent, window) => self.leaves_no_time(&meant, window),
            _ => None,
        };
        if let Some((what, remedy)) = refused {
            self.wrong(claim.place, path, what, remedy);
        }
    }

    fn strikes(&self, fault: usize) -> &[Span] {
        &self.plan.timeline.faults[fault]
    }

    /// Why no rule can fire in time.
    fn cannot_fire(&self, rules: &[&Alert], fault: usize, within: Duration) -> Option<(String, String)> {
        let scrape = basis::scrape(self.scenario);
        let quickest = rules.iter().min_by_key(|alert| alert.needed(scrape))?;
        let needed = quickest.needed(scrape);
        let name = &self.scenario.faults[fault].name;
        let end = self.plan.timeline.end;
        if within < needed {
            let what = format!("it cannot fire within {}: it needs {}", units::duration(within), sum(quickest, scrape));
            return Some((what, format!("promise {} or more, or {}", units::duration(needed), self.faster())));
        }
        for span in self.strikes(fault) {
            if span.start + within > end {
                let left = units::duration(end.since(span.start));
                let what = format!(
                    "`{name}` begins {left} before the load ends: {} cannot be waited for",
                    units::duration(within)
                );
                return Some((what, format!("begin it earlier, lengthen the load, or {}", self.faster())));
            }
            // What the warm-up did is not judged by way of a range either.
            let measured = self.plan.timeline.measured(None).start;
            let scraped = Offset::ZERO + quickest.reach.saturating_sub(scrape);
            let history = if measured > Offset::ZERO { measured + quickest.reach } else { scraped };
            if span.start < history {
                let what = format!(
                    "it reads {}, and `{name}` begins {} after what is judged: there is not enough to tell",
                    units::duration(quickest.reach),
                    units::duration(span.start.since(measured))
                );
                return Some((what, format!("begin it later, or {}", self.faster())));
            }
            // What a range still holds is all that outlasts the fault.
            let stands = span.length() + quickest.reach + scrape;
            if quickest.hold > stands {
                let what = format!(
                    "`{name}` lasts {}, and its `for` is {}",
                    units::duration(span.length()),
                    units::duration(quickest.hold)
                );
                return Some((what, format!("lengthen the fault, or {}", self.faster())));
            }
        }
        None
    }

    /// Why it cannot be told whether it resolves in time.
    fn cannot_resolve(&self, alert: &Alert, fault: usize, within: Duration) -> Option<(String, String)> {
        if within < alert.keep {
            let what = format!(
                "it cannot resolve within {}: its keep_firing_for is {}",
                units::duration(within),
                units::duration(alert.keep)
            );
            return Some((what, format!("promise more, or {}", self.faster())));
        }
        let others = || {
            let all = self.plan.timeline.faults.iter().enumerate();
            all.flat_map(|(f, spans)| spans.iter().map(move |span| (f, *span)))
        };
        for span in self.strikes(fault) {
            let until = span.end + within;
            if until > self.plan.timeline.end {
                let what = format!(
                    "the load ends before this can be decided: {} after the fault are needed",
                    units::duration(within)
                );
                return Some((what, "lengthen the load, or begin the fault earlier".into()));
            }
            if let Some((other, _)) = others().find(|(_, other)| span.end <= other.start && other.start < until) {
                let name = &self.scenario.faults[other].name;
                let what =
                    format!("`{name}` begins before this can be decided: {} are needed", units::duration(within));
                return Some((what, "begin it later".into()));
            }
        }
        None
    }

    /// Why there is no time in which it must be silent.
    fn leaves_no_time(&self, rules: &[&Alert], window: Window) -> Option<(String, String)> {
        let measured = self.plan.timeline.measured(None);
        let scrape = basis::scrape(self.scenario);
        let settling = rules.iter().map(|alert| alert.settling(scrape)).max().unwrap_or_default();
        let mut parts = match window {
            Window::Outside => vec![measured],
            Window::After(fault) => {
                let starts = || self.plan.timeline.faults.iter().flatten().map(|span| span.start);
                let after = |span: &Span| {
                    let next = starts().filter(|start| *start >= span.end).min();
                    measured.overlap(Span { start: span.end, end: next.unwrap_or(measured.end) })
                };
                self.strikes(fault).iter().filter_map(after).collect()
            }
            Window::Measured | Window::Before(_) | Window::During(_) | Window::Recovery(_) => return None,
        };
        for span in self.plan.timeline.faults.iter().flatten() {
            let hole = Span { start: span.start, end: span.end + settling };
            parts = parts.into_iter().flat_map(|part| part.without(hole)).collect();
        }
        parts.is_empty().then(|| {
            let what = format!(
                "it may fire until {} after a fault, and the load leaves no time beside that",
                units::duration(settling)
            );
            (what, format!("lengthen the load, or {}", self.faster()))
        })
    }

    /// How else there could be more time.
    fn faster(&self) -> &'static str {
        "try the rules faster than they are: `alerts: { time_scale: 10 }`"
    }
}

/// Whether a rule can make an alert with a label: what it does not set comes from its series, and a template may be anything.
fn may_carry(alert: &Alert, name: &str, value: &str) -> bool {
    let own = alert.labels.iter().find(|(label, _)| label == name);
    own.is_none_or(|(_, own)| own == value || own.contains("{{"))
}

/// `2m35s: scrape 5s + interval 15s + for 2m + range 15s`
fn sum(alert: &Alert, scrape: Duration) -> String {
    let mut parts = vec![
        format!("scrape {}", units::duration(scrape)),
        format!("interval {}", units::duration(alert.interval)),
        format!("for {}", units::duration(alert.least(scrape) - scrape - alert.interval)),
    ];
    if alert.needed(scrape) > alert.least(scrape) {
        parts.push(format!("range {}", units::duration(alert.reach)));
    }
    format!("{}: {}", units::duration(alert.needed(scrape)), parts.join(" + "))
}
