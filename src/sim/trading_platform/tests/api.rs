use serde_json::{Value, json};

use super::*;

const NONE: Value = Value::Null;

async fn login(subject: &Subject) -> String {
    let said = json!({ "username": "trader", "password": "practice" });
    let told = subject.ask("POST", "/api/v1/auth/login", None, &said).await;
    assert_eq!(told.status, 200);
    json(&told)["access_token"].as_str().expect("a token").to_owned()
}

fn pipeline(n: usize) -> String {
    Pipelines::new(40).id(n)
}

/// The states that an execution was seen in, to its end.
async fn follow(subject: &Subject, token: &str, id: &str) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..5000 {
        let told = subject.ask("GET", &format!("/api/v1/executions/{id}"), Some(token), &NONE).await;
        let state = json(&told)["status"].as_str().expect("a state").to_owned();
        if seen.last() != Some(&state) {
            seen.push(state.clone());
        }
        if !["PENDING", "RUNNING", "MONITORING", "PAUSED", "AWAITING_APPROVAL"].contains(&state.as_str()) {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("never over: {seen:?}");
}

#[tokio::test]
async fn an_execution_is_taken_on_and_comes_to_its_end() {
    let subject = Subject::start(None, &[("monitoring", "100%"), ("monitoring_time", "30ms")]).await;
    let said = json!({ "pipeline_id": pipeline(3), "mode": "paper", "symbol": "AAPL" });
    assert_eq!(subject.ask("POST", "/api/v1/executions/", None, &said).await.status, 401);
    let token = login(&subject).await;
    let told = subject.ask("POST", "/api/v1/executions/", Some(&token), &said).await;
    assert_eq!((told.status, &json(&told)["status"]), (202, &json!("PENDING")));
    let id = json(&told)["id"].as_str().expect("an id").to_owned();
    let states = follow(&subject, &token, &id).await;
    assert_eq!(states.last().map(String::as_str), Some("COMPLETED"));
    assert!(states.iter().any(|state| state == "MONITORING"), "{states:?}");
    let told = json(&subject.ask("GET", &format!("/api/v1/executions/{id}"), Some(&token), &NONE).await);
    assert_eq!((&told["pipeline_id"], &told["symbol"]), (&json!(pipeline(3)), &json!("AAPL")));
    assert!(told["completed_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{told}");
    let success = format!("status=\"success\",pipeline_id=\"{}\",trigger_mode=\"manual\"", pipeline(3));
    assert_eq!(subject.sum("backend", "pipeline_executions_total", &success).await, 1.0);
    assert_eq!(subject.sum("celery-worker", "pipeline_executions_total", "").await, 0.0, "counted once");
    assert_eq!(subject.sum("celery-worker", "celery_tasks_total", "SUCCESS").await, 1.0);
    let accepted = "http_route=\"/api/v1/executions/\",http_status_code=\"202\"";
    assert_eq!(subject.sum("backend", "http_server_request_duration_seconds_count", accepted).await, 1.0);
    assert_eq!(subject.sum("backend", "http_server_active_requests", "").await, 0.0);
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let subject = Subject::start(None, &[("password", "right")]).await;
    for (said, status) in [
        (json!({ "username": "u", "password": "wrong" }), 401),
        (json!({ "username": "u" }), 422),
        (json!("x"), 422),
        (json!({ "username": "u", "password": "right" }), 200),
    ] {
        assert_eq!(subject.ask("POST", "/api/v1/auth/login", None, &said).await.status, status, "{said}");
    }
    let mut form = Ask::new("POST", &format!("{}/api/v1/auth/login", subject.url("backend"))).expect("an address");
    form.headers.push(("Content-Type".into(), "application/x-www-form-urlencoded".into()));
    form.body = "username=a%40b&password=right".into();
    let told = form.send(Duration::from_secs(10)).await.expect("answered");
    let token = json(&told)["access_token"].as_str().expect("a token").to_owned();
    for (method, path, said, status) in [
        ("POST", "/api/v1/executions/", json!({}), 422),
        ("POST", "/api/v1/executions/", json!({ "pipeline_id": pipeline(0), "mode": "wild" }), 422),
        ("POST", "/api/v1/executions/", json!({ "pipeline_id": "12" }), 404),
        ("POST", "/api/v1/executions", json!({ "pipeline_id": pipeline(0) }), 307),
        ("GET", "/api/v1/executions/12", NONE, 404),
        ("PATCH", "/api/v1/pipelines/12", json!({ "is_active": true }), 404),
        ("GET", "/api/v1/health", NONE, 200),
        ("GET", "/nothing", NONE, 404),
    ] {
        assert_eq!(subject.ask(method, path, Some(&token), &said).await.status, status, "{method} {path} {said}");
    }
    let short = Subject::start(None, &[("token_life", "0s")]).await;
    let token = login(&short).await;
    let told = short.ask("GET", "/api/v1/pipelines/", Some(&token), &NONE).await;
    assert_eq!((told.status, told.header("www-authenticate")), (401, Some("Bearer")), "expired");
}

#[tokio::test]
async fn tasks_fail_are_tried_again_and_end_otherwise() {
    let settings =
        [("task_failures", "50%"), ("retries", "1"), ("retry_delay", "1ms"), ("cancelled", "20%"), ("auth", "off")];
    let subject = Subject::start(None, &settings).await;
    for n in 0..60 {
        let told = subject.ask("POST", "/api/v1/executions/", None, &json!({ "pipeline_id": pipeline(n % 40) })).await;
        assert_eq!(told.status, 202);
    }
    let totals = subject.until(|t| t.completed + t.failed + t.ended_otherwise == 60).await;
    assert!(totals.failed > 0 && totals.retried > totals.failed && totals.ended_otherwise > 0, "{totals:?}");
    let page = |metric, having| subject.sum("backend", metric, having);
    assert_eq!(page("pipeline_executions_total", "status=\"failed\"").await, totals.failed as f64);
    assert_eq!(page("pipeline_executions_total", "status=\"cancelled\"").await, totals.ended_otherwise as f64);
    let worker = |having| subject.sum("celery-worker", "celery_tasks_total", having);
    assert_eq!((worker("RETRY").await, worker("FAILURE").await), (totals.retried as f64, totals.failed as f64));
}

#[tokio::test]
async fn a_stuck_worker_holds_what_it_took_for_ever() {
    let settings = [("stuck_worker", "2"), ("stuck_after", "1"), ("concurrency", "3"), ("auth", "off")];
    let subject = Subject::start(None, &settings).await;
    for n in 0..30 {
        subject.ask("POST", "/api/v1/executions/", None, &json!({ "pipeline_id": pipeline(n) })).await;
    }
    let totals = subject.until(|t| t.completed == 28).await;
    assert_eq!((totals.stuck, totals.started), (2, 30));
    assert_eq!(subject.sum("celery-worker", "celery_active_tasks", "").await, 2.0);
}

#[tokio::test]
async fn a_webhook_hears_of_each_end_and_may_hear_before_the_202() {
    use crate::base::httpd::{Answer, Handler, Request, Response, serve};
    struct Heard(mpsc::UnboundedSender<Value>);
    impl Handler for Heard {
        async fn handle(&self, request: Request) -> Answer {
            let _ = self.0.send(serde_json::from_slice(&request.body).unwrap_or_default());
            Response::text(200, "").into()
        }
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/done", listener.local_addr().expect("bound"));
    let (sender, mut heard) = mpsc::unbounded_channel();
    let serving = tokio::spawn(serve(listener, Arc::new(Heard(sender))));
    let settings = [("webhook", url.as_str()), ("accept_delay", "150ms"), ("drop_id_every", "2"), ("auth", "off")];
    let subject = Subject::start(None, &settings).await;
    let said = json!({ "pipeline_id": pipeline(5) });
    let first = subject.ask("POST", "/api/v1/executions/", None, &said).await;
    let early = heard.try_recv().expect("before the reply");
    assert_eq!((&early["execution_id"], &early["status"]), (&json(&first)["id"], &json!("COMPLETED")));
    let second = subject.ask("POST", "/api/v1/executions/", None, &said).await;
    assert_eq!((second.status, json(&second).get("id")), (202, None));
    assert!(heard.recv().await.is_some());
    serving.abort();
    assert_eq!(subject.ledger.totals().no_id, 1);
}

#[tokio::test]
async fn a_pipeline_that_is_running_may_be_left_alone_over_http_too() {
    let settings = [("skip_manual", "on"), ("service_p50", "300ms"), ("service_p95", "301ms"), ("auth", "off")];
    let subject = Subject::start(None, &settings).await;
    for _ in 0..3 {
        subject.ask("POST", "/api/v1/executions/", None, &json!({ "pipeline_id": pipeline(1) })).await;
    }
    let totals = subject.until(|t| t.completed == 1).await;
    assert_eq!(totals.ended_otherwise, 2, "skipped");
}
