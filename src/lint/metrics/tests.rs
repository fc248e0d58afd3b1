//! Every kind of finding has a page that shows it and a twin that does not.

use super::*;

const TEXT: &str = "text/plain; version=0.0.4";
const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What stands before the samples of a good page.
fn head(name: &str, kind: &str) -> String {
    format!("# HELP {name} What it is.\n# TYPE {name} {kind}\n")
}

/// A good page of one metric.
fn good(name: &str, kind: &str, samples: &str) -> String {
    head(name, kind) + samples
}

/// What is found on pages that came a second apart.
fn found(pages: &[&str], media: Option<&str>, terms: &Terms) -> Vec<Finding> {
    let mut watch = Watch::default();
    for (n, page) in pages.iter().enumerate() {
        watch.page(n as i64 * 1_000, page.as_bytes(), media);
    }
    watch.findings(terms, None)
}

fn ids(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.rule.id).collect()
}

struct Twins {
    id: &'static str,
    media: Option<&'static str>,
    bad: Vec<String>,
    good: Vec<String>,
    terms: Terms,
}

fn twins(id: &'static str, bad: impl Into<String>, good: impl Into<String>) -> Twins {
    Twins { id, media: Some(TEXT), bad: vec![bad.into()], good: vec![good.into()], terms: Terms::default() }
}

fn open(id: &'static str, bad: impl Into<String>, good: impl Into<String>) -> Twins {
    Twins { media: Some(OPEN), ..twins(id, bad, good) }
}

const HISTOGRAM: &str = "a_seconds_bucket{le=\"0.1\"} 1\na_seconds_bucket{le=\"1\"} 3\na_seconds_bucket{le=\"+Inf\"} 4\n\
                         a_seconds_sum 7\na_seconds_count 4\n";

fn histogram(samples: &str) -> String {
    good("a_seconds", "histogram", samples)
}

fn counter(samples: &str) -> String {
    good("a_total", "counter", samples)
}

fn gauge(name: &str, samples: &str) -> String {
    good(name, "gauge", samples)
}

/// A page of an OpenMetrics counter, gauge or whatever.
fn eof(page: String) -> String {
    page + "# EOF\n"
}

fn all() -> Vec<Twins> {
    let fine = counter("a_total 1\n");
    let summary = |samples: &str| good("a_seconds", "summary", samples);
    let labelled = |label: &str| counter(&format!("a_total{{{label}}} 1\n"));
    vec![
        twins("not-metrics", counter("a_total one\n"), &fine),
        Twins { media: None, ..twins("media-missing", &fine, &fine) },
        Twins { media: Some("application/json"), ..twins("media-wrong", &fine, &fine) },
        Twins { media: Some("text/plain"), ..twins("media-version", &fine, &fine) },
        twins("line-end-missing", fine.trim_end(), &fine),
        twins("carriage-return", fine.replace('\n', "\r\n"), &fine),
        twins("series-repeated", counter("a_total{x=\"1\",y=\"2\"} 1\na_total{y=\"2\",x=\"1\"} 1\n"), &fine),
        twins("timestamped", counter("a_total 1 1700000000000\n"), &fine),
        open("end-missing", good("a", "counter", "a_total 1\n"), eof(good("a", "counter", "a_total 1\n"))),
        open("line-foreign", eof(good("a", "gauge", "\na 1\n")), eof(good("a", "gauge", "a 1\n"))),
        open("blanks", eof(good("a", "gauge", "a  1\n")), eof(good("a", "gauge", "a 1\n"))),
        open("suffix-wrong", eof(good("a", "counter", "a 1\n")), eof(good("a", "counter", "a_total 1\n"))),
        open(
            "value-wrong",
            eof(good("a", "info", "a_info{v=\"1\"} 2\n")),
            eof(good("a", "info", "a_info{v=\"1\"} 1\n")),
        ),
        open("timestamps-mixed", eof(gauge("a", "a 1 5\na 2 4\n")), eof(gauge("a", "a 1 4\na 2 5\n"))),
        open(
            "exemplar-wrong",
            eof(gauge("a", "a 1 # {trace=\"x\"} 1\n")),
            eof(good("a", "counter", "a_total 1 # {trace=\"x\"} 1\n")),
        ),
        open(
            "metric-split",
            eof(good("a", "summary", "a_sum{x=\"1\"} 1\na_sum{x=\"2\"} 1\na_count{x=\"1\"} 1\n")),
            eof(good("a", "summary", "a_sum{x=\"1\"} 1\na_count{x=\"1\"} 1\na_sum{x=\"2\"} 1\n")),
        ),
        twins("type-missing", "# HELP a_total A.\na_total 1\n", &fine),
        twins("type-unknown", good("a", "untyped", "a 1\n"), &fine),
        twins("type-repeated", format!("{}{fine}", head("a_total", "counter")), &fine),
        twins("type-late", "# HELP a A.\na 1\n# TYPE a gauge\n", &fine),
        twins("help-missing", "# TYPE a_total counter\na_total 1\n", &fine),
        twins("help-empty", "# HELP a_total a_total\n# TYPE a_total counter\na_total 1\n", &fine),
        twins("help-repeated", format!("# HELP a_total A.\n{fine}"), &fine),
        twins("help-late", "# TYPE a gauge\na 1\n# HELP a A.\n", &fine),
        twins(
            "family-split",
            gauge("b", "b 1\n") + &fine + "b{x=\"1\"} 2\n",
            gauge("b", "b 1\nb{x=\"1\"} 2\n") + &fine,
        ),
        open(
            "unit-wrong",
            eof(format!("# UNIT a_bytes seconds\n{}", gauge("a_bytes", "a_bytes 1\n"))),
            eof(format!("# UNIT a_bytes bytes\n{}", gauge("a_bytes", "a_bytes 1\n"))),
        ),
        twins("name-charset", "# HELP \"a.b\" A.\n# TYPE \"a.b\" gauge\n{\"a.b\"} 1\n", gauge("a_b", "a_b 1\n")),
        twins("name-colon", gauge("a:b", "a:b 1\n"), gauge("a_b", "a_b 1\n")),
        twins("name-not-snake-case", gauge("aB", "aB 1\n"), gauge("a_b", "a_b 1\n")),
        twins(
            "name-unit-not-base",
            gauge("a_latency_ms", "a_latency_ms 1\n"),
            gauge("a_latency_seconds", "a_latency_seconds 1\n"),
        ),
        twins(
            "name-unit-missing",
            gauge("a_latency", "a_latency 1\n"),
            gauge("a_latency_seconds", "a_latency_seconds 1\n"),
        ),
        twins("counter-without-total", good("a", "counter", "a 1\n"), &fine),
        twins("total-without-counter", gauge("a_total", "a_total 1\n"), &fine),
        twins("name-suffix-reserved", gauge("a_count", "a_count 1\n"), gauge("a_items", "a_items 1\n")),
        twins("name-has-type", gauge("a_gauge", "a_gauge 1\n"), gauge("a_b", "a_b 1\n")),
        twins(
            "name-has-label",
            gauge("a_by_side", "a_by_side{side=\"buy\"} 1\n"),
            gauge("a_by_side", "a_by_side{venue=\"x\"} 1\n"),
        ),
        Twins {
            terms: Terms { names: Template::new("api_{name}_{unit}", None).ok(), ..Terms::default() },
            ..twins("name-not-as-template", &fine, good("api_a_total", "counter", "api_a_total 1\n"))
        },
        Twins {
            terms: Terms { labels: vec!["service".into()], ..Terms::default() },
            ..twins("label-missing", &fine, labelled("service=\"x\""))
        },
        twins("label-reserved", labelled("job=\"x\""), labelled("role=\"x\"")),
        twins("label-reserved", labelled("le=\"1\""), histogram(HISTOGRAM)),
        twins("label-charset", labelled("\"a.b\"=\"x\""), labelled("a_b=\"x\"")),
        twins("label-not-snake-case", labelled("aB=\"x\""), labelled("a_b=\"x\"")),
        twins("label-empty", labelled("a=\"\""), labelled("a=\"x\"")),
        twins("label-email", labelled("who=\"a.b@example.com\""), labelled("who=\"desk-1\"")),
        twins("label-timestamp", labelled("at=\"1764214871123\""), labelled("at=\"open\"")),
        twins("label-id", labelled("order=\"7f3c2a10-9b1e-4c6f-8d2a-0123456789ab\""), labelled("side=\"buy\"")),
        Twins {
            bad: vec![counter("a_total 5\n"), counter("a_total 4\n")],
            good: vec![counter("a_total 4\n"), counter("a_total 5\n")],
            ..twins("counter-fell", "", "")
        },
        twins("counter-negative", counter("a_total -1\n"), &fine),
        twins("counter-not-finite", counter("a_total NaN\n"), &fine),
        Twins {
            bad: vec![
                gauge("process_start_time_seconds", "process_start_time_seconds 5\n"),
                gauge("process_start_time_seconds", "process_start_time_seconds 9\n"),
            ],
            good: vec![gauge("process_start_time_seconds", "process_start_time_seconds 5\n"); 2],
            ..twins("restarted", "", "")
        },
        twins(
            "inf-missing",
            histogram("a_seconds_bucket{le=\"1\"} 3\na_seconds_sum 1\na_seconds_count 3\n"),
            histogram(HISTOGRAM),
        ),
        twins("buckets-fall", histogram(&HISTOGRAM.replace("le=\"1\"} 3", "le=\"1\"} 0")), histogram(HISTOGRAM)),
        twins("count-differs", histogram(&HISTOGRAM.replace("count 4", "count 5")), histogram(HISTOGRAM)),
        twins(
            "sum-impossible",
            histogram(
                &HISTOGRAM.replace("Inf\"} 4", "Inf\"} 3").replace("count 4", "count 3").replace("sum 7", "sum 2000"),
            ),
            histogram(
                &HISTOGRAM.replace("Inf\"} 4", "Inf\"} 3").replace("count 4", "count 3").replace("sum 7", "sum 2"),
            ),
        ),
        twins("sum-missing", histogram(&HISTOGRAM.replace("a_seconds_sum 7\n", "")), histogram(HISTOGRAM)),
        twins(
            "bounds-differ",
            histogram(&format!(
                "{HISTOGRAM}a_seconds_bucket{{x=\"1\",le=\"+Inf\"}} 0\na_seconds_sum{{x=\"1\"}} 0\na_seconds_count{{x=\"1\"}} 0\n"
            )),
            histogram(HISTOGRAM),
        ),
        twins(
            "bounds-unsorted",
            histogram(
                "a_seconds_bucket{le=\"1\"} 3\na_seconds_bucket{le=\"0.1\"} 1\na_seconds_bucket{le=\"+Inf\"} 4\na_seconds_sum 7\na_seconds_count 4\n",
            ),
            histogram(HISTOGRAM),
        ),
        twins(
            "bound-unreadable",
            histogram(&format!("{HISTOGRAM}a_seconds_bucket{{le=\"many\"}} 4\n")),
            histogram(HISTOGRAM),
        ),
        twins(
            "quantile-wrong",
            summary("a_seconds{quantile=\"95\"} 1\na_seconds_sum 1\na_seconds_count 1\n"),
            summary("a_seconds{quantile=\"0.95\"} 1\na_seconds_sum 1\na_seconds_count 1\n"),
        ),
        twins(
            "quantiles-fall",
            summary(
                "a_seconds{quantile=\"0.5\"} 2\na_seconds{quantile=\"0.9\"} 1\na_seconds_sum 1\na_seconds_count 1\n",
            ),
            summary(
                "a_seconds{quantile=\"0.5\"} 1\na_seconds{quantile=\"0.9\"} NaN\na_seconds_sum 1\na_seconds_count 1\n",
            ),
        ),
        Twins {
            terms: Terms { limits: Limits { series: 1, ..Limits::default() }, ..Terms::default() },
            ..twins("series-many", counter("a_total{x=\"1\"} 1\na_total{x=\"2\"} 1\n"), &fine)
        },
        Twins {
            terms: Terms { limits: Limits { values: 1, ..Limits::default() }, ..Terms::default() },
            ..twins("values-many", counter("a_total{x=\"1\"} 1\na_total{x=\"2\"} 1\n"), counter("a_total{x=\"1\"} 1\n"))
        },
        Twins {
            bad: (0..8).map(|n| orders(n, n * 100)).collect(),
            good: (0..8).map(|n| orders(n, (n * 200).min(400))).collect(), // bounded: it has filled up by half-time
            ..twins("label-grows", "", "")
        },
    ]
}

/// The n-th page after so many orders; 100 requests come between two pages.
fn orders(n: u64, orders: u64) -> String {
    let ids: String = (0..orders).map(|order| format!("orders_total{{order_id=\"o{order}\"}} 1\n")).collect();
    good("api_requests_total", "counter", &format!("api_requests_total {}\n", n * 100))
        + &good("orders_total", "counter", &ids)
}

/// What only whoever fetches pages can find.
const BY_FETCHING: [&str; 6] =
    ["not-negotiated", "not-compressed", "scrape-slow", "scrape-tardy", "page-large", "page-missing"];

#[test]
fn every_kind_of_finding_has_a_bad_page_and_a_good_twin() {
    let all = all();
    for rule in rule::RULES {
        let covered = all.iter().any(|twins| twins.id == rule.id) || BY_FETCHING.contains(&rule.id);
        assert!(covered, "{} has no twins", rule.id);
        assert!(rule.remedy.len() > 20, "{} says too little of what to do", rule.id);
    }
    for twins in &all {
        let pages =
            |pages: &[String]| found(&pages.iter().map(String::as_str).collect::<Vec<_>>(), twins.media, &twins.terms);
        let bad = pages(&twins.bad);
        assert!(ids(&bad).contains(&twins.id), "{}: not found in {:?}: {:#?}", twins.id, ids(&bad), twins.bad);
        let by_media = twins.bad == twins.good; // the twin is what it is served as
        let good = match by_media {
            true => found(&[&twins.good[0]], Some(TEXT), &twins.terms),
            false => pages(&twins.good),
        };
        assert!(!ids(&good).contains(&twins.id), "{}: a false alarm: {good:#?}", twins.id);
    }
}

/// A good page of either format is not blamed for anything.
#[test]
fn honest_pages_are_clean() {
    let text = counter("a_total{side=\"buy\"} 1\n")
        + &gauge("b_ratio", "b_ratio 0.5\n")
        + &good("c_seconds", "histogram", &HISTOGRAM.replace("a_seconds", "c_seconds"))
        + &gauge("process_start_time_seconds", "process_start_time_seconds 1.7e9\n");
    assert_eq!(found(&[&text], Some(TEXT), &Terms::default()), []);
    let open = eof(good(
        "a",
        "counter",
        "a_total{side=\"buy\"} 1 # {trace_id=\"4bf92f3577b34da6\"} 1 1700000000.5\na_created{side=\"buy\"} 1.7e9\n",
    ) + &format!(
        "# UNIT c_seconds seconds\n{}",
        good("c_seconds", "histogram", &HISTOGRAM.replace("a_seconds", "c_seconds").replace("le=\"1\"", "le=\"1.0\""))
    ) + &good("build", "info", "build_info{version=\"0123456789abcdef01\"} 1\n"));
    assert_eq!(found(&[&open], Some(OPEN), &Terms::default()), []);
}

#[test]
fn the_order_id_is_named_with_examples_and_a_figure() {
    let pages: Vec<String> = (0..8).map(|n| orders(n, n * 100)).collect();
    let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
    let findings = found(&pages, Some(TEXT), &Terms::default());
    let grown = findings.iter().find(|f| f.rule == rule::LABEL_GROWS).expect("found");
    assert_eq!((grown.metric.as_str(), grown.label.as_deref()), ("orders_total", Some("order_id")));
    assert!(grown.why.contains("1000 new values per 1 000 of `api_requests_total`"), "{}", grown.why);
    assert_eq!(grown.examples.len(), 3);
    assert!(grown.examples[0].starts_with("order_id=\"o"), "{:?}", grown.examples);
}

#[test]
fn a_restart_explains_a_fall_and_is_told_itself() {
    let page = |start: u64, count: u64| {
        gauge("process_start_time_seconds", &format!("process_start_time_seconds {start}\n"))
            + &counter(&format!("a_total {count}\n"))
    };
    let pages = [page(5, 100), page(9, 1)];
    let found = found(&[&pages[0], &pages[1]], Some(TEXT), &Terms::default());
    assert_eq!(ids(&found), ["restarted"]);
}

#[test]
fn exceptions_take_findings_away_and_idle_ones_are_told() {
    let page = good("quotes_by_pool", "counter", "quotes_by_pool 1\n");
    let except = |id: &str, metric: &str| Except { id: id.into(), metrics: vec![metric.into()] };
    let all = found(&[&page], Some(TEXT), &Terms::default());
    let excepts = [except("counter-without-total", "quotes_*"), except("label-id", "*")];
    let (left, idle) = without(all, &excepts);
    assert_eq!(left, []);
    assert_eq!(idle, [&excepts[1]]);
    for (pattern, text, fits) in [
        ("*", "", true),
        ("a*c", "abc", true),
        ("a*c", "abd", false),
        ("*b*", "abc", true),
        ("a", "ab", false),
        ("*é", "é", true),
    ] {
        assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
    }
}

#[test]
fn required_labels_that_nobody_has_are_said_once() {
    let page = counter("a_total 1\n") + &gauge("b", "b{service=\"x\"} 1\n");
    let terms = Terms { labels: vec!["service".into(), "version".into()], ..Terms::default() };
    let findings = found(&[&page], Some(TEXT), &terms);
    let said: Vec<(&str, &str)> = findings.iter().map(|f| (f.metric.as_str(), f.why.as_str())).collect();
    assert_eq!(said, [("", "no series carries `version`"), ("a_total", "1 of 1 series without `service`")]);
}

#[test]
fn nothing_makes_the_linter_panic() {
    let pieces =
        ["# TYPE", " a", "{", "}", "\"", "\\", "le=\"", "1", " ", "\n", "# EOF", "é", "a_bucket", ",", "=", "NaN", "#"];
    let mut state = 12345u64;
    for _ in 0..3_000 {
        let mut page = String::new();
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            page.push_str(pieces[(state >> 33) as usize % pieces.len()]);
        }
        for media in [None, Some(TEXT), Some(OPEN)] {
            let mut watch = Watch::default();
            watch.page(0, page.as_bytes(), media);
            let _ = watch.findings(&Terms::default(), None);
        }
    }
    let mut watch = Watch::default();
    watch.page(0, &[0xff, 0xfe, b'\n'], None);
    assert!(ids(&watch.findings(&Terms::default(), None)).contains(&"not-metrics"));
}
