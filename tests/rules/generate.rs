//! Series for the rules of the catalogue: calm and wild by turns, with gaps, ends and restarts; a function of the seed.

use proofload::base::seed::{Seed, Stream};
use proofload::base::series::{Labels, Series};
use proofload::promql::notation;

/// A series from its values as text.
pub fn series(labels: &Labels, values: &str, step_ms: i64) -> Series {
    let items = notation::items(values).expect("values");
    Series { labels: labels.clone(), samples: notation::samples(&items, step_ms) }
}

/// How a series moves.
enum Motion {
    /// Between these in calm and in wild times.
    Gauge([f64; 2], [f64; 2]),
    /// Grows by up to so much at each step, in calm and in wild times.
    Counter(f64, f64),
}

use Motion::{Counter, Gauge};

/// What the rules of the catalogue read.
pub fn catalogue(seed: u64, steps: usize) -> Vec<(Labels, String)> {
    let mut all = Vec::new();
    let mut add = |metric: String, motion: Motion| {
        let labels = notation::metric(&metric).expect("a metric").0;
        let mut stream = Seed(seed).stream(&metric);
        let values = values(&motion, steps, &mut stream);
        all.push((labels, values));
    };
    for (status, motion) in [("failed", Counter(1.0, 30.0)), ("success", Counter(60.0, 40.0))] {
        add(format!("pipeline_executions_total{{status=\"{status}\", trigger_mode=\"periodic\"}}"), motion);
    }
    for (job, tier) in [("backend", "critical"), ("worker", "critical"), ("dispatcher", "normal")] {
        let up = format!("up{{job=\"{job}\", tier=\"{tier}\", service=\"{job}\", instance=\"{job}:80\"}}");
        add(up, Gauge([1.0, 1.0], [0.0, 0.0]));
        add(format!("kafka_consumer_lag_seconds{{job=\"{job}\"}}"), Gauge([0.0, 0.9], [0.8, 4.0]));
    }
    for instance in ["a:9100", "b:9100"] {
        for cpu in 0..2 {
            let idle = format!("node_cpu_seconds_total{{mode=\"idle\", cpu=\"{cpu}\", instance=\"{instance}\"}}");
            add(idle, Counter(28.0, 0.4));
        }
        let of = |name: &str, more: &str| format!("{name}{{instance=\"{instance}\"{more}}}");
        add(of("node_memory_MemAvailable_bytes", ""), Gauge([3e9, 8e9], [1e8, 1.5e9]));
        add(of("node_memory_MemTotal_bytes", ""), Gauge([1e10, 1e10], [1e10, 1e10]));
        let root = ", mountpoint=\"/\"";
        add(of("node_filesystem_avail_bytes", root), Gauge([2e10, 8e10], [1e9, 1.4e10]));
        add(of("node_filesystem_size_bytes", root), Gauge([1e11, 1e11], [1e11, 1e11]));
        let device = ", device=\"eth0\"";
        add(of("node_network_receive_errs_total", device), Counter(10.0, 3_000.0));
    }
    add("container_last_seen{name=\"api\"}".into(), Counter(15.0, 900.0));
    for service in ["api", "web"] {
        for (status, motion) in [("200", Counter(200.0, 200.0)), ("503", Counter(0.0, 60.0))] {
            add(format!("http_requests_total{{service=\"{service}\", status=\"{status}\"}}"), motion);
        }
    }
    for (exchange, motion) in [("binance", Gauge([1.0, 1.0], [0.0, 0.0])), ("bybit", Gauge([1.0, 1.0], [0.0, 0.0]))] {
        add(format!("market_data_websocket_connected{{exchange=\"{exchange}\"}}"), motion);
    }
    add("order_execution_queue_depth".into(), Gauge([0.0, 90.0], [80.0, 400.0]));
    add("account_monitor_max_drawdown_pct".into(), Gauge([1.0, 4.0], [4.0, 9.0]));
    add("account_monitor_balance_usd{account=\"main\"}".into(), Gauge([1_100.0, 9_000.0], [200.0, 1_050.0]));
    for (status, motion) in [("rejected", Counter(1.0, 40.0)), ("filled", Counter(80.0, 60.0))] {
        add(format!("order_execution_orders_total{{status=\"{status}\", type=\"limit\"}}"), motion);
    }
    add("strategy_engine_active_strategies".into(), Gauge([1.0, 5.0], [0.0, 0.0]));
    for symbol in ["SOL", "BTC"] {
        let of = |name: &str| format!("account_monitor_position_{name}{{symbol=\"{symbol}\"}}");
        add(of("size"), Gauge([-50.0, 50.0], [-120.0, 120.0]));
        add(of("limit"), Gauge([100.0, 100.0], [100.0, 100.0]));
    }
    add("risk_manager_limit_violations_total".into(), Counter(0.0, 2.0));
    for (part, whole) in [("winning_trades", "total_trades"), ("maker_orders", "total_orders")] {
        add(format!("account_monitor_{part}_total"), Counter(2.0, 1.0));
        add(format!("account_monitor_{whole}_total"), Counter(9.0, 9.0));
    }
    all.extend(histogram(seed, steps));
    all
}

/// The buckets of one histogram: each request lands in one, so the counts of larger ones are never smaller.
fn histogram(seed: u64, steps: usize) -> Vec<(Labels, String)> {
    const BOUNDS: [&str; 5] = ["0.1", "0.5", "1", "2.5", "+Inf"];
    let mut stream = Seed(seed).stream("histogram");
    let mut counts = [0u64; 5];
    let mut rows = vec![String::new(); 5];
    let (mut wild, mut left) = (false, 0);
    for _ in 0..steps {
        if left == 0 {
            (wild, left) = (!wild, 4 + below(&mut stream, 24));
        }
        left -= 1;
        for _ in 0..below(&mut stream, 40) {
            let bucket = if wild { 2 + below(&mut stream, 3) } else { below(&mut stream, 3) };
            counts[bucket as usize..].iter_mut().for_each(|count| *count += 1);
        }
        for (row, count) in rows.iter_mut().zip(counts) {
            row.push_str(&format!("{count} "));
        }
    }
    let labels =
        |le: &str| Labels::new([("__name__", "http_request_duration_seconds_bucket"), ("service", "api"), ("le", le)]);
    BOUNDS.iter().zip(rows).map(|(le, row)| (labels(le), row.trim_end().to_owned())).collect()
}

fn below(stream: &mut Stream, n: u64) -> u64 {
    (stream.unit() * n as f64) as u64
}

fn values(motion: &Motion, steps: usize, stream: &mut Stream) -> String {
    let mut out: Vec<String> = Vec::with_capacity(steps);
    let (mut wild, mut left, mut total) = (stream.unit() < 0.3, 0u64, 0.0);
    while out.len() < steps {
        if left == 0 {
            let length = if stream.unit() < 0.3 { 60 } else { 12 };
            (wild, left) = (!wild, 1 + below(stream, length));
        }
        left -= 1;
        match stream.unit() {
            chance if chance < 0.02 => {
                out.push("_".into());
                continue;
            }
            chance if chance < 0.03 => {
                out.push("stale".into());
                continue;
            }
            chance if chance < 0.04 => total = 0.0,
            _ => {}
        }
        let value = match motion {
            // Two digits behind the point, as gauges that people set have.
            Gauge(calm, rough) => {
                let [low, high] = if wild { *rough } else { *calm };
                ((low + (high - low) * stream.unit()) * 100.0).round() / 100.0
            }
            Counter(calm, rough) => {
                total += (stream.unit() * if wild { *rough } else { *calm }).round();
                total
            }
        };
        out.push(value.to_string());
    }
    out.join(" ")
}
