//! How fast the alert rules of the catalogue are replayed: 500 series of 300 samples each, every rule at every one of 300
//! ticks, when nothing fires and when much does. Run with `cargo bench --bench rules`.

use std::time::Duration;

use proofload::base::series::{Labels, Sample, Series};
use proofload::base::time::thread_cpu;
use proofload::promql::Storage;
use proofload::promql::rules::{Group, Setup, file, replay};

const ROUNDS: usize = 5;
const SAMPLES: i64 = 300;
const STEP_MS: i64 = 15_000;

fn main() {
    let (groups, mistakes) = file::read("catalogue.yml", include_str!("../tests/rules/catalogue.yml"));
    assert!(mistakes.is_empty(), "{mistakes:?}");
    let rules: usize = groups.iter().map(|group| group.rules.len()).sum();
    println!("{rules} rules over {SAMPLES} samples a series; processor time, the best of {ROUNDS} rounds");
    println!("{:<8} {:>8} {:>10} {:>16} {:>22}", "", "series", "time", "expressions/s", "rules x series x ticks/s");
    for (name, wild) in [("calm", false), ("wild", true)] {
        let series = series(500, wild);
        let took = (0..ROUNDS).map(|_| time(&groups, &series)).min().unwrap_or_default().as_secs_f64();
        let evaluations = rules as f64 * SAMPLES as f64;
        let (each, all) = (evaluations / took, evaluations * series.len() as f64 / took);
        println!("{name:<8} {:>8} {:>7.1} ms {each:>16.0} {:>20.1} M", series.len(), took * 1e3, all / 1e6);
    }
}

fn time(groups: &[Group], series: &[Series]) -> Duration {
    let storage = Storage::new(series);
    let setup = Setup { interval_ms: STEP_MS, one_interval: true, ..Setup::new(0, (SAMPLES - 1) * STEP_MS) };
    let start = thread_cpu();
    let replayed = std::hint::black_box(replay(groups, &storage, &setup));
    let took = Duration::from_nanos(thread_cpu() - start);
    assert!(replayed.rules.iter().all(|outcome| outcome.ticks == SAMPLES as usize && outcome.failures.is_empty()));
    took
}

/// As many series as wanted of the metrics that the rules read, dealt out evenly.
fn series(count: usize, wild: bool) -> Vec<Series> {
    const METRICS: [(&str, &str, bool); 14] = [
        ("http_requests_total", "status=200", true),
        ("http_requests_total", "status=503", true),
        ("pipeline_executions_total", "status=failed", true),
        ("pipeline_executions_total", "status=success", true),
        ("order_execution_orders_total", "status=rejected", true),
        ("order_execution_orders_total", "status=filled", true),
        ("node_cpu_seconds_total", "mode=idle", true),
        ("http_request_duration_seconds_bucket", "le=0.5", true),
        ("http_request_duration_seconds_bucket", "le=2.5", true),
        ("http_request_duration_seconds_bucket", "le=+Inf", true),
        ("order_execution_queue_depth", "", false),
        ("account_monitor_balance_usd", "", false),
        ("kafka_consumer_lag_seconds", "", false),
        ("up", "tier=critical", false),
    ];
    let one = |n: usize| {
        let (name, label, grows) = METRICS[n % METRICS.len()];
        let mut labels = Labels::new([("__name__", name), ("job", "api"), ("environment", "production")]);
        labels.set("instance", format!("10.0.0.{}:9100", n / METRICS.len()));
        if let Some((name, value)) = label.split_once('=') {
            labels.set(name, value);
        }
        let value = |i: i64| match (grows, wild) {
            (true, _) => (i * (3 + n as i64 % 7)) as f64,
            (false, true) => {
                if (i / 20) % 2 == 0 {
                    0.0
                } else {
                    5_000.0
                }
            }
            (false, false) => 1.0,
        };
        Series { labels, samples: (0..SAMPLES).map(|i| Sample { at: i * STEP_MS, value: value(i) }).collect() }
    };
    (0..count).map(one).collect()
}
