use super::*;

const TWO: &str = "groups:
  - name: a
    interval: 15s
    query_offset: 1m
    limit: 7
    labels: { team: x, tier: group }
    rules:
      - record: job:errors:rate5m
        expr: sum by (job) (rate(errors_total[5m]))
        labels: { tier: own }
      - alert: Errors
        expr: |
          job:errors:rate5m
            > 0.5
        for: 7d
        keep_firing_for: 0m
        labels: { severity: page }
        annotations: { summary: \"{{ $value }}\" }
  - name: b
    rules: []
";

#[test]
fn everything_that_is_written_is_read() {
    let (groups, mistakes) = read("rules.yml", TWO);
    assert_eq!(mistakes, []);
    let a = &groups[0];
    assert_eq!((a.name.as_str(), a.at.line, a.file.as_str()), ("a", 2, "rules.yml"));
    assert_eq!((a.interval_ms, a.query_offset_ms, a.limit), (Some(15_000), Some(60_000), 7));
    let labels = |rule: &Rule| rule.labels.iter().map(|l| format!("{}={}", l.name, l.value.text())).collect::<Vec<_>>();
    assert_eq!(labels(&a.rules[0]), ["team=x", "tier=own"]);
    assert!(a.rules[0].alert().is_none());
    assert_eq!(labels(&a.rules[1]), ["team=x", "tier=group", "severity=page"]);
    let alert = a.rules[1].alert().expect("an alert");
    assert_eq!((alert.for_ms, alert.keep_firing_for_ms, alert.annotations.len()), (7 * 86_400_000, 0, 1));
    assert_eq!((groups[1].interval_ms, groups[1].rules.len()), (None, 0));
}

#[test]
fn each_character_of_an_expression_has_its_place() {
    let (groups, _) = read("rules.yml", TWO);
    let rule = &groups[0].rules[1];
    let threshold = rule.expr.text().find("0.5").expect("it is there");
    let place = rule.place(threshold, 3);
    assert_eq!((place.line, place.col, place.len), (14, 15, 3));
    assert_eq!((rule.expr_at.line, rule.expr_at.col), (13, 11));
}

#[test]
fn objects_of_kubernetes_lists_and_documents_are_taken_apart() {
    let rule = "rules: [{ alert: X, expr: up == 0 }]";
    let object = |name: &str| {
        format!(
            "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {{ name: {name} }}\nspec:\n  \
                 groups: [{{ name: g, partial_response_strategy: warn, {rule} }}]\n"
        )
    };
    let list = "kind: List\napiVersion: v1\nitems:\n  - { kind: ConfigMap, data: {} }\n  - { apiVersion: \
                    monitoring.coreos.com/v1, kind: PrometheusRule, spec: { groups: [{ name: h }] } }\n";
    let service = "apiVersion: v1\nkind: Service\n";
    let text = [object("a"), object("b"), service.into(), list.into()].join("---\n");
    let (groups, mistakes) = read("rules.yml", &text);
    assert_eq!(mistakes, []);
    assert_eq!(groups.iter().map(|g| g.name.as_str()).collect::<Vec<_>>(), ["g", "g", "h"]);
    assert_eq!(read("x.yml", service).1[0].what, "no rules are written here");
    assert_eq!(read("x.yml", "apiVersion: v2\nkind: PrometheusRule").1[0].what, "`v2` is no version of PrometheusRule");
}

fn mistakes(rule: &str) -> Vec<String> {
    let text = format!("groups:\n  - name: g\n    rules:\n      - {{ {rule} }}\n");
    read("rules.yml", &text).1.into_iter().map(|m| m.what).collect()
}

#[test]
fn what_prometheus_refuses_is_refused() {
    for (rule, what) in [
        ("alert: X, record: y, expr: up", "both `record` and `alert`"),
        ("expr: up", "neither `record` nor `alert`"),
        ("alert: X", "`expr` is missing"),
        ("alert: X, expr: ''", "`expr` is missing"),
        ("alert: X, expr: up, for: 5", "`5` is not a length of time"),
        ("alert: X, expr: up, fro: 5m", "unknown key `fro`"),
        ("record: x, expr: up, for: 5m", "`for` in a rule that records"),
        ("record: x, expr: up, keep_firing_for: 5m", "`keep_firing_for` in a rule that records"),
        ("record: x, expr: up, annotations: { a: b }", "`annotations` in a rule that records"),
        ("record: 'x{}', expr: up", "`x{}` cannot be the name of a metric"),
        ("alert: X, expr: up, labels: { __name__: x }", "`__name__` cannot be the name of a label"),
        ("alert: X, expr: up, annotations: { '': x }", "`` cannot be the name of an annotation"),
        ("alert: X, expr: up, labels: [a]", "a list where names and texts belongs"),
        ("alert: X, expr: up, labels: { a: [b] }", "a list where the text of the label belongs"),
        ("alert: X, expr: 'up[5m]'", "it is neither a number nor an instant vector"),
    ] {
        let found = mistakes(rule);
        assert!(found.len() == 1 && found[0].starts_with(what), "{rule}: {found:?}");
    }
    for rule in
        ["record: x, expr: up, for: 0s, annotations: {}", "alert: X, expr: 0", "alert: 'a b', expr: up, for: 0m"]
    {
        assert_eq!(mistakes(rule), Vec::<String>::new(), "{rule}");
    }
}

#[test]
fn before_version_3_names_are_ascii_words() {
    let text = "groups: [{ name: g, rules: [{ record: a.b, expr: up, labels: { c-d: x } }] }]";
    assert_eq!(read("x.yml", text).1, []);
    let found = read_as("x.yml", text, Semantics::V2).1;
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn all_mistakes_come_at_once_in_the_order_of_the_file() {
    let text = "groups:
  - name: g
    intervall: 5s
    rules:
      - alert: X
        expr: |
          sum(up)
            / sum(up))
      - recrd: x
        expr: up
  - name: g
    limit: many
";
    let (groups, found) = read("rules.yml", text);
    let seen: Vec<(u32, u32, &str)> = found.iter().map(|m| (m.at.line, m.at.col, m.path.as_str())).collect();
    let want = [
        (3, 5, "groups.0"),
        (8, 22, "groups.0.rules.0.expr"),
        (9, 9, "groups.0.rules.1"),
        (9, 9, "groups.0.rules.1"),
        (11, 11, "groups.1.name"),
        (12, 12, "groups.1.limit"),
    ];
    assert_eq!(seen, want, "{found:#?}");
    assert_eq!(found[0].remedy, "did you mean `interval`?");
    assert_eq!(groups.len(), 2, "what could be read is there");
}

#[test]
fn a_file_without_rules_is_a_mistake() {
    for text in ["", "# nothing\n", "a: 1", "- groups", "groups: 5", "x"] {
        let (groups, found) = read("rules.yml", text);
        assert!(groups.is_empty() && found.len() == 1 || text == "a: 1", "{text:?} {found:?}");
    }
    assert_eq!(read("rules.yml", "groups: []").1, []);
}
