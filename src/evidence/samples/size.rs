//! How small a file is that holds a realistic page: the promise of two bytes a sample, measured.

use super::tests::{labels, recording, scrape};
use super::{Kind, Row};
use crate::base::seed::Seed;

/// A service of 10 000 series under a load that moves from scrape to scrape.
struct Service {
    names: Vec<(String, Kind)>,
    values: Vec<f64>,
    random: crate::base::seed::Stream,
}

const HISTOGRAMS: usize = 500;
const BOUNDS: [&str; 12] =
    ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf"];
const COUNTERS: usize = 2200;
const GAUGES: usize = 800;

impl Service {
    fn new() -> Service {
        let mut names = Vec::new();
        for n in 0..HISTOGRAMS {
            let who = format!("method=GET route=/api/v1/pair/{n}/quote status={}", 200 + n % 3);
            for bound in BOUNDS {
                names.push((format!("http_request_duration_seconds_bucket le={bound} {who}"), Kind::Histogram));
            }
            names.push((format!("http_request_duration_seconds_sum {who}"), Kind::Histogram));
            names.push((format!("http_request_duration_seconds_count {who}"), Kind::Histogram));
        }
        for n in 0..COUNTERS {
            names.push((format!("quote_cache_hits_total pair=SOL-{n} tier=hot"), Kind::Counter));
        }
        for n in 0..GAUGES {
            names.push((format!("pool_state_{} pool=p{n}", n % 4), Kind::Gauge));
        }
        Service { values: vec![0.0; names.len()], names, random: Seed(7).stream("page") }
    }

    /// How many events of a rate fall into one scrape.
    fn events(&mut self, rate: f64) -> usize {
        let (mut n, mut t) = (0, self.random.exponential());
        while t < rate {
            (n, t) = (n + 1, t + self.random.exponential());
        }
        n
    }

    fn move_on(&mut self) {
        let width = BOUNDS.len() + 2;
        for h in 0..HISTOGRAMS {
            for _ in 0..self.events(200.0 / (h + 1) as f64) {
                let took = 0.02 * self.random.exponential() + 0.004;
                let first = BOUNDS.iter().position(|b| b.parse::<f64>().is_ok_and(|b| took <= b)).expect("+Inf");
                (first..BOUNDS.len()).for_each(|b| self.values[h * width + b] += 1.0);
                self.values[h * width + BOUNDS.len()] += took;
                self.values[h * width + BOUNDS.len() + 1] += 1.0;
            }
        }
        let counters = HISTOGRAMS * width;
        for c in 0..COUNTERS {
            let n = self.events(500.0 / (c + 1) as f64);
            self.values[counters + c] += n as f64;
        }
        for g in 0..GAUGES {
            let value = &mut self.values[counters + COUNTERS + g];
            match g % 4 {
                0 => *value = 1024.0,                                      // a limit
                1 => *value += (self.random.unit() * 9.0).floor() - 4.0,   // connections
                2 => *value += (self.random.unit() - 0.5) * 2e6 % 4096e3,  // a figure with all its digits
                _ => *value = (self.random.unit() * 100.0).round() / 10.0, // a percentage
            }
        }
    }
}

#[test]
fn a_sample_of_a_page_of_ten_thousand_series_takes_less_than_two_bytes() {
    let mut service = Service::new();
    let mut r = recording();
    let size = |r: &super::tests::Recording| std::fs::metadata(&r.path).expect("a file").len();
    let mut first = 0;
    for n in 0..60 {
        service.move_on();
        let rows = service.names.iter().zip(&service.values);
        let rows = rows.map(|((series, kind), value)| Row { series, kind: *kind, value: *value, timestamp: None });
        let kept = r.writer.scraped(&scrape("api", n * 1000), rows, labels).expect("space");
        assert_eq!(kept.rows, 10_000);
        r.writer.flush().expect("space");
        if n == 0 {
            first = size(&r);
        }
    }
    let total = size(&r);
    let (all, later) = (total as f64 / 600_300.0, (total - first) as f64 / (59.0 * 10_005.0));
    eprintln!(
        "{total} bytes: {all:.3} a sample, {later:.3} after the first scrape ({first} bytes, dictionary included)"
    );
    assert!(all < 2.0, "{all} bytes a sample");
    let samples = r.read();
    assert_eq!(samples.series.iter().map(|s| s.samples.len()).sum::<usize>(), 60 * 10_005);
    let last = |n: usize| samples.series[5 + n].samples.last().map(|s| s.value);
    assert!((0..10_000).all(|n| last(n) == Some(service.values[n])));
}
