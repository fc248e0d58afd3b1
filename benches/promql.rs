//! How fast expressions are evaluated: the 130 of the catalogue over 500 series of 300 samples, once all metrics together,
//! once each expression over 500 series of its own; and what 10 000 series of 3 600 samples take in memory. Run with
//! `cargo bench --bench promql`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proofload::base::series::{Labels, Sample, Series, stale};
use proofload::base::time::thread_cpu;
use proofload::promql::{Expr, MatchOp, Options, Selector, Storage, evaluate, parse};

const CATALOGUE: &str = include_str!("../tests/promql/expressions.txt");
const SERIES: usize = 500;
const SAMPLES: i64 = 300;
const ROUNDS: usize = 7;
/// All samples lie a second apart; questions are asked at the last.
const LAST_MS: i64 = (SAMPLES - 1) * 1_000;

fn main() {
    let exprs: Vec<Expr> = CATALOGUE
        .lines()
        .filter_map(|line| line.strip_prefix('E')?.split_once(' '))
        .map(|(_, text)| parse(text).expect("it is PromQL"))
        .collect();
    println!("processor time, the best of {ROUNDS} rounds; {SERIES} series of {SAMPLES} samples, a second apart\n");
    println!("| what | expressions | samples selected | ms | expressions/s |\n|---|---|---|---|---|");
    let together = world(&exprs.iter().collect::<Vec<_>>());
    row("all metrics in one storage", &exprs.iter().map(|expr| (expr, &together)).collect::<Vec<_>>());
    let apart: Vec<(&Expr, Vec<Series>)> = exprs.iter().map(|expr| (expr, world(&[expr]))).collect();
    row(
        "each expression over series of its own",
        &apart.iter().map(|(expr, world)| (*expr, world)).collect::<Vec<_>>(),
    );
    let texts: Vec<&str> = exprs.iter().map(Expr::text).collect();
    let took = best(|| texts.iter().filter(|text| parse(text).is_ok()).count());
    println!(
        "| parsed alone | {} | – | {:.2} | {:.0} |",
        texts.len(),
        ms(took),
        texts.len() as f64 / took.as_secs_f64()
    );
    drop((together, apart));
    memory();
}

fn row(what: &str, pairs: &[(&Expr, &Vec<Series>)]) {
    let stored: Vec<(&Expr, Storage<'_>)> = pairs.iter().map(|(expr, world)| (*expr, Storage::new(*world))).collect();
    let options = Options::default();
    let took = best(|| {
        let answered = stored.iter().filter(|(expr, storage)| evaluate(expr, storage, LAST_MS, &options).is_ok());
        answered.count()
    });
    let selected = stored.iter().map(|(expr, storage)| {
        let of = expr.selectors();
        of.iter().map(|s| storage.select(s.selector).len()).sum::<usize>() * SAMPLES as usize
    });
    let (selected, count) = (selected.sum::<usize>(), pairs.len());
    println!("| {what} | {count} | {selected} | {:.2} | {:.0} |", ms(took), count as f64 / took.as_secs_f64());
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

fn best(mut work: impl FnMut() -> usize) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let before = thread_cpu();
        std::hint::black_box(work());
        best = best.min(Duration::from_nanos(thread_cpu() - before));
    }
    best
}

/// Series that the selectors of these expressions find, shared out evenly among the metrics.
fn world(exprs: &[&Expr]) -> Vec<Series> {
    let mut metrics: BTreeMap<String, BTreeSet<Vec<(String, String)>>> = BTreeMap::new();
    for selection in exprs.iter().flat_map(|expr| expr.selectors()) {
        let name = selection.selector.metric().unwrap_or("up").to_owned();
        metrics.entry(name).or_default().insert(demanded(selection.selector));
    }
    let share = SERIES.div_ceil(metrics.len());
    let mut all = Vec::new();
    for (metric, demands) in metrics {
        let demands: Vec<_> = demands.into_iter().collect();
        for i in 0..share.min(SERIES - all.len()) {
            let mut labels =
                Labels::new([("__name__", metric.as_str()), ("instance", &format!("10.0.0.{}:9090", i / 10))]);
            labels.set("job", "bench");
            labels.set("shard", (i % 10).to_string());
            demands[i % demands.len()].iter().for_each(|(name, value)| labels.set(name, value));
            if metric.ends_with("_bucket") {
                labels.set("le", ["0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "+Inf"][i % 10]);
                labels.set("shard", "all");
            }
            let samples =
                (0..SAMPLES).map(|n| Sample { at: n * 1_000, value: (n * (i as i64 % 10 + 1)) as f64 }).collect();
            all.push(Series { labels, samples });
        }
    }
    all
}

/// Labels that satisfy a selector.
fn demanded(selector: &Selector) -> Vec<(String, String)> {
    let meets = |m: &&proofload::promql::Matcher| m.label != "__name__";
    let value = |m: &proofload::promql::Matcher| match &m.op {
        MatchOp::Equal => m.value.clone(),
        MatchOp::Regex(regex) => {
            let tries = ["500", "a", "order", "quote", "api", m.value.split('|').next().unwrap_or_default()];
            tries.iter().find(|text| regex.is_match(text)).map(|text| (*text).to_owned()).unwrap_or_default()
        }
        MatchOp::NotEqual | MatchOp::NotRegex(_) => "other".to_owned(),
    };
    selector.matchers.iter().filter(meets).map(|m| (m.label.clone(), value(m))).collect()
}

/// A rate, a mean, an order and a histogram over an hour of ten thousand series, some of which ended and came back.
fn memory() {
    let labels = |i: i64| {
        let le = ["0.1", "0.5", "1", "5", "+Inf"][i as usize % 5];
        Labels::new([
            ("__name__", "x_bucket"),
            ("instance", &(i / 50).to_string()),
            ("shard", &(i / 5 % 10).to_string()),
            ("le", le),
        ])
    };
    let sample = |i: i64, n: i64| match (i % 100, n) {
        (7, 1_800) => stale(),
        _ => (n * (i % 5 + 1)) as f64,
    };
    let series: Vec<Series> = (0..10_000)
        .map(|i| {
            let mut samples = Vec::with_capacity(3_600);
            samples.extend((0..3_600).map(|n| Sample { at: n * 1_000, value: sample(i, n) }));
            Series { labels: labels(i), samples }
        })
        .collect();
    let held = resident("VmRSS");
    let storage = Storage::new(&series);
    println!("\n10 000 series of 3 600 samples\n\n| expression | s |\n|---|---|");
    for text in [
        "sum(rate(x_bucket[1h]))",
        "avg by (instance) (avg_over_time(x_bucket[1h]))",
        "topk(5, quantile_over_time(0.9, x_bucket[1h]))",
        "histogram_quantile(0.95, sum by (le) (increase(x_bucket[1h])))",
        "max(max_over_time(sum by (le) (rate(x_bucket[5m]))[30m:1m]))",
    ] {
        let expr = parse(text).expect("it is PromQL");
        let before = thread_cpu();
        let answer = evaluate(&expr, &storage, 3_599_000, &Options::default()).expect("it has a value");
        std::hint::black_box(answer);
        println!("| `{text}` | {:.2} |", Duration::from_nanos(thread_cpu() - before).as_secs_f64());
    }
    println!("\n{held} MB resident with the samples, {} MB at most", resident("VmHWM"));
}

fn resident(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_default();
    line.split_whitespace().find_map(|word| word.parse::<u64>().ok()).unwrap_or(0) / 1024
}
