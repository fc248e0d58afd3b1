//! Snapshots in, text out.

use super::*;
use crate::evidence::board::{Lane, Recent};
use crate::judge::{Kind, Quantity};

fn at(seconds: i64) -> Offset {
    Offset::from_millis(seconds * 1000)
}

fn span(start: i64, end: i64) -> Span {
    Span { start: at(start), end: at(end) }
}

fn view(name: &str) -> View {
    View {
        name: text::shorten(name, NAME),
        phases: vec![("warm_up", span(0, 10)), ("hold", span(10, 90)), ("spike", span(90, 100))],
        faults: vec![span(30, 45)],
        end: at(100),
        board: Board::default(),
        standings: Vec::new(),
        rates: VecDeque::new(),
        p99s: VecDeque::new(),
        remarked: 0,
        broken: Vec::new(),
    }
}

fn board(seconds: i64) -> Board {
    let lane =
        Lane { name: "quotes".into(), phase: "hold".into(), taken: 1_240, finished: 1_228, late: 3, ..Lane::default() };
    let recent = Recent {
        finished: 198 + seconds.unsigned_abs() % 7,
        failed: 2,
        p50: Some(Duration::from_millis(45)),
        p99: Some(Duration::from_millis(200 + seconds.unsigned_abs() % 5 * 20)),
    };
    Board { at: at(seconds), end: at(100), traffic: vec![lane], recent, ..Board::default() }
}

fn standing(promise: &str, state: State, ms: Option<f64>) -> Standing {
    let observed = ms.map(|ms| Quantity { value: ms / 1e3, kind: Kind::Time });
    let (promise, window) = (promise.into(), "outside faults".into());
    Standing { promise, window, severity: Severity::Critical, state, observed }
}

fn standings() -> Vec<Standing> {
    vec![
        standing("p95(quotes) < 500ms", State::Broken, Some(812.0)),
        standing("p50(quotes) < 100ms", State::Kept, Some(45.0)),
        standing("recovery(quotes) < 5s", State::Open, None),
    ]
}

#[test]
fn a_frame_says_where_the_run_is_and_what_is_broken() {
    let mut view = view("quotes under an outage");
    for second in 20..32 {
        view.take(&board(second), &[]);
    }
    let mut now = board(32);
    now.faults.push("jupiter-hangs".into());
    view.take(&now, &standings());
    let lines = view.frame(Style { width: 80, height: 24, colour: false });
    let expected = [
        "quotes under an outage                             hold  0:32 of 1:40, 1:08 left",
        "█████████████████████████▌······················································",
        "                        ▒▒▒▒▒▒▒▒▒▒▒▒",
        "warm_up hold                                                            spike",
        "rate      202/s  █████████████        12 in flight  errors 0.9901 %  3 late",
        "p99      240 ms  ▆▇▇▇█▆▇▇▇█▆▇▇        p50 45.0 ms",
        "fault  jupiter-hangs",
        "broken p95(quotes) < 500ms: 812 ms, outside faults",
        "so far 1 kept, 1 broken, 1 open  the verdict comes of all evidence",
    ];
    assert_eq!(lines.join("\n"), expected.join("\n"));
}

#[test]
fn no_line_is_wider_than_the_terminal_whatever_it_is_about() {
    let mut view = view("名前が幅広い <b>&\"'\u{1b}[31m🚀🚀🚀 and it goes on and on and on");
    let mut now = board(50);
    now.faults = vec!["🔥".repeat(60), "\u{7}bell".into()];
    let many: Vec<Standing> =
        (0..100).map(|n| standing(&format!("p99(quotes{n}) < 1ms 🚀"), State::Broken, Some(1e6))).collect();
    view.take(&now, &many);
    for width in [20, 40, 80, 300] {
        for colour in [false, true] {
            let lines = view.frame(Style { width, height: 24, colour });
            let room = width.min(100);
            for line in &lines {
                assert!(console::measure_text_width(line) <= room, "{width}: {line:?}");
                let bare = console::strip_ansi_codes(line);
                assert!(!bare.contains(char::is_control), "{line:?}");
            }
            assert!(lines.len() <= 13, "{lines:#?}");
        }
    }
    assert!(view.frame(Style { width: 80, height: 24, colour: false }).iter().any(|line| line.contains("and 96 more")));
}

#[test]
fn where_there_is_little_room_what_is_broken_stays() {
    let mut view = view("a run");
    let mut now = board(40);
    now.faults.push("jupiter-hangs".into());
    view.take(&now, &standings());
    let frame = |height| view.frame(Style { width: 80, height, colour: false });
    assert_eq!(frame(24).len(), 9);
    for height in 1..9 {
        assert_eq!(frame(height).len(), height);
        assert!(frame(height)[0].starts_with("a run"), "{:?}", frame(height));
    }
    assert!(!frame(8).iter().any(|line| line.starts_with("warm_up")), "the names of phases go first: {:?}", frame(8));
    assert!(frame(3)[1].starts_with("broken p95(quotes)"), "{:?}", frame(3));
}

#[test]
fn colour_is_taken_away_as_a_whole() {
    let mut view = view("a run");
    view.take(&board(40), &standings());
    let style = |colour| Style { width: 80, height: 24, colour };
    let coloured = view.frame(style(true)).join("\n");
    assert!(coloured.contains("\u{1b}[1;31mbroken p95(quotes)"), "{coloured:?}");
    assert_eq!(console::strip_ansi_codes(&coloured), view.frame(style(false)).join("\n"));
}

#[test]
fn what_happens_is_said_once_and_stays_above() {
    let mut view = view("a run");
    let mut now = board(30);
    now.remark("30.0 s: fault jupiter-hangs began".into());
    assert_eq!(view.take(&now, &[]), ["30.0 s: fault jupiter-hangs began"]);
    assert_eq!(view.take(&now, &standings()), ["0:30: broken so far: p95(quotes) < 500ms: 812 ms, outside faults"]);
    assert!(view.take(&now, &standings()).is_empty(), "said already");
    let mut again = standings();
    again[0].state = State::Open;
    assert!(view.take(&now, &again).is_empty(), "what is not known is no news");
    again[0].state = State::Kept;
    assert_eq!(view.take(&now, &again).len(), 1);
    again[0].state = State::Broken;
    assert_eq!(view.take(&now, &again).len(), 1, "it may break again");
}

#[test]
fn a_plain_line_holds_the_same() {
    let mut view = view("a run");
    let mut now = board(61);
    now.faults.push("jupiter-hangs".into());
    view.take(&now, &standings());
    assert_eq!(
        view.line(),
        "   1:01 of 1:40  hold        203/s     12 in flight  p50  45.0 ms  p99   220 ms  errors 0.9852 %  3 late  \
         FAULT jupiter-hangs  1 promise broken so far"
    );
    view.end = at(86_400);
    assert_eq!(view.pace(), Duration::from_secs(60), "a long run is told of less often");
}

#[test]
fn before_and_after_the_load_it_says_so() {
    let mut view = view("a run");
    view.take(&board(-3), &[]);
    assert!(view.rates.is_empty(), "no second of the load");
    let head = |view: &View| view.frame(Style { width: 60, height: 24, colour: false })[0].clone();
    assert!(head(&view).ends_with("begins in 0:03"), "{}", head(&view));
    view.take(&board(104), &[]);
    assert!(head(&view).ends_with("draining, 12 in flight"), "{}", head(&view));
    assert_eq!((instant(at(-2)), instant(at(3_727))), ("-0:02".into(), "1:02:07".into()));
}
