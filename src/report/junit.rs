//! `junit.xml`: one test case per promise, and one for each counter or histogram that was reconciled. FAIL is a failure; INCONCLUSIVE and INVALID are errors; nothing critical is
//! ever skipped. What does not count (warnings) is skipped with its words when it is not kept.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{alerts, contract, effects, ledger, reconcile, words};
use crate::judge::{Finding, Judgement, Reconciliation, Severity, Verdict};

/// Renders a judgement.
pub fn junit(judgement: &Judgement) -> String {
    let mut report = Report::new("proofload");
    let mut suite = TestSuite::new(judgement.scenario.as_str());
    for finding in &judgement.findings {
        let name = format!("{} ({})", words::promise(finding), finding.window.name);
        let mut case = TestCase::new(name, status(judgement, finding));
        case.set_classname(judgement.scenario.as_str());
        suite.add_test_case(case);
    }
    for check in &judgement.reconcile {
        let mut case = TestCase::new(format!("metrics agree: {}", check.check), agreement(judgement, check));
        case.set_classname(judgement.scenario.as_str());
        suite.add_test_case(case);
    }
    for (name, traffic) in &judgement.traffic {
        for (part, of) in &traffic.parts {
            suite.add_property((format!("{name}: part").as_str(), words::part(part, of).as_str()));
        }
        let told = traffic.effects.iter().flat_map(|of| effects::lines(of, usize::MAX));
        let told: Vec<String> = words::followed(traffic).into_iter().chain(told).collect();
        if !told.is_empty() {
            suite.add_property((format!("{name}: effects").as_str(), told.join("; ").as_str()));
        }
        for closed in &traffic.closed_loops {
            suite.add_property((
                format!("{name}: closed loop").as_str(),
                words::closed_loop(closed).join("; ").as_str(),
            ));
        }
    }
    for fault in &judgement.faults {
        let said = [vec![words::fault(fault)], ledger::lines(fault)].concat().join("; ");
        suite.add_property((format!("fault {}", fault.name).as_str(), said.as_str()));
    }
    if let Some(replayed) = &judgement.alerts {
        let said: Vec<String> =
            [Some(alerts::headline(replayed)), alerts::beside(replayed)].into_iter().flatten().collect();
        suite.add_property(("alerts", said.join("; ").as_str()));
        for alert in &replayed.alerts {
            let said = [vec![alerts::line(alert, replayed.phases)], alerts::lines(alert, false)].concat().join("; ");
            suite.add_property((format!("alert {}", alert.alert).as_str(), said.as_str()));
        }
    }
    for (job, of) in &judgement.contracts {
        let violations = of.violations.iter().map(contract::violation);
        let said: Vec<String> =
            std::iter::once(contract::page(of)).chain(contract::probes(of)).chain(violations).collect();
        suite.add_property((format!("contract {job}").as_str(), said.join("; ").as_str()));
    }
    // What is wrong with the experiment itself must not hide behind kept promises.
    let mut status = TestCaseStatus::success();
    if let Some(reason) = judgement.reasons.iter().max_by_key(|r| r.verdict) {
        status = TestCaseStatus::non_success(NonSuccessKind::Error);
        let text = format!("{}: {}", reason.verdict.word(), reason.why);
        say(judgement, &mut status, &text, reason.verdict.word());
    }
    let mut case = TestCase::new("the experiment was what the scenario describes", status);
    case.set_classname(judgement.scenario.as_str());
    suite.add_test_case(case);
    report.add_test_suite(suite);
    // Cannot fail: it is written to memory, and what XML cannot hold is taken out.
    report.to_string().unwrap_or_else(|why| format!("<!-- {why} -->\n"))
}

/// What a verdict of a severity is in the words of JUnit.
fn plain(verdict: Verdict, severity: Severity) -> TestCaseStatus {
    match (verdict, severity) {
        (Verdict::Pass, _) => TestCaseStatus::success(),
        (Verdict::Fail, Severity::Critical) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        (Verdict::Invalid | Verdict::Inconclusive, Severity::Critical) => {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        }
        (_, Severity::Warning | Severity::Info) => TestCaseStatus::skipped(),
    }
}

/// Says why, twice: some readers show the message, others the content. The content stands alone: it names the run too.
fn say(judgement: &Judgement, status: &mut TestCaseStatus, text: &str, word: &str) {
    let whole = format!("{text}\nscenario: {}\nrun: {}", judgement.scenario, judgement.run);
    status.set_message(text).set_type(word).set_description(whole);
}

fn agreement(judgement: &Judgement, check: &Reconciliation) -> TestCaseStatus {
    let mut status = plain(check.counts_as, check.severity);
    if check.counts_as != Verdict::Pass {
        let said = [vec![reconcile::sentence(check)], reconcile::lines(check)].concat();
        let text = format!("{}: {}: {}", check.counts_as.word(), check.check, said.join("; "));
        say(judgement, &mut status, &text, check.verdict.word());
    }
    status
}

fn status(judgement: &Judgement, finding: &Finding) -> TestCaseStatus {
    let mut status = plain(finding.verdict, finding.severity);
    if finding.verdict == Verdict::Pass {
        return status;
    }
    let anatomy = words::anatomy(finding).map(|anatomy| format!("; {anatomy}")).unwrap_or_default();
    let text = format!(
        "{}: {}: observed {}, promised {} {}, {} samples, {}: {}{anatomy}",
        finding.verdict.word(),
        words::promise(finding),
        words::observed(finding),
        finding.compare,
        finding.bound,
        finding.samples,
        finding.window.name,
        finding.why
    );
    say(judgement, &mut status, &text, finding.verdict.word());
    status
}
