//! What the dispatcher decides, without Kafka and without workers: executions run until the test ends them.

use super::super::signal::Signal;
use super::*;

struct Bench {
    platform: Arc<Platform>,
    dispatcher: Dispatcher,
    ledger: Ledger,
    started: mpsc::UnboundedReceiver<u64>,
    metrics: Arc<instruments::Dispatcher>,
}

impl Bench {
    fn new(settings: &[(&str, &str)]) -> Bench {
        let ledger = Ledger::default();
        let mut options = Options { truth: Truth::Memory(ledger.clone()), ..Options::default() };
        for (key, value) in settings {
            options.set(key, value).expect(key);
        }
        let log = Log::open(&options.truth).expect("memory");
        let pipelines = Pipelines::new(options.pipelines);
        let (backend, _) = instruments::Backend::new(&pipelines, &options);
        let (worker, _) = instruments::Worker::new(&pipelines, &options);
        let metrics = Arc::new(instruments::Dispatcher::new().0);
        let (tasks, started) = mpsc::unbounded_channel();
        let ends = Ends { tasks, effects: None, hooks: None };
        let all = Instruments { backend, worker };
        let platform = Arc::new(Platform::new(options, pipelines, all, log, ends).expect("a timer"));
        let dispatcher = Dispatcher::new(platform.clone(), metrics.clone());
        Bench { platform, dispatcher, ledger, started, metrics }
    }

    fn signal(&mut self, id: &str, kind: &str, ticker: &str) {
        self.dispatcher.handle(Signal {
            id: id.into(),
            kind: kind.into(),
            source: "test".into(),
            tickers: vec![ticker.into()],
            key: ticker.into(),
        });
    }

    /// Ends all that was started; the signals that started it and their places, in order.
    fn end(&mut self) -> Vec<(String, u64)> {
        let mut causes = Vec::new();
        while let Ok(number) = self.started.try_recv() {
            let execution = self.platform.becomes(number, State::Completed).expect("under way");
            let cause = execution.cause.expect("a signal");
            causes.push((cause.signal.to_string(), cause.sequence));
        }
        causes
    }

    fn totals(&self) -> Totals {
        self.ledger.totals()
    }
}

#[test]
fn a_signal_starts_what_waits_for_it_unless_that_is_running() {
    let mut bench = Bench::new(&[]);
    bench.signal("a", "golden_cross", "AAPL");
    bench.signal("b", "golden_cross", "AAPL");
    bench.signal("c", "death_cross", "AAPL"); // another pipeline of the ticker
    bench.signal("d", "golden_cross", "NONE");
    bench.signal("a", "golden_cross", "AAPL"); // again
    assert_eq!(bench.end(), [("a".into(), 1), ("c".into(), 3)]);
    bench.signal("e", "golden_cross", "AAPL");
    assert_eq!(bench.end(), [("e".into(), 6)]);
    let wanted = Totals {
        consumed: 6,
        redelivered: 1,
        unmatched: 1,
        skipped: 1,
        swallowed: 1,
        started: 3,
        completed: 3,
        ..Totals::default()
    };
    assert_eq!(bench.totals(), wanted);
    let m = &bench.metrics;
    assert_eq!([m.consumed.get(), m.matched.get(), m.enqueued.get(), m.skipped.get()], [6, 4, 3, 1]);
    assert_eq!((m.unmatched.with(["other"]).get(), m.swallowed.with(["other"]).get()), (1, 1));
}

#[test]
fn every_nth_is_lost_and_a_rebalance_loses_more() {
    let mut bench = Bench::new(&[("lose_every", "5"), ("lose_on_rebalance", "3"), ("skip_running", "off")]);
    let send = |from: u32, to: u32, bench: &mut Bench| {
        (from..to).for_each(|n| bench.signal(&format!("s{n}"), "golden_cross", "MSFT"));
    };
    send(0, 20, &mut bench);
    assert_eq!((bench.totals().lost, bench.end().len()), (4, 16));
    bench.dispatcher.rebalanced();
    send(20, 30, &mut bench);
    let totals = bench.totals();
    // Of the ten, three by the rebalance; of the seven that were left, the fifth.
    assert_eq!((totals.lost, totals.lost_on_rebalance, totals.rebalances, totals.started), (8, 3, 1, 22));
}

#[test]
fn every_nth_start_is_made_twice() {
    let mut bench = Bench::new(&[("duplicate_every", "3"), ("skip_running", "off")]);
    (0..10).for_each(|n| bench.signal(&format!("s{n}"), "breakout", "KO"));
    let causes = bench.end();
    assert_eq!((bench.totals().duplicated, causes.len()), (3, 13));
    assert_eq!(causes.iter().filter(|(signal, _)| signal == "s2").count(), 2);
}

#[test]
fn every_nth_is_overtaken_by_the_next_of_its_key_and_pipeline() {
    let mut bench = Bench::new(&[("reorder_every", "2")]);
    bench.signal("a", "golden_cross", "V");
    bench.end();
    bench.signal("b", "golden_cross", "V"); // held
    bench.signal("c", "death_cross", "V"); // of the key, but another pipeline: overtakes nothing that anybody would see
    bench.signal("d", "golden_cross", "JPM"); // another key
    bench.signal("e", "golden_cross", "V"); // overtakes, and runs
    bench.dispatcher.let_go();
    assert_eq!(bench.totals().reordered, 0, "what overtook it is running");
    assert_eq!(bench.end(), [("c".into(), 3), ("d".into(), 4), ("e".into(), 5)]);
    bench.dispatcher.let_go();
    assert_eq!((bench.totals().reordered, bench.end()), (1, vec![("b".into(), 2)]));
    bench.signal("f", "golden_cross", "JPM"); // held
    assert_eq!(bench.end(), []);
    bench.dispatcher.give_up();
    assert_eq!((bench.totals().reordered, bench.end()), (1, vec![("f".into(), 6)]), "nothing overtook it");

    let settings = [("reorder_every", "2"), ("announce", "start"), ("skip_running", "off")];
    let mut bench = Bench::new(&settings);
    (0..9).for_each(|n| bench.signal(&format!("s{n}"), "golden_cross", "V"));
    let order: Vec<u64> = bench.end().into_iter().map(|(_, sequence)| sequence).collect();
    assert_eq!(order, [1, 3, 2, 4, 6, 5, 7, 9, 8], "what overtakes is not held itself");
    assert_eq!(bench.totals().reordered, 3);
}

#[test]
fn the_cache_knows_what_it_last_read() {
    let mut bench = Bench::new(&[("skip_running", "off")]);
    bench.platform.pipelines.switch(0, false);
    bench.signal("a", "golden_cross", "AAPL");
    assert_eq!((bench.end().len(), bench.metrics.cache.get()), (1, 40.0));
    bench.dispatcher.refresh();
    bench.signal("b", "golden_cross", "AAPL");
    assert_eq!((bench.end().len(), bench.metrics.cache.get(), bench.totals().unmatched), (0, 39.0, 1));
}
