//! The run as it is seen on a terminal: a real one (a pseudo-terminal that `script` of util-linux opens), and a screen that
//! does what terminals do with what is printed on it.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::scene::{PROGRAM, Scene, Turn, hold, scenario};
use crate::screen::Screen;
use crate::server::{Server, quote};

const SIZE: (usize, usize) = (24, 80);

/// A run on a terminal of its own.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    printed: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
    sizes: Vec<(usize, (usize, usize))>, // after so many bytes, so many rows and columns
    folder: PathBuf,
}

/// What it left.
struct Left {
    code: Option<i32>,
    text: String,
    screen: Screen,
    /// How the terminal was set before and after.
    settings: [String; 2],
}

impl Terminal {
    /// Runs a scene; nothing where there is no `script` here.
    fn start(scene: &Scene, environment: &[(&str, &str)]) -> Option<Terminal> {
        let folder = tempfile::tempdir_in(scene.path("")).expect("a folder").keep();
        let (rows, columns) = SIZE;
        let at = |name: &str| folder.join(name).display().to_string();
        let command = format!(
            "trap : INT; stty rows {rows} cols {columns}; tty >'{}'; stty -g >'{}'; '{PROGRAM}' run '{}' --out '{}'; \
             code=$?; stty -g >'{}'; exit $code",
            at("tty"),
            at("before"),
            scene.file().display(),
            scene.out().display(),
            at("after")
        );
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"]);
        script.env("SHELL", "/bin/sh").env("TERM", "xterm").env_remove("CI").env_remove("NO_COLOR");
        script.envs(environment.iter().copied());
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut child) = script.spawn() else {
            let required = std::env::var("PROOFLOAD_REQUIRE").unwrap_or_default();
            assert!(
                !required.split(',').any(|tool| tool == "script"),
                "script is not here, and PROOFLOAD_REQUIRE names it"
            );
            eprintln!("skipped: no script(1) here to open a terminal with");
            return None;
        };
        let (keys, mut out) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let printed = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&printed);
        let reader = thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(n @ 1..) = out.read(&mut some) {
                into.lock().expect("whole").extend_from_slice(&some[..n]);
            }
        });
        Some(Terminal { child, keys, printed, reader, sizes: vec![(0, SIZE)], folder })
    }

    /// What has been printed so far.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.printed.lock().expect("whole")).into_owned()
    }

    /// Waits for something to be printed.
    fn wait_for(&mut self, what: &str) {
        for _ in 0..3_000 {
            if self.text().contains(what) {
                return;
            }
            assert!(self.child.try_wait().expect("waits").is_none(), "it ended without {what:?}: {}", self.text());
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{what:?} never came: {}", self.text());
    }

    /// Makes the window another size just after something was drawn, when nothing will be for a while.
    fn resize(&mut self, rows: usize, columns: usize) {
        let before = self.printed.lock().expect("whole").len();
        while self.printed.lock().expect("whole").len() == before && self.child.try_wait().expect("waits").is_none() {
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(Duration::from_millis(50));
        let tty = fs::read_to_string(self.folder.join("tty")).expect("a terminal");
        let size = [rows.to_string(), columns.to_string()];
        let set = Command::new("stty").args(["-F", tty.trim(), "rows", &size[0], "cols", &size[1]]).status();
        assert!(set.expect("runs").success(), "{tty}");
        self.sizes.push((self.printed.lock().expect("whole").len(), (rows, columns)));
    }

    fn press(&mut self, key: u8) {
        self.keys.write_all(&[key]).and_then(|()| self.keys.flush()).expect("a terminal");
    }

    /// Waits for the end; the screen as it is then.
    fn end(mut self) -> Left {
        let code = self.child.wait().expect("ends").code();
        self.reader.join().expect("read");
        let bytes = self.printed.lock().expect("whole").clone();
        let mut screen = Screen::new(SIZE.0, SIZE.1);
        for (n, (from, (rows, columns))) in self.sizes.iter().enumerate() {
            let to = self.sizes.get(n + 1).map_or(bytes.len(), |(to, _)| *to);
            screen.resize(*rows, *columns);
            let part = String::from_utf8_lossy(&bytes[*from..to]).into_owned();
            assert_eq!(screen.print(&part), Ok(()), "{part:?}");
        }
        let settings = ["before", "after"].map(|name| fs::read_to_string(self.folder.join(name)).unwrap_or_default());
        Left { code, text: String::from_utf8_lossy(&bytes).into_owned(), screen, settings }
    }
}

/// Whether a line is one of those that are drawn again and again.
fn is_of_a_frame(line: &str) -> bool {
    line.starts_with("rate ") || line.starts_with("so far ") || line.contains('█') || line.contains("···")
}

/// How often a line holds something.
fn count(lines: &[String], what: &str) -> usize {
    lines.iter().filter(|line| line.contains(what)).count()
}

/// A practice target whose one quoter hangs for a while, and with it whoever asks.
fn hanging(length: &str, slo: &str) -> String {
    scenario(
        "{ sim: quote-service, timeout: 500ms, with: { ttl: 100ms, timeout: none, deadline: none } }",
        &hold("60/s", length),
        slo,
    ) + "upstreams: { jupiter: { like: jupiter, latency: 5ms } }
faults: { hangs: { on: upstream/jupiter, inject: { timeout: {} }, at: 1s, for: 3s } }
"
}

#[test]
fn what_is_redrawn_stays_in_its_place_and_what_happened_stays_above_it() {
    let _turn = Turn::take();
    let scene = Scene::new(&hanging("8s", "  - expect: errors(q) < 5%\n  - expect: p50(q) < 10s\n"));
    let Some(mut terminal) = Terminal::start(&scene, &[]) else { return };
    // It is drawn red as soon as it breaks, while the run goes on.
    terminal.wait_for("\u{1b}[1;31mbroken errors(q) < 5%");
    assert!(terminal.text().contains("so far "), "a frame");
    terminal.resize(12, 60);
    terminal.resize(24, 80);
    let left = terminal.end();
    assert_eq!(left.code, Some(1), "{}", left.text);
    let all = left.screen.all();
    let frames: Vec<&String> = all.iter().filter(|line| is_of_a_frame(line)).collect();
    assert!(frames.is_empty(), "left of frames: {frames:#?}\n{}", all.join("\n"));
    for once in ["fault hangs began", "fault hangs ended", "broken so far: errors(q) < 5%"] {
        assert_eq!(count(&all, once), 1, "{once}: {}", all.join("\n"));
    }
    let line =
        |what: &str| all.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {all:#?}"));
    assert!(line("hangs began") < line("broken so far") && line("broken so far") < line("FAIL  a scene"), "{all:#?}");
    // On one screen, before the details: the verdict and what speaks against it.
    let summary = &all[line("FAIL  a scene")..=line("report   ")];
    assert!(summary.len() <= 24 && count(summary, "errors(q) < 5%") == 1, "{summary:#?}");
    assert!(
        left.screen.cursor && left.settings[0] == left.settings[1],
        "the terminal is as it was: {:?}",
        left.settings
    );
    assert!(left.screen.gone().len() > 5 && left.screen.seen().len() == 24);
}

#[test]
fn who_presses_ctrl_c_has_the_terminal_as_it_was_and_the_verdict_on_it() {
    let _turn = Turn::take();
    let server = Server::new(|_| quote());
    let scene = Scene::new(&scenario(&server.url(), &hold("40/s", "60s"), "  - expect: errors(q) < 5%\n"));
    let Some(mut terminal) = Terminal::start(&scene, &[]) else { return };
    terminal.wait_for("so far ");
    terminal.press(3);
    let left = terminal.end();
    assert_eq!(left.code, Some(130), "{}", left.text);
    let all = left.screen.all();
    assert!(!all.iter().any(|line| is_of_a_frame(line)), "left of frames: {all:#?}");
    assert!(count(&all, "(exit 130)") >= 1 && count(&all, "PASS  a scene") == 0, "{all:#?}");
    assert!(left.screen.cursor && !left.settings[0].is_empty() && left.settings[0] == left.settings[1]);
    assert!(left.screen.colours.last().is_none_or(|colour| colour == "0"), "{:?}", left.screen.colours);
}

#[test]
fn where_nobody_wants_colour_or_can_redraw_there_are_plain_lines() {
    let server = Server::new(|_| quote());
    let scene = |length| Scene::new(&scenario(&server.url(), &hold("40/s", length), "  - expect: errors(q) < 5%\n"));
    let ran = |environment: &[(&str, &str)]| {
        let _turn = Turn::take();
        let left = Terminal::start(&scene("2s"), environment)?.end();
        assert_eq!(left.code, Some(0), "{}", left.text);
        Some(left)
    };
    let Some(plain) = ran(&[("NO_COLOR", "1")]) else { return };
    assert!(plain.screen.colours.is_empty() && plain.text.contains("rate "), "drawn, without colour: {}", plain.text);
    for environment in [("TERM", "dumb"), ("CI", "1")] {
        let Some(left) = ran(&[environment]) else { return };
        let all = left.screen.all();
        assert_eq!(count(&all, "in flight  p50"), 1, "{environment:?}: a plain line: {all:#?}");
        let moves = left.text.matches("\u{1b}[").count() - left.screen.colours.len();
        assert_eq!(moves, 0, "{environment:?}: nothing is drawn over: {}", left.text);
        assert!(environment.0 != "TERM" || left.screen.colours.is_empty(), "{environment:?}: {}", left.text);
    }
}
