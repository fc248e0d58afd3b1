//! `proofload metrics lint URL`: a live page of metrics, looked at once or for a while.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::base::dial::Dial;
use crate::base::net::{self, Address};
use crate::base::text;
use crate::base::time::{Clock, Offset};
use crate::base::tls::{self, Trust};
use crate::base::units;
use crate::cli::args::{MetricsLintArgs, Rendering};
use crate::cli::print;
use crate::exit::Exit;
use crate::judge;
use crate::lint::metrics::{Except, Finding, Gravity, Limits, Template, Terms, Watch, rule, without};
use crate::observe::exposition::Dialect;
use crate::observe::fetch::{Fetched, Fetcher, Wish};
use crate::report::page::{self, Page};

/// Pages larger than this should come compressed, in bytes.
const LARGE: usize = 256 << 10;

/// Looks at a page and says what is wrong with it; exit 1 when something is.
pub fn lint(args: &MetricsLintArgs) -> Exit {
    let asked = match Asked::read(args) {
        Ok(asked) => asked,
        Err(why) => {
            print::err(&why);
            return Exit::Usage;
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => {
            print::err(&format!("no runtime: {why}"));
            return Exit::NOT_STARTED;
        }
    };
    let page = match runtime.block_on(asked.look(args)) {
        Ok(page) => page,
        Err(why) => {
            print::err(&format!("{}: {why}", args.url));
            return Exit::NOT_STARTED;
        }
    };
    print::out(&match args.format {
        Rendering::Text => page::text(&page, print::colour(args.no_color)),
        Rendering::Json => page::json(&page),
        Rendering::Github => page::github(&page),
    });
    let breaks = |finding: &Finding| args.strict || finding.rule.gravity == Gravity::Error;
    if page.findings.iter().any(breaks) { Exit::Judged(judge::Exit::Fail) } else { Exit::PASS }
}

/// What the command line asks for, made valid.
struct Asked {
    fetcher: Fetcher,
    terms: Terms,
    except: Vec<Except>,
}

impl Asked {
    fn read(args: &MetricsLintArgs) -> Result<Asked, String> {
        let address = Address::parse(&args.url)?;
        let host = address.tcp().map_or("localhost", |(host, _)| host);
        if !net::is_loopback(host) && !args.allow_host.iter().any(|allowed| allowed == host) {
            return Err(format!("`{host}` is not this machine: if it may be asked, run with --allow-host {host}"));
        }
        if !address.is_tls() && (args.ca.is_some() || args.insecure) {
            return Err("--ca and --insecure are about certificates of https://, and this is not".into());
        }
        let ca = args.ca.as_ref().map(|file| fs::read(file).map_err(|why| format!("--ca {}: {why}", file.display())));
        let ca = ca.transpose()?;
        let trust = Trust { ca: ca.as_deref(), identity: None, insecure: args.insecure };
        let tls = address.is_tls().then(|| tls::client(trust, &["http/1.1"])).transpose();
        let tls = tls.map_err(|why| why.replace("`tls.ca`", "--ca"))?;
        if args.every.is_zero() || args.within.is_zero() {
            return Err("`--every` and `--within` are lengths above 0".into());
        }
        let mut except: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (id, metrics) in &args.except {
            if rule::rule(id).is_none() {
                let known = rule::RULES.iter().map(|rule| rule.id);
                return Err(format!("--except {id}: nothing is found under that name: {}", text::suggest(id, known)));
            }
            except.entry(id.clone()).or_default().extend(metrics.split(',').map(|m| m.trim().to_owned()));
        }
        let names = match &args.names {
            Some(names) => {
                Some(Template::new(names, args.service.as_deref()).map_err(|why| format!("--names: {why}"))?)
            }
            None => None,
        };
        let labels = args.labels.iter().filter(|label| !label.is_empty() && *label != "none").cloned();
        let path = if address.base.is_empty() { "/metrics" } else { "" };
        Ok(Asked {
            terms: Terms {
                labels: labels.collect(),
                names,
                limits: Limits { series: args.max_series, values: args.max_values, growth: args.max_growth },
            },
            except: except.into_iter().map(|(id, metrics)| Except { id, metrics }).collect(),
            fetcher: Fetcher::new(&address, path, Dial::within(tls)),
        })
    }

    /// Fetches the page as often as asked. The error says why there is none at all.
    async fn look(&self, args: &MetricsLintArgs) -> Result<Page, String> {
        let clock = Clock::starting_in(Duration::ZERO);
        let mut watch = Watch::new(args.label.clone());
        let mut found = Vec::new();
        let mut fetches = Fetches::default();

        let plain = self.fetch(Wish::TEXT, clock, args.timeout).await;
        let (began, took, plain) = (plain.0, plain.1, plain.2?);
        if Dialect::of(plain.media.as_deref(), &plain.page) == Dialect::OpenMetrics {
            let why = "asked for text/plain, it serves OpenMetrics";
            found.push(Finding::new(rule::NOT_NEGOTIATED, "", why));
        }
        fetches.take(took, &plain);
        watch.page(began.nanos() / 1_000_000, &plain.page, plain.media.as_deref());

        let mut last = plain;
        let mut planned = Offset::ZERO;
        loop {
            let (at, took, fetched) = self.fetch(Wish::OPEN, clock, args.timeout).await;
            match fetched {
                Ok(fetched) => {
                    fetches.take(took, &fetched);
                    watch.page(at.nanos() / 1_000_000 + 1, &fetched.page, fetched.media.as_deref());
                    last = fetched;
                }
                Err(why) => fetches.failed.push(why),
            }
            planned = planned + args.every;
            if planned >= Offset::after_zero(args.r#for.unwrap_or_default()) {
                break;
            }
            tokio::time::sleep(clock.until(planned)).await;
        }
        found.extend(fetches.findings(args));
        found.extend(watch.findings(&self.terms, args.requests.as_deref()));
        let (findings, idle) = without(found, &self.except);
        let seen = watch.seen();
        Ok(Page {
            url: args.url.clone(),
            media: last.media,
            bytes: last.page.len(),
            gzip: last.gzip,
            fetches: fetches.count,
            slowest: fetches.slowest,
            metrics: seen.metrics,
            series: seen.series,
            requests: watch.load(args.requests.as_deref()),
            findings,
            idle: idle.into_iter().cloned().collect(),
        })
    }

    async fn fetch(&self, wish: Wish, clock: Clock, within: Duration) -> (Offset, Duration, Result<Fetched, String>) {
        let began = clock.now();
        let fetched = self.fetcher.fetch(wish, within).await;
        (began, clock.now().since(began), fetched)
    }
}

/// How fetching went.
#[derive(Default)]
struct Fetches {
    count: usize,
    slowest: Duration,
    all: Vec<Duration>,
    largest: usize,
    uncompressed: usize,
    failed: Vec<String>,
}

impl Fetches {
    fn take(&mut self, took: Duration, fetched: &Fetched) {
        self.count += 1;
        self.slowest = self.slowest.max(took);
        self.all.push(took);
        self.largest = self.largest.max(fetched.page.len());
        if !fetched.gzip {
            self.uncompressed = self.uncompressed.max(fetched.page.len());
        }
    }

    fn findings(&self, args: &MetricsLintArgs) -> Vec<Finding> {
        let mut found = Vec::new();
        let slow = self.all.iter().filter(|took| **took >= args.within).count();
        let tardy = self.all.iter().filter(|took| **took >= args.warn && **took < args.within).count();
        let said = |n: usize, bound| {
            let all = text::count(self.count as u64, "fetch").replace("fetchs", "fetches");
            let (bound, worst) = (units::duration(bound), units::measured(self.slowest));
            format!("{n} of {all} took {bound} or more; the worst {worst}")
        };
        if slow > 0 {
            found.push(Finding::new(rule::SCRAPE_SLOW, "", said(slow, args.within)));
        }
        if tardy > 0 {
            found.push(Finding::new(rule::SCRAPE_TARDY, "", said(tardy, args.warn)));
        }
        if let Some(first) = self.failed.first() {
            let why = format!("{} brought nothing: {first}", text::count(self.failed.len() as u64, "time"));
            found.push(Finding::new(rule::PAGE_MISSING, "", why));
        }
        if self.largest as u64 > args.max_size.0 {
            let (is, most) = (text::thousands(self.largest as u64), text::thousands(args.max_size.0));
            found.push(Finding::new(rule::PAGE_LARGE, "", format!("{is} bytes, {most} are allowed")));
        }
        if self.uncompressed > LARGE {
            let why = format!("{} bytes came uncompressed", text::thousands(self.uncompressed as u64));
            found.push(Finding::new(rule::NOT_COMPRESSED, "", why));
        }
        found
    }
}
