//! Flows: what templates say, what is captured, and what becomes of a shot that rests.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::scene::{Scene, hold};
use crate::server::{Answer, Request, Server, status};

/// How many orders came to an outcome.
fn outcome(verdict: &Value, word: &str) -> u64 {
    verdict["traffic"]["orders"]["outcomes"][word].as_u64().unwrap_or(0)
}

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
    fs::write(scene.path("scenes/accounts.csv"), "id,desk\nacc-1,\"fx, spot\"\nacc-2,rates\nacc-3,metals\n")
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
    let events = fs::read_to_string(scene.evidence().join("events.jsonl")).expect("written");
    assert!(events.contains("nothing at $.order.id"), "{events}");
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

/// A venue as B25's: an order is NEW until it has been asked for three times, and then what its number says.
fn venue() -> Server {
    let asked = Mutex::new(std::collections::BTreeMap::<String, u32>::new());
    Server::new(move |r: &Request<'_>| {
        let target = r.head.split(' ').nth(1).expect("a request line");
        if r.head.starts_with("POST /orders ") {
            let Ok(order) = serde_json::from_slice::<Value>(r.body) else { return status(400) };
            let reply = json!({ "order_id": order["client_order_id"], "status": "NEW" });
            return Answer::Whole(201, "", reply.to_string().into());
        }
        let Some(id) = target.strip_prefix("/orders/") else { return status(404) };
        let n: u32 = id.parse().unwrap_or_default();
        let times = { *asked.lock().expect("no panic").entry(id.into()).and_modify(|t| *t += 1).or_insert(1) };
        let state = match (times, n % 10) {
            (_, 7) => "PENDING", // for ever
            (1..=2, _) => "NEW",
            (_, 3) => "REJECTED",
            (_, 5) => "CANCELED",
            _ => "FILLED",
        };
        Answer::Whole(200, "", json!({ "order_id": id, "status": state }).to_string().into())
    })
}

const POLL: &str = "          until: { json: $.status, is: [FILLED, CANCELED, REJECTED], every: 20ms, within: 300ms }";

fn order_flow(url: &str, fill: &str, slo: &str) -> String {
    format!(
        "proofload: 1
target: {{ url: \"{url}\", timeout: 2s }}
traffic:
  orders:
    flow:
      values: {{ id: counter, side: {{ choice: [BUY, SELL] }} }}
      steps:
        - name: submit
          post: /orders
          json: {{ client_order_id: \"{{{{id | text}}}}\", side: \"{{{{side}}}}\", quantity: 1 }}
          expect: {{ status: 201 }}
          capture: {{ order: $.order_id }}
        - name: fill
          get: /orders/{{{{order}}}}
{fill}
    arrivals: even
    load: [{load}]
fitness: {{ lag: 10s, cpu: 100% }}
slo:
{slo}",
        load = hold("100/s", "2s"),
    )
}

#[test]
fn an_order_is_followed_until_it_is_final_and_each_step_is_measured() {
    let server = venue();
    let fill = format!("{POLL}\n          expect: {{ json: $.status, is: [FILLED, CANCELED] }}");
    let slo = "  - expect: errors(orders.submit) == 0\n    severity: warning
  - expect: errors(orders.fill) < 21%
  - expect: p50(orders.fill) < 250ms
  - expect: rate(orders.fill) > 75/s\n";
    let scene = Scene::new(&order_flow(&server.url(), &fill, slo));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let verdict = scene.verdict();
    let orders = &verdict["traffic"]["orders"];
    // Of 200 orders one in ten is rejected, and one in ten is never final.
    assert_eq!(orders["outcomes"], json!({ "ok": 160, "invalid": 20, "unfinished": 20 }));
    assert_eq!(orders["parts"]["submit"]["outcomes"], json!({ "ok": 200 }));
    assert_eq!(orders["parts"]["fill"]["outcomes"], json!({ "ok": 160, "invalid": 20, "unfinished": 20 }));
    let fill = &orders["parts"]["fill"]["clocks"]["response"];
    assert!(fill["p50"].as_f64().is_some_and(|p50| p50 >= 0.04), "it was asked for three times: {fill}");
    let whole = orders["clocks"]["response"]["p50"].as_f64().expect("measured");
    assert!(whole >= fill["p50"].as_f64().expect("measured"), "{orders}");
    assert!(ran.out.contains("fill: ok 160"), "{}", ran.out);
    let exemplars = fs::read_to_string(scene.evidence().join("events.jsonl")).expect("readable");
    assert!(exemplars.contains("not over within 300ms: `PENDING` at $.status"), "said why");
    assert!(exemplars.contains("`REJECTED` at $.status, not `FILLED` or `CANCELED`"), "said why");
    // Each poll is a request of its route; final ones stopped being asked for.
    let polls = server.count("GET /orders/");
    assert!((180 * 3..180 * 3 + 20 * 16).contains(&polls), "{polls}");

    // What has no parts in evidence has none in reports, and a histogram can be of one.
    let shown = scene.ask(&["histogram", "--traffic", "orders.fill", &scene.evidence().display().to_string()]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.out.contains("orders.fill"), "{shown:?}");
}

#[test]
fn a_flow_that_is_still_polled_when_the_load_ends_is_given_its_time() {
    let server = venue();
    let fill =
        "          until: { json: $.status, is: [FILLED, CANCELED, REJECTED, PENDING], every: 400ms, within: 5s }";
    let yaml = order_flow(&server.url(), fill, "  - expect: errors(orders) == 0\n    severity: info\n")
        .replace("timeout: 2s", "timeout: 200ms");
    let scene = Scene::new(&yaml);
    let ran = scene.run(&[]);
    assert_eq!(outcome(&scene.verdict(), "ok"), 200, "{ran:?}");
}

#[test]
fn branches_are_taken_by_their_shares_and_measured_beside_each_other() {
    let server = Server::new(|r: &Request<'_>| match r.head.starts_with("GET /slow") {
        true => status(500),
        false => Answer::Whole(200, "", br#"{"id":"7"}"#.to_vec()),
    });
    let yaml = format!(
        "proofload: 1
seed: 3
target: {}
traffic:
  users:
    flow:
      mix:
        look: {{ share: 75%, steps: [{{ get: /look, capture: {{ id: $.id }} }}, {{ get: \"/look/{{{{id}}}}\" }}] }}
        buy: {{ share: 25%, steps: [{{ post: /buy, json: {{}}, capture: {{ id: $.id }} }}, {{ name: pay, get: \"/slow/{{{{id}}}}\" }}] }}
    arrivals: even
    load: [{}]
fitness: {{ lag: 10s, cpu: 100% }}
slo:
  - expect: errors(users.look) == 0
  - expect: errors(users.buy) > 90%
  - expect: errors(users.buy.1) == 0
    severity: warning
  - expect: errors(users.buy.pay) > 90%
",
        server.url(),
        hold("300/s", "2s"),
    );
    let scene = Scene::new(&yaml);
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let parts = &scene.verdict()["traffic"]["users"]["parts"];
    let shots = |part: &str| parts[part]["shots"].as_u64().expect("counted");
    let names: Vec<&String> = parts.as_object().expect("a mapping").keys().collect();
    assert_eq!(names.len(), 6, "{names:?}");
    // Four standard deviations of a binomial count: 4·√(600·0.75·0.25) = 43.
    assert!(shots("look").abs_diff(450) < 43, "{parts}");
    assert_eq!(shots("look") + shots("buy"), 600);
    assert_eq!((shots("look.2"), shots("buy.pay")), (shots("look"), shots("buy")));
    assert_eq!(server.count("POST /buy"), shots("buy") as usize);
    let again = Scene::new(&yaml);
    again.run(&[]);
    assert_eq!(again.verdict()["traffic"]["users"]["parts"]["look"]["shots"], shots("look"), "the same seed");
}

/// What a signed request says, as the other side reads it.
fn header<'h>(head: &'h str, name: &str) -> &'h str {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

#[test]
fn requests_carry_a_signature_that_the_other_side_finds_right() {
    use base64::Engine as _;
    use proofload::base::hmac::{HmacSha256, hex};
    let server = Server::new(|r: &Request<'_>| {
        let line: Vec<&str> = r.head.split(' ').collect();
        let over = |ts: &str| format!("{ts}{}{}{}", line[0], line[1], String::from_utf8_lossy(r.body));
        let right = match line[0] {
            "POST" => {
                let signed = HmacSha256::new(b"hush-hush").sign(over(header(r.head, "X-TS")).as_bytes());
                header(r.head, "X-SIGN") == hex(&signed)
            }
            _ => {
                let (path, signature) = line[1].split_once("&signature=").unwrap_or_default();
                let query = path.split_once('?').map_or("", |(_, query)| query);
                let signed = HmacSha256::new(b"hush-hush").sign(query.as_bytes());
                let wanted = base64::engine::general_purpose::STANDARD.encode(signed);
                signature == wanted.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
            }
        };
        if right { Answer::Whole(200, "", b"{}".to_vec()) } else { status(401) }
    });
    let yaml = format!(
        r#"proofload: 1
target: {}/base
traffic:
  signals:
    flow:
      values: {{ price: {{ walk: {{ from: 100.00, step: 1% }} }}, n: counter }}
      sign: {{ hmac_sha256: {{ secret: SIGN_KEY, over: "{{{{ts}}}}{{{{method}}}}{{{{path}}}}{{{{body}}}}", header: X-SIGN }} }}
      steps:
        - post: /trade/signal?n={{{{n}}}}
          json: {{ symbol: BTCUSDT, action: buy, price: "{{{{price}}}}", confidence: 0.9 }}
          headers: {{ X-TS: "{{{{ts}}}}" }}
        - get: /positions?n={{{{n}}}}&timestamp={{{{ts}}}}
          sign: {{ hmac_sha256: {{ secret: SIGN_KEY, over: "{{{{query}}}}", query: signature, encoding: base64 }} }}
    load: [{}]
fitness: {{ lag: 10s, cpu: 100% }}
slo:
  - expect: errors(signals) == 0
"#,
        server.url(),
        hold("200/s", "2s"),
    );
    let scene = Scene::new(&yaml);
    let run = |key: Option<&str>| {
        let mut command = scene.command(&[]);
        match key {
            Some(key) => command.env("SIGN_KEY", key),
            None => command.env_remove("SIGN_KEY"),
        };
        crate::scene::Going::start(command, &scene.path(".")).wait()
    };
    let ran = run(Some("hush-hush"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for file in scene.files() {
        let bytes = fs::read(&file).expect("readable");
        assert!(!bytes.windows(9).any(|w| w == b"hush-hush"), "{} holds the key", file.display());
    }
    assert!(!ran.out.contains("hush") && !ran.err.contains("hush"));
    let refused = run(Some("another"));
    assert_eq!(refused.code, Some(1), "a wrong key is refused: {refused:?}");
    let missing = run(None);
    assert!(missing.code == Some(5) && missing.err.contains("SIGN_KEY"), "{missing:?}");
}

/// The start of a pipeline is signed as its pipeline says, and its poll as it says itself.
#[test]
fn what_a_pipeline_asks_is_signed_too() {
    use proofload::base::hmac::{HmacSha256, hex};
    let server = Server::new(|r: &Request<'_>| {
        let line: Vec<&str> = r.head.split(' ').collect();
        let (name, over) = match line[0] {
            "POST" => ("X-SIGN", format!("POST{}{}", line[1], String::from_utf8_lossy(r.body))),
            _ => ("X-POLL", line[1].to_owned()),
        };
        if header(r.head, name) != hex(&HmacSha256::new(b"hush-hush").sign(over.as_bytes())) {
            return status(401);
        }
        let body = json!({ "id": format!("e-{}", r.nth), "status": "DONE" });
        Answer::Whole(202, "", body.to_string().into())
    });
    let yaml = format!(
        r#"proofload: 1
target: {}
traffic:
  executions:
    pipeline:
      sign: {{ hmac_sha256: {{ secret: SIGN_KEY, over: "{{{{method}}}}{{{{path}}}}{{{{body}}}}", header: X-SIGN }} }}
      start: {{ post: /executions, json: {{ symbol: AAPL }}, id: $.id }}
      follow:
        poll:
          get: "/executions/{{{{id}}}}"
          state: $.status
          sign: {{ hmac_sha256: {{ secret: SIGN_KEY, over: "{{{{path}}}}", header: X-POLL }} }}
      states: {{ ok: DONE }}
      deadline: 5s
    arrivals: even
    load: [{}]
fitness: {{ lag: 10s, cpu: 100% }}
slo:
  - expect: errors(executions) < 5%
"#,
        server.url(),
        hold("60/s", "1s"),
    );
    let scene = Scene::new(&yaml);
    let run = |key: &str| {
        let _turn = crate::scene::Turn::take();
        let mut command = scene.command(&[]);
        command.env("SIGN_KEY", key);
        crate::scene::Going::start(command, &scene.path(".")).wait()
    };
    let ran = run("hush-hush");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(scene.verdict()["traffic"]["executions"]["outcomes"]["ok"], 60, "{ran:?}");
    assert_eq!(run("another").code, Some(1), "a wrong key is refused");
}

#[test]
fn what_a_log_recorded_is_played_again_as_it_came() {
    let server = Server::new(|_| Answer::Whole(200, "", b"{}".to_vec()));
    let scene = Scene::new("");
    let mut log = String::new();
    for i in 0..90 {
        // In bursts: 30 at once every second.
        let second = i / 30;
        log.push_str(&format!(
            "10.0.0.7 - - [10/Oct/2023:13:55:{:02} +0000] \"GET /quotes?n={i} HTTP/1.1\" 200 512 \"-\" \"x\"\n",
            36 + second
        ));
    }
    log.push_str("10.0.0.7 - - [10/Oct/2023:13:55:39 +0000] \"POST /orders HTTP/1.1\" 201 10\n");
    fs::write(scene.path("access.log"), log).expect("writable");
    let (from, to) = (scene.path("access.log").display().to_string(), scene.path("played").display().to_string());
    let made = scene.ask(&["import", &from, "--out", &to, "--target", &server.url()]);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.out.contains("90 requests") && made.out.contains("1 POST"), "{made:?}");
    assert_eq!(scene.ask(&["import", &from, "--out", &to]).code, Some(2), "nothing is written over");
    let file = scene.path("played/replay.yaml");
    let yaml = fs::read_to_string(&file).expect("written").replace("speed: 1x", "speed: 2x");
    fs::write(&file, yaml + "fitness: { lag: 10s, cpu: 100% }\n").expect("writable");
    let ran = scene.ask(&["run", &file.display().to_string(), "--out", &scene.out().display().to_string()]);
    assert!(matches!(ran.code, Some(0 | 3)), "{ran:?}");
    let asked: BTreeSet<String> =
        server.heads().iter().filter_map(|head| Some(head.split(' ').nth(1)?.to_owned())).collect();
    assert_eq!(asked.len(), 90, "each was asked for: {asked:?}");
    assert!(asked.contains("/quotes?n=17"));
}
