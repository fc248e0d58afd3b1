//! A scenario with less chaos in it, or another load: the same text with fewer faults, fewer promises, and some values set.

use super::reader::Reader;
use super::yaml::{self, Key, Kind, Node};
use super::{Mistake, Place, vars};

/// The keys of a promise that name a fault.
const NAMES_A_FAULT: [&str; 4] = ["before", "during", "recovery", "after"];

/// What is left of a scenario's text without the faults named in `without`, and without the promises that are about
/// them; then `set` is applied as by `--set`. `Err` is why the text cannot be read, or what could not be set.
pub fn variant(source: &str, without: &[&str], set: &[(String, String)]) -> Result<String, Vec<Mistake>> {
    probed(source, &Changes { without, set, ..Changes::default() })
}

/// What becomes of a scenario that is run as a probe of its capacity.
#[derive(Debug, Clone, Copy, Default)]
pub struct Changes<'a> {
    /// Faults that are left out, and the promises about them.
    pub without: &'a [&'a str],
    /// Promises that are left out, by their positions.
    pub unpromised: &'a [usize],
    /// Stop conditions that are left out, by their positions.
    pub endless: &'a [usize],
    /// Keys that promises lose, such as `steady`.
    pub of_promises: &'a [&'a str],
    /// Keys that faults lose, such as `repeat`.
    pub of_faults: &'a [&'a str],
    /// Keys of the top level that are left out.
    pub keys: &'a [&'a str],
    /// What is set then, as by `--set`.
    pub set: &'a [(String, String)],
}

/// The text of a scenario with some changes. `Err` is why the text cannot be read, or what could not be set.
pub fn probed(source: &str, changes: &Changes<'_>) -> Result<String, Vec<Mistake>> {
    let Changes { without, unpromised, endless, of_promises, of_faults, keys, set } = *changes;
    let mut root = yaml::parse(source).map_err(|m| vec![m])?;
    let left = Left::of(&root, without);
    // Where nothing is steady nothing recovers.
    let is_probe = of_promises.contains(&"steady");
    if let Kind::Map(entries) = &mut root.kind {
        entries.retain(|(key, _)| !keys.contains(&key.text.as_str()));
        for (key, value) in entries.iter_mut() {
            match (key.text.as_str(), &mut value.kind) {
                ("faults", Kind::Map(faults)) => {
                    faults.retain(|(name, _)| !without.contains(&name.text.as_str()));
                    faults.iter_mut().for_each(|(_, fault)| lose(fault, of_faults));
                }
                ("slo", Kind::List(promises)) => {
                    let mut at = 0..;
                    promises.retain(|promise| {
                        let left_out = at.next().is_some_and(|at| unpromised.contains(&at));
                        !left_out && !is_about(promise, without)
                    });
                    promises.iter_mut().for_each(|promise| lose(promise, of_promises));
                }
                ("abort_when", Kind::List(conditions)) => {
                    let mut at = 0..;
                    conditions.retain(|condition| {
                        let left_out = at.next().is_some_and(|at| endless.contains(&at));
                        !left_out && !left.is_moot(condition, is_probe)
                    });
                }
                ("contract", Kind::Map(contracts)) => contracts.iter_mut().for_each(|(_, c)| forget(c, without)),
                _ => {}
            }
        }
        entries.retain(|(key, value)| !is_emptied(key, value));
    }
    let mut reader = Reader::default();
    vars::apply(&mut root, set, &mut reader);
    if reader.mistakes.is_empty() { Ok(yaml::print(&root)) } else { Err(reader.mistakes) }
}

/// Where the value of a key stands in a scenario's text; nothing where it does not.
pub fn place(source: &str, path: &[&str]) -> Option<Place> {
    let mut node = yaml::parse(source).ok()?;
    for step in path {
        let Kind::Map(entries) = node.kind else { return None };
        node = entries.into_iter().find(|(key, _)| key.text == *step)?.1;
    }
    Some(node.at)
}

/// What stop conditions can still be about.
struct Left {
    /// Names of faults, those on upstreams, and of traffic.
    faults: Vec<String>,
    upstreams: Vec<String>,
    traffic: Vec<String>,
}

impl Left {
    /// In a scenario without some of its faults.
    fn of(root: &Node, without: &[&str]) -> Left {
        let map = |key: &str| {
            let Kind::Map(entries) = &root.kind else { return Vec::new() };
            let found = entries.iter().find(|(k, _)| k.text == key).map(|(_, value)| &value.kind);
            if let Some(Kind::Map(entries)) = found { entries.clone() } else { Vec::new() }
        };
        let mut faults = map("faults");
        faults.retain(|(name, _)| !without.contains(&name.text.as_str()));
        let is_on_upstream = |fault: &Node| scalar(fault, "on").is_some_and(|on| on.starts_with("upstream/"));
        let names = |all: &[(Key, Node)]| all.iter().map(|(name, _)| name.text.clone()).collect();
        let upstreams = faults.iter().filter(|(_, fault)| is_on_upstream(fault));
        Left {
            upstreams: upstreams.map(|(name, _)| name.text.clone()).collect(),
            faults: names(&faults),
            traffic: names(&map("traffic")),
        }
    }

    /// Whether a stop condition asks for what there is none of: what a fault did that is left out, what comes once after any
    /// where none ends, and memory, which shows no trend in so short a time as a probe's.
    fn is_moot(&self, condition: &Node, is_probe: bool) -> bool {
        let Some((measure, rest)) = scalar(condition, "expect").and_then(|text| text.split_once('(')) else {
            return false;
        };
        let subject = rest.split_once(')').map_or(rest, |(subject, _)| subject).trim();
        let has = |names: &[String]| names.iter().any(|name| name == subject);
        match measure.trim() {
            // A traffic before a fault of the same name, as where it is read.
            "absorbed" if has(&self.traffic) => self.upstreams.is_empty(),
            "absorbed" => !has(&self.upstreams),
            "recovery" | "detection" | "drain" => self.faults.is_empty() || is_probe,
            "leak" => is_probe,
            _ => false,
        }
    }
}

/// The text at a key.
fn scalar<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    let Kind::Map(entries) = &node.kind else { return None };
    let found = entries.iter().find(|(k, _)| k.text == key).map(|(_, value)| &value.kind);
    if let Some(Kind::Scalar { text, .. }) = found { Some(text) } else { None }
}

/// Takes keys out of a mapping.
fn lose(node: &mut Node, keys: &[&str]) {
    if let Kind::Map(entries) = &mut node.kind {
        entries.retain(|(key, _)| !keys.contains(&key.text.as_str()));
    }
}

/// Takes what a contract says of faults out of its probes, and probes about which nothing else is said.
fn forget(contract: &mut Node, faults: &[&str]) {
    let Some(probes) = within(contract, "probes") else { return };
    let Kind::Map(probes) = &mut probes.kind else { return };
    probes.retain_mut(|(_, probe)| {
        let Some(during) = within(probe, "during") else { return true };
        let Kind::Map(of_faults) = &mut during.kind else { return true };
        of_faults.retain(|(fault, _)| !faults.contains(&fault.text.as_str()));
        let idle = of_faults.is_empty();
        if let (true, Kind::Map(entries)) = (idle, &mut probe.kind) {
            entries.retain(|(key, _)| key.text != "during");
        }
        !idle || within(probe, "outside").is_some()
    });
}

fn within<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    let Kind::Map(entries) = &mut node.kind else { return None };
    entries.iter_mut().find(|(k, _)| k.text == key).map(|(_, value)| value)
}

fn is_about(promise: &Node, faults: &[&str]) -> bool {
    let Kind::Map(entries) = &promise.kind else { return false };
    let names = |(key, value): &(Key, Node)| {
        let Kind::Scalar { text, .. } = &value.kind else { return false };
        NAMES_A_FAULT.contains(&key.text.as_str()) && faults.contains(&text.as_str())
    };
    entries.iter().any(names)
}

fn is_emptied(key: &Key, value: &Node) -> bool {
    match &value.kind {
        Kind::Map(entries) => key.text == "faults" && entries.is_empty(),
        Kind::List(items) => key.text == "slo" && items.is_empty(),
        Kind::Scalar { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "proofload: 1
faults:
  a: { at: 1s, for: 4s }
  b: { at: 9s, for: 4s }
slo:
  - expect: errors(q) < 1%
  - { expect: p95(q) < 1s, during: a }
  - { expect: recovery(q) < 1s, after: b }
";

    #[test]
    fn a_fault_leaves_with_the_promises_about_it() {
        let left = variant(TEXT, &["a"], &[]).expect("reads");
        assert!(!left.contains("  a:") && left.contains("  b:"), "{left}");
        assert!(left.contains("errors(q)") && !left.contains("p95") && left.contains("recovery"), "{left}");
        let none = variant(TEXT, &["a", "b"], &[]).expect("reads");
        assert!(!none.contains("faults") && none.contains("errors(q)"), "{none}");
    }

    #[test]
    fn a_value_is_found_where_it_stands() {
        let at = |path: &[&str]| place(TEXT, path).map(|at| (at.line, at.col));
        assert_eq!(at(&["faults", "b", "at"]), Some((4, 12)));
        assert_eq!((at(&["faults", "c"]), at(&["slo", "a"]), at(&["proofload", "a"])), (None, None, None));
    }

    #[test]
    fn stop_conditions_on_faults_leave_with_them() {
        let text = TEXT
            .replace("faults:", "traffic: { q: {} }\nfaults:\n  c: { on: upstream/u, at: 1s }")
            .replace("a: {", "a: { on: upstream/u,")
            + "abort_when:
  - expect: errors(q) > 50%
  - { expect: 'recovery(q) > 9s' }
  - { expect: absorbed( a ) < 5% }
  - { expect: absorbed(q) < 6% }
  - { expect: leak(target) > 1MB/h }
";
        let has = |left: &str, wanted: [bool; 5]| {
            let words = ["errors(q) > 50%", "recovery(q) > 9s", "absorbed( a )", "absorbed(q)", "leak"];
            assert_eq!(words.map(|word| left.contains(word)), wanted, "{left}");
        };
        let without = |faults: &[&str]| variant(&text, faults, &[]).expect("reads");
        has(&without(&[]), [true; 5]);
        has(&without(&["a"]), [true, true, false, true, true]);
        has(&without(&["a", "c"]), [true, true, false, false, true]);
        has(&without(&["a", "b", "c"]), [true, false, false, false, true]);
        let probe = |without: &[&str]| {
            probed(&text, &Changes { without, of_promises: &["steady"], ..Changes::default() }).expect("reads")
        };
        has(&probe(&["a"]), [true, false, false, true, false]);
        has(&probe(&["a", "b", "c"]), [true, false, false, false, false]);
        let endless = Changes { endless: &[0, 3], ..Changes::default() };
        has(&probed(&text, &endless).expect("reads"), [false, true, true, false, true]);
    }

    #[test]
    fn a_fault_leaves_the_contract_too() {
        let text = format!(
            "{TEXT}contract:\n  api:\n    probes:\n      /live: 200\n      /ready: {{ outside: 200, during: {{ a: 503 }} }}\n      /x: {{ during: {{ a: 503 }}, within: 1s }}\n      /y: {{ during: {{ a: 503, b: 503 }} }}\n"
        );
        let left = variant(&text, &["a"], &[]).expect("reads");
        assert!(left.contains("/live") && left.contains("/ready") && left.contains("b: 503"), "{left}");
        assert!(!left.contains("a: 503") && !left.contains("/x"), "{left}");
    }

    #[test]
    fn values_are_set_in_what_is_left() {
        let set = |path: &str, value: &str| [(path.to_owned(), value.to_owned())];
        let left = variant(TEXT, &["a"], &set("faults.b.for", "2s")).expect("reads");
        assert!(left.contains("for: 2s"), "{left}");
        assert!(variant(TEXT, &["a"], &set("faults.a.for", "2s")).is_err(), "it is gone");
    }

    #[test]
    fn a_probe_loses_what_has_no_place_in_it() {
        let changes = Changes {
            without: &["b"],
            unpromised: &[0],
            endless: &[],
            of_promises: &["during"],
            of_faults: &["at"],
            keys: &["proofload"],
            set: &[("faults.a.at".to_owned(), "0s".to_owned())],
        };
        let left = probed(TEXT, &changes).expect("reads");
        assert!(left.contains("at: 0s") && left.contains("for: 4s") && !left.contains("proofload"), "{left}");
        assert!(left.contains("p95(q)") && !left.contains("during") && !left.contains("errors(q)"), "{left}");
        assert!(!left.contains("recovery"), "{left}");
    }

    #[test]
    fn what_is_left_reads_back_as_itself() {
        let once = variant(TEXT, &[], &[]).expect("reads");
        assert_eq!(variant(&once, &[], &[]), Ok(once));
    }
}
