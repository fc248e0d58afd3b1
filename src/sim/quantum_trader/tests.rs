use super::*;
use crate::base::ask::Ask;
use std::time::Duration;

#[tokio::test]
async fn five_services_answer_as_their_contract_says() {
    let running = start(Options { version: "2.1".into(), ..Options::default() }).await.expect("ports");
    let names: Vec<&str> = running.services().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, SERVICES);
    let ask = async |service: usize, method: &str, path: &str| {
        let ask = Ask::new(method, &format!("{}{path}", running.services()[service].1)).expect("an address");
        ask.send(Duration::from_secs(10)).await.expect("answered")
    };
    for service in 0..SERVICES.len() {
        for path in ["/health/live", "/health/ready", "/metrics"] {
            assert_eq!(ask(service, "GET", path).await.status, 200);
        }
    }
    for (path, status) in [("/nonexistent", 404), ("/simulate-error", 500)] {
        assert_eq!(ask(0, "GET", path).await.status, status);
    }
    assert_eq!(ask(1, "POST", "/orders").await.status, 200);
    let page = String::from_utf8(ask(0, "GET", "/metrics").await.body.to_vec()).expect("text");
    let labels = r#"service="ai-engine",environment="practice",version="2.1""#;
    for line in [
        format!("http_requests_total{{{labels},method=\"GET\",path=\"other\",status=\"404\"}} 1\n"),
        format!("http_requests_total{{{labels},method=\"GET\",path=\"/simulate-error\",status=\"500\"}} 1\n"),
        format!("http_requests_total{{{labels},method=\"POST\",path=\"/predict\",status=\"500\"}} 0\n"),
    ] {
        assert!(page.contains(&line), "{line} in {page}");
    }
    let page = String::from_utf8(ask(1, "GET", "/metrics").await.body.to_vec()).expect("text");
    assert!(page.contains("trades_executed_total{service=\"execution\""), "{page}");
}
