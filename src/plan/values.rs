//! What a flow's templates say for each shot. The values of a shot are a function of the seed, the traffic and the number
//! of the shot alone, so that workers that share a plan out draw what one alone would draw.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::branch::Branches;
use crate::base::law::probit;
use crate::base::seed::{Digester, Seed, Stream};
use crate::base::trace::Shot;
use crate::scenario::{Datum, Decimal, Feed, Flow, Pick, ValueLaw};

/// Draws the values of a flow's shots.
#[derive(Debug, Clone)]
pub struct Values {
    drawn: Vec<(ValueLaw, Stream, Walks)>,
    feeds: Vec<(Arc<Feed>, Stream)>,
    branches: Branches,
}

/// How far random walks have come: of planned shots and of each closed loop, by its first number.
type Walks = BTreeMap<u64, Walked>;

/// How far a random walk has come.
#[derive(Debug, Clone)]
struct Walked {
    steps: u64,
    log: f64,
    stream: Stream,
}

/// What the templates of one shot say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drawn {
    /// One for each value of the flow.
    pub values: Vec<Datum>,
    /// Which row of each feed.
    pub rows: Vec<usize>,
    /// Which branch it takes, where there are any.
    pub branch: Option<usize>,
}

impl Drawn {
    /// Adds it to a digest.
    pub(super) fn digest(&self, all: &mut Digester) {
        for datum in &self.values {
            all.add(&(datum.text().len() as u64).to_le_bytes());
            all.add(datum.text().as_bytes());
        }
        let numbers = self.rows.iter().chain(&self.branch);
        numbers.for_each(|number| all.add(&(*number as u64).to_le_bytes()));
    }
}

impl Values {
    /// Those of a traffic's flow.
    pub fn new(flow: &Flow, traffic: &str, seed: Seed) -> Values {
        let stream = |name: &str| seed.stream(&format!("values/{traffic}/{name}"));
        let drawn = flow.values.iter().map(|v| (v.law.clone(), stream(&v.name), Walks::new())).collect();
        let branches = Branches::new(&flow.branches, seed.stream(&format!("branches/{traffic}")));
        Values { drawn, feeds: flow.feeds.iter().map(|feed| (feed.clone(), stream(&feed.name))).collect(), branches }
    }

    /// Those of the shot with a number. Shots are best asked for in order: a random walk is gone step by step.
    pub fn of(&mut self, seq: u64) -> Drawn {
        let draw = |(law, stream, walks): &mut (ValueLaw, Stream, Walks)| draw(law, stream, walks, seq);
        let row = |(feed, stream): &mut (Arc<Feed>, Stream)| {
            let rows = feed.rows.len() as u64;
            let row = match feed.pick {
                Pick::Sequential | Pick::Unique => seq % Shot::CLOSED % rows.max(1),
                Pick::Random => (at(stream, seq, 1).unit() * rows as f64) as u64,
            };
            row as usize
        };
        Drawn {
            values: self.drawn.iter_mut().map(draw).collect(),
            rows: self.feeds.iter_mut().map(row).collect(),
            branch: self.branches.of(seq),
        }
    }
}

/// A stream at the draws of a shot that takes so many.
fn at(stream: &mut Stream, seq: u64, draws: u64) -> &mut Stream {
    stream.seek(u128::from(seq) * u128::from(draws));
    stream
}

fn draw(law: &ValueLaw, stream: &mut Stream, walks: &mut Walks, seq: u64) -> Datum {
    match law {
        ValueLaw::Uuid => {
            let stream = at(stream, seq, 2);
            Datum::Text(uuid(stream.bits(), stream.bits()).into())
        }
        // In a closed loop numbers go on far above those of planned shots: none comes twice.
        ValueLaw::Counter { from, step } => {
            Datum::Json(from.saturating_add(step.saturating_mul(seq)).to_string().into())
        }
        ValueLaw::Choice(texts) => {
            let u = at(stream, seq, 1).unit();
            let chosen = texts.partition_point(|(_, cumulative)| *cumulative <= u).min(texts.len() - 1);
            Datum::Text(texts[chosen].0.clone())
        }
        ValueLaw::Uniform(low, high) => {
            let digits = low.digits.max(high.digits);
            let unit = libm::pow(10.0, -f64::from(digits));
            // Whole steps, so that both ends are as likely as what lies between.
            let steps = ((high.value - low.value) / unit).round() + 1.0;
            let step = (at(stream, seq, 1).unit() * steps).floor().min(steps - 1.0);
            number(low.value + step * unit, digits)
        }
        ValueLaw::LogUniform(low, high) => {
            let (from, to) = (libm::log(low.value), libm::log(high.value));
            let value = libm::exp(from + at(stream, seq, 1).unit() * (to - from));
            number(value.clamp(low.value, high.value), low.digits.max(high.digits))
        }
        ValueLaw::Normal { mean, sd, min, max } => {
            let value = mean.value + sd * probit(at(stream, seq, 1).unit());
            number(value.clamp(*min, *max), mean.digits)
        }
        ValueLaw::Walk { from, step, min, max } => {
            let series = seq / Shot::CLOSED;
            let start = || Walked { steps: 0, log: libm::log(from.value), stream: started(stream, series) };
            let mut walked = walks.remove(&series).unwrap_or_else(start);
            let wanted = seq % Shot::CLOSED;
            if wanted < walked.steps {
                walked = start();
            }
            let (low, high) = (libm::log(*min), libm::log(*max));
            for _ in walked.steps..wanted {
                walked.log = reflected(walked.log + step * probit(walked.stream.unit()), low, high);
            }
            walked.steps = wanted;
            let price = libm::exp(walked.log).clamp(*min, *max);
            walks.insert(series, walked);
            number(price, from.digits)
        }
    }
}

/// A stream at the first step of a walk.
fn started(stream: &Stream, series: u64) -> Stream {
    let mut stream = stream.clone();
    at(&mut stream, series * Shot::CLOSED, 1);
    stream
}

/// Turned back at the ends, as often as it takes.
fn reflected(value: f64, low: f64, high: f64) -> f64 {
    let width = high - low;
    if !width.is_finite() {
        // At most one end is there to be turned back at.
        let above = if value < low { 2.0 * low - value } else { value };
        return if above > high { 2.0 * high - above } else { above };
    }
    if width <= 0.0 {
        return low;
    }
    let folded = (value - low).rem_euclid(2.0 * width);
    low + if folded > width { 2.0 * width - folded } else { folded }
}

fn number(value: f64, digits: u8) -> Datum {
    let text = Decimal { value, digits }.to_string();
    // JSON knows -0, and people do not.
    Datum::Json(
        if text.trim_start_matches(['-', '0', '.']).is_empty() { text.trim_start_matches('-') } else { &text }.into(),
    )
}

/// A version 4 UUID of 122 of the bits, by RFC 9562.
fn uuid(high: u64, low: u64) -> String {
    let (high, low) = (high & !0xf000 | 0x4000, low & !(0b11 << 62) | 0b10 << 62);
    let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
    format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Value;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).expect("valid")
    }

    fn flow(laws: &[ValueLaw]) -> Flow {
        let value = |(i, law): (usize, &ValueLaw)| Value { name: format!("v{i}"), law: law.clone() };
        Flow { values: laws.iter().enumerate().map(value).collect(), ..Flow::default() }
    }

    fn all(law: &ValueLaw, n: u64) -> Vec<f64> {
        let mut values = Values::new(&flow(std::slice::from_ref(law)), "t", Seed(3));
        (0..n).map(|seq| values.of(seq).values[0].text().parse().expect("a number")).collect()
    }

    fn laws() -> Vec<ValueLaw> {
        let choice = [("buy".into(), 0.6), ("sell".into(), 1.0)].to_vec();
        vec![
            ValueLaw::Uuid,
            ValueLaw::Counter { from: 7, step: 3 },
            ValueLaw::Choice(choice),
            ValueLaw::Uniform(decimal("1"), decimal("6")),
            ValueLaw::LogUniform(decimal("0.01"), decimal("1000.00")),
            ValueLaw::Normal { mean: decimal("100.0"), sd: 10.0, min: 80.0, max: f64::INFINITY },
            ValueLaw::Walk { from: decimal("100.00"), step: 0.01, min: 90.0, max: 110.0 },
        ]
    }

    #[test]
    fn a_shot_says_the_same_whoever_draws_it_and_in_whatever_order() {
        let flow = flow(&laws());
        let whole = |seq: u64| Values::new(&flow, "t", Seed(3)).of(seq);
        let mut ahead = Values::new(&flow, "t", Seed(3));
        for seq in (0..40).step_by(3).chain([Shot::CLOSED, Shot::CLOSED + 5, 17]) {
            assert_eq!(ahead.of(seq), whole(seq), "{seq}");
        }
        assert_ne!(whole(1), whole(2));
        assert_ne!(Values::new(&flow, "other", Seed(3)).of(1), whole(1));
        assert_ne!(Values::new(&flow, "t", Seed(4)).of(1), whole(1));
    }

    /// What enters a plan is the same on every machine and in every year.
    #[test]
    fn golden_values_stay_what_they_are() {
        let drawn = Values::new(&flow(&laws()), "t", Seed(3)).of(1_000);
        let texts: Vec<&str> = drawn.values.iter().map(Datum::text).collect();
        assert_eq!(texts, ["3a1bffe7-b21d-4c61-8ac3-0eabd8922299", "3007", "buy", "2", "0.34", "87.1", "99.53"]);
    }

    #[test]
    fn uuids_are_of_version_4_and_none_comes_twice() {
        let mut values = Values::new(&flow(&[ValueLaw::Uuid]), "t", Seed(3));
        let mut seen = std::collections::BTreeSet::new();
        for seq in 0..10_000 {
            let text = values.of(seq).values[0].text().to_owned();
            let bytes = text.as_bytes();
            assert_eq!(
                (text.len(), bytes[8], bytes[13], bytes[14], bytes[18], bytes[23]),
                (36, b'-', b'-', b'4', b'-', b'-')
            );
            assert!(b"89ab".contains(&bytes[19]), "{text}");
            assert!(seen.insert(text));
        }
    }

    #[test]
    fn numbers_follow_their_laws() {
        let uniform = all(&laws()[3], 60_000);
        for face in 1..=6 {
            let count = uniform.iter().filter(|v| **v == f64::from(face)).count();
            assert!((9_600..10_400).contains(&count), "{face}: {count}");
        }
        let log = all(&laws()[4], 10_000);
        assert!(log.iter().all(|v| (0.01..=1000.0).contains(v)));
        let below = log.iter().filter(|v| **v < 3.162).count();
        assert!((4_800..5_200).contains(&below), "half lies below the geometric mean: {below}");
        let normal = all(&laws()[5], 10_000);
        let mean = normal.iter().sum::<f64>() / 10_000.0;
        assert!((99.8..100.6).contains(&mean) && normal.iter().all(|v| *v >= 80.0), "{mean}");
        assert!(normal.iter().filter(|v| **v == 80.0).count() > 100, "what would be lower is the least");
    }

    #[test]
    fn a_walk_stays_within_its_ends_and_goes_in_small_steps() {
        let prices = all(&laws()[6], 20_000);
        assert_eq!(prices[0], 100.0);
        assert!(prices.iter().all(|p| (90.0..=110.0).contains(p)));
        assert!(prices.windows(2).all(|w| (w[1] / w[0]).ln().abs() < 0.06));
        let (low, high) = prices.iter().fold((f64::MAX, f64::MIN), |(l, h), p| (l.min(*p), h.max(*p)));
        assert!(low < 91.0 && high > 109.0, "it gets around: {low}..{high}");
        assert_eq!(reflected(-3.0, 0.0, 1.0), 1.0);
        assert_eq!(reflected(1.25, 0.0, 1.0), 0.75);
        assert_eq!(reflected(-0.25, 0.0, f64::INFINITY), 0.25);
        assert_eq!(reflected(5.0, f64::NEG_INFINITY, f64::INFINITY), 5.0);
    }

    #[test]
    fn rows_come_in_order_or_by_chance() {
        let feed = |pick| {
            let rows = (0..5).map(|i| vec![Datum::Text(i.to_string().into())]).collect();
            let (name, file, place) = ("users".into(), "users.csv".into(), Default::default());
            Arc::new(Feed { name, file, place, pick, columns: vec!["id".into()], rows })
        };
        let rows = |pick, n| {
            let flow = Flow { feeds: vec![feed(pick)], ..Flow::default() };
            let mut values = Values::new(&flow, "t", Seed(3));
            (0..n).map(|seq| values.of(seq).rows[0]).collect::<Vec<_>>()
        };
        assert_eq!(rows(Pick::Sequential, 7), [0, 1, 2, 3, 4, 0, 1]);
        assert_eq!(rows(Pick::Unique, 5), [0, 1, 2, 3, 4]);
        let random = rows(Pick::Random, 5_000);
        assert!((0..5).all(|row| (900..1_100).contains(&random.iter().filter(|r| **r == row).count())));
    }
}
