//! A stage of its own process that speaks toxiproxy's API, and a client for it that looks closely.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// `proofload stage`, ended when dropped.
pub struct Stand {
    child: Child,
    /// HOST:PORT of its API.
    pub api: String,
    /// What it said before that.
    pub said: Vec<String>,
}

impl Stand {
    /// Starts it with these arguments, on free ports, and waits until it answers.
    pub fn start(args: &[&str]) -> Stand {
        Stand::at("127.0.0.1:0", args)
    }

    /// The same, with its API at HOST:PORT.
    pub fn at(api: &str, args: &[&str]) -> Stand {
        let mut command = Command::new(env!("CARGO_BIN_EXE_proofload"));
        command.args(["stage", "--control", "127.0.0.1:0", "--api", api]).args(args);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut said = Vec::new();
        for line in lines.by_ref() {
            let line = line.expect("text");
            if let Some(api) = line.strip_prefix("toxiproxy's API answers at http://") {
                let api = api.to_owned();
                // It may go on talking.
                thread::spawn(move || lines.for_each(drop));
                return Stand { child, api, said };
            }
            said.push(line);
        }
        unreachable!("it ended: {:?}, {said:?}", child.wait());
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it over its API: the status, and what it says as JSON.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let (status, body) = ask(&self.api, method, path, body);
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    /// Waits until it has ended; its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("waited for").code()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request: the status and the body.
fn ask(place: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(place).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("writes");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("reads");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}

/// A server that says everything back, and where it is.
pub fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let place = listener.local_addr().expect("bound").to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut buffer) {
                    if stream.write_all(&buffer[..n]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    place
}

/// What comes back on a connection.
pub fn talk(place: &str, text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(place)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(text)?;
    let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
    while heard.len() < text.len() {
        match stream.read(&mut buffer)? {
            0 => break,
            n => heard.extend_from_slice(&buffer[..n]),
        }
    }
    Ok(heard)
}
