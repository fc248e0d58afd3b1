//! The settings of the trading platform as a command line knows them: one table gives each its name, its help, its
//! reading and its printing.

use crate::base::net::Address;
use crate::base::text::suggest;
use crate::base::units;
use crate::sim::Knob;
use crate::sim::knobs::{Row, at_least_one, length, on_off, or, put, switch, whole};

use super::options::{Announce, Options};
use super::truth::Truth;

const KNOBS: &[Row<Options>] = &[
    (
        "ports",
        "the port of the first service, the next ones of the others; 0 for free ones",
        |o, v| put(&mut o.ports, whole(v, u16::MAX.into())),
        |o| o.ports.to_string(),
    ),
    (
        "seed",
        "where lengths of time and failures are drawn from",
        |o, v| put(&mut o.seed, whole(v, u64::MAX)),
        |o| o.seed.to_string(),
    ),
    (
        "patience",
        "how long the start may wait for the dispatcher's partitions",
        |o, v| put(&mut o.patience, length(v)),
        |o| units::duration(o.patience),
    ),
    (
        "no_delay",
        "no simulated delay at all: as fast as it can be",
        |o, v| put(&mut o.no_delay, switch(v)),
        |o| on_off(o.no_delay),
    ),
    (
        "born_at_zero",
        "whether counters are there before there is anything to count",
        |o, v| put(&mut o.born_at_zero, switch(v)),
        |o| on_off(o.born_at_zero),
    ),
    (
        "truth",
        "file for a line of JSON per deed, and one of totals at the end, or off",
        |o, v| {
            o.truth = if v == "off" { Truth::Off } else { Truth::File(v.into()) };
            Ok(())
        },
        |_| "off".into(),
    ),
    ("auth", "whether the API asks for a bearer token", |o, v| put(&mut o.auth, switch(v)), |o| on_off(o.auth)),
    (
        "password",
        "what a login must say, or any: none is needed",
        |o, v| put(&mut o.password, or("any", v, |v| Ok(v.to_owned()))),
        |o| if o.password.is_some() { "as set".into() } else { "any".into() },
    ),
    (
        "token_life",
        "how long a token is good for",
        |o, v| put(&mut o.token_life, length(v)),
        |o| units::duration(o.token_life),
    ),
    (
        "db_pool",
        "connections to the database",
        |o, v| put(&mut o.db_pool, whole(v, 10_000).and_then(at_least_one)),
        |o| o.db_pool.to_string(),
    ),
    (
        "accept_delay",
        "how long after an execution was taken on its 202 goes out: completion may come first",
        |o, v| put(&mut o.accept_delay, length(v)),
        |o| units::duration(o.accept_delay),
    ),
    (
        "drop_id_every",
        "every so manieth 202 says no id; 0 for none",
        |o, v| put(&mut o.drop_id_every, whole(v, u64::MAX)),
        |o| o.drop_id_every.to_string(),
    ),
    (
        "skip_manual",
        "whether an execution that is asked for over HTTP ends as SKIPPED when its pipeline is running",
        |o, v| put(&mut o.skip_manual, switch(v)),
        |o| on_off(o.skip_manual),
    ),
    (
        "history",
        "executions that are over and still remembered",
        |o, v| put(&mut o.history, whole(v, 10_000_000).and_then(at_least_one)),
        |o| o.history.to_string(),
    ),
    (
        "webhook",
        "address on this machine that is told of executions that are over, or off",
        |o, v| put(&mut o.webhook, or("off", v, webhook)),
        |o| o.webhook.clone().unwrap_or_else(|| "off".into()),
    ),
    (
        "pipelines",
        "pipelines that there are; of 40, one for each type of signal and ticker",
        |o, v| put(&mut o.pipelines, whole(v, 10_000).and_then(at_least_one)),
        |o| o.pipelines.to_string(),
    ),
    (
        "periodic",
        "how often pipelines run by themselves, all together; 0/s for never",
        |o, v| put(&mut o.periodic, units::parse_rate(v)),
        |o| o.periodic.to_string(),
    ),
    (
        "concurrency",
        "tasks that are worked on at a time",
        |o, v| put(&mut o.concurrency, whole(v, 100_000).and_then(at_least_one)),
        |o| o.concurrency.to_string(),
    ),
    (
        "service_p50",
        "median of a task's length",
        |o, v| put(&mut o.service_p50, length(v)),
        |o| units::duration(o.service_p50),
    ),
    (
        "service_p95",
        "95th percentile of a task's length",
        |o, v| put(&mut o.service_p95, length(v)),
        |o| units::duration(o.service_p95),
    ),
    (
        "task_failures",
        "share of attempts at a task that fail",
        |o, v| put(&mut o.task_failures, units::parse_share(v)),
        |o| o.task_failures.to_string(),
    ),
    (
        "retries",
        "how often a task is tried again",
        |o, v| put(&mut o.retries, whole(v, 1000)),
        |o| o.retries.to_string(),
    ),
    (
        "retry_delay",
        "how long a task waits before it is tried again",
        |o, v| put(&mut o.retry_delay, length(v)),
        |o| units::duration(o.retry_delay),
    ),
    (
        "monitoring",
        "share of executions that are MONITORING for a while before they are over",
        |o, v| put(&mut o.monitoring, units::parse_share(v)),
        |o| o.monitoring.to_string(),
    ),
    (
        "monitoring_time",
        "for how long",
        |o, v| put(&mut o.monitoring_time, length(v)),
        |o| units::duration(o.monitoring_time),
    ),
    (
        "paused",
        "share of the monitored executions that are PAUSED for as long",
        |o, v| put(&mut o.paused, units::parse_share(v)),
        |o| o.paused.to_string(),
    ),
    (
        "approvals",
        "share of executions that are AWAITING_APPROVAL before they run",
        |o, v| put(&mut o.approvals, units::parse_share(v)),
        |o| o.approvals.to_string(),
    ),
    (
        "approval_time",
        "for how long",
        |o, v| put(&mut o.approval_time, length(v)),
        |o| units::duration(o.approval_time),
    ),
    (
        "cancelled",
        "share of executions that end as CANCELLED",
        |o, v| put(&mut o.cancelled, units::parse_share(v)),
        |o| o.cancelled.to_string(),
    ),
    (
        "communication_errors",
        "share of executions that end as COMMUNICATION_ERROR",
        |o, v| put(&mut o.communication_errors, units::parse_share(v)),
        |o| o.communication_errors.to_string(),
    ),
    (
        "reconciliations",
        "share of executions that end as NEEDS_RECONCILIATION",
        |o, v| put(&mut o.reconciliations, units::parse_share(v)),
        |o| o.reconciliations.to_string(),
    ),
    (
        "stuck_worker",
        "workers that never finish the task that they take up: a defect",
        |o, v| put(&mut o.stuck_worker, whole(v, 100_000)),
        |o| o.stuck_worker.to_string(),
    ),
    (
        "stuck_after",
        "tasks that each of them does finish before",
        |o, v| put(&mut o.stuck_after, whole(v, u64::MAX)),
        |o| o.stuck_after.to_string(),
    ),
    (
        "batch",
        "signals in a batch of the dispatcher, at most",
        |o, v| put(&mut o.batch, whole(v, 100_000).and_then(at_least_one)),
        |o| o.batch.to_string(),
    ),
    (
        "batch_wait",
        "how long a batch waits for more after its first signal",
        |o, v| put(&mut o.batch_wait, length(v)),
        |o| units::duration(o.batch_wait),
    ),
    (
        "cache_refresh",
        "how often the dispatcher's cache of pipelines is read anew",
        |o, v| {
            let positive = length(v).and_then(|l| if l.is_zero() { Err("must be above 0".into()) } else { Ok(l) });
            put(&mut o.cache_refresh, positive)
        },
        |o| units::duration(o.cache_refresh),
    ),
    (
        "skip_running",
        "whether a pipeline that is running is left alone by signals",
        |o, v| put(&mut o.skip_running, switch(v)),
        |o| on_off(o.skip_running),
    ),
    (
        "dedupe",
        "whether a signal that comes again is known again; off is a real weakness",
        |o, v| put(&mut o.dedupe, switch(v)),
        |o| on_off(o.dedupe),
    ),
    (
        "announce",
        "which states of an execution the topic `executions` is told: end, start (PENDING) or all",
        |o, v| put(&mut o.announce, Announce::parse(v)),
        |o| o.announce.word().into(),
    ),
    (
        "lose_every",
        "every so manieth signal is lost; 0 for none: a defect",
        |o, v| put(&mut o.lose_every, whole(v, u64::MAX)),
        |o| o.lose_every.to_string(),
    ),
    (
        "lose_on_rebalance",
        "signals that are lost after each rebalance: a defect",
        |o, v| put(&mut o.lose_on_rebalance, whole(v, u64::MAX)),
        |o| o.lose_on_rebalance.to_string(),
    ),
    (
        "duplicate_every",
        "every so manieth start by a signal is made twice, as by a retry; 0 for none: a defect",
        |o, v| put(&mut o.duplicate_every, whole(v, u64::MAX)),
        |o| o.duplicate_every.to_string(),
    ),
    (
        "reorder_every",
        "every so manieth signal is overtaken by the next of its key; 0 for none: a defect",
        |o, v| put(&mut o.reorder_every, whole(v, u64::MAX)),
        |o| o.reorder_every.to_string(),
    ),
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
    (
        "rebalance_every",
        "how often the dispatcher leaves its group and joins it again, or off",
        |o, v| put(&mut o.rebalance_every, or("off", v, length)),
        |o| o.rebalance_every.map_or("off".into(), units::duration),
    ),
    (
        "signals",
        "signals that the generator makes by itself, per second",
        |o, v| put(&mut o.signals, units::parse_rate(v)),
        |o| o.signals.to_string(),
    ),
];

impl Options {
    /// Sets one knob by its name. The error names the knob and says what to write.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let Some((_, _, set, _)) = KNOBS.iter().find(|knob| knob.0 == key) else {
            let known = KNOBS.iter().map(|knob| knob.0);
            return Err(format!("`{key}` is no setting of trading-platform: {}", suggest(key, known)));
        };
        set(self, value.trim()).map_err(|why| format!("{key}: {why}"))
    }

    /// All knobs with their defaults and a line of help each.
    pub fn keys() -> Vec<Knob> {
        let options = Options::default();
        KNOBS.iter().map(|(name, help, _, show)| Knob { name, default: show(&options), help }).collect()
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
