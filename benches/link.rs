//! What an idle link adds to a round trip, beside a direct connection; what latency and bandwidth toxics do beside what
//! they say; and how much an idle link carries. Client and server are in this process, the link in one of its own.
//!
//! Beside the link stands the least that any hop of its own process costs on this machine: two threads that block in `read`
//! and write at once. What the link adds beyond that is its own doing; the rest is what it costs to be woken twice.
//!
//! `cargo bench --bench link`; `-- trips` for the first table only, so that two builds can be held side by side in a minute
//! each: `for i in 1 2 3; do OLD/link-* trips; NEW/link-* trips; done`, with the programs of both below `target/release/deps`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use proofload::base::time::monotonic;

/// Round trips of each row.
const TRIPS: usize = 20_000;

fn main() {
    let mut asked = std::env::args().skip_while(|word| word != "bare-hop").skip(1);
    if let Some(to) = asked.next() {
        return bare_hop(&to);
    }
    let echo = echo();
    let (stage, bare) = (Stage::start(), Bare::start(&echo));
    let link = stage.proxy("idle", &echo);
    println!("| round trip of 200 bytes, at | direct p50 µs | p99 | bare hop adds p50 | p99 | link adds p50 | p99 |");
    println!("|---|---|---|---|---|---|---|");
    for pause in [0, 200, 1000] {
        // In turns, so that all meet the same machine.
        let mut lines = [&echo, &bare.place, &link].map(|place| (connect(place), Vec::new()));
        let trips = if pause == 0 { TRIPS } else { TRIPS / 5 };
        for _ in 0..trips {
            for (stream, times) in &mut lines {
                times.push(trip(stream, pause));
            }
        }
        let [(d50, d99), (b50, b99), (l50, l99)] =
            lines.map(|(_, mut times)| (quantile(&mut times, 0.5), quantile(&mut times, 0.99)));
        let at = if pause == 0 { "once after the other".into() } else { format!("every {pause} µs") };
        let (bare50, bare99, link50, link99) = (b50 - d50, b99 - d99, l50 - d50, l99 - d99);
        println!("| {at} | {d50:.1} | {d99:.1} | {bare50:.1} | {bare99:.1} | {link50:.1} | {link99:.1} |");
    }
    if std::env::args().any(|word| word == "trips") {
        return;
    }

    println!("\n| latency said | observed p50 ms | p99 | too late p50 µs | p99 |\n|---|---|---|---|---|");
    let base = quantile(&mut (0..2000).map(|_| trip(&mut connect(&echo), 0)).collect::<Vec<_>>(), 0.5);
    for (said, times) in [("0.5", 2000), ("2", 1000), ("20", 200)] {
        let slow = stage.proxy(&format!("slow-{said}"), &echo);
        stage.toxic(&format!("slow-{said}"), "latency", &format!("{{\"latency\": {said}}}"));
        let mut stream = connect(&slow);
        let mut all: Vec<f64> = (0..times).map(|_| trip(&mut stream, 300)).collect();
        let (p50, p99) = (quantile(&mut all, 0.5), quantile(&mut all, 0.99));
        let said: f64 = said.parse().expect("a number");
        println!(
            "| {said} ms | {:.3} | {:.3} | {:.0} | {:.0} |",
            p50 / 1e3,
            p99 / 1e3,
            p50 - base - said * 1e3,
            p99 - base - said * 1e3
        );
    }

    println!("\n| bandwidth said | observed | ratio |\n|---|---|---|");
    for (rate, bytes) in [(256, 256_000), (4_000, 4_000_000), (50_000, 50_000_000)] {
        let name = format!("narrow-{rate}");
        let narrow = stage.proxy(&name, &echo);
        stage.toxic(&name, "bandwidth", &format!("{{\"rate\": {rate}}}"));
        let observed = carry(&narrow, bytes) / 1e3;
        println!("| {rate} KB/s | {observed:.0} KB/s | {:.3} |", observed / f64::from(rate));
    }
    let (direct, linked) = (carry(&echo, 500_000_000), carry(&link, 500_000_000));
    println!(
        "\ncarries there and back: {:.0} MB/s direct, {:.0} MB/s through an idle link",
        direct / 1e6,
        linked / 1e6
    );
}

/// Passes on what comes by two threads for each connection, and says first where.
fn bare_hop(to: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    println!("{}", listener.local_addr().expect("bound"));
    for client in listener.incoming().map_while(Result::ok) {
        let (_, server) = (client.set_nodelay(true), connect(to));
        let twice = |stream: &TcpStream| stream.try_clone().expect("a second handle");
        for (from, to) in [(twice(&client), twice(&server)), (server, client)] {
            thread::spawn(move || repeat(from, to));
        }
    }
}

/// Writes what can be read, until that ends.
fn repeat(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; 65_536];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..n]).is_err() {
            return;
        }
    }
}

/// This very program as a bare hop, ended when dropped.
struct Bare {
    child: Child,
    place: String,
}

impl Bare {
    fn start(to: &str) -> Bare {
        let mut command = Command::new(std::env::current_exe().expect("a program"));
        let mut child = command.args(["bare-hop", to]).stdout(Stdio::piped()).spawn().expect("it starts");
        let place = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok).next();
        Bare { child, place: place.expect("its address") }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `proofload stage`, ended when dropped.
struct Stage {
    child: Child,
    api: String,
}

impl Stage {
    fn start() -> Stage {
        let mut command = Command::new(env!("CARGO_BIN_EXE_proofload"));
        command.args(["stage", "--control", "127.0.0.1:0", "--api", "127.0.0.1:0"]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let api = lines.find_map(|line| line.strip_prefix("toxiproxy's API answers at http://").map(str::to_owned));
        thread::spawn(move || lines.for_each(drop));
        Stage { child, api: api.expect("its address") }
    }

    /// Makes a proxy; where it listens.
    fn proxy(&self, name: &str, to: &str) -> String {
        let said =
            self.post("/proxies", &format!(r#"{{"name": "{name}", "listen": "127.0.0.1:0", "upstream": "{to}"}}"#));
        let listen = said.split("\"listen\":\"").nth(1).and_then(|rest| rest.split('"').next());
        listen.expect("an address").to_owned()
    }

    fn toxic(&self, proxy: &str, kind: &str, attributes: &str) {
        self.post(&format!("/proxies/{proxy}/toxics"), &format!(r#"{{"type": "{kind}", "attributes": {attributes}}}"#));
    }

    fn post(&self, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.api).expect("connects");
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: stage\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .expect("writes");
        let mut said = String::new();
        stream.read_to_string(&mut said).expect("reads");
        assert!(said.starts_with("HTTP/1.1 20"), "{said}");
        said
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that says everything back.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let place = listener.local_addr().expect("bound").to_string();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.set_nodelay(true);
            let back = stream.try_clone().expect("a second handle");
            thread::spawn(move || repeat(stream, back));
        }
    });
    place
}

fn connect(place: &str) -> TcpStream {
    let stream = TcpStream::connect(place).expect("connects");
    stream.set_nodelay(true).expect("set");
    stream
}

/// A round trip after a pause in µs; how long it took, in µs.
fn trip(stream: &mut TcpStream, pause: u64) -> f64 {
    if pause > 0 {
        thread::sleep(Duration::from_micros(pause));
    }
    let mut buffer = [7; 200];
    let begun = monotonic();
    stream.write_all(&buffer).expect("writes");
    stream.read_exact(&mut buffer).expect("reads");
    (monotonic() - begun) as f64 / 1e3
}

/// Bytes a second, there and back.
fn carry(place: &str, bytes: usize) -> f64 {
    let stream = connect(place);
    let mut writer = stream.try_clone().expect("a second handle");
    let begun = monotonic();
    let writing = thread::spawn(move || {
        let block = vec![1; 65_536];
        let mut left = bytes;
        while left > 0 {
            let n = left.min(block.len());
            writer.write_all(&block[..n]).expect("writes");
            left -= n;
        }
    });
    let (mut reader, mut buffer, mut left) = (stream, vec![0; 65_536], bytes);
    while left > 0 {
        left -= reader.read(&mut buffer).expect("reads");
    }
    writing.join().expect("no panic");
    bytes as f64 / ((monotonic() - begun) as f64 / 1e9)
}

fn quantile(all: &mut [f64], q: f64) -> f64 {
    all.sort_by(f64::total_cmp);
    all[((all.len() - 1) as f64 * q) as usize]
}
