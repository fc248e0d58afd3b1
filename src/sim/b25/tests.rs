use super::*;
use crate::base::ask::Ask;

async fn page(running: &Running, service: &str) -> String {
    let (_, url) = running.services().iter().find(|(name, _)| name == service).expect("a service");
    let told = Ask::new("GET", &format!("{url}/metrics")).expect("an address").send(Duration::from_secs(10)).await;
    String::from_utf8(told.expect("answered").body.to_vec()).expect("text")
}

#[tokio::test]
async fn orders_move_the_account_and_errors_are_counted() {
    let running = start(Options::default()).await.expect("ports");
    let (_, orders) = running.services()[1].clone();
    for (method, path, status) in [("POST", "/orders", 200), ("GET", "/simulate-error", 500), ("GET", "/health", 200)] {
        let ask = Ask::new(method, &format!("{orders}{path}")).expect("an address");
        assert_eq!(ask.send(Duration::from_secs(10)).await.expect("answered").status, status);
    }
    let shown = page(&running, "order-execution").await;
    assert!(shown.contains("order_execution_filled_orders_total{service=\"order-execution\""), "{shown}");
    assert!(shown.contains("path=\"/simulate-error\",status=\"500\"} 1\n"), "{shown}");
    tokio::time::sleep(PULSE * 3).await;
    let account = page(&running, "account-monitor").await;
    assert!(
        account.lines().any(|l| l.starts_with("account_monitor_total_trades_total{") && l.ends_with(" 1")),
        "{account}"
    );
    assert!(page(&running, "market-data").await.contains("market_data_messages_processed_total"));
}

#[tokio::test]
async fn a_counter_may_be_born_with_its_first_error() {
    let running = start(Options { born_at_zero: false, ..Options::default() }).await.expect("ports");
    assert!(!page(&running, "market-data").await.contains("status=\"500\""));
    let running = start(Options::default()).await.expect("ports");
    assert!(page(&running, "market-data").await.contains("path=\"/simulate-error\",status=\"500\"} 0\n"));
}
