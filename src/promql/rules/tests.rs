//! Replays whose outcome was worked out by hand, or measured with Prometheus.

use super::{Group, Replayed, Setup, State, file, replay};
use crate::base::series::{Series, is_stale};
use crate::promql::{Storage, notation};

fn groups(text: &str) -> Vec<Group> {
    let (groups, mistakes) = file::read("rules.yml", text);
    assert_eq!(mistakes, []);
    groups
}

/// Series in lines, a sample every 15 seconds.
fn series(lines: &str) -> Vec<Series> {
    let read = |line: &str| {
        let (labels, values) = notation::metric(line).expect("a metric");
        Series { labels, samples: notation::samples(&notation::items(values).expect("values"), 15_000) }
    };
    lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(read).collect()
}

fn run(rules: &str, lines: &str, end_ms: i64) -> Replayed {
    run_with(rules, lines, &Setup { interval_ms: 15_000, ..Setup::new(0, end_ms) })
}

fn run_with(rules: &str, lines: &str, setup: &Setup) -> Replayed {
    replay(&groups(rules), &Storage::new(&series(lines)), setup)
}

/// A rule as a group of its own.
fn alert(rule: &str) -> String {
    format!("groups: [{{ name: g, rules: [{{ alert: X, {rule} }}] }}]")
}

/// The highest state of any alert of the first rule, tick by tick.
fn states(replayed: &Replayed, end_ms: i64) -> String {
    let at = |at| replayed.rules[0].spells.iter().map(|s| s.state(at)).max().unwrap_or(State::Inactive);
    let letter = |state| match state {
        State::Inactive => '-',
        State::Pending => 'P',
        State::Firing => 'F',
    };
    (0..=end_ms / 15_000).map(|i| letter(at(i * 15_000))).collect()
}

#[test]
fn alerts_are_pending_and_fire_as_promtool_measured_it() {
    let x = "x 0 1 1 0 1 1 1 1 0 0 0";
    for (rule, want) in [
        ("expr: x == 1", "-FF-FFFF---"),
        ("expr: x == 1, for: 20s", "-PP-PPFF---"),
        ("expr: x == 1, for: 30s", "-PP-PPFF---"),
        ("expr: x == 1, for: 15s, keep_firing_for: 30s", "-PFFFFFFFF-"),
    ] {
        let replayed = run(&alert(rule), x, 150_000);
        assert_eq!(states(&replayed, 150_000), want, "{rule}");
    }
}

#[test]
fn a_spell_says_who_when_and_what() {
    let rule = "expr: x > 1, for: 30s, labels: { severity: page, of: 'job {{ $labels.job }}' }, annotations: { summary: \
                '{{ $value }} {{ $labels.__name__ }}' }";
    let replayed = run(&alert(rule), "x{job=\"a\"} 0 2 3 4 5 0", 90_000);
    let outcome = &replayed.rules[0];
    assert_eq!((outcome.ticks, outcome.empty, outcome.failures.len()), (7, 3, 0));
    assert_eq!(outcome.highest(), State::Firing);
    let spell = &outcome.spells[0];
    assert_eq!(spell.labels.to_string(), "{alertname=\"X\",job=\"a\",of=\"job a\",severity=\"page\"}");
    assert_eq!((spell.pending_at, spell.fired_at, spell.ended_at), (15_000, Some(45_000), Some(75_000)));
    assert_eq!((spell.value, spell.annotations[0].1.as_str()), (4.0, "4 x"));
}

fn written<'r>(replayed: &'r Replayed, labels: &str) -> Vec<(i64, String)> {
    let series = replayed.series.iter().find(|s| s.labels.to_string() == labels);
    let series: &'r Series = series.unwrap_or_else(|| panic!("{labels} is not among {:?}", replayed.series));
    let show = |value: f64| if is_stale(value) { "stale".into() } else { value.to_string() };
    series.samples.iter().map(|s| (s.at / 1_000, show(s.value))).collect()
}

#[test]
fn alerts_are_series_that_end_in_a_marker() {
    let replayed = run(&alert("expr: x == 1, for: 15s"), "x 0 1 1 0 0", 60_000);
    let text = |all: &[(i64, &str)]| all.iter().map(|(at, v)| (*at, (*v).to_owned())).collect::<Vec<_>>();
    let pending = written(&replayed, "ALERTS{alertname=\"X\",alertstate=\"pending\"}");
    assert_eq!(pending, text(&[(15, "1"), (30, "stale")]));
    let firing = written(&replayed, "ALERTS{alertname=\"X\",alertstate=\"firing\"}");
    assert_eq!(firing, text(&[(30, "1"), (45, "stale")]));
    let since = written(&replayed, "ALERTS_FOR_STATE{alertname=\"X\"}");
    assert_eq!(since, text(&[(15, "15"), (30, "15"), (45, "stale")]));
}

#[test]
fn what_a_rule_records_the_next_one_sees_at_once() {
    let rules = "groups:
  - name: g
    rules:
      - { record: a, expr: x * 2, labels: { by: rule } }
      - { record: b, expr: a + 1 }
      - { alert: X, expr: b > 4 }
      - { record: c, expr: 'count(ALERTS)' }
  - name: h
    rules: [{ record: d, expr: '{__name__=~\"[ab]\"}' }]
";
    let replayed = run(rules, "x{job=\"j\"} 1 2 _ _", 30_000);
    assert_eq!(states(&Replayed { rules: vec![replayed.rules[2].clone()], series: vec![] }, 30_000), "-FF");
    let b = written(&replayed, "b{by=\"rule\",job=\"j\"}");
    assert_eq!(b, [(0, "3".into()), (15, "5".into()), (30, "5".into())]);
    assert_eq!(written(&replayed, "c"), [(15, "1".into()), (30, "1".into())]);
    let why = "vector contains metrics with the same labelset after applying rule labels";
    let failure = &replayed.rules[4].failures[0];
    assert_eq!((failure.why.as_str(), failure.from_ms, failure.to_ms, failure.ticks), (why, 0, 30_000, 3));
}

#[test]
fn a_recorded_series_that_vanishes_ends() {
    let replayed = run("groups: [{ name: g, rules: [{ record: a, expr: x > 1 }] }]", "x 2 1 2", 30_000);
    assert_eq!(written(&replayed, "a"), [(0, "2".into()), (15, "stale".into()), (30, "2".into())]);
}

#[test]
fn what_rules_record_hides_what_was_there() {
    let rules = "groups: [{ name: g, rules: [{ record: a, expr: x }, { alert: X, expr: a == 1 }] }]";
    let replayed = run(rules, "x 1 1\na 7 7", 15_000);
    assert_eq!(replayed.rules[1].spells.len(), 1);
    assert_eq!(replayed.rules[1].failures, []);
}

#[test]
fn equal_alerts_and_too_many_are_errors() {
    let two = "x{job=\"a\"} 1 1 1 0\nx{job=\"b\"} 1 0 1 0";
    let replayed = run(&alert("expr: x == 1, labels: { job: one }"), two, 45_000);
    let outcome = &replayed.rules[0];
    assert_eq!(outcome.failures.iter().map(|f| f.ticks).collect::<Vec<_>>(), [2]);
    assert!(outcome.failures[0].why.ends_with("after applying alert labels"), "{:?}", outcome.failures);
    assert_eq!(states(&replayed, 45_000), "-FF-", "an evaluation that fails changes nothing");
    let limited = "groups: [{ name: g, limit: 1, rules: [{ alert: X, expr: x == 1 }, { record: y, expr: x == 1 }] }]";
    let replayed = run(limited, two, 45_000);
    assert_eq!(replayed.rules[0].failures[0].why, "exceeded limit of 1 with 2 alerts");
    assert_eq!(replayed.rules[1].failures[0].why, "exceeded limit of 1 with 2 series");
    assert_eq!(states(&replayed, 45_000), "-F--", "too many alerts are all forgotten");
}

#[test]
fn an_evaluation_that_fails_is_told_and_stops_nobody() {
    let rules = "groups: [{ name: g, rules: [{ alert: X, expr: x / on (job) y }, { alert: Z, expr: y }] }]";
    let replayed = run(rules, "x{job=\"a\",n=\"1\"} 1\nx{job=\"a\",n=\"2\"} 1\ny{job=\"a\"} 1 1", 15_000);
    assert_eq!(replayed.rules[0].failures[0].ticks, 2);
    assert_eq!(replayed.rules[1].spells.len(), 1);
}

#[test]
fn groups_tick_at_their_intervals_and_phases_and_look_back_in_time() {
    let rules = "groups:
  - { name: g, interval: 30s, rules: [{ alert: X, expr: x > 1 }] }
  - { name: h, query_offset: 30s, rules: [{ alert: Y, expr: x > 1 }, { record: y, expr: x }] }
";
    let late_ms = vec![10_000, 5_000];
    let setup = Setup { interval_ms: 15_000, origin_ms: -30_000, late_ms, ..Setup::new(-20_000, 100_000) };
    let replayed = run_with(rules, "x 0 0 2 2", &setup);
    assert_eq!(replayed.rules[0].ticks, 5, "at -20, 10, 40, 70 and 100 s");
    assert_eq!(replayed.rules[1].ticks, 8, "from -10 to 95 s");
    assert_eq!(replayed.rules[0].spells[0].pending_at, 40_000);
    assert_eq!(replayed.rules[1].spells[0].pending_at, 65_000, "35 s is what it looks at then");
    assert_eq!(written(&replayed, "y")[0], (5, "0".into()));
    let unit = Setup { one_interval: true, late_ms: vec![5_000], ..setup };
    assert_eq!(run_with(rules, "x 0", &unit).rules[0].ticks, 8);
}

#[test]
fn templates_ask_what_rules_recorded() {
    let rules = "groups:
  - name: g
    rules:
      - { record: y, expr: x * 10 }
      - alert: X
        expr: x > 1
        annotations: { all: '{{ with query \"y\" }}{{ . | first | value }}{{ end }}', none: '{{ query \"z\" | first }}' }
";
    let spell = &run(rules, "x 1 2", 15_000).rules[1].spells[0];
    assert_eq!(spell.annotations[0].1, "20");
    assert!(spell.annotations[1].1.ends_with("error calling first: first() called on vector with no elements>"));
}
