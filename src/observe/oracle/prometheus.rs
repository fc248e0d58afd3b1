//! A Prometheus server of our own, which scrapes nothing: samples are written to it, then it is asked.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::wire;
use super::{Asked, Room, Told, number};
use crate::base::series::{Labels, Series};

/// How long it may take to come up.
const READY: Duration = Duration::from_secs(20);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(60);
/// A server is as safe against our death as a shell can make it: when its input ends, because we closed it or are gone,
/// the server is killed and its folder removed.
const KEEPER: &str = r#"room=$1; shift
"$@" >"$room/log" 2>&1 </dev/null & server=$!
cat >/dev/null
kill -9 "$server" 2>/dev/null; wait "$server" 2>/dev/null
rm -rf "$room""#;

/// A server with samples.
pub struct Server {
    port: u16,
    client: reqwest::Client,
    /// The shell that keeps the server; it ends when its input does.
    keeper: Child,
    /// Removed by the keeper too, who may outlive us.
    _room: Room,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // What we are asked to end has ended when we return.
        for _ in 0..200 {
            if !matches!(self.keeper.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Server {
    /// A server that holds these samples.
    pub(super) async fn start(series: &[&Series]) -> Result<Server, String> {
        let mut tried = Err("no free port".to_owned());
        // A port that was free a moment ago may be taken now.
        for _ in 0..3 {
            tried = Server::up().await;
            if tried.is_ok() {
                break;
            }
        }
        let server = tried?;
        for batch in wire::batches(series) {
            server.write(wire::body(&batch)).await?;
        }
        Ok(server)
    }

    async fn up() -> Result<Server, String> {
        let room = Room::new()?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(|e| e.to_string())?.port();
        let config = room.0.join("prometheus.yml");
        std::fs::write(&config, "global: {}\n").map_err(|e| format!("{}: {e}", config.display()))?;
        let keeper = Command::new("/bin/sh")
            .args(["-c", KEEPER, "sh"])
            .arg(&room.0)
            .arg("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", room.0.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y", "--log.level=warn"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("prometheus cannot be started: {e}"))?;
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER).build().map_err(|e| e.to_string())?;
        let server = Server { port, client, keeper, _room: room };
        match timeout(READY, server.ready()).await {
            Ok(()) => Ok(server),
            Err(_) => Err(format!("prometheus was not ready after {} s: {}", READY.as_secs(), server.log())),
        }
    }

    async fn ready(&self) {
        let url = self.url("/-/ready");
        while !self.client.get(&url).send().await.is_ok_and(|reply| reply.status().is_success()) {
            sleep(Duration::from_millis(25)).await;
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The last line that it wrote.
    fn log(&self) -> String {
        let log = std::fs::read_to_string(self._room.0.join("log")).unwrap_or_default();
        log.lines().last().unwrap_or("it said nothing").to_owned()
    }

    async fn write(&self, body: Vec<u8>) -> Result<(), String> {
        let request = self.client.post(self.url("/api/v1/write"));
        let request = request.header("Content-Type", "application/x-protobuf").header("Content-Encoding", "snappy");
        let reply = request.header("X-Prometheus-Remote-Write-Version", "0.1.0").body(body).send().await;
        let reply = reply.map_err(|e| format!("prometheus does not take samples: {e}"))?;
        if reply.status().is_success() {
            return Ok(());
        }
        let (status, said) = (reply.status(), reply.text().await.unwrap_or_default());
        Err(format!("prometheus does not take samples: {status}: {}", said.trim()))
    }

    /// Asks one after the other.
    pub(super) async fn ask(&self, asked: &[Asked]) -> Result<Vec<Told>, String> {
        let mut told = Vec::with_capacity(asked.len());
        for Asked { expr, at_ms } in asked {
            let mut query = vec![("query", expr.clone()), ("time", seconds(*at_ms))];
            told.push(self.answer("/api/v1/query", &mut query).await?.and_then(|data| elements(&data)));
        }
        Ok(told)
    }

    /// The data of an answer; within, what the server says is wrong with the question.
    async fn answer(&self, path: &str, query: &mut Vec<(&str, String)>) -> Result<Result<Value, String>, String> {
        let mut form = String::new();
        for (name, value) in query.drain(..) {
            form.push_str(&format!("{}{name}={}", if form.is_empty() { "" } else { "&" }, percent(&value)));
        }
        let request = self.client.post(self.url(path)).header("Content-Type", "application/x-www-form-urlencoded");
        let reply = request.body(form).send().await.map_err(|e| format!("prometheus does not answer: {e}"))?;
        let body = reply.bytes().await.map_err(|e| format!("prometheus does not answer: {e}"))?;
        let body: Value = serde_json::from_slice(&body).map_err(|e| format!("prometheus answers no JSON: {e}"))?;
        match body["status"].as_str() {
            Some("success") => Ok(Ok(body["data"].clone())),
            _ => Ok(Err(body["error"].as_str().unwrap_or("no reason given").to_owned())),
        }
    }
}

fn seconds(ms: i64) -> String {
    format!("{}{}.{:03}", if ms < 0 { "-" } else { "" }, ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000)
}

/// A value in a form.
fn percent(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|b| if plain(b) { (b as char).to_string() } else { format!("%{b:02X}") }).collect()
}

fn elements(data: &Value) -> Told {
    let value = |pair: &Value| pair[1].as_str().and_then(number).ok_or_else(|| format!("`{pair}` is no sample"));
    match data["resultType"].as_str() {
        Some("scalar") => Ok(vec![(Labels::default(), value(&data["result"])?)]),
        Some("vector") => {
            let all = data["result"].as_array().map(Vec::as_slice).unwrap_or_default();
            all.iter().map(|element| Ok((labels(&element["metric"]), value(&element["value"])?))).collect()
        }
        other => Err(format!("the answer is a {}", other.unwrap_or("riddle"))),
    }
}

fn labels(metric: &Value) -> Labels {
    let pairs = metric.as_object().into_iter().flatten();
    Labels::new(pairs.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let data = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        let vector = data(r#"{"resultType":"vector","result":[{"metric":{"__name__":"up"},"value":[1.5,"+Inf"]}]}"#);
        assert_eq!(elements(&vector), Ok(vec![(Labels::new([("__name__", "up")]), f64::INFINITY)]));
        let scalar = data(r#"{"resultType":"scalar","result":[1.5,"2e-3"]}"#);
        assert_eq!(elements(&scalar), Ok(vec![(Labels::default(), 0.002)]));
        assert!(elements(&data(r#"{"resultType":"string","result":[1,"x"]}"#)).is_err());
        assert_eq!(
            (seconds(1_500), seconds(-20), percent("a b+\u{e9}")),
            ("1.500".into(), "-0.020".into(), "a%20b%2B%C3%A9".into())
        );
    }
}
