//! How fast a metrics page of 200 000 series is read, beside `prometheus-parse` in the same run, and what a steady
//! scrape of 10 000 series costs until it is in the evidence. Run with `cargo bench --bench exposition`.

use std::time::Duration;

use proofload::base::time::thread_cpu;
use proofload::evidence::samples::{Scrape, Writer};
use proofload::observe::exposition::{Dialect, labels, parse};

const ROUNDS: usize = 7;

fn main() {
    let page = page(200_000);
    let mb = page.len() as f64 / 1e6;
    println!("page: 200000 series, {mb:.1} MB; processor time, the best of {ROUNDS} rounds each, taken in turn");
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        ours = ours.min(time(|| parse(page.as_bytes(), Dialect::Text).expect("a good page").rows.len()));
        theirs = theirs.min(time(|| {
            let lines = page.lines().map(|line| Ok(line.to_owned()));
            prometheus_parse::Scrape::parse(lines).expect("a good page").samples.len()
        }));
    }
    let speed = |took: Duration| mb / took.as_secs_f64();
    println!("exposition::parse  {:7.1} MB/s  {:6.1} ms", speed(ours), ours.as_secs_f64() * 1e3);
    println!("prometheus-parse   {:7.1} MB/s  {:6.1} ms", speed(theirs), theirs.as_secs_f64() * 1e3);
    println!("ratio              {:7.1}", theirs.as_secs_f64() / ours.as_secs_f64());
    steady();
}

/// One scrape after the other of a page that keeps its series: read, recorded, flushed.
fn steady() {
    let page = page(10_000);
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = Writer::create(&folder.path().join("samples.chunks"), 0).expect("a new file");
    let mut times = Vec::new();
    for n in 0..100 {
        times.push(time(|| {
            let page = parse(page.as_bytes(), Dialect::Text).expect("a good page");
            let scrape = Scrape { job: "api", instance: "127.0.0.1:80", at_ms: n * 1000, took: Duration::ZERO };
            writer.scraped(&scrape, page.rows.iter().copied(), labels).expect("space");
            writer.flush().expect("space");
            page.rows.len()
        }));
    }
    let ms = |took: &Duration| took.as_secs_f64() * 1e3;
    let best = times[1..].iter().min().map_or(0.0, ms);
    println!("a scrape of 10000 series, read and recorded: first {:.2} ms, then {best:.2} ms", ms(&times[0]));
}

/// Histograms as a service has them: three labels, eight bounds, sum and count.
fn page(series: usize) -> String {
    const BOUNDS: [&str; 8] = ["0.005", "0.01", "0.05", "0.1", "0.5", "1", "5", "+Inf"];
    const NAME: &str = "http_request_duration_seconds";
    let mut page = format!("# HELP {NAME} How long requests took.\n# TYPE {NAME} histogram\n");
    let mut left = series;
    for n in 0.. {
        let who = format!("method=\"GET\",route=\"/api/v1/quote/{n}\",status=\"200\"");
        let bounds = BOUNDS.iter().map(|b| (format!("_bucket{{{who},le=\"{b}\"}}"), (n * 7 % 90_000).to_string()));
        let rest = [
            (format!("_sum{{{who}}}"), format!("{}.{:06}", n % 977, n % 999_983)),
            (format!("_count{{{who}}}"), n.to_string()),
        ];
        for (text, value) in bounds.chain(rest).take(left) {
            page += &format!("{NAME}{text} {value}\n");
            left -= 1;
        }
        if left == 0 {
            return page;
        }
    }
    page
}

fn time(work: impl FnOnce() -> usize) -> Duration {
    let start = thread_cpu();
    std::hint::black_box(work());
    Duration::from_nanos(thread_cpu() - start)
}
