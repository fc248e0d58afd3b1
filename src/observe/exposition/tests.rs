//! The reader against what real pages hold, against `prometheus-parse` where that crate reads right, and against
//! arbitrary bytes.

use std::collections::BTreeMap;

use prometheus_parse::{Scrape, Value};
use proptest::prelude::*;

use super::*;

/// One line of text format, read: labels as text, value, timestamp.
fn one(line: &str) -> (String, f64, Option<i64>) {
    let page = parse(line.as_bytes(), Dialect::Text).expect("a good line");
    assert_eq!(page.rows.len(), 1, "{line}");
    let row = page.rows[0];
    (labels(row.series, row.kind).to_string(), row.value, row.timestamp)
}

fn refused(page: &[u8], dialect: Dialect) -> String {
    parse(page, dialect).expect_err("not metrics").to_string()
}

#[test]
fn lines_that_others_lose_are_read() {
    for (line, want) in [
        (r#"m{route="/q/{id}"} 1"#, r#"m{route="/q/{id}"}"#),
        (r#"m{a="x,y",b="z"} 1"#, r#"m{a="x,y",b="z"}"#),
        (r#"m{route="/q?x=1"} 1"#, r#"m{route="/q?x=1"}"#),
        (r#"m{a="1", b="2"} 1"#, r#"m{a="1",b="2"}"#),
        (r#"m { a = "1" , b = "2" , } 1"#, r#"m{a="1",b="2"}"#),
        (r#"m{b="2",a="1",} 1"#, r#"m{a="1",b="2"}"#),
        (r#"m{a="quote \" back \\ line \n other \q"} 1"#, r#"m{a="quote \" back \\ line \n other \\q"}"#),
        (r#"m{a="\""} 1"#, r#"m{a="\""}"#),
        (r#"m{a="é→"} 1"#, r#"m{a="é→"}"#),
        (r#"m{a=""} 1"#, "m"),
        ("m{} 1", "m"),
        ("m 1", "m"),
        ("\t m \t 1 ", "m"),
        ("job:m:rate5m 1", "job:m:rate5m"),
        (":m 1", ":m"),
        (r#"m{a="1"}1"#, r#"m{a="1"}"#),
        ("m 1\r\n", "m"),
        (r#"{"my.metric", a="b"} 1"#, r#"my.metric{a="b"}"#),
        (r#"{"my.metric"} 1"#, "my.metric"),
        (r#"{a="b","my.metric","la.bel"="c"} 1"#, r#"my.metric{a="b",la.bel="c"}"#),
        (r#"x_bucket 1"#, "x_bucket"),
    ] {
        assert_eq!(one(line), (want.to_string(), 1.0, None), "{line}");
    }
}

#[test]
fn values_and_timestamps_in_all_spellings() {
    let nan = |text: &str| one(&format!("m {text}")).1.is_nan();
    assert!(["NaN", "nan", "NAN", "+NaN", "-nan"].iter().all(|text| nan(text)));
    assert_eq!(one("m -nan").1.to_bits(), f64::NAN.to_bits());
    for (text, want) in [
        ("+Inf", f64::INFINITY),
        ("Inf", f64::INFINITY),
        ("-inf", f64::NEG_INFINITY),
        ("+infinity", f64::INFINITY),
        ("-1.5e-7", -1.5e-7),
        ("1E3", 1000.0),
        ("007", 7.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("123456789012345", 123_456_789_012_345.0),
        ("12345678901234567", 12_345_678_901_234_567.0),
        ("17976931348623157e292", f64::MAX),
    ] {
        assert_eq!(one(&format!("m {text}")).1, want, "{text}");
    }
    assert_eq!(one("m -0").1.to_bits(), (-0.0f64).to_bits());
    assert_eq!(one("m 1 1395066363000").2, Some(1_395_066_363_000));
    assert_eq!(one("m 1 -5").2, Some(-5));
    let open = parse(b"m 1 1520879607.789\nn 1 -0.5\no 1 7e3\n# EOF", Dialect::OpenMetrics).expect("good");
    let times: Vec<_> = open.rows.iter().map(|row| row.timestamp).collect();
    assert_eq!(times, [Some(1_520_879_607_789), Some(-500), Some(7_000_000)]);
}

#[test]
fn what_is_not_metrics_is_an_error_with_its_line() {
    for (page, want) in [
        ("", "line 1: empty page"),
        (" \r\n\n", "line 1: empty page"),
        ("# hello\n# world\n", "line 1: comments only: this is no metrics page: `# hello`"),
        ("<html>\n<body>502</body>", "line 1: this is HTML, not metrics: `<html>`"),
        ("{\"status\":\"ok\"}", "line 1: expected `,` or `}` after a label: `{\"status\":\"ok\"}`"),
        ("[1, 2]", "line 1: this is JSON, not metrics: `[1, 2]`"),
        ("a 1\nOK", "line 2: a series without a value: `OK`"),
        ("a 1\n\nb 1x", "line 3: `1x` is not a number: `b 1x`"),
        ("a 1 2.5", "line 1: timestamp `2.5` is not a whole number of milliseconds: `a 1 2.5`"),
        ("a 1 2 3", "line 1: `3` after the timestamp: `a 1 2 3`"),
        ("a 1e999", "line 1: `1e999` is beyond what a float can hold: `a 1e999`"),
        ("a{b=\"1\",b=\"2\"} 1", "line 1: the label `b` stands twice: `a{b=\"1\",b=\"2\"} 1`"),
        ("a{c=\"1\",b=\"2\",c=\"3\"} 1", "line 1: the label `c` stands twice: `a{c=\"1\",b=\"2\",c=\"3\"} 1`"),
        ("a{b=\"1\" c=\"2\"} 1", "line 1: expected `,` or `}` after a label: `a{b=\"1\" c=\"2\"} 1`"),
        ("a{b=\"1} 1", "line 1: a quoted string does not end on its line: `a{b=\"1} 1`"),
        ("a{b=1} 1", "line 1: the value of label `b` is not in double quotes: `a{b=1} 1`"),
        ("a{b} 1", "line 1: expected `=` after the label name `b`: `a{b} 1`"),
        ("a{,} 1", "line 1: expected a label name or `}`: `a{,} 1`"),
        ("a{b:c=\"1\"} 1", "line 1: expected `=` after the label name `b`: `a{b:c=\"1\"} 1`"),
        ("a{__name__=\"1\"} 1", "line 1: expected a label name or `}`: `a{__name__=\"1\"} 1`"),
        ("a{\"b\"} 1", "line 1: `\"b\"` is neither a label nor the one name of a series: `a{\"b\"} 1`"),
        ("{a=\"1\"} 1", "line 1: a series without a name: `{a=\"1\"} 1`"),
        ("{} 1", "line 1: a series without a name: `{} 1`"),
        ("a{b=\"1\"", "line 1: expected `,` or `}` after a label: `a{b=\"1\"`"),
        ("1a 1", "line 1: expected a metric name: `1a 1`"),
        ("a-b 1", "line 1: `-b` is not a number: `a-b 1`"),
        ("# TYPE a thing\na 1", "line 1: `thing` is not a metric type: `# TYPE a thing`"),
        ("# TYPE <a> gauge\na 1", "line 1: expected a metric name: `# TYPE <a> gauge`"),
        (
            "a 1 # {t=\"x\"} 1",
            "line 1: an exemplar on a text page: serve it as application/openmetrics-text: `a 1 # {t=\"x\"} 1`",
        ),
    ] {
        assert_eq!(refused(page.as_bytes(), Dialect::Text), want);
    }
    let many: String = (0..30).rev().map(|n| format!("l{},", if n == 0 { 3 } else { n })).collect();
    let why = refused(format!("a{{{}}} 1", many.replace(',', "=\"\",")).as_bytes(), Dialect::Text);
    assert!(why.starts_with("line 1: the label `l3` stands twice"), "{why}");
    assert_eq!(
        refused(b"a 1\nb \xff 1\nc 1", Dialect::Text),
        "line 2: not UTF-8 text: `b \u{fffd} 1 c 1`".replace(" c", "\\nc")
    );
    assert_eq!(refused(b"\x1f\x8b\x08\0", Dialect::Text).split(':').nth(1), Some(" compressed, not text"));
}

#[test]
fn openmetrics_pages_must_be_whole_and_hold_their_exemplars() {
    let page = concat!(
        "# TYPE lat histogram\n# UNIT lat seconds\n# HELP lat How \\\"long\\\".\\n\n",
        "lat_bucket{le=\"0.1\"} 8 # {} 0.054\n",
        "lat_bucket{le=\"1\"} 10 # {trace_id=\"4bf9\\\" # {\"} 0.5 123.4\n",
        "lat_bucket{le=\"+Inf\"} 10 1520879607.789 # {a=\"b\"} 2\n",
        "lat_sum 3.5\nlat_count 10\nlat_created 1520430000.123\n# TYPE other gauge\nother 1\nlatter 2\n# EOF\n"
    );
    let read = parse(page.as_bytes(), Dialect::OpenMetrics).expect("a good page");
    let kinds: Vec<_> = read.rows.iter().map(|row| row.kind).collect();
    assert_eq!(kinds, [vec![Kind::Histogram; 6], vec![Kind::Gauge, Kind::Unknown]].concat());
    assert_eq!(read.rows[2].timestamp, Some(1_520_879_607_789));
    assert_eq!(read.families.len(), 2);
    let lat = &read.families[0];
    assert_eq!((&*lat.name, lat.kind, lat.unit), ("lat", Some(Kind::Histogram), Some("seconds")));
    assert_eq!(lat.help.as_deref(), Some("How \"long\".\n"));

    let whole = Dialect::OpenMetrics;
    assert_eq!(refused(b"a 1\n", whole), "line 2: the page ends without `# EOF`: it is truncated");
    assert_eq!(refused(b"a 1\n# EOF\nb 1\n", whole), "line 3: there is more after `# EOF`: `b 1`");
    for bad in ["# x 1", "# {a=\"b\"}", "# {a=\"b\"} 1 2 3", "# {a=\"b\" 1", "# m{a=\"b\"} 1", "# {a=\"b\"} 1 soon"] {
        let why = refused(format!("a_total 1 {bad}\n# EOF").as_bytes(), whole);
        assert!(why.starts_with("line 1: exemplar: "), "{why}");
    }
    assert!(parse(b"# EOF\n", whole).expect("an empty page that says so").rows.is_empty());
    assert!(parse(b"# TYPE a gauge\n", Dialect::Text).expect("families without series").rows.is_empty());
    assert_eq!(parse(b"a 1\n# EOF\nb 1", Dialect::Text).expect("a comment").rows.len(), 2);
}

#[test]
fn the_content_type_decides_and_the_page_only_without_one() {
    let (open, text) = (Dialect::OpenMetrics, Dialect::Text);
    let ends: &[u8] = b"a 1\n# EOF\n";
    assert_eq!(Dialect::of(Some("application/openmetrics-text; version=1.0.0; charset=utf-8"), b"a 1\n"), open);
    assert_eq!(Dialect::of(Some("text/plain; version=0.0.4"), ends), text);
    assert_eq!(Dialect::of(Some("text/html"), ends), text);
    assert_eq!(Dialect::of(None, ends), open);
    assert_eq!(Dialect::of(Some(" "), ends), open);
    assert_eq!(Dialect::of(None, b"a 1\n"), text);
}

#[test]
fn families_are_told_apart_and_repeats_are_kept_for_whoever_lints() {
    let page =
        "# HELP a First\n# TYPE a counter\na 1\n# TYPE b.c gauge\n# TYPE a counter\n# TYPE \"b.c d\" untyped\nx 1";
    let why = refused(page.as_bytes(), Dialect::Text);
    assert_eq!(why, "line 4: expected a metric name: `# TYPE b.c gauge`");
    let page = page.replace("b.c g", "b g").replace("# HELP", "#HELP not this\n#\tHELP");
    let read = parse(page.as_bytes(), Dialect::Text).expect("a good page");
    let told: Vec<_> = read.families.iter().map(|f| (&*f.name, f.kind, f.help.as_deref())).collect();
    let (counter, gauge, unknown) = (Some(Kind::Counter), Some(Kind::Gauge), Some(Kind::Unknown));
    let want = [("a", counter, Some("First")), ("b", gauge, None), ("a", counter, None), ("b.c d", unknown, None)];
    assert_eq!(told, want);
}

#[test]
fn bounds_are_written_as_prometheus_3_writes_them() {
    for (kind, line, want) in [
        (Kind::Histogram, r#"x_bucket{le="1"}"#, r#"x_bucket{le="1.0"}"#),
        (Kind::Histogram, r#"x_bucket{le="+Inf",quantile="1"}"#, r#"x_bucket{le="+Inf",quantile="1"}"#),
        (Kind::Summary, r#"x{quantile="0.50",le="1"}"#, r#"x{le="1",quantile="0.5"}"#),
        (Kind::Gauge, r#"x_bucket{le="1"}"#, r#"x_bucket{le="1"}"#),
        (Kind::Histogram, r#"x_bucket{le="abc"}"#, r#"x_bucket{le="abc"}"#),
    ] {
        assert_eq!(labels(line, kind).to_string(), want);
    }
    // worked out by hand from Go's strconv.FormatFloat(f, 'g', -1, 64)
    for (text, want) in [
        ("0", "0.0"),
        ("-0", "0.0"),
        ("-1", "-1.0"),
        ("0.5", "0.5"),
        ("1e5", "100000.0"),
        ("1000000", "1e+06"),
        ("2500000", "2.5e+06"),
        ("123456.5", "123456.5"),
        ("0.0001", "0.0001"),
        ("0.00005", "5e-05"),
        ("1e-100", "1e-100"),
        ("inf", "+Inf"),
        ("-Inf", "-Inf"),
        ("nan", "NaN"),
    ] {
        assert_eq!(number::canonical(text).as_deref(), Some(want), "{text}");
    }
}

/// Series as both readers can be asked for them: labels with the name, and the bits of the value.
type Read = BTreeMap<String, (u64, Option<i64>)>;

fn ours(page: &str) -> Read {
    let read = parse(page.as_bytes(), Dialect::Text).expect("a good page");
    let row = |row: &Row<'_>| (labels(row.series, row.kind).to_string(), (row.value.to_bits(), row.timestamp));
    read.rows.iter().map(row).collect()
}

/// Histograms and summaries are taken apart again, their bounds spelt as ours.
fn theirs(page: &str) -> Read {
    let scrape = Scrape::parse(page.lines().map(|line| Ok(line.to_string()))).expect("never fails");
    let mut read = Read::new();
    for sample in scrape.samples {
        let stamp = sample.timestamp.timestamp_millis();
        let stamp = (stamp < 2_000_000_000).then_some(stamp); // without one it says now
        let mut put = |suffix: &str, extra: Option<(&str, f64)>, value: f64| {
            let mut all = Labels::new(sample.labels.iter().map(|(n, v)| (n.clone(), v.clone())));
            all.set("__name__", format!("{}{suffix}", sample.metric));
            if let Some((name, bound)) = extra {
                all.set(name, number::canonical(&bound.to_string()).expect("a number"));
            }
            read.insert(all.to_string(), (value.to_bits(), stamp));
        };
        match &sample.value {
            Value::Counter(v) | Value::Gauge(v) | Value::Untyped(v) => put("", None, *v),
            Value::Histogram(buckets) => {
                buckets.iter().for_each(|b| put("_bucket", Some(("le", b.less_than)), b.count));
            }
            Value::Summary(quantiles) => {
                quantiles.iter().for_each(|q| put("", Some(("quantile", q.quantile)), q.count));
            }
        }
    }
    read
}

type Line = (BTreeMap<String, String>, String, Option<i64>);

/// Lines of one family in the letters that both readers take, with values in all spellings.
fn lines() -> impl Strategy<Value = Vec<Line>> {
    let labels = prop::collection::btree_map("[a-d]", "[A-Za-z0-9_./ -]{0,6}[A-Za-z0-9]", 0..4);
    let value = prop_oneof![
        any::<u32>().prop_map(|v| v.to_string()),
        any::<f64>().prop_filter("finite", |v| v.is_finite()).prop_map(|v| format!("{v:e}")),
        Just("+Inf".to_string()),
        Just("-Inf".to_string()),
    ];
    let stamp = prop::option::of(0i64..2_000_000_000);
    prop::collection::vec((labels, value, stamp), 1..5)
}

/// The lines as a family. Each has a label of its own: of repeats, `prometheus-parse` makes one.
fn family(name: &str, kind: &str, lines: &[Line]) -> String {
    let (suffix, bounds): (&str, &[&str]) = match kind {
        "histogram" => ("_bucket", &["le=\"0.5\"", "le=\"2\"", "le=\"+Inf\""]),
        "summary" => ("", &["quantile=\"0.5\"", "quantile=\"0.99\""]),
        _ => ("", &["z=\"\""]),
    };
    let mut page = format!("# HELP {name} Words.\n# TYPE {name} {kind}\n");
    for (n, (labels, value, stamp)) in lines.iter().enumerate() {
        let labels: String = labels.iter().map(|(name, value)| format!("{name}=\"{value}\",")).collect();
        let stamp = stamp.map_or(String::new(), |ms| format!(" {ms}"));
        for bound in bounds {
            page += &format!("{name}{suffix}{{{labels}line=\"{n}\",{bound}}} {value}{stamp}\n");
        }
    }
    page
}

proptest! {
    #[test]
    fn agrees_with_prometheus_parse_where_that_reads_right(
        families in prop::collection::vec(("[a-z_]{1,6}", 0..5usize, lines()), 1..6)
    ) {
        const KINDS: [&str; 5] = ["counter", "gauge", "untyped", "histogram", "summary"];
        let page: String = families
            .iter()
            .enumerate()
            .map(|(n, (name, kind, lines))| family(&format!("{name}_{n}"), KINDS[*kind], lines))
            .collect();
        prop_assert_eq!(ours(&page), theirs(&page), "{}", page);
    }

    #[test]
    fn never_panics_on_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, Dialect::Text);
        let _ = parse(&bytes, Dialect::OpenMetrics);
    }

    #[test]
    fn never_panics_on_near_metrics(text in "([a-z#{}\"\\\\,= é+.0-9\r\n]|le=|# TYPE |# HELP |# EOF|NaN|_bucket){0,60}") {
        for dialect in [Dialect::Text, Dialect::OpenMetrics] {
            if let Ok(page) = parse(text.as_bytes(), dialect) {
                prop_assert!(page.rows.iter().all(|row| !labels(row.series, row.kind).name().is_empty()));
            }
        }
        labels(&text, Kind::Histogram);
    }

    #[test]
    fn any_label_value_survives(value in "\\PC{0,20}|[\\\\\"\n,={} ]{0,12}", name in "[a-z_]{1,8}") {
        let want = Labels::new([("__name__", "m"), (&*format!("x{name}"), &*value)]);
        let page = format!("{want} 1");
        let read = parse(page.as_bytes(), Dialect::Text);
        let row = read.expect("a good line").rows[0];
        prop_assert_eq!(labels(row.series, row.kind), want);
    }
}
