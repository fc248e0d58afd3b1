//! What `parse` refuses, and how it says so.

use proptest::prelude::*;

use super::{Options, Semantics, Storage, evaluate, evaluate_range, parse, parse_for};
use crate::base::series::{Labels, Sample, Series};

fn error(text: &str) -> String {
    parse(text).expect_err("it cannot be evaluated").to_string()
}

#[test]
fn what_is_often_taken_for_promql_is_called_by_its_name() {
    for (text, says) in [
        ("{service=\"ai-engine\"} | json", "LogQL pipes are not PromQL"),
        ("sum by (service) (rate({service=~\".*\"} |= \"ERROR\" [5m]))", "LogQL pipes are not PromQL"),
        ("rate(x[$__rate_interval])", "at character 8: `$__rate_interval])` is a variable that nobody has filled in"),
        ("holt_winters(x[5m], 0.5, 0.5)", "`holt_winters()` is not supported: Prometheus 3 calls it"),
        ("rat(x[5m])", "did you mean `rate`?"),
        ("teleport(x)", "`teleport()` is not supported: there is no such function"),
        ("{{schema:0 sum:1}}", "native histograms are not part of this evaluator"),
        ("a{b=\"c\" or d=\"e\"}", "`or between matchers` is not supported"),
        ("info(x)", "it is experimental in Prometheus"),
        ("and_over(x)", "there is no such function"),
    ] {
        let error = error(text);
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn mistakes_are_located() {
    for (text, says) in [
        ("sum(rate(x[5m])", "at character 4: `(` is never closed"),
        ("sum(x))", "at character 7: `)` closes nothing"),
        ("rate(x[5m)]", "at character 10: `)` closes `[`"),
        ("x{a=\"b}", "at character 5: the string is never closed"),
        ("µ + 1", "at character 1: `µ` is not part of PromQL"),
        ("1 + )", "at character 5: `)` closes nothing"),
        ("a + * b", "at character 5: a number, a selector, a call or `(` is wanted where `*` stands"),
        ("rate(x[5m] anchored, 1)", "too many arguments"),
        ("x anchored", "`anchored` belongs behind a selector such as x[5m]"),
        ("deriv(x[5m] smoothed)", "deriv() does not know `smoothed`"),
        ("x offset 1m offset 2m", "`offset` is said twice"),
        ("x @ 1 @ 2", "`@` is said twice"),
        ("x offset 1m [5m]", "a range stands before `offset`"),
        ("(x)[5m]", "a range is of a selector"),
        ("1[5m:]", "a subquery is of an instant vector"),
        ("x[5m:0s]", "duration must be greater than 0"),
        ("x[0s]", "duration must be greater than 0"),
        ("x[5m1h]", "is no length of time"),
        ("(x) offset 5m", "`offset` belongs behind a selector"),
        ("1 > 2", "must use BOOL modifier: write `> bool`"),
        ("x + bool y", "`bool` belongs behind a comparison"),
        ("x and 1", "`and` stands between instant vectors only"),
        ("x + on(a) 1", "labels are matched between instant vectors only"),
        ("x + group_left(a) y", "group_left and group_right stand behind on(…) or ignoring(…)"),
        ("x and on(a) group_left(b) y", "`and` knows no group_left"),
        ("x + on(a) group_left(a) y", "label \"a\" must not occur in ON and GROUP clause at once"),
        ("x or fill(0) y", "`or` has nothing to fill"),
        ("x + fill(y) z", "one number is wanted"),
        ("sum by (a) (x) by (b)", "`sum` is grouped twice"),
        ("topk(x)", "topk takes two arguments"),
        ("sum(x, y)", "sum takes one argument"),
        ("count_values(\"\", x)", "invalid label name"),
        ("abs(x,)", "is wanted where `)` stands"),
        ("x{a=\"b\" c=\"d\"}", "`,` or `}` is wanted where `c` stands"),
        ("x{a}", "is wanted where `}` stands"),
        ("x{__name__=\"y\"}", "the metric's name is said twice"),
        ("{\"x\",\"y\"}", "the metric's name is said twice"),
        ("x{\"y\"}", "the metric's name is said twice"),
        ("bool", "is wanted where `bool` stands"),
        ("on(x)", "is wanted where `on` stands"),
        ("and(x)", "is wanted where `and` stands"),
        ("1.2.3", "`1.2.3` is no number"),
        ("0x", "`0x` is no number"),
        ("1__0", "is no number"),
        ("x y", "an operator or the end is wanted where `y` stands"),
        ("\"a\nb", "the string is never closed"),
        ("x @ y", "a time in seconds"),
        ("  1 + )", "at character 7: `)` closes nothing"),
        ("", "it is empty"),
        ("a +", "is not PromQL"),
        ("rate(x)", "range"),
        ("x[5m] + 1", "instant"),
        ("sum(1)", "vector"),
        ("abs(Inf)", "vector"),
        ("ln(-1)", "instant vector is wanted where `-1` stands"),
        ("{a=~\".*\"}", "non-empty"),
        ("{a=~\".*\",b=\"\"}", "non-empty"),
        ("label_replace(x, \"\", \"\", \"a\", \"b\")", "a label needs a name"),
        ("label_replace(x, \"a\", \"\", \"a\", \"(\")", "is not a regular expression"),
    ] {
        let error = error(text);
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn what_the_parser_would_choke_on_does_not_reach_it() {
    for text in [
        "x offset 1e30",
        "x offset -1e30",
        "x offset inf",
        "x offset NaN",
        "x[1e30]",
        "x[0xffffffffffffff]",
        "x[99999999999s]",
        "x[1h99999999999s]",
        "x[4000000000y]",
        "x offset 1e+300",
        "max_over_time(x[1m:1e30])",
        "\"\\é\"",
        "\"\\xc5\"",
        "'\\377'",
        "x @ 1e300",
        "x @ NaN",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
    for text in
        ["\"\\x41\\101\\u00e9\"", "x[1y]", "x offset 1y", "x @ -1", "x[600]", "`\\é`", "x{a=~`\\d+\"`}", "x[1h30m]"]
    {
        assert!(parse(text).is_ok(), "{text}");
    }
}

#[test]
fn what_is_printed_reads_back_as_the_same() {
    for text in [
        "x[step() * 2]",
        "x[min_of(5m, range()):step()] offset (-step())",
        "x offset -(1m + step())",
        "rate(x[5m] smoothed offset 1m)",
        "x smoothed @ 5",
        "changes(x[5m] anchored)",
        "a + on(b) fill(0) c",
        "a / ignoring(b) group_right(c) fill_left(1) fill_right(-2) d",
        "limitk by (a) (3, x) or limit_ratio(-0.5, x)",
        "histogram_quantiles(x, \"q\", 0.5, 0.9)",
        "histogram_count(x)",
        "sum_over_time(((x))[5m:])",
        "{\"a.b\",\"c d\"!~\"e\"}",
        "+x ^ -2 ^ +Inf",
        "010 + 0x1f + 1h30m + 1_000",
        "and and or or unless",
        "SUM BY (by, on) (offset OFFSET 5m) AND ON() bottomk",
        "label_replace(x, \"a\", \"\\n\\\"\", \"b\", '(.*)')",
    ] {
        let expr = parse(text).unwrap_or_else(|e| panic!("{e}"));
        let printed = expr.root.to_string();
        let again = parse(&printed).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(format!("{:?}", again.root), format!("{:?}", expr.root), "{text}: {printed}");
    }
}

#[test]
fn each_version_knows_its_own_names() {
    assert!(parse_for("holt_winters(x[5m], 0.5, 0.5)", Semantics::V2).is_ok());
    assert!(parse_for("holt_winters(x[5m], 0.5, 0.5)", Semantics::V3).is_err());
}

#[test]
fn depth_is_limited_below_what_a_small_stack_bears() {
    let nested = |n: usize| format!("{}x{}", "(".repeat(n), ")".repeat(n));
    let chained = |n: usize| vec!["x"; n].join(" + ");
    let negated = |n: usize| format!("{}x", "-".repeat(n));
    let called = |n: usize| format!("{}x{}", "abs(".repeat(n), ")".repeat(n));
    for text in [nested(99), chained(251), negated(99), called(99), vec!["x"; 251].join(" or ")] {
        let expr = parse(&text).expect("deep, but not too deep");
        assert!(!expr.root.to_string().is_empty());
        let series = Series::default();
        let storage = Storage::new([&series]);
        let _ = evaluate(&expr, &storage, 0, &Options::default());
        let _ = (expr.reach(), expr.selectors().len());
    }
    for text in [nested(100), negated(100), called(100), vec!["x"; 101].join(" ^ ")] {
        assert!(error(&text).contains("more than 100 levels"), "{text}");
    }
    assert!(error(&chained(252)).contains("more than 250 operators"));
    assert!(error(&"x".repeat(64 * 1024 + 1)).contains("longer than"));
}

proptest! {
    #[test]
    fn never_panics(text in ".{0,60}") {
        let _ = parse(&text);
    }

    #[test]
    fn never_panics_on_what_looks_like_promql(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "x", "sum", "rate", "(", ")", "[", "]", "{", "}", "5m", ":", "offset", "@", "-", "+", "*", "by", "on",
            "a=\"b\"", "=~", "\"\\", "'", ",", "1e9", "0x", "bool", ">", "inf", "group_left", "#", "\n", "é", "start()",
            "step()", "fill(", "anchored", "smoothed", "limitk", "quantile(2,", "topk(1,", "histogram_quantile(", "^", "%",
        ]), 0..14)
    ) {
        all_of_it(&pieces.concat());
        all_of_it(&pieces.join(" "));
    }

    #[test]
    fn what_can_be_read_can_be_printed_read_again_and_evaluated(expr in expressions()) {
        prop_assert!(parse(&expr).is_ok() || error(&expr).contains("levels"), "{}", error(&expr));
        all_of_it(&expr);
    }
}

/// Expressions that are PromQL.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "x",
        "x{a=\"b\"}",
        "{\"c.d\",\"e f\"!~\"g\"}",
        "y offset -1m",
        "x @ 5",
        "x @ end() offset 1s",
        "x smoothed",
        "vector(-0.5)",
        "absent(x)",
        "hour()",
        "nothing",
    ]);
    leaf.prop_map(str::to_owned)
        .prop_recursive(4, 24, 2, |inner| {
            let one = prop::sample::select(vec![
                "abs(#)",
                "-#",
                "sum by (a) (#)",
                "topk(2, #)",
                "quantile(0.5, #)",
                "count_values(\"v\", #)",
                "(#)[1m:7s]",
                "limitk(1, #)",
                "clamp(#, -1, Inf)",
                "round(#, 0.1)",
                "label_replace(#, \"b\", \"$1\", \"a\", \"(.*)\")",
                "sort_desc(#)",
                "histogram_quantile(0.9, #)",
                "timestamp(#)",
                "# > 1e3",
                "2 ^ #",
                "# % 0",
                "vector(scalar(#))",
                "limit_ratio(-0.5, #)",
                "rate((#)[5m:])",
                "max_over_time((#)[30s:10s] offset 5s)",
                "predict_linear((#)[1m:10s], 60)",
                "stddev without () (#)",
            ]);
            let two = prop::sample::select(vec![
                "(#) + (##)",
                "(#) and on(a) (##)",
                "(#) unless (##)",
                "(#) / ignoring(a) group_left(b) (##)",
                "(#) == bool (##)",
                "(#) * fill(1) (##)",
                "(#) or (##)",
                "(#) atan2 on() group_right() (##)",
                "(#) < on(a) fill_left(NaN) (##)",
            ]);
            prop_oneof![
                (one, inner.clone()).prop_map(|(form, a)| form.replace('#', &format!("({a})"))),
                (two, inner.clone(), inner).prop_map(|(form, a, b)| form.replace("##", &b).replace('#', &a)),
            ]
        })
        .prop_filter("a range is no operand", |text| parse(text).is_ok())
}

/// Reads it; if that can be done prints, reads again, evaluates and explains it.
fn all_of_it(text: &str) {
    let _ = super::syntax::syntax(text);
    let Ok(expr) = parse(text) else { return };
    let printed = expr.root.to_string();
    let again = parse(&printed).map(|again| format!("{:?}", again.root)).map_err(|e| e.to_string());
    assert_eq!(again, Ok(format!("{:?}", expr.root)), "{text}: {printed}");
    let sample = |at: i64| Sample { at: at * 7_000, value: [1.0, -3.5, f64::NAN, f64::INFINITY, 0.0][at as usize % 5] };
    let series = |labels: &[(&str, &str)]| Series {
        labels: Labels::new(labels.iter().copied()),
        samples: (0..60).map(sample).collect(),
    };
    let all = [
        series(&[("__name__", "x"), ("a", "b"), ("le", "1")]),
        series(&[("__name__", "x"), ("a", "c"), ("le", "+Inf")]),
        series(&[("__name__", "y"), ("a", "b")]),
        series(&[("__name__", "c.d"), ("e f", "h")]),
    ];
    let storage = Storage::new(&all);
    for semantics in [Semantics::V3, Semantics::V2] {
        let options = Options { semantics, ..Options::default() };
        for at in [i64::MIN, -1, 0, 300_000, i64::MAX] {
            let _ = evaluate(&expr, &storage, at, &options);
        }
        let _ = evaluate_range(&expr, &storage, (0, 60_000, 20_000), &options);
    }
    let _ = super::explain(&expr, &storage, 300_000, &Options::default());
    let _ = super::explain_empty(&expr, &storage, 300_000, &Options::default());
    let _ = super::brackets(&expr, &storage, 300_000, &Options::default());
    let _ = (expr.reach(), expr.kind(), expr.selectors().len());
}
