//! Which rules can fire in a run of a length: the table that the owners of twenty-one rules came to by hand.

use proofload::judge::alerts::{Forecast, forecast};
use proofload::plan::Plan;
use proofload::scenario::{self, Settings};

/// Name, seconds between scrapes and between evaluations, `for`.
const RULES: [(&str, u32, u32, &str); 21] = [
    ("HighPipelineFailureRate", 15, 30, "5m"),
    ("PlatformDown", 15, 30, "1m"),
    ("HighKafkaConsumerLag", 15, 30, "2m"),
    ("ServiceDown", 5, 30, "1m"),
    ("HighCPUUsage", 30, 30, "5m"),
    ("HighMemoryUsage", 30, 30, "5m"),
    ("DiskSpaceLow", 30, 30, "5m"),
    ("HighNetworkErrors", 30, 30, "5m"),
    ("ServiceRestartLoop", 30, 15, "2m"),
    ("HighErrorRate", 15, 15, "2m"),
    ("SlowResponseTime", 15, 15, "5m"),
    ("WebSocketDisconnected", 5, 15, "30s"),
    ("OrderExecutionBacklog", 5, 15, "1m"),
    ("HighDrawdown", 10, 15, "1m"),
    ("LowAccountBalance", 10, 15, "1m"),
    ("HighOrderRejectionRate", 5, 15, "5m"),
    ("StrategyInactive", 10, 15, "5m"),
    ("PositionSizeLimitApproaching", 10, 15, "1m"),
    ("RiskLimitViolation", 10, 15, "30s"),
    ("LowWinRate", 15, 15, "1h"),
    ("LowMakerRatio", 15, 15, "1h"),
];

/// What is foretold of one rule in a run of a length.
fn foretold(rule: &str, scrape: u32, length: &str, scale: u32) -> Forecast {
    let yaml = format!(
        "proofload: 1
target: http://127.0.0.1:1
traffic: {{ a: {{ flow: {{ steps: [{{ get: / }}] }}, load: [{{ hold: {{ at: 1/s, for: {length} }} }}] }} }}
observe: {{ jobs: {{ a: {{ metrics: /metrics, every: {scrape}s }} }} }}
alerts: {{ rules: [rules.yml], time_scale: {scale} }}
"
    );
    let files = |_: &str| Ok(rule.as_bytes().to_vec());
    let settings = Settings { files: &files, ..Settings::alone("forecast") };
    let scenario = scenario::read("forecast", &yaml, &settings).expect("valid");
    forecast(&scenario, &Plan::new(&scenario)).remove(0)
}

fn rule(name: &str, expr: &str, interval: u32, hold: &str) -> String {
    format!(
        "groups: [{{ name: g, interval: {interval}s, rules: [{{ alert: {name}, expr: \"{expr}\", for: {hold} }}] }}]\n"
    )
}

#[test]
fn the_rules_that_cannot_fire_are_those_of_the_table() {
    let fives = RULES.iter().filter(|r| r.3 == "5m").map(|r| r.0);
    let hours: Vec<&str> = RULES.iter().filter(|r| r.3 == "1h").map(|r| r.0).collect();
    let in_three: Vec<&str> =
        RULES.iter().map(|r| r.0).filter(|n| fives.clone().any(|f| f == *n) || hours.contains(n)).collect();
    let in_one: Vec<&str> = RULES.iter().filter(|r| r.3 != "30s").map(|r| r.0).collect();
    assert_eq!((in_one.len(), in_three.len()), (19, 10));
    for (length, hopeless) in [("60s", &in_one), ("3m", &in_three), ("6m", &hours), ("7m", &hours)] {
        let cannot = RULES.iter().filter(|(name, scrape, interval, hold)| {
            foretold(&rule(name, "x > 1", *interval, hold), *scrape, length, 1).is_hopeless()
        });
        assert_eq!(&cannot.map(|r| r.0).collect::<Vec<_>>(), hopeless, "{length}");
    }
}

#[test]
fn a_range_counts_where_it_must_be_full() {
    let seconds = |expr: &str| {
        let told = foretold(&rule("A", expr, 15, "20s"), 5, "3m", 1);
        (told.least.as_secs(), told.needed.as_secs())
    };
    // 5 + 15 + 30, because `for` ends at an evaluation.
    assert_eq!(seconds("x > 1"), (50, 50));
    assert_eq!(seconds("rate(x[5m]) > 1"), (50, 350));
    assert_eq!(seconds("rate(x[5m] offset 1m) > 1"), (50, 410));
    assert_eq!(seconds("rate(x[5m]) / rate(y[5m]) > 0.1"), (50, 50));
    assert_eq!(seconds("histogram_quantile(0.9, rate(x_bucket[5m])) > 1"), (50, 50));
}

#[test]
fn the_scale_that_is_offered_is_the_least_that_helps() {
    let rule = rule("A", "rate(x[5m]) > 1", 15, "2m");
    let told = foretold(&rule, 1, "60s", 1);
    assert!(told.is_hopeless() && !told.is_sure(), "{told:?}");
    let by = told.time_scale.expect("there is one");
    assert!(foretold(&rule, 1, "60s", by).is_sure(), "{by}");
    assert!(!foretold(&rule, 1, "60s", by - 1).is_sure(), "{by}");
    assert_eq!(foretold(&rule, 1, "1h", 1).time_scale, None, "there is time enough");
}
