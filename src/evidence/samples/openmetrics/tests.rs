//! The export as a person would check it, and as Prometheus's own tool takes it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::super::tests::{labels, recording, row, scrape};
use super::super::{Kind, Row};
use super::*;

fn exported(samples: &Samples) -> String {
    let mut out = Vec::new();
    export_openmetrics(samples, &mut out).expect("memory");
    String::from_utf8(out).expect("text")
}

/// A few scrapes of a page with everything in it.
fn samples() -> Samples {
    let mut r = recording();
    let kinds = |name: &str| match name.split([' ', '_']).next() {
        Some("lat") => Kind::Histogram,
        Some("sum") => Kind::Summary,
        Some("hits") | Some("plain") => Kind::Counter,
        Some("gauge") => Kind::Gauge,
        _ => Kind::Unknown,
    };
    let names = [
        "hits_total",
        "plain",
        "gauge v=a\\b\"c",
        "other route=/q/{id},x=1",
        "lat_sum",
        "lat_bucket le=+Inf",
        "lat_bucket le=0.5",
        "lat_bucket le=10.0",
        "lat_count",
        "sum quantile=0.99",
        "sum quantile=0.5",
    ];
    let values = [3.0, 2.5, f64::NEG_INFINITY, 1e300, 1.0, 3.0, 1.0, 2.0, 3.0, f64::NAN, 1e-7];
    for n in 0..3u8 {
        let rows: Vec<_> =
            names.iter().zip(values).map(|(s, v)| Row { kind: kinds(s), ..row(s, v + f64::from(n)) }).collect();
        let rows = rows.into_iter().skip(usize::from(n == 1)); // hits_total is absent once
        r.writer.scraped(&scrape("api", i64::from(n) * 1000 + 123), rows, labels).expect("space");
    }
    r.read()
}

#[test]
fn families_stand_together_and_their_points_in_order_of_time() {
    let all = exported(&samples());
    let api = all.replace("instance=\"127.0.0.1:80\",job=\"api\"", "…");
    let lines: Vec<&str> = api.lines().filter(|l| !l.contains("scrape_") && !l.contains(" up")).collect();
    let want = r#"# TYPE gauge gauge
gauge{…,v="a\\b\"c"} -Inf 1700000000.123
gauge{…,v="a\\b\"c"} -Inf 1700000001.123
gauge{…,v="a\\b\"c"} -Inf 1700000002.123
# TYPE hits counter
hits_total{…} 3 1700000000.123
hits_total{…} 5 1700000002.123
# TYPE lat histogram
lat_bucket{…,le="0.5"} 1 1700000000.123
lat_bucket{…,le="10.0"} 2 1700000000.123
lat_bucket{…,le="+Inf"} 3 1700000000.123
lat_count{…} 3 1700000000.123
lat_sum{…} 1 1700000000.123
lat_bucket{…,le="0.5"} 2 1700000001.123
"#;
    assert_eq!(lines[..14].join("\n"), want.trim_end());
    let rest = lines[14..].join("\n");
    for part in [
        "# TYPE other unknown\nother{…,route=\"/q/{id},x=1\"} 1e300 1700000000.123\n",
        "# TYPE plain unknown\nplain{…} 2.5 1700000000.123\n",
        "# TYPE sum summary\nsum{…,quantile=\"0.5\"} 1e-7 1700000000.123\nsum{…,quantile=\"0.99\"} NaN 1700000000.123\n",
    ] {
        assert!(rest.contains(part), "{part} in {rest}");
    }
    assert!(rest.ends_with("# EOF"));
}

#[test]
fn times_before_1970_and_odd_names_are_written_right() {
    let series = |name: &str, at| Series {
        labels: Labels::new([("__name__", name), ("la.bel", "x")]),
        samples: vec![crate::base::series::Sample { at, value: -0.0 }],
    };
    let samples = Samples {
        series: vec![series("my.metric", -1), series("ok", 1_001)],
        kinds: vec![Kind::Gauge; 2],
        ..Samples::default()
    };
    let want = "# TYPE \"my.metric\" gauge\n{\"my.metric\",\"la.bel\"=\"x\"} -0 -0.001\n# TYPE ok gauge\nok{\"la.bel\"=\"x\"} -0 1.001\n# EOF\n";
    assert_eq!(exported(&samples), want);
    let bare = Series { labels: Labels::new([("__name__", "m")]), ..series("m", 0) };
    let samples = Samples { series: vec![bare], kinds: vec![Kind::Unknown], ..Samples::default() };
    assert_eq!(exported(&samples), "# TYPE m unknown\nm -0 0.000\n# EOF\n");
}

/// Whether promtool is here. Where it is required, its absence is a failure and not a reason to skip.
fn promtool() -> bool {
    let here = Command::new("promtool").arg("--version").output().is_ok_and(|out| out.status.success());
    let required = std::env::var("PROOFLOAD_REQUIRE").is_ok_and(|list| list.contains("promtool"));
    assert!(here || !required, "promtool is required and not on the PATH: install Debian's `prometheus`");
    if !here {
        eprintln!("skipped: promtool is not on the PATH (Debian: apt-get install prometheus)");
    }
    here
}

fn run(args: &[&str], folder: &Path) -> String {
    let out = Command::new("promtool").args(args).current_dir(folder).output().expect("promtool runs");
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text")
}

#[test]
fn promtool_imports_every_sample() {
    if !promtool() {
        return;
    }
    let samples = samples();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("page.txt"), exported(&samples)).expect("space");
    run(&["tsdb", "create-blocks-from", "openmetrics", "page.txt", "blocks"], folder.path());
    std::fs::create_dir_all(folder.path().join("blocks/wal")).expect("space"); // without one it does not open the folder
    let dump = run(&["tsdb", "dump", "blocks"], folder.path());
    let imported: BTreeSet<String> = dump.lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect();
    let mut want = BTreeSet::new();
    for series in &samples.series {
        let labels: Vec<String> = series.labels.iter().map(|(n, v)| format!("{n}={}", quoted(v))).collect();
        for s in series.samples.iter().filter(|s| !is_stale(s.value)) {
            let value = number(s.value).replace("1e300", "1e+300").replace("1e-7", "1e-07");
            want.insert(format!("{{{}}} {value} {}", labels.join(", "), s.at));
        }
    }
    assert_eq!(imported, want);
    assert_eq!(imported.len(), 5 * 3 + 11 * 3 - 1);
}
