//! What holds without being promised: no critical alert fires outside the time in which a fault explains it.

use std::time::Duration;

use super::promised::Promised;
use super::{Replayed, silent};
use crate::judge::evaluate;
use crate::judge::verdict::{self, Finding, Kind, Quantity, Verdict};
use crate::scenario::{AlertClaim, Claim, Must, Place, Promise, Severity, Window};

/// Where it must hold, in words.
const WHERE: &str = "outside the expected";

impl Replayed<'_> {
    /// A finding for each alert that must not fire outside the faults: those whose label `severity` is critical, unless
    /// `alerts.expected` says otherwise. What nobody wrote may break a run, but is no reason why it could not be decided: where
    /// an alert could not have fired, that is a warning.
    pub fn expected(&self) -> Vec<Finding> {
        let of_name = |(name, severity): (&str, Severity)| self.outside_the_expected(name, severity);
        self.unwritten().into_iter().map(of_name).chain(self.unreadable()).collect()
    }

    /// The alerts of which something holds without being promised, in the order of the files, and how bad it is when not.
    pub fn unwritten(&self) -> Vec<(&str, Severity)> {
        let mut names: Vec<&str> = Vec::new();
        for alert in &self.book.alerts {
            if !names.contains(&alert.name.as_str()) {
                names.push(&alert.name);
            }
        }
        names.into_iter().filter_map(|name| Some((name, self.severity(name)?))).collect()
    }

    /// Of a file that cannot be read nobody knows which alerts it makes: they must not seem silent.
    fn unreadable(&self) -> Option<Finding> {
        let (file, _, mistake) = self.book.mistakes.first()?;
        let promise = unwritten("the alert rules can be read".into(), Severity::Critical);
        let bound = Quantity { value: 0.0, kind: Kind::Plain };
        let finding = evaluate::blank(self.basis.trial, &promise, Vec::new(), bound, "==");
        Some(Finding { why: format!("{file}:{}: {}", mistake.at.line, mistake.what), ..finding })
    }

    /// What an alert means that fires outside the faults; `None` for nothing.
    fn severity(&self, name: &str) -> Option<Severity> {
        match self.alerts.expected.iter().find(|(alert, _, _)| alert == name) {
            Some((_, severity, _)) => *severity,
            None => {
                let is_critical = |rule: &usize| self.book.alerts[*rule].severity() == "critical";
                self.book.named(name).iter().any(is_critical).then_some(Severity::Critical)
            }
        }
    }

    fn outside_the_expected(&self, name: &str, severity: Severity) -> Finding {
        let trial = self.basis.trial;
        let is_meant = |rule: &usize| {
            let explicit = self.alerts.expected.iter().any(|(alert, _, _)| alert == name);
            explicit || self.book.alerts[*rule].severity() == "critical"
        };
        let rules: Vec<usize> = self.book.named(name).into_iter().filter(is_meant).collect();
        let parts = self.without_faults(trial.windows.cut(Window::Measured, None).parts, &rules);
        let claim =
            AlertClaim { alert: name.into(), labels: Vec::new(), must: Must::StaySilent, place: Place::default() };
        let promise = unwritten(format!("{name} stays silent"), severity);
        let bound = Quantity { value: 0.0, kind: Kind::Plain };
        let mut finding = evaluate::blank(trial, &promise, parts.clone(), bound, "==");
        finding.window = verdict::Place { name: WHERE.into(), parts: parts.clone() };
        finding.needed = 1;
        if parts.is_empty() {
            finding.why = "the faults explain all of the time".into();
            finding.severity = finding.severity.max(Severity::Warning);
            return finding;
        }
        let promised = Promised::new(&claim, self, rules.clone());
        let ruling = self.contested(silent::rule(&promised, &parts), &rules, &claim.labels);
        // An error, what is up to the phase, and what the server says otherwise is a doubt about the target; the rest is one
        // about the experiment.
        let is_other = self.contested_by(&rules, &claim.labels).is_some();
        let is_in_doubt =
            is_other || promised.error(&parts).is_some() || ruling.observed.is_some_and(|fired| fired.value > 0.0);
        if ruling.verdict == Verdict::Inconclusive && !is_in_doubt {
            finding.severity = finding.severity.max(Severity::Warning);
        }
        (finding.verdict, finding.observed) = (ruling.verdict, ruling.observed);
        (finding.samples, finding.why) = (ruling.samples, ruling.why + &self.scaled());
        finding
    }
}

/// A promise that nobody wrote.
fn unwritten(text: String, severity: Severity) -> Promise {
    let place = Place::default();
    Promise {
        text,
        claim: Claim::Alert(AlertClaim { alert: String::new(), labels: Vec::new(), must: Must::StaySilent, place }),
        window: Window::Measured,
        each: None,
        steady: false,
        stable: Duration::ZERO,
        severity,
        confidence: None,
        look_back: false,
        place,
    }
}
