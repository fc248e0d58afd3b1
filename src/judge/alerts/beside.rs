//! Our replay beside what the server itself says that it fired: its `ALERTS`. Both come of the same samples, so that they
//! are the same but for an evaluation; where they are not, nobody knows who is right.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::book::Alert;
use super::replay::{self, Phase};
use super::track::{State, Stint, Track};
use super::{Agreement, Replayed};
use crate::base::series::Labels;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::judge::measure::Ruling;
use crate::judge::verdict::{Verdict, by_name, instant};

/// Instants of the server are whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(5);

/// When an alert fired by the server's own word, beside when it did by our replay.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BesideSummary {
    /// Whose, without `alertname`; those of all elements together where the rules are not the server's.
    #[serde(serialize_with = "by_name")]
    pub labels: Vec<(String, String)>,
    /// How the two go together.
    pub agreement: Agreement,
    /// From and to, by our replay at the server's own phase where that is known; in nanoseconds since the plan's zero.
    #[serde(serialize_with = "spans")]
    pub ours: Vec<Span>,
    /// By the server's `ALERTS`.
    #[serde(serialize_with = "spans")]
    pub theirs: Vec<Span>,
    /// Why they may differ, or why there is nothing to compare.
    pub why: Option<String>,
}

fn spans<S: Serializer>(spans: &[Span], s: S) -> Result<S::Ok, S::Error> {
    s.collect_seq(spans.iter().map(|span| [span.start, span.end]))
}

/// Firing of one element, by whoever says so.
type Fired = (Labels, Vec<Span>);

impl Replayed<'_> {
    /// Every alert of the book, beside the server's own word of it: nothing where there is none to compare.
    pub fn beside(&self) -> Vec<Vec<BesideSummary>> {
        let none = || vec![Vec::new(); self.book.alerts.len()];
        let Some(fetched) = self.basis.fetched() else { return none() };
        // A rule that is scaled is another than the server's.
        if self.alerts.scale > 1 {
            return none();
        }
        let until = match fetched.alerts_until() {
            Ok(until) => self.basis.on_axis(until).min(self.last),
            Err(why) => {
                let unanswered = BesideSummary {
                    labels: Vec::new(),
                    agreement: Agreement::Unanswered,
                    ours: Vec::new(),
                    theirs: Vec::new(),
                    why: Some(why),
                };
                return vec![vec![unanswered]; self.book.alerts.len()];
            }
        };
        let whole = Span { start: Offset::ZERO, end: until };
        let (phases, known) = self.own_phases();
        let own = replay::phase(&self.basis, self.alerts, &self.book, &phases, self.last);
        let of = |(i, alert): (usize, &Alert)| {
            // At its own phase what it says is ours to the evaluation; at another only nearly.
            let tracks: Vec<&Track> = match known[alert.group] {
                true => vec![&own[i]],
                false => self.phases.iter().map(|phase| &phase[i]).collect(),
            };
            self.beside_of(alert, &tracks, whole)
        };
        self.book.alerts.iter().enumerate().map(of).collect()
    }

    /// By how much the server evaluates each group late, and whether that is known: every sample of `ALERTS` is one of its
    /// evaluations.
    fn own_phases(&self) -> (Phase, Vec<bool>) {
        let zero = self.basis.unix_ms(Offset::ZERO);
        let fired = self.basis.fetched().map(|fetched| fetched.fired()).unwrap_or_default();
        let late = |(g, group): (usize, &crate::promql::rules::Group)| {
            let interval = group.interval_ms.filter(|ms| *ms > 0)?;
            let named = |name: &str| self.book.alerts.iter().any(|alert| alert.group == g && alert.name == name);
            // Of a name that several groups have nobody knows whose it is.
            let elsewhere = |name: &str| self.book.alerts.iter().any(|alert| alert.group != g && alert.name == name);
            let of_group =
                fired.iter().filter(|f| named(f.labels.get("alertname")) && !elsewhere(f.labels.get("alertname")));
            let at = of_group.filter_map(|f| f.at.last()).max()?;
            Some((at - zero).rem_euclid(interval))
        };
        let late: Vec<Option<i64>> = self.book.groups.iter().enumerate().map(late).collect();
        let known = late.iter().map(Option::is_some).collect();
        (Phase::Own(late.into_iter().map(Option::unwrap_or_default).collect()), known)
    }

    fn beside_of(&self, alert: &Alert, tracks: &[&Track], whole: Span) -> Vec<BesideSummary> {
        let theirs = self.theirs(alert, whole);
        let ours: Vec<Vec<Fired>> = tracks.iter().map(|track| ours(track, whole)).collect();
        let elements = match self.alerts.live.is_some() {
            true => paired(&ours, &theirs),
            false => vec![together(&ours, &theirs)],
        };
        let of = |(labels, ours, theirs): (Labels, Vec<Vec<Span>>, Vec<Span>)| {
            // The phase at which the two are nearest.
            let gaps = ours.iter().map(|ours| apart(ours, &theirs));
            let (apart, ours) = gaps.zip(&ours).min_by_key(|(apart, _)| *apart)?;
            if ours.is_empty() && theirs.is_empty() {
                return None;
            }
            let agreement = match apart {
                apart if apart <= ROUNDING => Agreement::Agree,
                apart if apart <= alert.interval + ROUNDING => Agreement::Near,
                _ => Agreement::Disagree,
            };
            Some(BesideSummary {
                labels: labels.iter().filter(|(n, _)| *n != "alertname").map(|(n, v)| (n.into(), v.into())).collect(),
                agreement,
                ours: ours.clone(),
                theirs,
                why: self.why(alert, agreement, tracks),
            })
        };
        elements.into_iter().filter_map(of).collect()
    }

    /// When the server had each element of an alert firing.
    fn theirs(&self, alert: &Alert, whole: Span) -> Vec<Fired> {
        let fired = self.basis.fetched().map(|fetched| fetched.fired()).unwrap_or_default();
        let of_alert = fired.iter().filter(|f| f.state == "firing" && f.labels.get("alertname") == alert.name);
        let spans = |at: &[i64]| {
            let mut all: Vec<Span> = Vec::new();
            for at in at.iter().map(|ms| self.basis.on_axis(*ms)) {
                let span = Span { start: at, end: at + alert.interval };
                // An evaluation that came a little late is still the next.
                match all.last_mut().filter(|last| at <= last.end + alert.interval / 2) {
                    Some(last) => last.end = span.end,
                    None => all.push(span),
                }
            }
            all.into_iter().filter_map(|span| span.overlap(whole)).collect::<Vec<Span>>()
        };
        of_alert.map(|f| (f.labels.clone(), spans(&f.at))).filter(|(_, spans)| !spans.is_empty()).collect()
    }

    /// What a difference comes from, as far as that is known.
    fn why(&self, alert: &Alert, agreement: Agreement, tracks: &[&Track]) -> Option<String> {
        let failed = || {
            let failing = self.basis.fetched()?.failing(&alert.name, self.basis.trial)?;
            Some(format!("the server cannot evaluate it: {failing}"))
        };
        let error = || {
            let failure = tracks.iter().find_map(|track| track.failures.first())?;
            Some(format!("our evaluation at {} failed: {}", instant(failure.span.start), failure.why))
        };
        match agreement {
            Agreement::Near => {
                let tolerance = units::duration(alert.interval);
                Some(format!("not more than an evaluation apart ({tolerance}): a scrape came in after it"))
            }
            Agreement::Disagree if self.alerts.live.is_none() => {
                Some("these are the rules of the files, and the server's may be others".into())
            }
            Agreement::Disagree => failed().or_else(error).or_else(|| {
                Some("nothing known explains it: its rules or samples are not those that it told us of".into())
            }),
            Agreement::Agree | Agreement::Foreign | Agreement::Unanswered => None,
        }
    }

    /// Takes back what a promise about some alerts came to where the server's own word is another.
    pub fn contested(&self, mut ruling: Ruling, rules: &[usize], labels: &[(String, String)]) -> Ruling {
        if let Some(of) = self.contested_by(rules, labels)
            && matches!(ruling.verdict, Verdict::Pass | Verdict::Fail)
        {
            ruling.verdict = Verdict::Inconclusive;
            ruling.why = format!("{}, but {}", ruling.why, said(of));
        }
        ruling
    }

    /// What the server says otherwise of some alerts. Rules of files may be others than the server's: there it says nothing.
    pub fn contested_by(&self, rules: &[usize], labels: &[(String, String)]) -> Option<&BesideSummary> {
        let meant = |of: &&BesideSummary| labels.iter().all(|(n, v)| of.labels.iter().any(|(m, w)| n == m && v == w));
        let all = rules.iter().flat_map(|rule| &self.beside[*rule]).filter(|_| self.alerts.live.is_some());
        all.filter(|of| of.agreement == Agreement::Disagree).find(meant)
    }
}

/// `the server's own ALERTS had it firing never, and our replay 12 s to 20 s: …`
pub fn said(of: &BesideSummary) -> String {
    let list = |spans: &[Span]| match spans {
        [] => "never".to_owned(),
        spans => {
            let each = spans.iter().map(|span| format!("{} to {}", instant(span.start), instant(span.end)));
            each.collect::<Vec<_>>().join(", ")
        }
    };
    let why = of.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    format!("the server's own ALERTS had it firing {}, and our replay {}{why}", list(&of.theirs), list(&of.ours))
}

/// When each element fired at one phase.
fn ours(track: &Track, whole: Span) -> Vec<Fired> {
    let of = |instance: &super::track::Instance| {
        let firing = instance.stints.iter().filter(|stint| stint.state == State::Firing);
        let spans: Vec<Span> = firing.filter_map(|stint: &Stint| stint.span().overlap(whole)).collect();
        (instance.labels.clone(), spans)
    };
    track.instances.iter().map(of).filter(|(_, spans)| !spans.is_empty()).collect()
}

/// Element by element: ours at each phase, and theirs. A server may add labels of its own to what it stores, so that theirs
/// belongs to the element of ours all of whose labels it has.
fn paired(ours: &[Vec<Fired>], theirs: &[Fired]) -> Vec<(Labels, Vec<Vec<Span>>, Vec<Span>)> {
    let mut names: Vec<&Labels> = ours.iter().flatten().map(|(labels, _)| labels).collect();
    names.sort();
    names.dedup();
    let has = |theirs: &Labels, ours: &Labels| ours.iter().all(|(name, value)| theirs.get(name) == value);
    let owner = |theirs: &Labels| names.iter().filter(|ours| has(theirs, ours)).max_by_key(|ours| ours.iter().len());
    let of = |name: &&Labels| {
        let at = |phase: &Vec<Fired>| phase.iter().find(|(labels, _)| labels == *name).map(|(_, s)| s.clone());
        let own = theirs.iter().filter(|(labels, _)| owner(labels) == Some(name)).flat_map(|(_, spans)| spans);
        ((*name).clone(), ours.iter().map(|phase| at(phase).unwrap_or_default()).collect(), joined(own))
    };
    let alone = theirs.iter().filter(|(labels, _)| owner(labels).is_none());
    let nobody = |(labels, spans): &Fired| (labels.clone(), vec![Vec::new(); ours.len()], spans.clone());
    names.iter().map(of).chain(alone.map(nobody)).collect()
}

/// All elements as one.
fn together(ours: &[Vec<Fired>], theirs: &[Fired]) -> (Labels, Vec<Vec<Span>>, Vec<Span>) {
    let all = |fired: &[Fired]| joined(fired.iter().flat_map(|(_, spans)| spans));
    (Labels::default(), ours.iter().map(|phase| all(phase)).collect(), all(theirs))
}

/// In order, and joined where they meet.
fn joined<'s>(spans: impl Iterator<Item = &'s Span>) -> Vec<Span> {
    let mut spans: Vec<Span> = spans.copied().collect();
    spans.sort_unstable();
    let mut all: Vec<Span> = Vec::new();
    for span in spans {
        match all.last_mut().filter(|last| span.start <= last.end) {
            Some(last) => last.end = last.end.max(span.end),
            None => all.push(span),
        }
    }
    all
}

/// The longest stretch in which one fired and the other did not.
fn apart(a: &[Span], b: &[Span]) -> Duration {
    let without = |spans: &[Span], holes: &[Span]| -> Vec<Span> {
        let cut = |parts: Vec<Span>, hole: &Span| parts.into_iter().flat_map(|part| part.without(*hole)).collect();
        holes.iter().fold(spans.to_vec(), cut)
    };
    without(a, b).into_iter().chain(without(b, a)).map(|span| span.length()).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(pairs: &[(i64, i64)]) -> Vec<Span> {
        let at = |s: i64| Offset::from_millis(s * 1000);
        pairs.iter().map(|(from, to)| Span { start: at(*from), end: at(*to) }).collect()
    }

    #[test]
    fn what_only_one_of_two_says_is_how_far_they_are_apart() {
        let far = |a, b| apart(&spans(a), &spans(b)).as_secs();
        assert_eq!(far(&[(10, 20)], &[(10, 20)]), 0);
        assert_eq!(far(&[(10, 20)], &[(12, 21)]), 2);
        assert_eq!(far(&[(10, 20)], &[]), 10);
        assert_eq!(far(&[(10, 40)], &[(10, 20), (23, 40)]), 3, "a hole");
        assert_eq!(far(&[(10, 20), (30, 40)], &[(10, 20), (50, 55)]), 10);
    }

    #[test]
    fn labels_that_the_server_adds_are_no_other_element() {
        let labels = |pairs: &[(&str, &str)]| Labels::new(pairs.iter().copied());
        let ours = vec![vec![
            (labels(&[("alertname", "A"), ("s", "x")]), spans(&[(1, 2)])),
            (labels(&[("alertname", "A"), ("s", "x"), ("code", "5")]), spans(&[(3, 4)])),
        ]];
        let theirs = [
            (labels(&[("alertname", "A"), ("s", "x"), ("cluster", "eu")]), spans(&[(1, 2)])),
            (labels(&[("alertname", "A"), ("s", "x"), ("code", "5"), ("cluster", "eu")]), spans(&[(5, 6)])),
            (labels(&[("alertname", "A"), ("s", "y")]), spans(&[(7, 8)])),
        ];
        let paired = paired(&ours, &theirs);
        let shown: Vec<(String, usize, Vec<Span>)> = paired
            .into_iter()
            .map(|(l, ours, theirs)| (l.get("code").to_owned() + l.get("s"), ours[0].len(), theirs))
            .collect();
        assert_eq!(
            shown,
            [("5x".into(), 1, spans(&[(5, 6)])), ("x".into(), 1, spans(&[(1, 2)])), ("y".into(), 0, spans(&[(7, 8)])),]
        );
    }
}
