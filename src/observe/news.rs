//! Which pages say something new of themselves. A page is looked at line by line only then: at the first scrape and the
//! last, when what it declares has changed, and when it has twice as many samples as when it was looked at last.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::exposition::{self, Page};
use super::fetch::Fetched;
use crate::base::time::Offset;
use crate::evidence::page::{self, Family, Remark};
use crate::evidence::samples::Scrape;

/// Says what is wrong with how a page is laid out, by its content and its `Content-Type`.
pub type Inspect = fn(&[u8], Option<&str>) -> Vec<Remark>;

/// A page that changes all the time is told so many times between the first and the last.
const MOST: u32 = 32;

/// What was told of a job's page so far.
pub(super) struct News {
    inspect: Inspect,
    told: Option<Told>,
    times: u32,
}

#[derive(PartialEq, Eq, Clone, Copy)]
struct Told {
    print: u64,
    samples: usize,
}

impl News {
    pub(super) fn new(inspect: Inspect) -> News {
        News { inspect, told: None, times: 0 }
    }

    /// What a page says of itself, if that is news, or if it is the first or the last: a quiet one. `page` is what was read
    /// of it, or why it could not be.
    pub(super) fn of(
        &mut self,
        scrape: &Scrape<'_>,
        fetched: &Fetched,
        page: Result<&Page<'_>, &exposition::Error>,
        quiet: bool,
    ) -> Option<page::Page> {
        let now = Told { print: print(fetched, page), samples: page.map_or(0, |p| p.rows.len()) };
        let is_news = self.told.is_none_or(|told| told.print.ne(&now.print) || now.samples > 2 * told.samples.max(8));
        if !quiet && (!is_news || self.times >= MOST) {
            return None;
        }
        self.times += u32::from(!quiet);
        self.told = Some(now);
        let families = page.map_or(&[] as &[_], |page| &page.families).iter().map(|family| Family {
            name: family.name.to_string(),
            kind: family.kind,
            help: family.help.as_ref().map(ToString::to_string),
            unit: family.unit.map(str::to_owned),
        });
        Some(page::Page {
            job: scrape.job.into(),
            at: Offset::from_millis(scrape.at_ms),
            media: fetched.media.clone(),
            bytes: fetched.page.len() as u64,
            took: scrape.took.as_nanos() as u64,
            samples: now.samples as u64,
            families: families.collect(),
            remarks: (self.inspect)(&fetched.page, fetched.media.as_deref()),
        })
    }
}

/// The same for pages that say the same of themselves, whatever the order of their families.
fn print(fetched: &Fetched, page: Result<&Page<'_>, &exposition::Error>) -> u64 {
    let hash = |what: &dyn Fn(&mut DefaultHasher)| {
        let mut hasher = DefaultHasher::new();
        what(&mut hasher);
        hasher.finish()
    };
    let whole = hash(&|hasher| {
        fetched.media.hash(hasher);
        let timed = |page: &Page<'_>| page.rows.iter().any(|row| row.timestamp.is_some());
        match page {
            Ok(page) => timed(page).hash(hasher),
            Err(why) => why.why.hash(hasher),
        }
    });
    let families = page.map_or(&[] as &[_], |page| &page.families);
    let of = |family: &exposition::Family<'_>| {
        hash(&|hasher| {
            family.name.hash(hasher);
            family.kind.hash(hasher);
            family.help.hash(hasher);
            family.unit.hash(hasher);
        })
    };
    families.iter().fold(whole, |sum, family| sum.wrapping_add(of(family)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::exposition::{Dialect, parse};
    use super::*;

    fn told(news: &mut News, text: &str, quiet: bool) -> Option<page::Page> {
        let fetched = Fetched { media: None, page: text.into(), wire: text.len(), gzip: false };
        let scrape = Scrape { job: "api", instance: "h:1", at_ms: 7, took: Duration::from_millis(3) };
        news.of(&scrape, &fetched, parse(text.as_bytes(), Dialect::Text).as_ref(), quiet)
    }

    #[test]
    fn only_what_is_new_is_told() {
        let mut news = News::new(|_, _| Vec::new());
        let page = "# TYPE a counter\na 1\n# TYPE b gauge\nb 1\n";
        let first = told(&mut news, page, false).expect("the first");
        assert_eq!((first.samples, first.families.len(), first.at), (2, 2, Offset::from_millis(7)));
        assert_eq!(told(&mut news, page, false), None);
        assert_eq!(told(&mut news, "# TYPE b gauge\nb 2\n# TYPE a counter\na 9\n", false), None, "another order");
        assert!(told(&mut news, "# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n", false).is_some(), "another type");
        assert!(told(&mut news, "<html>\n", false).is_some_and(|page| page.samples == 0), "no page at all");
        assert_eq!(told(&mut news, "<html>\n", false), None, "the same nonsense");
        assert!(told(&mut news, "<html>\n", true).is_some(), "the last");
    }

    #[test]
    fn a_page_that_grows_is_looked_at_again_when_it_has_doubled() {
        let mut news = News::new(|_, _| Vec::new());
        let page = |n: usize| (0..n).map(|i| format!("a{{x=\"{i}\"}} 1\n")).collect::<String>();
        let times = (10..=1000).filter(|n| told(&mut news, &page(*n), false).is_some()).count();
        assert_eq!(times, 7, "at 10, 21, 43, 87, 175, 351 and 703");
    }

    #[test]
    fn a_page_that_always_changes_is_not_told_for_ever() {
        let mut news = News::new(|_, _| Vec::new());
        let times = (0..100).filter(|n| told(&mut news, &format!("# TYPE a{n} gauge\na{n} 1\n"), false).is_some());
        assert_eq!(times.count(), MOST as usize);
        assert!(told(&mut news, "# TYPE z gauge\nz 1\n", true).is_some(), "the last is told all the same");
    }
}
