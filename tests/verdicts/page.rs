//! The page: every case has one, nothing on it comes from elsewhere or speaks to anybody, and whatever a server, a file or a
//! name says is text on it. Where there is a browser, it is asked too.

use std::fs;
use std::path::Path;
use std::process::Command;

use proofload::evidence::event::Event;
use proofload::evidence::reader::Evidence;
use proofload::judge::{Judgement, Stuck, Verdict};
use proofload::report::{self, Run};

use super::case::Case;

/// What somebody might put into a header, a label or a name.
const HOSTILE: &str =
    "<img src=x onerror=\"window.pwned=1\"><script>window.pwned=1</script>\"'&amp;🦀</td></script><!-- ]]>";

fn case(name: &str) -> Case {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verdicts").join(name);
    Case::read(&fs::read_to_string(path).expect("readable")).expect("a case")
}

fn page(case: &Case) -> String {
    case.reports().into_iter().find(|(name, _)| *name == "report.html").expect("a page").1
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Tags that are open and closed, one within the other.
pub fn balanced(page: &str) -> Result<(), String> {
    const VOID: [&str; 3] = ["meta", "br", "img"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>").ok_or("no doctype")?;
    while let Some(at) = rest.find('<') {
        let end = rest[at..].find('>').ok_or("a tag without an end")? + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        if tag.starts_with('/') {
            let last = open.pop();
            if last != Some(name) {
                return Err(format!("</{name}> closes {last:?}"));
            }
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
            if name == "script" || name == "style" {
                let end = rest.find(&format!("</{name}")).ok_or("a script without an end")?;
                rest = &rest[end..];
            }
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("left open: {open:?}")) }
}

#[test]
fn cases_of_all_kinds_have_a_page_that_is_whole_and_stands_alone() {
    let (mut pages, mut links) = (0, 0);
    // One in four: they come in families, and a page takes its time.
    for (path, (name, judged)) in super::cases().into_iter().zip(super::judged()).step_by(4) {
        let Ok((_, judgement)) = judged.as_ref() else { continue };
        let page = page(&Case::read(&fs::read_to_string(path).expect("readable")).expect("a case"));
        assert_eq!(balanced(&page), Ok(()), "{name}");
        assert!(page.contains(&format!("<p class=\"verdict\">{}</p>", judgement.verdict.word())), "{name}");
        // What stands between backticks is set as code.
        let read = page.replace("<code>", "").replace("</code>", "").replace('`', "");
        for finding in &judgement.findings {
            let why = escaped(&finding.why).replace('`', "");
            assert!(read.contains(&why), "{name}: {why}");
        }
        for anchor in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(page.contains(&format!("id=\"{anchor}\"")), "{name}: #{anchor} leads nowhere");
        }
        // What is broken leads to where the page shows it.
        let broken = judgement.findings.iter().filter(|finding| finding.verdict == Verdict::Fail);
        for finding in broken.filter(|finding| finding.promql.is_none() || finding.course.is_some()) {
            let linked = format!("\"><code>{}</code></a>", escaped(&finding.promise));
            assert!(page.contains(&linked), "{name}: {} leads nowhere", finding.promise);
            links += 1;
        }
        for elsewhere in ["src=", "href=\"http", "url(", "@import", "<link"] {
            assert!(!page.contains(elsewhere), "{name}: {elsewhere}");
        }
        assert!(page.len() < 400_000, "{name}: {} bytes", page.len());
        pages += 1;
    }
    assert!(pages > 80 && links > 20, "{pages} pages, {links} links");
}

/// Cases that have together everything that a page can show: faults with their ledger, alerts, contracts, both sides' books,
/// servers that watched, a baseline, signals.
const PLANTED: [&str; 7] = [
    "green-absorbed-but-slow.case",
    "alert-fires-late.case",
    "contract-labels.case",
    "reconcile-ceiling.case",
    "prometheus-disagrees.case",
    "leak-grows.case",
    "server-broken.case",
];

/// A case, with something hostile wherever there is room for words.
fn hostile(name: &str) -> String {
    let case = case(name);
    let mut evidence = case.evidence();
    let mut judgement = case.judge();
    plant_in_events(&mut evidence);
    plant(&mut judgement, &mut evidence);
    let upstreams: Vec<String> = case.scenario.upstreams.iter().map(|_| HOSTILE.to_owned()).collect();
    let page = report::html(&Run {
        plan: &case.plan,
        evidence: &evidence,
        judgement: &judgement,
        upstreams: &upstreams,
        traces: Some("https://traces.example/{trace}"),
        scenario: Some(HOSTILE),
    });
    let planted = page.matches("&lt;img src=x").count();
    assert!(planted > 20, "{name}: planted too little: {planted}");
    page
}

fn plant_in_events(evidence: &mut Evidence) {
    let of = |outcome: &str| {
        serde_json::json!({ "at": 1_000_000_000, "traffic": HOSTILE, "outcome": outcome, "status": 500, "trace": HOSTILE,
            "response": 5_000_000, "why": HOSTILE })
    };
    let mut failed = of(HOSTILE);
    failed["event"] = "exemplar".into();
    evidence.events.push(serde_json::from_value::<Event>(failed).expect("an event"));
    evidence.gaps.push(HOSTILE.into());
    evidence.latency.tags.iter_mut().for_each(|tag| tag.traffic = HOSTILE.into());
}

fn plant(judgement: &mut Judgement, evidence: &mut Evidence) {
    let everywhere = |texts: Vec<&mut String>| texts.into_iter().for_each(|text| *text = HOSTILE.into());
    everywhere(vec![&mut judgement.scenario, &mut judgement.run]);
    for finding in &mut judgement.findings {
        everywhere(vec![&mut finding.promise, &mut finding.why, &mut finding.window.name]);
        finding.promql = Some(HOSTILE.into());
    }
    for (name, traffic) in &mut judgement.traffic {
        everywhere(vec![name]);
        traffic.outcomes.iter_mut().for_each(|(word, _)| *word = HOSTILE.into());
        traffic.classes.iter_mut().for_each(|(class, _)| *class = HOSTILE.into());
    }
    for fault in &mut judgement.faults {
        fault.name = HOSTILE.into();
        fault.trouble = Some(HOSTILE.into());
        for example in fault.ledger.iter_mut().flat_map(|ledger| &mut ledger.examples) {
            example.upstream = HOSTILE.into();
            example.trace = Some(HOSTILE.into());
        }
    }
    judgement.scrapes.push((HOSTILE.into(), Default::default()));
    plant_on_both_sides(judgement);
    let manifest = &mut evidence.manifest;
    everywhere(vec![
        &mut manifest.proofload,
        &mut manifest.run,
        &mut manifest.scenario,
        &mut manifest.file,
        &mut manifest.scenario_digest,
        &mut manifest.plan_digest,
        &mut manifest.host.system,
    ]);
    manifest.services.push((HOSTILE.into(), HOSTILE.into()));
}

fn plant_on_both_sides(judgement: &mut Judgement) {
    let everywhere = |texts: Vec<&mut String>| texts.into_iter().for_each(|text| *text = HOSTILE.into());
    let pairs =
        |of: &mut Vec<(String, String)>| of.iter_mut().for_each(|(a, b)| (*a, *b) = (HOSTILE.into(), HOSTILE.into()));
    for alert in judgement.alerts.iter_mut().flat_map(|alerts| &mut alerts.alerts) {
        everywhere(vec![&mut alert.alert, &mut alert.group, &mut alert.file, &mut alert.expr]);
        everywhere(alert.windows.iter_mut().map(|window| &mut window.name).collect());
        pairs(&mut alert.labels);
        alert.error = Some(HOSTILE.into());
        for instance in &mut alert.instances {
            pairs(&mut instance.labels);
            pairs(&mut instance.annotations);
        }
    }
    if let Some(alerts) = &mut judgement.alerts {
        alerts.mistakes.push(HOSTILE.into());
    }
    for (job, contract) in &mut judgement.contracts {
        everywhere(vec![job]);
        contract.media = Some(HOSTILE.into());
        contract.idle.push(HOSTILE.into());
        for violation in &mut contract.violations {
            everywhere(vec![&mut violation.metric, &mut violation.why]);
            violation.examples.push(HOSTILE.into());
        }
        everywhere(contract.probes.iter_mut().map(|probe| &mut probe.path).collect());
    }
    for check in &mut judgement.reconcile {
        everywhere(vec![&mut check.check, &mut check.why]);
        for record in &mut check.records {
            everywhere(vec![&mut record.group, &mut record.why]);
            everywhere(record.residue.iter_mut().map(|residue| &mut residue.cause).collect());
        }
    }
    everywhere(judgement.resources.iter_mut().map(|of| &mut of.name).collect());
    everywhere(judgement.canary.iter_mut().map(|of| &mut of.saw).collect());
    everywhere(judgement.reasons.iter_mut().map(|reason| &mut reason.why).collect());
    everywhere(
        judgement.fitness.causes.iter_mut().flat_map(|of| [&mut of.what, &mut of.why, &mut of.remedy]).collect(),
    );
    if let Some(gate) = &mut judgement.gate {
        everywhere(vec![&mut gate.fault]);
    }
    if let Some(server) = &mut judgement.prometheus {
        (server.product, server.version) = (Some(HOSTILE.into()), Some(HOSTILE.into()));
        server.trouble.push(HOSTILE.into());
        server.failing_rules.push(HOSTILE.into());
        everywhere(server.selectors.iter_mut().map(|of| &mut of.selector).collect());
    }
    judgement.stuck.push(Stuck { fault: HOSTILE.into(), why: HOSTILE.into(), remedy: HOSTILE.into() });
}

#[test]
fn what_came_from_elsewhere_is_text() {
    for name in PLANTED {
        let page = hostile(name);
        assert_eq!(balanced(&page), Ok(()), "{name}");
        assert!(!page.contains("<img") && page.matches("<script").count() == 1, "{name}: markup got in");
    }
}

#[test]
fn a_promise_of_the_target_that_was_broken_is_drawn_over_time() {
    let case = case("server-broken.case");
    let judgement = case.judge();
    let drawn = judgement.findings.iter().position(|finding| finding.course.is_some()).expect("one that was broken");
    let course = judgement.findings[drawn].course.as_ref().expect("drawn");
    assert!(course.values.len() > 20 && course.values.windows(2).all(|pair| pair[0].0 < pair[1].0), "{course:?}");
    let page = page(&case);
    assert!(page.contains(&format!("<figure id=\"value-{drawn}\">")), "its chart");
    assert!(!report::verdict(&judgement).contains("course"), "it is no part of the verdict");
}

/// What a page is made of, as a browser sees it.
const PARTS: &str = "document.title = JSON.stringify({ pwned: window.pwned || 0, images: document.images.length, \
    scripts: document.scripts.length, sections: document.querySelectorAll('section').length, \
    drawings: document.querySelectorAll('svg').length, tips: document.querySelectorAll('.tip').length, \
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth });";

/// Draws over the first chart of rates, hides a line of it, sorts the promises, and tells what came of it.
const HANDS: &str = "var drawing = document.querySelector('#rate-0 .drawing'), box = drawing.querySelector('svg').getBoundingClientRect(); \
    function point(what, share, on) { on.dispatchEvent(new PointerEvent(what, { clientX: box.left + box.width * share, \
        clientY: box.top + 50, pointerType: 'mouse', button: 0, bubbles: true })); } \
    var marks = function () { return Array.from(drawing.querySelectorAll('text[text-anchor=middle]')).map(t => t.textContent.trim()); }; \
    var shifted = function () { return document.querySelectorAll('svg [transform]').length; }; \
    var before = marks(); \
    point('pointerdown', 0.4, drawing); point('pointermove', 0.5, drawing); \
    var tip = drawing.querySelector('.tip').textContent; \
    point('pointermove', 0.6, drawing); point('pointerup', 0.6, window); \
    var closer = marks(), moved = shifted(), others = document.querySelectorAll('#windows svg [transform]').length; \
    document.querySelector('.back').click(); \
    var key = document.querySelector('#rate-0 .key[data-line]'); key.click(); \
    var gone = Array.from(drawing.querySelectorAll('polyline')).filter(e => e.style.display === 'none').length; \
    var promise = function () { return document.querySelector('#promises tbody code').textContent; }; \
    var head = document.querySelectorAll('#promises th')[1], first = promise(); head.click(); head.click(); \
    document.title = JSON.stringify({ before: before, closer: closer, after: marks(), moved: moved, others: others, \
        back: shifted(), tip: tip, gone: gone, pressed: key.getAttribute('aria-pressed'), \
        sort: head.getAttribute('aria-sort'), first: first, last: promise() });";

/// How far each colour that words have stands off what is behind them, by WCAG's formula.
const CONTRAST: &str = "var canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true }); \
    function rgb(colour) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return canvas.getImageData(0, 0, 1, 1).data; } \
    function light(colour) { var c = Array.from(rgb(colour)).slice(0, 3).map(v => { v /= 255; return v <= .03928 ? v / 12.92 : Math.pow((v + .055) / 1.055, 2.4); }); \
        return .2126 * c[0] + .7152 * c[1] + .0722 * c[2]; } \
    function ratio(a, b) { var x = light(a), y = light(b); return (Math.max(x, y) + .05) / (Math.min(x, y) + .05); } \
    var style = getComputedStyle(document.documentElement), of = name => style.getPropertyValue(name).trim(); \
    var words = ['--ink', '--grey', '--link', '--pass', '--fail', '--warn'], lines = ['--c0', '--c1', '--c2', '--c3', '--c4', '--c5', '--c6']; \
    document.title = JSON.stringify({ words: words.map(n => [n, Math.min(ratio(of(n), of('--paper')), ratio(of(n), of('--soft')))]), lines: lines.map(n => [n, ratio(of(n), of('--paper'))]), \
        dark: matchMedia('(prefers-color-scheme: dark)').matches });";

/// What a browser makes of a page, with a script at its end that looks at it and tells in its title.
fn seen(page: &str, width: u32, look: &str, more: &[&str]) -> Option<serde_json::Value> {
    let look = format!("<script>{look}</script></body>");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("report.html");
    fs::write(&file, page.replacen("</body>", &look, 1)).expect("writable");
    let browser = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(|name| {
        let mut browser = Command::new(name);
        browser
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"])
            .args(more)
            .arg(format!("--window-size={width},900"))
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg(format!("file://{}", file.display()));
        browser.output().ok()
    });
    let Some(output) = browser else {
        let required = std::env::var("PROOFLOAD_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|tool| tool == "chromium"),
            "chromium is not here, and PROOFLOAD_REQUIRE names it"
        );
        eprintln!("skipped: no chromium here to open the page in");
        return None;
    };
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let title = dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    let title = title.unwrap_or_else(|| panic!("no page: {}", String::from_utf8_lossy(&output.stderr)));
    Some(serde_json::from_str(title).unwrap_or_else(|why| panic!("{why}: {title}")))
}

#[test]
fn a_browser_runs_nothing_hostile_and_no_page_is_wider_than_its_window() {
    let plain = page(&case("green-absorbed-but-slow.case"));
    let planted = PLANTED.map(|name| (name, hostile(name), &[390][..]));
    for (name, page, widths) in planted.into_iter().chain([("plain", plain, &[1280, 390][..])]) {
        for width in widths {
            let Some(seen) = seen(&page, *width, PARTS, &[]) else { return };
            assert_eq!(
                (&seen["pwned"], &seen["images"], &seen["scripts"]),
                (&0.into(), &0.into(), &2.into()),
                "{name}: {seen}"
            );
            assert!(seen["wide"].as_i64().is_some_and(|px| px <= 0), "{name} at {width}: {seen}");
            assert!(seen["sections"].as_u64() >= Some(5) && seen["drawings"].as_u64() >= Some(4), "{name}: {seen}");
            assert!(seen["tips"].as_u64() >= Some(2), "the script did not run: {seen}");
        }
    }
}

#[test]
fn a_stretch_of_time_can_be_seen_closer_lines_hidden_and_tables_sorted() {
    let page = page(&case("green-absorbed-but-slow.case"));
    let Some(seen) = seen(&page, 1280, HANDS, &[]) else { return };
    assert_ne!(seen["before"], seen["closer"], "another axis: {seen}");
    assert_eq!(seen["before"], seen["after"], "and back: {seen}");
    assert!(seen["moved"].as_u64() > Some(10) && seen["others"].as_u64() > Some(1), "in all charts at once: {seen}");
    assert_eq!(seen["back"], 0, "{seen}");
    assert!(seen["tip"].as_str().is_some_and(|tip| tip.contains("planned") && tip.contains("/s")), "{seen}");
    assert!(seen["gone"].as_u64() >= Some(1) && seen["pressed"] == "false", "{seen}");
    assert_eq!(seen["sort"], "descending", "{seen}");
}

/// WCAG asks for 4.5 where there are words, and for 3 where there are lines.
#[test]
fn words_and_lines_stand_off_their_paper_by_day_and_by_night() {
    let page = page(&case("green-absorbed-but-slow.case"));
    for (dark, more) in [(false, &[][..]), (true, &["--blink-settings=preferredColorScheme=0"][..])] {
        let Some(seen) = seen(&page, 1280, CONTRAST, more) else { return };
        assert_eq!(seen["dark"], dark, "{seen}");
        for (kind, least) in [("words", 4.5), ("lines", 3.0)] {
            for of in seen[kind].as_array().expect("colours") {
                assert!(of[1].as_f64().is_some_and(|ratio| ratio >= least), "{of}, dark: {dark}");
            }
        }
    }
}
