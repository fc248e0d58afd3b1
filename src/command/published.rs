//! What a command publishes of its runs while they go on: a page of metrics for a Prometheus that scrapes, requests for one
//! that is pushed to. Both take the recorder's counts as they are told once a second, on threads of their own.

use std::sync::Arc;

use super::live::News;
use super::push::{Push, Pushing};
use super::served::Served;
use crate::base::net;
use crate::cli::args::PublishArgs;
use crate::cli::print;
use crate::judge::Verdict;
use crate::plan::Plan;
use crate::report::metered::Metered;

/// A run that is published.
#[derive(Clone)]
pub(super) struct Published {
    /// The name of its scenario.
    pub scenario: String,
    /// What was planned.
    pub plan: Arc<Plan>,
    /// What is told of it.
    pub news: News,
    /// What was made of it, when that is known.
    pub verdict: Option<Verdict>,
}

impl Published {
    /// Calls `then` with what is known of the run now.
    pub fn met<T>(&self, then: impl FnOnce(&Metered<'_>) -> T) -> T {
        let (board, standings) = (self.news.board.borrow().clone(), self.news.standing.borrow().clone());
        then(&Metered {
            scenario: &self.scenario,
            version: env!("CARGO_PKG_VERSION"),
            plan: &self.plan,
            board: &board,
            standings: &standings,
            verdict: self.verdict,
        })
    }
}

/// Where the runs of a command are published.
#[derive(Default)]
pub(super) struct Publisher {
    served: Option<Served>,
    push: Option<Push>,
}

/// Why nothing can be published.
pub(super) enum Refused {
    /// The command line is wrong.
    Usage(String),
    /// It is not, but it cannot be done.
    Trouble(String),
}

/// A run while it is published.
pub(super) struct Publishing<'p> {
    publisher: &'p Publisher,
    run: Published,
    pushing: Option<Pushing>,
}

impl Publisher {
    /// Gets ready to publish as the command line says. Nothing has been sent; where a page is asked for it is there.
    pub fn new(args: &PublishArgs, hosts: &[String]) -> Result<Publisher, Refused> {
        let push = args.push_remote_write.as_deref().map(|url| Push::new(url, hosts)).transpose();
        let push = push.map_err(|why| Refused::Usage(format!("--push-remote-write: {why}")))?;
        let served = args.metrics_listen.as_deref().map(|at| Served::new(at, hosts)).transpose()?;
        if let Some(served) = &served {
            print::err(&format!("metrics of this run are at http://{}/metrics", served.address()));
        }
        Ok(Publisher { served, push })
    }

    /// Whether anybody asks how promises stand.
    pub fn is_idle(&self) -> bool {
        self.served.is_none() && self.push.is_none()
    }

    /// Publishes a run from now on.
    pub fn follow(&self, run: Published) -> Publishing<'_> {
        if let Some(served) = &self.served {
            served.show(run.clone());
        }
        let pushing = self.push.as_ref().and_then(|push| match push.follow(run.clone()) {
            Ok(pushing) => Some(pushing),
            Err(why) => {
                print::err(&format!("metrics are not pushed: {why}"));
                None
            }
        });
        Publishing { publisher: self, run, pushing }
    }
}

impl Publishing<'_> {
    /// Publishes what was made of the run, where anything was, and says what was lost on the way.
    pub fn end(mut self, verdict: Option<Verdict>) {
        self.run.verdict = verdict;
        if let Some(trouble) = self.pushing.and_then(|pushing| pushing.end(verdict)) {
            print::err(&trouble);
        }
        if let Some(served) = &self.publisher.served {
            served.show(self.run);
        }
    }
}

/// Whether a host may be reached, or listened on, without leave.
pub(super) fn allowed(host: &str, hosts: &[String]) -> Result<(), String> {
    match net::is_loopback(host) || hosts.iter().any(|name| name.eq_ignore_ascii_case(host)) {
        true => Ok(()),
        false => Err(format!("`{host}` is not this machine: allow it with --allow-host {host}")),
    }
}
