//! What is written is read: against a model that keeps everything, cut at every byte, and with damage.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::read::read_from;
use super::*;
use crate::base::series::{Labels, Sample, Series, is_stale, stale};

const ZERO: i64 = 1_700_000_000_000;

pub(super) struct Recording {
    _folder: tempfile::TempDir,
    pub path: PathBuf,
    pub writer: Writer,
}

pub(super) fn recording() -> Recording {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("samples.chunks");
    Recording { writer: Writer::create(&path, ZERO).expect("a new file"), path, _folder: folder }
}

impl Recording {
    pub fn read(&mut self) -> Samples {
        self.writer.flush().expect("space");
        read(&self.path).expect("a samples file")
    }
}

pub(super) fn scrape(job: &str, at_ms: i64) -> Scrape<'_> {
    Scrape { job, instance: "127.0.0.1:80", at_ms, took: Duration::from_millis(3) }
}

pub(super) fn row(series: &str, value: f64) -> Row<'_> {
    Row { series, kind: Kind::Counter, value, timestamp: None }
}

/// `name a=1 b=2` as labels.
pub(super) fn labels(text: &str, _: Kind) -> Labels {
    let mut words = text.split(' ');
    let name = words.next().map(|name| ("__name__", name));
    Labels::new(name.into_iter().chain(words.filter_map(|word| word.split_once('='))))
}

/// The samples of the series that prints as `text`, as offsets from the plan's zero.
fn of(samples: &Samples, text: &str) -> Vec<(i64, f64)> {
    let series: Vec<_> = samples.series.iter().filter(|s| s.labels.to_string() == text).collect();
    assert_eq!(
        series.len(),
        1,
        "{text} in {:?}",
        samples.series.iter().map(|s| s.labels.to_string()).collect::<Vec<_>>()
    );
    series[0].samples.iter().map(|s| (s.at - samples.wall_zero_ms, s.value)).collect()
}

const HERE: &str = "instance=\"127.0.0.1:80\",job=\"api\"";

#[test]
fn what_a_scrape_brings_carries_the_labels_of_its_job() {
    let mut r = recording();
    r.writer.label("api", &[("tier".into(), "critical".into())]);
    r.writer.scraped(&scrape("api", 0), [row("a tier=critical", 1.0)], labels).expect("space");
    r.writer.failed(&scrape("api", 1000)).expect("space");
    r.writer.failed(&scrape("db", 1000)).expect("space");
    let samples = r.read();
    assert_eq!(of(&samples, &format!("up{{{HERE},tier=\"critical\"}}")), [(0, 1.0), (1000, 0.0)]);
    assert_eq!(of(&samples, &format!("up{{{}}}", HERE.replace("api", "db"))), [(1000, 0.0)]);
}

/// As the first version wrote it: without the place for the labels of the job.
#[test]
fn files_of_the_first_version_are_read_still() {
    let mut r = recording();
    r.writer.scraped(&scrape("api", 0), [row("a x=1", 1.0)], labels).expect("space");
    let now = r.read();
    let mut bytes = std::fs::read(&r.path).expect("a file");
    let instance = bytes.windows(12).position(|w| w == b"127.0.0.1:80").expect("the instance") + 12;
    assert_eq!(bytes.remove(instance), 0, "no labels");
    bytes[8] = 1;
    let crc = crc32fast::hash(&bytes[..HEADER - 4]);
    bytes[HEADER - 4..HEADER].copy_from_slice(&crc.to_le_bytes());
    let length = (bytes.len() - HEADER - CHUNK_HEADER) as u32;
    bytes[HEADER..HEADER + 4].copy_from_slice(&length.to_le_bytes());
    let crc = read::checksum(&bytes[HEADER..]);
    bytes[HEADER + 4..HEADER + 8].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&r.path, &bytes).expect("space");
    assert_eq!(read(&r.path).expect("a file").series, now.series);
}

#[test]
fn a_scrape_brings_its_own_series() {
    let mut r = recording();
    let kept =
        r.writer.scraped(&scrape("api", -500), [row("a x=1", 1.0), row("a x=2", 2.0), row("a x=1", 9.0)], labels);
    assert_eq!(kept.expect("space"), Kept { rows: 3, added: 2, repeated: 1 });
    r.writer.scraped(&scrape("api", 500), [row("a x=1", 1.0), row("up", 7.0)], labels).expect("space");
    r.writer.failed(&scrape("api", 1500)).expect("space");
    let kept = r.writer.scraped(&scrape("api", 2500), [row("a x=1", 1.0)], labels).expect("space");
    assert_eq!(kept, Kept { rows: 1, added: 1, repeated: 0 });
    let samples = r.read();
    let own = |name: &str| of(&samples, &format!("{name}{{{HERE}}}"));
    assert_eq!(own("up"), [(-500, 1.0), (500, 1.0), (1500, 0.0), (2500, 1.0)]);
    assert_eq!(own("scrape_duration_seconds"), [(-500, 0.003), (500, 0.003), (1500, 0.003), (2500, 0.003)]);
    assert_eq!(own("scrape_samples_scraped"), [(-500, 3.0), (500, 2.0), (1500, 0.0), (2500, 1.0)]);
    assert_eq!(own("scrape_samples_post_metric_relabeling"), own("scrape_samples_scraped"));
    assert_eq!(own("scrape_series_added"), [(-500, 2.0), (500, 0.0), (1500, 0.0), (2500, 1.0)]);
    let scraped: Vec<_> = samples.scrapes.iter().map(|s| (&*s.job, &*s.instance, s.at - ZERO, s.up)).collect();
    let here = |at, up| ("api", "127.0.0.1:80", at, up);
    assert_eq!(scraped, [here(-500, true), here(500, true), here(1500, false), here(2500, true)]);
    assert_eq!(samples.torn, None);
    assert_eq!(samples.kinds.len(), samples.series.len());
    let kinds: BTreeMap<_, _> = samples.series.iter().zip(&samples.kinds).map(|(s, k)| (s.labels.name(), *k)).collect();
    assert_eq!((kinds["a"], kinds["up"]), (Kind::Counter, Kind::Gauge));
}

#[test]
fn what_is_absent_is_stale_once_and_timestamps_are_exempt() {
    let mut r = recording();
    let timed = |value, ms| Row { timestamp: Some(ZERO + ms), ..row("t", value) };
    r.writer.scraped(&scrape("api", 0), [row("a", 1.0), row("b", 1.0), timed(5.0, -40)], labels).expect("space");
    r.writer.scraped(&scrape("api", 1000), [row("b", 2.0), timed(5.0, -40)], labels).expect("space");
    r.writer.scraped(&scrape("api", 2000), [row("b", 3.0), timed(7.0, 1980), timed(6.0, 1960)], labels).expect("space");
    r.writer.failed(&scrape("api", 3000)).expect("space");
    r.writer.failed(&scrape("api", 4000)).expect("space");
    r.writer.scraped(&scrape("api", 5000), [row("a", 4.0)], labels).expect("space");
    let samples = r.read();
    let seen = |name: &str| -> Vec<(i64, Option<f64>)> {
        let samples = of(&samples, &format!("{name}{{{HERE}}}"));
        samples.into_iter().map(|(at, v)| (at, (!is_stale(v)).then_some(v))).collect()
    };
    assert_eq!(seen("a"), [(0, Some(1.0)), (1000, None), (5000, Some(4.0))]);
    assert_eq!(seen("b"), [(0, Some(1.0)), (1000, Some(2.0)), (2000, Some(3.0)), (3000, None)]);
    assert_eq!(seen("t"), [(-40, Some(5.0)), (1960, Some(6.0)), (1980, Some(7.0))]);
}

#[test]
fn one_series_is_one_series_however_its_labels_are_ordered_and_however_long_it_was_away() {
    let mut r = recording();
    let page = |n: i64| if n % 2 == 0 { [row("m a=1 b=2", 1.0)] } else { [row("m b=2 a=1", 2.0)] };
    for n in 0..4 {
        let kept = r.writer.scraped(&scrape("api", n), page(n), labels).expect("space");
        assert_eq!(kept.added, u64::from(n == 0));
    }
    for n in 4..40 {
        let other = format!("other n={n}");
        r.writer.scraped(&scrape("api", n), [row(&other, 1.0)], labels).expect("space");
    }
    r.writer.scraped(&scrape("api", 40), page(0), labels).expect("space");
    let samples = r.read();
    let m = of(&samples, "m{a=\"1\",b=\"2\",instance=\"127.0.0.1:80\",job=\"api\"}");
    let m: Vec<_> = m.into_iter().map(|(at, v)| (at, (!is_stale(v)).then_some(v))).collect();
    assert_eq!(m, [(0, Some(1.0)), (1, Some(2.0)), (2, Some(1.0)), (3, Some(2.0)), (4, None), (40, Some(1.0))]);
    assert_eq!(samples.series.len(), 5 + 1 + 36);
}

#[test]
fn memory_forgets_series_that_do_not_return() {
    let mut r = recording();
    for n in 0..1000 {
        let series = format!("request id={n}");
        r.writer.scraped(&scrape("api", n), [row(&series, 1.0)], labels).expect("space");
    }
    assert!(r.writer.held() < 30, "{}", r.writer.held());
    assert_eq!(r.read().series.len(), 1005);
}

#[test]
fn only_what_is_wanted_is_kept() {
    let mut r = recording();
    for (at, v) in [(0, 1.0), (1, 2.0)] {
        r.writer.scraped(&scrape("api", at), [row("a", v), row("b", v)], labels).expect("space");
    }
    r.writer.flush().expect("space");
    let samples = read_where(&r.path, |labels| labels.name() == "b" && labels.get("job") == "api").expect("a file");
    assert_eq!(samples.series.len(), 1);
    assert_eq!(of(&samples, &format!("b{{{HERE}}}")), [(0, 1.0), (1, 2.0)]);
    assert_eq!(samples.scrapes.len(), 2);
}

/// Some chunks, where each ends, and how many scrapes were written by then.
fn chunks() -> (Vec<u8>, Vec<(usize, usize)>) {
    let mut r = recording();
    let mut ends = vec![(HEADER, 0)];
    for n in 0..4u8 {
        for job in ["api", "db"] {
            let (value, other) = (f64::from(n) * 1.5, format!("gone n={n}"));
            r.writer.scraped(&scrape(job, n.into()), [row("a x=1", value), row(&other, 1.0)], labels).expect("space");
        }
        r.writer.flush().expect("space");
        ends.push((std::fs::metadata(&r.path).expect("a file").len() as usize, usize::from(n) * 2 + 2));
    }
    (std::fs::read(&r.path).expect("a file"), ends)
}

#[test]
fn a_file_that_was_cut_anywhere_is_read_as_far_as_it_is_whole() {
    let (bytes, ends) = chunks();
    for cut in 0..=bytes.len() {
        let samples = read_from(&bytes[..cut], |_| true).expect("no error of the system").expect("a samples file");
        let whole = ends.iter().rev().find(|(end, _)| *end <= cut);
        assert_eq!(samples.scrapes.len(), whole.map_or(0, |(_, scrapes)| *scrapes), "cut at {cut}");
        assert_eq!(samples.torn.is_none(), whole.is_some_and(|(end, _)| *end == cut), "cut at {cut}");
    }
    let torn = read_from(&bytes[..bytes.len() - 1], |_| true).expect("no error").expect("a file").torn.expect("torn");
    let (start, end) = (ends[3].0, ends[4].0);
    assert_eq!(
        torn,
        format!("chunk 4 at byte {start}: the file ends inside it; {} bytes are not read", end - start - 1)
    );
}

#[test]
fn a_damaged_byte_ends_the_reading_and_is_told() {
    let (bytes, ends) = chunks();
    for at in HEADER..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        let samples = read_from(&bytes[..], |_| true).expect("no error of the system").expect("a samples file");
        let (_, before) = ends.iter().rev().find(|(end, _)| *end <= at).expect("after the header");
        assert_eq!(samples.scrapes.len(), *before, "damage at {at}");
        assert!(samples.torn.is_some(), "damage at {at}");
    }
    let mut zeros = bytes.clone();
    zeros.extend([0; 64]);
    let samples = read_from(&zeros[..], |_| true).expect("no error of the system").expect("a samples file");
    assert_eq!(samples.scrapes.len(), 8);
    assert!(samples.torn.is_some_and(|why| why.ends_with("its checksum differs; 64 bytes are not read")));
}

#[test]
fn other_files_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("samples.chunks");
    let refused = |bytes: &[u8]| {
        std::fs::File::create(&path).and_then(|mut f| f.write_all(bytes)).expect("space");
        read(&path).expect_err("not ours").to_string().replace(&format!("{}: ", path.display()), "")
    };
    let (bytes, _) = chunks();
    let damaged = "not a samples file, or its header is damaged";
    assert_eq!(refused(b"{\"format\": 1}"), damaged);
    assert_eq!(refused(&[&bytes[..15], &[bytes[15] ^ 1], &bytes[16..]].concat()), damaged);
    let later = "samples format 3, this program reads 2: use the version that wrote it";
    assert_eq!(refused(&[&bytes[..8], &[3], &bytes[9..]].concat()), later);
    assert!(Writer::create(&path, 0).is_err(), "evidence is never written over");
    assert!(matches!(read(&folder.path().join("none")), Err(Error::Io { .. })));
}

/// What one scrape brings: which series, with which value, at which time of its own.
type Page = Option<Vec<(u8, f64, Option<i8>)>>;

fn page() -> impl Strategy<Value = Page> {
    let value = prop_oneof![
        4 => (0u32..50).prop_map(f64::from),
        1 => any::<u64>().prop_map(f64::from_bits),
        1 => prop::sample::select(vec![-0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 9e15, 0.1, stale()]),
    ];
    let stamp = prop::option::weighted(0.2, any::<i8>());
    prop::option::weighted(0.85, prop::collection::vec((0..12u8, value, stamp), 0..14))
}

/// Keeps everything, simply.
#[derive(Default)]
struct Model {
    series: BTreeMap<String, Vec<(i64, u64)>>,
    live: BTreeSet<String>,
}

impl Model {
    fn scrape(&mut self, job: &str, at: i64, page: &Page) {
        let name = |n: u8| format!("s{n}{{instance=\"127.0.0.1:80\",job=\"{job}\"}}");
        let mut now = BTreeMap::new();
        let mut timed = Vec::new();
        for (n, value, stamp) in page.iter().flatten().filter(|(_, value, _)| !is_stale(*value)) {
            match stamp {
                Some(ms) => timed.push((name(*n), i64::from(*ms), value.to_bits())),
                None => drop(now.entry(name(*n)).or_insert(value.to_bits())),
            }
        }
        for gone in self.live.iter().filter(|name| !now.contains_key(*name)) {
            self.series.entry(gone.clone()).or_default().push((at, stale().to_bits()));
        }
        self.live = now.keys().cloned().collect();
        let now = now.into_iter().map(|(name, bits)| (name, at, bits));
        now.chain(timed).for_each(|(name, at, bits)| self.series.entry(name).or_default().push((at, bits)));
    }

    fn finish(mut self) -> BTreeMap<String, Vec<(i64, u64)>> {
        for samples in self.series.values_mut() {
            samples.sort_by_key(|(at, _)| *at);
            samples.dedup_by_key(|(at, _)| *at);
        }
        self.series
    }
}

proptest! {
    #[test]
    fn whatever_is_written_is_read(pages in prop::collection::vec((page(), any::<bool>()), 1..40)) {
        let mut r = recording();
        let mut models = [Model::default(), Model::default()];
        for (n, (page, other)) in pages.iter().enumerate() {
            let (job, at) = (["api", "db"][usize::from(*other)], n as i64 * 10 - 50);
            models[usize::from(*other)].scrape(job, at, page);
            let names: Vec<_> = page.iter().flatten().map(|(n, ..)| format!("s{n}")).collect();
            let rows = page.iter().flatten().zip(&names).map(|((_, value, stamp), name)| {
                Row { timestamp: stamp.map(|ms| ZERO + i64::from(ms)), ..row(name, *value) }
            });
            match page {
                Some(_) => drop(r.writer.scraped(&scrape(job, at), rows, labels).expect("space")),
                None => r.writer.failed(&scrape(job, at)).expect("space"),
            }
            if n % 3 == 0 {
                r.writer.flush().expect("space");
            }
        }
        let samples = r.read();
        prop_assert_eq!(&samples.torn, &None);
        let bits = |s: &Sample| (s.at - ZERO, s.value.to_bits());
        let scraped = samples.series.iter().filter(|s| s.labels.name().starts_with('s') && !s.labels.name().contains('_'));
        let read: BTreeMap<_, Vec<_>> =
            scraped.map(|s| (s.labels.to_string(), s.samples.iter().map(bits).collect())).collect();
        let want: BTreeMap<_, _> = models.into_iter().flat_map(Model::finish).collect();
        prop_assert_eq!(read, want);
    }

    #[test]
    fn never_panics_on_any_payload(payload in prop::collection::vec(any::<u8>(), 1..80), seed in any::<usize>()) {
        let (bytes, ends) = chunks();
        // a sound file, one byte of whose first payload is another, and then a payload of any bytes; all with good sums
        let mut first = bytes[HEADER + CHUNK_HEADER..ends[1].0].to_vec();
        let at = seed % first.len();
        first[at] = payload[0];
        let mut file = bytes[..HEADER].to_vec();
        for payload in [first, payload] {
            let head = (payload.len() as u32).to_le_bytes();
            file.extend(head);
            file.extend(crc32fast::hash(&[&head[..], &payload].concat()).to_le_bytes());
            file.extend(payload);
        }
        let _ = read_from(&file[..], |_| true).expect("no error of the system").expect("a samples file");
    }
}

#[test]
fn what_was_fetched_keeps_its_labels_and_its_times() {
    let mut r = recording();
    let series = |name: &str, job: &str, samples: &[(i64, f64)]| Series {
        labels: Labels::new([("__name__", name), ("job", job), ("instance", "h:1")]),
        samples: samples.iter().map(|(at, value)| Sample { at: ZERO + at, value: *value }).collect(),
    };
    r.writer.fetched(&[series("up", "api", &[(-500, 1.0), (517, 1.0)]), series("m", "", &[(3, 0.1)])]).expect("space");
    r.writer
        .fetched(&[series("up", "api", &[(517, 1.0), (1_523, 0.0)]), series("up", "db", &[(7, f64::NAN)])])
        .expect("space");
    let samples = r.read();
    assert_eq!(samples.scrapes, []);
    let names: Vec<String> = samples.series.iter().map(|s| s.labels.to_string()).collect();
    assert_eq!(names, [r#"up{instance="h:1",job="api"}"#, r#"m{instance="h:1"}"#, r#"up{instance="h:1",job="db"}"#]);
    assert_eq!(of(&samples, &names[0]), [(-500, 1.0), (517, 1.0), (1_523, 0.0)]);
    assert_eq!(of(&samples, &names[1]), [(3, 0.1)]);
}
