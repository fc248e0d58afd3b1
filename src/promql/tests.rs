//! What `parse` refuses, and how it says so.

use proptest::prelude::*;

use super::{Options, Storage, evaluate, parse};
use crate::base::series::Series;

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
        ("rate(x[5m] anchored)", "`anchored` is not supported: it is experimental"),
        ("histogram_sum(x)", "`histogram_sum` is not supported: it reads native histograms"),
        ("{{schema:0 sum:1}}", "native histograms are not part of this evaluator"),
        ("limitk(3, x)", "`limitk` is not supported"),
        ("a + fill(0) b", "`fill` is not supported"),
        ("a{b=\"c\" or d=\"e\"}", "`or between matchers` is not supported"),
        ("info(x)", "it is experimental in Prometheus"),
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
        ("µ + )", "at character 5"),
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
fn depth_is_limited_below_what_a_small_stack_bears() {
    let nested = |n: usize| format!("{}x{}", "(".repeat(n), ")".repeat(n));
    let chained = |n: usize| vec!["x"; n].join(" + ");
    let negated = |n: usize| format!("{}x", "-".repeat(n));
    let called = |n: usize| format!("{}x{}", "abs(".repeat(n), ")".repeat(n));
    for text in [nested(250), chained(251), negated(250), called(250), vec!["x"; 251].join(" or ")] {
        let expr = parse(&text).expect("deep, but not too deep");
        assert!(!expr.root.to_string().is_empty());
        let series = Series::default();
        let storage = Storage::new([&series]);
        let _ = evaluate(&expr, &storage, 0, &Options::default());
        let _ = (expr.reach(), expr.selectors().len());
    }
    for text in [nested(251), chained(252), negated(251), called(251)] {
        assert!(error(&text).contains("more than 250 operators"));
    }
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
        ]), 0..14)
    ) {
        let _ = parse(&pieces.concat());
        let _ = parse(&pieces.join(" "));
    }
}
