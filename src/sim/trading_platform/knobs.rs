//! The settings of the trading platform as a command line knows them: one table gives each its name, its help, its
//! reading and its printing.

use crate::base::net::Address;
use crate::base::units;
use crate::sim::Knob;
use crate::sim::knobs::{self, Knobs, Row, knob, length, or, put};

use super::options::{Announce, Options};
use super::truth::Truth;

impl Knobs for Options {
    const ROWS: &'static [Row<Options>] = &[
        knob!(whole(u16::MAX.into()) ports, "the port of the first service, the next ones of the others; 0 for free ones"),
        knob!(whole(u64::MAX) seed, "where lengths of time and failures are drawn from"),
        knob!(length patience, "how long the start may wait for the dispatcher's partitions"),
        knob!(switch no_delay, "no simulated delay at all: as fast as it can be"),
        knob!(switch born_at_zero, "whether counters are there before there is anything to count"),
        (
            "truth",
            "file for a line of JSON per deed, and one of totals at the end, or off",
            |o, v| {
                o.truth = if v == "off" { Truth::Off } else { Truth::File(v.into()) };
                Ok(())
            },
            |_| "off".into(),
        ),
        knob!(switch auth, "whether the API asks for a bearer token"),
        (
            "password",
            "what a login must say, or any: none is needed",
            |o, v| put(&mut o.password, or("any", v, |v| Ok(v.to_owned()))),
            |o| if o.password.is_some() { "as set".into() } else { "any".into() },
        ),
        knob!(length token_life, "how long a token is good for"),
        knob!(some(10_000) db_pool, "connections to the database"),
        knob!(length accept_delay, "how long after an execution was taken on its 202 goes out: completion may come first"),
        knob!(whole(u64::MAX) drop_id_every, "every so manieth 202 says no id; 0 for none"),
        knob!(switch skip_manual, "whether an execution that is asked for over HTTP ends as SKIPPED when its pipeline is running"),
        knob!(some(10_000_000) history, "executions that are over and still remembered"),
        (
            "webhook",
            "address on this machine that is told of executions that are over, or off",
            |o, v| put(&mut o.webhook, or("off", v, webhook)),
            |o| o.webhook.clone().unwrap_or_else(|| "off".into()),
        ),
        knob!(some(10_000) pipelines, "pipelines that there are; of 40, one for each type of signal and ticker"),
        knob!(rate periodic, "how often pipelines run by themselves, all together; 0/s for never"),
        knob!(some(100_000) concurrency, "tasks that are worked on at a time"),
        knob!(length service_p50, "median of a task's length"),
        knob!(length service_p95, "95th percentile of a task's length"),
        knob!(share task_failures, "share of attempts at a task that fail"),
        knob!(whole(1000) retries, "how often a task is tried again"),
        knob!(length retry_delay, "how long a task waits before it is tried again"),
        knob!(share monitoring, "share of executions that are MONITORING for a while before they are over"),
        knob!(length monitoring_time, "for how long"),
        knob!(share paused, "share of the monitored executions that are PAUSED for as long"),
        knob!(share approvals, "share of executions that are AWAITING_APPROVAL before they run"),
        knob!(length approval_time, "for how long"),
        knob!(share cancelled, "share of executions that end as CANCELLED"),
        knob!(share communication_errors, "share of executions that end as COMMUNICATION_ERROR"),
        knob!(share reconciliations, "share of executions that end as NEEDS_RECONCILIATION"),
        knob!(whole(100_000) stuck_worker, "workers that never finish the task that they take up: a defect"),
        knob!(whole(u64::MAX) stuck_after, "tasks that each of them does finish before"),
        knob!(some(100_000) batch, "signals in a batch of the dispatcher, at most"),
        knob!(length batch_wait, "how long a batch waits for more after its first signal"),
        (
            "cache_refresh",
            "how often the dispatcher's cache of pipelines is read anew",
            |o, v| {
                let positive = length(v).and_then(|l| if l.is_zero() { Err("must be above 0".into()) } else { Ok(l) });
                put(&mut o.cache_refresh, positive)
            },
            |o| units::duration(o.cache_refresh),
        ),
        knob!(switch skip_running, "whether a pipeline that is running is left alone by signals"),
        knob!(switch dedupe, "whether a signal that comes again is known again; off is a real weakness"),
        (
            "announce",
            "which states of an execution the topic `executions` is told: end, start (PENDING) or all",
            |o, v| put(&mut o.announce, Announce::parse(v)),
            |o| o.announce.word().into(),
        ),
        knob!(whole(u64::MAX) lose_every, "every so manieth signal is lost; 0 for none: a defect"),
        knob!(whole(u64::MAX) lose_on_rebalance, "signals that are lost after each rebalance: a defect"),
        knob!(whole(u64::MAX) duplicate_every, "every so manieth start by a signal is made twice, as by a retry; 0 for none: a defect"),
        knob!(whole(u64::MAX) reorder_every, "every so manieth signal is overtaken by the next of its key; 0 for none: a defect"),
        (
            "slow_drain",
            "signals that the dispatcher takes up per second, at most, or off: a defect",
            |o, v| {
                let some = |v: &str| match units::parse_rate(v)? {
                    rate if rate.0 == 0 => Err("must be above 0".into()),
                    rate => Ok(rate),
                };
                put(&mut o.slow_drain, or("off", v, some))
            },
            |o| o.slow_drain.map_or("off".into(), |rate| rate.to_string()),
        ),
        knob!(length_or("off") rebalance_every, "how often the dispatcher leaves its group and joins it again, or off"),
        knob!(rate signals, "signals that the generator makes by itself, per second"),
    ];
}

impl Options {
    /// Sets one knob by its name. The error names the knob and says what to write.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let is = self.turn(key, value)?;
        knobs::known(is, "trading-platform", key, &Options::keys())
    }

    /// All knobs with their defaults and a line of help each.
    pub fn keys() -> Vec<Knob> {
        Options::default().knobs()
    }
}

/// A practice target reaches nobody but this machine.
fn webhook(text: &str) -> Result<String, String> {
    let address = Address::parse(text.split('?').next().unwrap_or(text))?;
    if address.is_tls() || address.socket().is_some() || !address.is_loopback() {
        return Err(format!("`{text}` is no plain HTTP on this machine: write http://127.0.0.1:PORT/PATH"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_default_reads_back_as_itself() {
        for knob in Options::keys() {
            let mut options = Options::default();
            assert_eq!(options.set(knob.name, &knob.default), Ok(()), "{}", knob.name);
            assert_eq!(format!("{options:?}"), format!("{:?}", Options::default()), "{}", knob.name);
            assert!(!knob.help.is_empty() && !knob.help.contains('\n'));
        }
    }

    #[test]
    fn mistakes_are_explained() {
        let mut options = Options::default();
        let mut wrong = |key, value| options.set(key, value).expect_err(key);
        assert_eq!(
            wrong("lose_evry", "5"),
            "`lose_evry` is no setting of trading-platform: did you mean `lose_every`?"
        );
        assert!(wrong("batch", "0").contains("at least 1"));
        assert!(wrong("announce", "never").contains("end, start, all"));
        assert!(wrong("webhook", "http://10.0.0.5/done").contains("on this machine"));
        assert!(wrong("slow_drain", "0/s").contains("above 0"));
        assert!(wrong("task_failures", "2").starts_with("task_failures: "));
        assert_eq!(options.set("webhook", "http://127.0.0.1:9009/done?x=1"), Ok(()));
        assert_eq!(options.set("batch_wait", "20ms"), Ok(()));
        assert_eq!((options.batch_wait, options.webhook.is_some()), (Duration::from_millis(20), true));
    }
}
