//! Variables `${NAME:-default}` in scalars, and `--set path=value`.

use super::mistake::Place;
use super::reader::Reader;
use super::yaml::{self, Key, Kind, Node};
use crate::base::text;

/// Fills variables into every scalar. A variable whose name says that it is secret is refused.
pub fn substitute(node: &mut Node, env: &dyn Fn(&str) -> Option<String>, reader: &mut Reader) {
    match &mut node.kind {
        Kind::Scalar { text, .. } if text.contains('$') => {
            let at = node.at;
            *text = expand(text, env, at, reader);
        }
        Kind::Scalar { .. } => {}
        Kind::List(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                reader.within(&i.to_string(), |r| substitute(item, env, r));
            }
        }
        Kind::Map(entries) => {
            for (key, value) in entries {
                reader.within(&key.text, |r| substitute(value, env, r));
            }
        }
    }
}

fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>, at: Place, reader: &mut Reader) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((inner, tail)) = after.strip_prefix('{').and_then(|a| a.split_once('}')) {
            let (name, default) = inner.split_once(":-").map_or((inner, None), |(n, d)| (n, Some(d)));
            if text::looks_secret(name) {
                reader.wrong(
                    at,
                    format!("`${{{name}}}` looks like a secret"),
                    format!("use {{ secret: {name} }} in a header: it is never stored"),
                );
            } else if let Some(value) = env(name).or_else(|| default.map(str::to_owned)) {
                out.push_str(&value);
            } else {
                reader.wrong(
                    at,
                    format!("`${{{name}}}` is not set"),
                    format!("set {name} in the environment, or write ${{{name}:-default}}"),
                );
            }
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// Applies `--set path=value`. A path that leads nowhere is a mistake: the last step may be a new key, the others
/// must exist.
pub fn apply(root: &mut Node, overrides: &[(String, String)], reader: &mut Reader) {
    for (path, value) in overrides {
        let at = Place::default();
        let value = match yaml::parse(value) {
            Ok(node) => unplaced(node),
            Err(_) => Node { at, kind: Kind::Scalar { text: value.clone(), plain: false } },
        };
        if let Err((what, remedy)) = set(root, path, value) {
            reader.wrong(at, format!("--set {path}: {what}"), remedy);
        }
    }
}

fn set(root: &mut Node, path: &str, value: Node) -> Result<(), (String, String)> {
    let mut node = root;
    let mut steps = path.split('.').peekable();
    while let Some(step) = steps.next() {
        let last = steps.peek().is_none();
        node = match &mut node.kind {
            Kind::Map(entries) => {
                let names: Vec<String> = entries.iter().map(|(k, _)| k.text.clone()).collect();
                match entries.iter().position(|(k, _)| k.text == step) {
                    Some(i) => &mut entries[i].1,
                    None if last => {
                        entries.push((Key { at: Place::default(), text: step.into() }, value));
                        return Ok(());
                    }
                    None => {
                        return Err((
                            format!("there is no `{step}`"),
                            text::suggest(step, names.iter().map(String::as_str)),
                        ));
                    }
                }
            }
            Kind::List(items) => {
                let count = items.len();
                let index = step.parse::<usize>().ok().filter(|i| *i < count);
                let Some(index) = index else {
                    return Err((format!("`{step}` is no index of a list of {count}"), "count from 0".into()));
                };
                &mut items[index]
            }
            Kind::Scalar { .. } => {
                return Err((format!("nothing lies below a plain value at `{step}`"), "end the path there".into()));
            }
        };
    }
    *node = value;
    Ok(())
}

/// Applies `--target`: another address for the one service, and all else about the target as it is written.
pub fn retarget(root: &mut Node, address: Option<&str>, reader: &mut Reader) {
    const WHERE: [&str; 4] = ["sim", "with", "url", "services"];
    let (Some(address), Kind::Map(entries)) = (address, &mut root.kind) else { return };
    let at = Place::default();
    let scalar = Node { at, kind: Kind::Scalar { text: address.into(), plain: false } };
    let Some((_, target)) = entries.iter_mut().find(|(key, _)| key.text == "target") else { return };
    match &mut target.kind {
        Kind::Map(entries) => {
            let of = |name: &str| entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| &node.kind);
            match of("services") {
                Some(Kind::Map(services)) if services.len() > 1 => {
                    let remedy = "set each: --set target.services.NAME=ADDRESS";
                    reader.wrong(at, "--target: the scenario names several services", remedy);
                }
                Some(Kind::Map(services)) if services.len() == 1 => {
                    let name = services[0].0.text.clone();
                    entries.retain(|(key, _)| key.text != "services");
                    let one = Node { at, kind: Kind::Map(vec![(Key { at, text: name }, scalar)]) };
                    entries.push((Key { at, text: "services".into() }, one));
                }
                _ => {
                    entries.retain(|(key, _)| !WHERE.contains(&key.text.as_str()));
                    entries.push((Key { at, text: "url".into() }, scalar));
                }
            }
        }
        _ => *target = scalar,
    }
}

/// The same tree with no places: it stands in no file.
fn unplaced(mut node: Node) -> Node {
    node.at = Place::default();
    match &mut node.kind {
        Kind::List(items) => items.iter_mut().for_each(|item| *item = unplaced(item.clone())),
        Kind::Map(entries) => entries.iter_mut().for_each(|(key, value)| {
            key.at = Place::default();
            *value = unplaced(value.clone());
        }),
        Kind::Scalar { .. } => {}
    }
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> (String, Vec<String>) {
        let mut root = yaml::parse(text).expect("yaml");
        let mut reader = Reader::default();
        substitute(&mut root, &|name| (name == "HOST").then(|| "here".to_owned()), &mut reader);
        (yaml::print(&root), reader.mistakes.into_iter().map(|m| m.what).collect())
    }

    #[test]
    fn another_target_keeps_all_but_its_address() {
        let with = |text: &str| {
            let mut root = yaml::parse(text).expect("yaml");
            let mut reader = Reader::default();
            retarget(&mut root, Some("http://127.0.0.1:9"), &mut reader);
            let wrong: Vec<String> = reader.mistakes.into_iter().map(|m| m.what).collect();
            (yaml::print(&root), wrong)
        };
        for (text, parts) in [
            ("target: sim:quote-service", vec!["target: http://127.0.0.1:9"]),
            ("target: { sim: x, with: { a: 1 }, timeout: 1s }", vec!["timeout: 1s", "url: http://127.0.0.1:9"]),
            ("target: { services: { api: http://b }, timeout: 1s }", vec!["timeout: 1s", "api: http://127.0.0.1:9"]),
        ] {
            let (printed, wrong) = with(text);
            assert!(wrong.is_empty() && !printed.contains("sim"), "{printed} {wrong:?}");
            assert!(parts.iter().all(|part| printed.replace('"', "").contains(part)), "{text}: {printed}");
        }
        let (_, wrong) = with("target: { services: { a: http://a, b: http://b } }");
        assert_eq!(wrong, ["--target: the scenario names several services"]);
    }

    #[test]
    fn variables_are_filled_in_and_dollars_doubled_stay() {
        let (text, mistakes) = filled("a: http://${HOST}:${PORT:-80}/\nb: rate(x[$window]) $${HOST}");
        assert_eq!(mistakes, Vec::<String>::new());
        assert!(text.contains("http://here:80/") && text.contains("[$window]") && text.contains("${HOST}"), "{text}");
    }

    #[test]
    fn unset_and_secret_variables_are_refused() {
        assert_eq!(filled("a: ${NOPE}").1, ["`${NOPE}` is not set"]);
        assert_eq!(filled("a: ${API_TOKEN:-x}").1, ["`${API_TOKEN}` looks like a secret"]);
    }

    fn set_to(text: &str, path: &str, value: &str) -> (String, usize) {
        let mut root = yaml::parse(text).expect("yaml");
        let mut reader = Reader::default();
        apply(&mut root, &[(path.into(), value.into())], &mut reader);
        (yaml::print(&root), reader.mistakes.len())
    }

    #[test]
    fn set_reaches_into_lists_and_adds_a_last_key() {
        assert_eq!(set_to("a:\n  - b: 1\n  - b: 2", "a.1.b", "3"), ("a:\n  - b: 1\n  - b: 3\n".into(), 0));
        assert_eq!(set_to("a: { b: 1 }", "a.c", "{ d: 1 }"), ("a:\n  b: 1\n  c:\n    d: 1\n".into(), 0));
    }

    #[test]
    fn set_to_nowhere_is_a_mistake() {
        for path in ["x.y", "a.7", "a.b", "a.0.b.c"] {
            assert_eq!(set_to("a:\n  - b: 1", path, "3").1, 1, "{path}");
        }
    }
}
