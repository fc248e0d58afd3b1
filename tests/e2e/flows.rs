//! Flows: what templates say, what is captured, and what becomes of a shot that rests.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::scene::{Scene, hold, outcome};
use crate::server::{Answer, Request, Server, status};

/// A server that takes orders: what was ordered, and by whom the head says it was.
fn orders(ordered: Arc<Mutex<Vec<(String, Value)>>>) -> Server {
    Server::new(move |r: &Request<'_>| {
        let target = r.head.split(' ').nth(1).expect("a request line");
        if r.head.starts_with("POST ") {
            let Ok(order) = serde_json::from_slice::<Value>(r.body) else { return status(400) };
            let id = format!("o {}", order["n"]);
            let head = r.head.lines().find_map(|line| line.strip_prefix("X-Account: ")).unwrap_or_default().to_owned();
            ordered.lock().expect("no panic").push((head, order));
            return Answer::Whole(202, "", json!({ "order": { "id": id }, "state": "NEW" }).to_string().into());
        }
        match target.strip_prefix("/base/orders/o%20").and_then(|rest| rest.split_once("?q=")) {
            Some((n, _)) => Answer::Whole(200, "", json!({ "id": format!("o {n}") }).to_string().into()),
            None => status(404),
        }
    })
}

fn scenario(url: &str, steps: &str) -> String {
    format!(
        "proofload: 1
seed: 5
target: {url}/base
traffic:
  orders:
    flow:
      values:
        client_id: uuid
        n: {{ counter: {{ from: 100 }} }}
        side: {{ choice: {{ buy: 50%, sell: 50% }} }}
        price: {{ walk: {{ from: 100.00, step: 0.1% }} }}
      data:
        accounts: {{ file: accounts.csv }}
      steps:
{steps}
    arrivals: even
    load: [{load}]
fitness: {{ lag: 10s, cpu: 100% }}
slo:
  - expect: errors(orders) == 0
",
        load = hold("160/s", "2s"),
    )
}

fn scene(yaml: &str) -> Scene {
    let scene = Scene::new(yaml);
    fs::write(scene.path("accounts.csv"), "id,desk\nacc-1,\"fx, spot\"\nacc-2,rates\nacc-3,metals\n")
        .expect("writable");
    scene
}

const ORDER: &str = r#"        - post: /orders
          json: { id: "{{client_id}}", n: "{{n}}", text: "{{n | text}}", side: "{{side}}", price: "{{price}}", desk: "of {{accounts.desk}}", seq: "{{seq}}" }
          headers: { X-Account: "{{accounts.id}}" }
          expect: [ { status: [200, 202] }, { json: $.state, is: [NEW, ACCEPTED] } ]
          capture: { order: $.order.id }"#;

#[test]
fn what_a_reply_says_goes_into_the_next_request_and_every_shot_says_its_own() {
    let ordered = Arc::new(Mutex::new(Vec::new()));
    let server = orders(ordered.clone());
    let follow = r#"
        - get: "/orders/{{order}}?q={{accounts.desk}}"
          expect: { json: $.id, is: "{{order}}" }"#;
    let yaml = scenario(&server.url(), &format!("{ORDER}{follow}"));
    let ran = scene(&yaml).run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let mut first = ordered.lock().expect("no panic").drain(..).collect::<Vec<_>>();
    first.sort_by_key(|(_, order)| order["seq"].as_u64());
    assert_eq!(first.len(), 320);
    let ids: BTreeSet<&str> = first.iter().filter_map(|(_, order)| order["id"].as_str()).collect();
    assert_eq!(ids.len(), 320, "no id comes twice");
    for (seq, (account, order)) in first.iter().enumerate() {
        assert_eq!(order["seq"].as_u64(), Some(seq as u64), "{order}");
        assert_eq!(order["n"], json!(100 + seq), "a number stays one");
        assert_eq!(order["text"], json!(format!("{}", 100 + seq)), "unless it shall be text");
        assert!(order["price"].is_f64() || order["price"].is_u64(), "{order}");
        let (wanted, desk) = [("acc-1", "of fx, spot"), ("acc-2", "of rates"), ("acc-3", "of metals")][seq % 3];
        assert_eq!((account.as_str(), &order["desk"]), (wanted, &json!(desk)), "the rows in turn");
    }
    let buys = first.iter().filter(|(_, order)| order["side"] == "buy").count();
    assert!((120..200).contains(&buys), "{buys}");
    let heads = server.heads();
    let asked: BTreeSet<&str> =
        heads.iter().filter(|h| h.starts_with("GET /base/orders/")).filter_map(|h| h.split(' ').nth(1)).collect();
    assert!(asked.contains("/base/orders/o%20100?q=fx%2C%20spot"), "{asked:?}");
    assert_eq!(asked.len(), 320, "each shot asks for what it was told");

    // The same seed says the same.
    let again = scene(&yaml).run(&[]);
    assert_eq!(again.code, Some(0), "{again:?}");
    let mut second = ordered.lock().expect("no panic").drain(..).collect::<Vec<_>>();
    second.sort_by_key(|(_, order)| order["seq"].as_u64());
    assert_eq!(second, first);
}

#[test]
fn a_reply_that_lacks_what_is_captured_is_invalid() {
    let server = Server::new(|_| Answer::Whole(200, "", br#"{"state":"NEW"}"#.to_vec()));
    let scene = scene(&scenario(&server.url(), ORDER));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(outcome(&scene.verdict(), "invalid"), 320);
    assert!(ran.out.contains("nothing at $.order.id") || ran.err.contains("nothing at $.order.id"), "{ran:?}");
}

#[test]
fn a_shot_that_still_rests_when_the_run_ends_is_unfinished_and_never_lost() {
    let server = Server::new(|_| Answer::Whole(200, "", br#"{"state":"NEW","order":{"id":"x"}}"#.to_vec()));
    let follow = "\n        - get: /orders/{{order}}\n          think: 1h";
    let yaml = scenario(&server.url(), &format!("{ORDER}{follow}"));
    let scene = scene(&yaml.replace("target: ", "target: { timeout: 500ms, url: ").replace("/base\n", "/base }\n"));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(outcome(&scene.verdict(), "unfinished"), 320);
    assert_eq!(server.count("GET "), 0);
}
