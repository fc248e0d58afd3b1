//! `junit.xml` of every case: well-formed, of the elements and attributes that readers of JUnit share, with
//! counts that are those of its elements, and nothing critical skipped.

use proofload::judge::{Judgement, Severity, Verdict};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An element, what it stands in, the attributes it must have, and those that it may.
type Rule = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const ELEMENTS: [Rule; 8] = [
    ("testsuites", "", &["name", "tests", "failures", "errors"], &["skipped", "disabled", "time", "timestamp"]),
    (
        "testsuite",
        "testsuites",
        &["name", "tests", "failures", "errors"],
        &["disabled", "skipped", "time", "timestamp", "hostname", "id", "package"],
    ),
    ("properties", "testsuite", &[], &[]),
    ("property", "properties", &["name", "value"], &[]),
    ("testcase", "testsuite", &["name", "classname"], &["time", "status", "assertions"]),
    ("failure", "testcase", &["message", "type"], &[]),
    ("error", "testcase", &["message", "type"], &[]),
    ("skipped", "testcase", &["message"], &["type"]),
];

/// Attributes that count, and what.
const COUNTS: [(&str, &str); 5] = [
    ("tests", "testcase"),
    ("failures", "failure"),
    ("errors", "error"),
    ("skipped", "skipped"),
    ("disabled", "skipped"),
];

/// An element as it was read.
struct Element {
    name: String,
    parent: Option<usize>,
    attributes: Vec<(String, String)>,
}

impl Element {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// What is wrong with the rendering of a judgement.
pub fn wrong(judgement: &Judgement) -> Vec<String> {
    let text = proofload::report::junit(judgement);
    match read(&text) {
        Ok(elements) => {
            let mut wrong = Vec::new();
            structure(&elements, &mut wrong);
            counts(&elements, &mut wrong);
            verdicts(&elements, judgement, &mut wrong);
            wrong
        }
        Err(why) => vec![format!("not XML: {why}")],
    }
}

fn read(text: &str) -> Result<Vec<Element>, String> {
    if let Some(odd) = text.chars().find(|c| *c < ' ' && !matches!(c, '\n' | '\t' | '\r')) {
        return Err(format!("{odd:?} cannot stand in XML"));
    }
    let mut reader = Reader::from_str(text);
    let (mut elements, mut open): (Vec<Element>, Vec<usize>) = (Vec::new(), Vec::new());
    loop {
        match reader.read_event().map_err(|e| e.to_string())? {
            Event::Start(start) => {
                elements.push(element(&start, open.last().copied())?);
                open.push(elements.len() - 1);
            }
            Event::Empty(start) => elements.push(element(&start, open.last().copied())?),
            Event::End(_) => _ = open.pop(),
            Event::Eof if open.is_empty() => return Ok(elements),
            Event::Eof => return Err("it ends too early".into()),
            Event::Text(text) => {
                let text = text.decode().map_err(|e| e.to_string())?;
                let of = open.last().map_or("", |last: &usize| elements[*last].name.as_str());
                if !text.trim().is_empty() && !["failure", "error", "skipped"].contains(&of) {
                    return Err(format!("`{text}` stands between elements"));
                }
            }
            // A character that is written as a reference.
            Event::GeneralRef(_) if !open.is_empty() => {}
            Event::Decl(_) if elements.is_empty() => {}
            other => return Err(format!("{other:?} has no place here")),
        }
    }
}

fn element(start: &BytesStart<'_>, parent: Option<usize>) -> Result<Element, String> {
    let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|e| e.to_string());
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|e| e.to_string())?;
        let value = quick_xml::escape::unescape(std::str::from_utf8(&attribute.value).map_err(|e| e.to_string())?)
            .map_err(|e| e.to_string())?
            .into_owned();
        attributes.push((utf8(attribute.key.as_ref())?, value));
    }
    Ok(Element { name: utf8(start.name().as_ref())?, parent, attributes })
}

fn structure(elements: &[Element], wrong: &mut Vec<String>) {
    if elements.iter().filter(|e| e.parent.is_none()).count() != 1 {
        wrong.push("there is not one root".into());
    }
    for element in elements {
        let Some((name, parent, must, may)) = ELEMENTS.iter().find(|(name, ..)| *name == element.name) else {
            wrong.push(format!("no element is called {}", element.name));
            continue;
        };
        let is_in = element.parent.map_or("", |parent| elements[parent].name.as_str());
        if is_in != *parent {
            wrong.push(format!("{name} stands in {is_in:?}"));
        }
        wrong.extend(must.iter().filter(|a| element.get(a).is_none()).map(|a| format!("{name} has no {a}")));
        let known = |a: &str| must.contains(&a) || may.contains(&a);
        wrong.extend(element.attributes.iter().filter(|(a, _)| !known(a)).map(|(a, _)| format!("{name} has {a}")));
    }
}

fn counts(elements: &[Element], wrong: &mut Vec<String>) {
    for (place, element) in elements.iter().enumerate() {
        let above = |e: &Element| std::iter::successors(e.parent, |parent| elements[*parent].parent);
        for (attribute, counted) in COUNTS {
            let Some(said) = element.get(attribute) else { continue };
            let there = elements.iter().filter(|e| e.name == counted && above(e).any(|parent| parent == place)).count();
            if said != there.to_string() {
                wrong.push(format!("{} says {said} {attribute}, there are {there}", element.name));
            }
        }
    }
}

/// One test case for each finding, in order, one for each reconciliation, then one for the experiment itself.
fn verdicts(elements: &[Element], judgement: &Judgement, wrong: &mut Vec<String>) {
    let results = |case: usize| {
        let of_case = elements.iter().filter(move |e| e.parent == Some(case));
        of_case.map(|e| e.name.as_str()).collect::<Vec<_>>()
    };
    let cases = elements.iter().enumerate().filter(|(_, e)| e.name == "testcase");
    let found: Vec<Vec<&str>> = cases.map(|(place, _)| results(place)).collect();
    let word = |verdict| match verdict {
        Verdict::Pass => vec![],
        Verdict::Fail => vec!["failure"],
        Verdict::Inconclusive | Verdict::Invalid => vec!["error"],
    };
    let findings = judgement.findings.iter().map(|finding| match (finding.severity, finding.verdict) {
        (Severity::Critical, verdict) | (_, verdict @ Verdict::Pass) => word(verdict),
        _ => vec!["skipped"],
    });
    let checks = judgement.reconcile.iter().map(|check| match (check.severity, check.counts_as) {
        (Severity::Critical, verdict) | (_, verdict @ Verdict::Pass) => word(verdict),
        _ => vec!["skipped"],
    });
    let experiment = if judgement.reasons.is_empty() { vec![] } else { vec!["error"] };
    let expected: Vec<Vec<&str>> = findings.chain(checks).chain([experiment]).collect();
    if found != expected {
        wrong.push(format!("test cases came to {found:?}, findings to {expected:?}"));
    }
}
