use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::super::toxic::{Delay, Kind, Watch};
use super::*;
use crate::base::law::Law;
use crate::base::seed::Seed;

const MS: u64 = 1_000_000;

fn place(connection: u64) -> Place {
    Place { seed: Seed(7), link: "db".into(), connection }
}

fn chain() -> Chain {
    Chain::new(Stream::Downstream, place(0))
}

fn toxic(id: u64, kind: Kind) -> Arc<Toxic> {
    let name = format!("toxic-{id}");
    Arc::new(Toxic { id, name, kind, stream: Stream::Downstream, toxicity: 1.0, watcher: None })
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn late(latency: u64) -> Kind {
    Kind::Latency(Delay::Jitter { latency: ms(latency), jitter: Duration::ZERO })
}

fn data(bytes: impl Into<Bytes>) -> Item {
    Item::Data(bytes.into())
}

/// Everything that comes out until `until`, with its instant, for a reader who never lets anything wait.
fn read(chain: &mut Chain, from: u64, until: u64) -> Vec<(u64, Item)> {
    let (mut now, mut read) = (from, Vec::new());
    loop {
        let next = chain.advance(now);
        if let Some(item) = chain.front().cloned() {
            chain.taken(if let Item::Data(bytes) = &item { bytes.len() } else { 0 });
            read.push((now, item));
            continue;
        }
        match next.filter(|next| *next <= until) {
            Some(next) => now = next,
            None => return read,
        }
    }
}

fn bytes(read: &[(u64, Item)]) -> Vec<u8> {
    let of = |(_, item): &(u64, Item)| if let Item::Data(bytes) = item { bytes.to_vec() } else { Vec::new() };
    read.iter().flat_map(of).collect()
}

#[test]
fn without_toxics_everything_passes_at_once() {
    let mut chain = chain();
    chain.push(data("ab"), 5);
    chain.push(Item::End, 6);
    assert_eq!(read(&mut chain, 6, 6), [(6, data("ab")), (6, Item::End)]);
}

#[test]
fn latency_delays_once_and_costs_no_throughput() {
    let mut chain = chain();
    chain.set(&[toxic(0, late(50)), toxic(1, late(20))], 0);
    let mut came = Vec::new();
    for n in 0..200 {
        let now = n * MS / 2;
        came.extend(read(&mut chain, now, now));
        chain.push(data(vec![n as u8; 1000]), now);
        came.extend(read(&mut chain, now, now + MS / 2 - 1));
    }
    chain.push(Item::End, 100 * MS);
    came.extend(read(&mut chain, 100 * MS, u64::MAX));
    assert_eq!(came.len(), 201);
    for (n, (at, _)) in came.iter().enumerate() {
        assert_eq!(*at, n as u64 * MS / 2 + 70 * MS, "the two add up, and nothing waits for what was before it");
    }
}

#[test]
fn what_comes_together_is_late_together() {
    let law = Law::Quantiles(vec![(0.5, ms(10)), (0.99, ms(400))]);
    let mut chain = chain();
    chain.set(&[toxic(0, Kind::Latency(Delay::Law(law.clone())))], 0);
    let mut delays = Vec::new();
    for n in 0..400 {
        let sent = n * 10_000 * MS;
        for piece in 0..50 {
            chain.push(data("x"), sent + piece * 900_000);
        }
        let came = read(&mut chain, sent, sent + 9_000 * MS);
        assert_eq!(came.len(), 50);
        let delay = came[0].0 - sent;
        assert!(came.iter().enumerate().all(|(i, (at, _))| *at == sent + delay + i as u64 * 900_000));
        delays.push(delay);
    }
    // One draw for each message, by the law: a 99.9 % interval of a binomial around half of 400.
    let quick = delays.iter().filter(|d| **d < 10 * MS).count();
    assert!((167..=233).contains(&quick), "{quick}");
}

#[test]
fn jitter_is_uniform_around_the_latency() {
    let mut chain = chain();
    chain.set(&[toxic(0, Kind::Latency(Delay::Jitter { latency: ms(50), jitter: ms(20) }))], 0);
    let mut delays: Vec<f64> = (0..1000)
        .map(|n| {
            let sent = n * 1_000 * MS;
            chain.push(data("x"), sent);
            (read(&mut chain, sent, sent + 900 * MS)[0].0 - sent) as f64 / MS as f64
        })
        .collect();
    delays.sort_by(f64::total_cmp);
    // Kolmogorov and Smirnov: 1.95/√n is the 99.9 % bound.
    let distance = delays.iter().enumerate().map(|(i, d)| ((d - 30.0) / 40.0 - i as f64 / 1000.0).abs());
    let distance = distance.fold(0.0, f64::max);
    assert!(distance < 1.95 / 1000f64.sqrt(), "{distance}");
}

#[test]
fn bandwidth_is_exact_and_does_not_catch_up_with_a_slow_reader() {
    let mut chain = chain();
    chain.set(&[toxic(0, Kind::Bandwidth { rate: 256_000 })], 0);
    chain.push(data(vec![1; 128_000]), 0);
    assert!(!chain.has_room(), "the sender is held back");
    let came = read(&mut chain, 0, u64::MAX);
    assert_eq!((bytes(&came).len(), came.last().expect("something").0), (128_000, 500 * MS));
    assert!(came.iter().all(|(_, item)| matches!(item, Item::Data(b) if b.len() <= 2560)), "evenly");
    // A line that was idle has saved nothing up.
    chain.push(data(vec![1; 25_600]), 10_000 * MS);
    assert_eq!(read(&mut chain, 10_000 * MS, u64::MAX).last().expect("something").0, 10_100 * MS);
    // Nobody reads for a second: not more than 10 ms of that come at once.
    chain.push(data(vec![1; 51_200]), 20_000 * MS);
    let at_once = read(&mut chain, 21_000 * MS, 21_000 * MS);
    assert!(bytes(&at_once).len() <= 2 * 2560, "{}", bytes(&at_once).len());
    let mut nothing = self::chain();
    nothing.set(&[toxic(0, Kind::Bandwidth { rate: 0 })], 0);
    nothing.push(data("x"), 0);
    assert_eq!(read(&mut nothing, 0, u64::MAX), []);
}

#[test]
fn slices_have_their_sizes_and_their_distance() {
    let mut chain = chain();
    let kind = Kind::Slicer { average_size: 100, size_variation: 40, delay: Duration::from_micros(300) };
    chain.set(&[toxic(0, kind)], 0);
    chain.push(data(vec![1; 50_000]), MS);
    let came = read(&mut chain, MS, u64::MAX);
    let sizes: Vec<usize> = came.iter().map(|(_, i)| if let Item::Data(b) = i { b.len() } else { 0 }).collect();
    assert!(sizes[..sizes.len() - 1].iter().all(|n| (60..=140).contains(n)), "{sizes:?}");
    assert!(sizes.contains(&60) && sizes.contains(&140) && (450..=550).contains(&sizes.len()), "{}", sizes.len());
    assert!(came.iter().enumerate().all(|(i, (at, _))| *at == MS + i as u64 * 300_000));
}

#[test]
fn a_limit_counts_each_byte_once_whatever_else_changes() {
    let mut chain = chain();
    let limit = toxic(3, Kind::LimitData { bytes: 10 });
    chain.set(std::slice::from_ref(&limit), 0);
    chain.push(data("abcd"), 0);
    assert_eq!(bytes(&read(&mut chain, 0, 0)), b"abcd");
    chain.set(&[limit.clone(), toxic(4, Kind::Noop)], 0);
    chain.push(data("efghijkl"), 0);
    chain.push(data("mn"), 0);
    let came = read(&mut chain, 0, 0);
    assert_eq!((bytes(&came).as_slice(), &came.last().expect("more").1), (b"efghij".as_slice(), &Item::Close));
    let mut none = self::chain();
    none.set(&[toxic(0, Kind::LimitData { bytes: 0 })], 0);
    assert_eq!(read(&mut none, 0, MS), [], "nothing came yet");
    none.push(data("x"), 2 * MS);
    assert_eq!(read(&mut none, 2 * MS, 2 * MS), [(2 * MS, Item::Close)]);
}

#[test]
fn a_timeout_drops_and_then_closes() {
    let mut chain = chain();
    chain.set(&[toxic(0, Kind::Timeout { timeout: ms(30) })], 10 * MS);
    chain.push(data("x"), 20 * MS);
    assert_eq!(read(&mut chain, 20 * MS, u64::MAX), [(40 * MS, Item::Close)]);

    let mut held = self::chain();
    let noop = toxic(1, Kind::Noop);
    held.set(&[toxic(0, Kind::Timeout { timeout: Duration::ZERO }), noop.clone()], 0);
    held.push(data("x"), MS);
    held.push(Item::End, MS);
    assert_eq!(read(&mut held, MS, u64::MAX), []);
    assert!(held.has_swallowed_the_end());
    held.set(&[noop], 5 * MS);
    assert_eq!(read(&mut held, 5 * MS, 5 * MS), [(5 * MS, Item::Close)], "taking it away closes");
}

#[test]
fn a_reset_follows_the_first_that_comes() {
    let mut chain = chain();
    chain.set(&[toxic(0, Kind::ResetPeer { timeout: ms(30) })], 0);
    assert_eq!(chain.advance(50 * MS), None);
    chain.push(data("x"), 60 * MS);
    assert_eq!((chain.advance(60 * MS), chain.is_broken()), (Some(90 * MS), false));
    assert_eq!(chain.advance(90 * MS), None);
    assert!(chain.is_broken() && chain.front().is_none());
}

#[test]
fn a_half_that_is_gone_breaks_only_who_lost_something() {
    let drop_half = toxic(0, Kind::DropHalf);
    let mut silent = chain();
    silent.set(std::slice::from_ref(&drop_half), 0);
    silent.set(&[], MS);
    silent.push(data("x"), 2 * MS);
    assert_eq!((bytes(&read(&mut silent, 2 * MS, 2 * MS)), silent.is_broken()), (b"x".to_vec(), false));
    let mut lost = chain();
    lost.set(std::slice::from_ref(&drop_half), 0);
    lost.push(data("x"), MS);
    assert_eq!(read(&mut lost, MS, u64::MAX), []);
    lost.set(&[], 2 * MS);
    assert!(lost.is_broken());
}

#[test]
fn a_close_is_slow_and_data_is_not() {
    let mut chain = chain();
    chain.set(&[toxic(0, Kind::SlowClose { delay: ms(100) })], 0);
    chain.push(data("x"), MS);
    chain.push(Item::End, 2 * MS);
    assert_eq!(read(&mut chain, 2 * MS, u64::MAX), [(2 * MS, data("x")), (102 * MS, Item::End)]);
}

#[test]
fn toxics_of_the_other_direction_are_none_of_ours() {
    let mut up = Chain::new(Stream::Upstream, place(0));
    up.set(&[toxic(0, late(50))], 0);
    up.push(data("x"), 0);
    assert_eq!(read(&mut up, 0, 0), [(0, data("x"))]);
}

#[test]
fn toxicity_is_a_function_of_seed_toxic_and_connection() {
    let of = |id, name: &str, toxicity| Toxic { name: name.into(), toxicity, ..(*toxic(id, Kind::Noop)).clone() };
    let chosen = |toxic: &Toxic, seed| (0..400).map(|c| toxic.strikes(Seed(seed), "db", c)).collect::<Vec<_>>();
    let (a, again) = (of(1, "a", 0.3), of(99, "a", 0.3));
    assert_eq!(chosen(&a, 1), chosen(&again, 1), "added again, it strikes the same");
    assert_ne!(chosen(&a, 1), chosen(&of(1, "b", 0.3), 1), "toxics are independent");
    assert_ne!(chosen(&a, 1), chosen(&a, 2), "and so are seeds");
    let (less, more) = (chosen(&a, 1), chosen(&of(1, "a", 0.6), 1));
    assert!(less.iter().zip(&more).all(|(less, more)| !less || *more), "a higher toxicity adds, and takes none away");
    // Over a hundred seeds the total lies in its 99.9 % interval: 12 000 ± 3.29·√8400.
    let total: usize = (0..100).map(|seed| chosen(&a, seed).iter().filter(|c| **c).count()).sum();
    assert!((11_698..=12_302).contains(&total), "{total}");
    assert!(chosen(&of(1, "a", 0.0), 1).iter().all(|c| !c) && chosen(&of(1, "a", 1.0), 1).iter().all(|c| *c));
}

#[derive(Default)]
struct Counting {
    met: AtomicU64,
    chosen: AtomicU64,
    struck: AtomicU64,
}

impl Watch for Counting {
    fn met(&self, _: u64, chosen: bool) {
        self.met.fetch_add(1, Ordering::Relaxed);
        self.chosen.fetch_add(u64::from(chosen), Ordering::Relaxed);
    }
    fn struck(&self, _: u64) {
        self.struck.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn what_is_touched_is_told_once_for_each_connection() {
    let counting = Arc::new(Counting::default());
    let watched = |toxicity| {
        let toxic = Toxic { toxicity, watcher: Some(counting.clone()), ..(*toxic(0, late(1))).clone() };
        [Arc::new(toxic)]
    };
    let counts = || [&counting.met, &counting.chosen, &counting.struck].map(|n| n.load(Ordering::Relaxed));
    let mut chains: Vec<Chain> = (0..200).map(|n| Chain::new(Stream::Downstream, place(n))).collect();
    for chain in &mut chains {
        chain.set(&watched(0.5), 0);
    }
    assert_eq!(counts(), [0, 0, 0], "nothing has passed");
    for chain in &mut chains {
        chain.push(data("x"), MS);
        chain.push(data("y"), 5 * MS);
        chain.set(&watched(0.5), 6 * MS);
        chain.push(data("z"), 9 * MS);
    }
    let [met, chosen, struck] = counts();
    assert_eq!((met, chosen), (200, struck));
    assert!((77..=123).contains(&struck), "{struck}");
    // Closed by its time, without anything that came: met and struck all the same.
    let kind = Kind::Timeout { timeout: ms(1) };
    let silent = Toxic { kind, watcher: Some(counting.clone()), ..(*toxic(9, Kind::Noop)).clone() };
    chains[0].set(&[Arc::new(silent)], 20 * MS);
    assert_eq!(read(&mut chains[0], 20 * MS, u64::MAX).last().map(|(at, _)| *at), Some(21 * MS));
    assert_eq!(counts(), [201, chosen + 1, struck + 1]);
}

/// What can happen to a direction.
#[derive(Debug, Clone)]
enum Step {
    Push(usize),
    Pass(u64),
    Take(usize),
    Add(Kind),
    Remove(usize),
    Change(usize, u64),
}

/// Kinds that lose nothing.
fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Noop),
        (0..80u64, 0..40u64)
            .prop_map(|(latency, jitter)| Kind::Latency(Delay::Jitter { latency: ms(latency), jitter: ms(jitter) })),
        (1_000..2_000_000u64).prop_map(|rate| Kind::Bandwidth { rate }),
        (0..50u64).prop_map(|delay| Kind::SlowClose { delay: ms(delay) }),
        (1..500u64, 0..500u64, 0..3000u64).prop_map(|(size, spread, delay)| Kind::Slicer {
            average_size: size,
            size_variation: spread.min(size - 1),
            delay: Duration::from_micros(delay),
        }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..3000usize).prop_map(Step::Push),
        4 => (0..30_000_000u64).prop_map(Step::Pass),
        4 => (1..5000usize).prop_map(Step::Take),
        1 => kinds().prop_map(Step::Add),
        1 => any::<usize>().prop_map(Step::Remove),
        1 => (any::<usize>(), 1..90u64).prop_map(|(which, n)| Step::Change(which, n)),
    ];
    proptest::collection::vec(step, 0..80)
}

/// The same kind with other settings.
fn other(kind: &Kind, n: u64) -> Kind {
    match kind {
        Kind::Latency(_) => late(n),
        Kind::Bandwidth { .. } => Kind::Bandwidth { rate: n * 10_000 },
        Kind::SlowClose { .. } => Kind::SlowClose { delay: ms(n) },
        Kind::Slicer { .. } => Kind::Slicer { average_size: n, size_variation: 0, delay: Duration::ZERO },
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn no_byte_is_lost_doubled_or_overtaken_when_toxics_change_under_traffic(steps in steps()) {
        let (mut chain, mut toxics, mut now, mut id) = (chain(), Vec::<Arc<Toxic>>::new(), 0, 0);
        let (mut sent, mut got) = (Vec::new(), Vec::new());
        let mut noise = Seed(1).stream("bytes");
        for step in steps {
            match step {
                Step::Push(n) if chain.has_room() => {
                    let bytes: Vec<u8> = (0..n).map(|_| noise.bits() as u8).collect();
                    sent.extend_from_slice(&bytes);
                    chain.push(data(bytes), now);
                }
                Step::Push(_) => {}
                Step::Pass(length) => now += length,
                Step::Take(most) => {
                    let mut left = most;
                    while let Some(Item::Data(bytes)) = chain.front().cloned() && left > 0 {
                        let n = bytes.len().min(left);
                        got.extend_from_slice(&bytes[..n]);
                        chain.taken(n);
                        left -= n;
                    }
                }
                Step::Add(kind) if toxics.len() < 5 => {
                    id += 1;
                    toxics.push(toxic(id, kind));
                    chain.set(&toxics, now);
                }
                Step::Remove(which) if !toxics.is_empty() => {
                    toxics.remove(which % toxics.len());
                    chain.set(&toxics, now);
                }
                Step::Change(which, n) if !toxics.is_empty() => {
                    let which = which % toxics.len();
                    let kind = other(&toxics[which].kind, n);
                    toxics[which] = Arc::new(Toxic { kind, ..(*toxics[which]).clone() });
                    chain.set(&toxics, now);
                }
                Step::Add(_) | Step::Remove(_) | Step::Change(..) => {}
            }
            chain.advance(now);
        }
        chain.push(Item::End, now);
        let rest = read(&mut chain, now, u64::MAX);
        got.extend(bytes(&rest));
        prop_assert_eq!(&rest.last().expect("the end").1, &Item::End);
        prop_assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
    }
}
