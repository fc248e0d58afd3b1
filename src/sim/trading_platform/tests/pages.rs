use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// A metric, its type and its labels.
type Metric = (&'static str, &'static str, &'static [&'static str]);

/// The catalogue of the note's metrics, service by service; and what is not the note's.
const CATALOGUE: [(&str, &[Metric]); 4] = [
    (
        "backend",
        &[
            ("process_start_time_seconds", "gauge", &[]),
            ("http_server_request_duration_seconds", "histogram", &["http_method", "http_route", "http_status_code"]),
            ("http_server_active_requests", "gauge", &[]),
            ("db_query_duration_seconds", "histogram", &["operation"]),
            ("db_active_connections", "gauge", &[]),
            ("pipeline_executions_total", "counter", &["pipeline_id", "status", "trigger_mode"]),
            ("pipeline_execution_duration_seconds", "histogram", &["pipeline_id", "status"]),
        ],
    ),
    (
        "celery-worker",
        &[
            ("process_start_time_seconds", "gauge", &[]),
            ("celery_tasks_total", "counter", &["state", "task"]),
            ("celery_task_duration_seconds", "histogram", &["task"]),
            ("celery_active_tasks", "gauge", &[]),
            ("pipeline_executions_total", "counter", &["pipeline_id", "status", "trigger_mode"]),
            ("pipeline_execution_duration_seconds", "histogram", &["pipeline_id", "status"]),
            // Not the note's.
            ("celery_queue_length", "gauge", &[]),
        ],
    ),
    (
        "signal-generator",
        &[
            ("process_start_time_seconds", "gauge", &[]),
            ("signals_generated_total", "counter", &["signal_type", "source"]),
            ("signal_generation_duration_seconds", "histogram", &["generator"]),
            ("kafka_publish_duration_seconds", "histogram", &["signal_type"]),
            ("kafka_publish_success_total", "counter", &["signal_type"]),
            ("kafka_publish_failure_total", "counter", &["error_type", "signal_type"]),
        ],
    ),
    (
        "trigger-dispatcher",
        &[
            ("process_start_time_seconds", "gauge", &[]),
            ("signals_consumed_total", "counter", &[]),
            ("pipelines_matched_total", "counter", &[]),
            ("pipelines_enqueued_total", "counter", &[]),
            ("pipelines_skipped_running_total", "counter", &[]),
            ("batch_size", "histogram", &[]),
            ("batch_processing_duration_seconds", "histogram", &[]),
            ("pipeline_cache_size", "gauge", &[]),
            ("kafka_consumer_lag_seconds", "gauge", &[]),
            // Not the note's.
            ("signals_unmatched_total", "counter", &["source"]),
            ("signals_skipped_running_total", "counter", &["source"]),
            ("signals_malformed_total", "counter", &[]),
        ],
    ),
];

#[tokio::test]
async fn every_metric_of_the_catalogue_is_there_with_its_type_and_labels() {
    let subject = Subject::start(None, &[("periodic", "200/s"), ("auth", "off")]).await;
    subject.until(|totals| totals.completed > 0).await;
    let said = serde_json::json!({ "pipeline_id": Pipelines::new(1).id(0) });
    subject.ask("POST", "/api/v1/executions/", None, &said).await;
    for _ in 0..500 {
        if subject.sum("backend", "pipeline_executions_total", "").await > 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for (service, catalogue) in CATALOGUE {
        let text = subject.page(service).await;
        let mut types = BTreeMap::new();
        let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for line in text.lines() {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                types.insert(name, kind);
            } else if !line.starts_with('#') {
                let (series, _) = line.rsplit_once(' ').expect(line);
                let (name, inside) = series.split_once('{').unwrap_or((series, ""));
                let of = ["_bucket", "_sum", "_count"].iter().find_map(|s| name.strip_suffix(s)).unwrap_or(name);
                let names = inside.split("\",").filter_map(|pair| pair.split_once('=')).map(|(name, _)| name);
                labels.entry(of).or_default().extend(names.filter(|name| *name != "le"));
            }
        }
        let found: Vec<(&str, &str, Vec<&str>)> = types
            .iter()
            .map(|(name, kind)| (*name, *kind, labels.get(name).into_iter().flatten().copied().collect()))
            .collect();
        let mut want: Vec<_> = catalogue.iter().map(|(name, kind, labels)| (*name, *kind, labels.to_vec())).collect();
        want.sort();
        assert_eq!(found, want, "{service}");
        assert_eq!(text.matches("# HELP ").count(), catalogue.len(), "{service}");
    }
    let executions = subject.page("celery-worker").await;
    let edges: Vec<&str> = executions
        .lines()
        .filter(|line| line.starts_with("pipeline_execution_duration_seconds_bucket{status=\"success\""))
        .filter_map(|line| line.split("le=\"").nth(1)?.split('"').next())
        .take(9)
        .collect();
    assert_eq!(edges, ["1", "5", "10", "30", "60", "120", "300", "600", "+Inf"], "those of the code behind the note");
}

#[tokio::test]
async fn counters_may_be_born_with_what_they_count() {
    let later = Subject::start(None, &[("born_at_zero", "off")]).await;
    assert!(!later.page("backend").await.contains("\npipeline_executions_total{"));
    let zero = Subject::start(None, &[]).await;
    for service in ["backend", "celery-worker"] {
        let page = zero.page(service).await;
        for status in State::OVER.into_iter().filter_map(State::label) {
            let line = format!("\npipeline_executions_total{{status=\"{status}\"");
            assert!(page.contains(&line), "{service}: {status} would be born at 1, and `rate` blind to it");
        }
    }
}

#[tokio::test]
async fn services_follow_each_other_and_say_whether_they_are_ready() {
    let subject = Subject::start(None, &[]).await;
    assert_eq!(subject.running.services().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), SERVICES);
    for (service, path, status) in [
        ("backend", "/health", 200),
        ("celery-worker", "/ready", 200),
        ("trigger-dispatcher", "/health", 200),
        ("trigger-dispatcher", "/ready", 503), // there is no cluster
    ] {
        let ask = Ask::new("GET", &format!("{}{path}", subject.url(service))).expect("an address");
        assert_eq!(ask.send(Duration::from_secs(10)).await.expect("answered").status, status, "{service} {path}");
    }
    let taken = subject.url("celery-worker").rsplit_once(':').expect("a port").1.parse().expect("a number");
    let error = start(Options { ports: taken, ..Options::default() }).await.err().expect("taken");
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}

/// The file of data that ships names the pipelines that there are.
#[test]
fn the_shipped_pipelines_are_those_that_there_are() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/trading-platform/pipelines.csv");
    let pipelines = Pipelines::new(40);
    let rows: Vec<String> = (0..40).map(|n| format!("{},{}\n", pipelines.id(n), pipelines.ticker(n))).collect();
    let shipped = std::fs::read_to_string(file).expect("shipped");
    assert_eq!(shipped, format!("id,symbol\n{}", rows.concat()));
}
