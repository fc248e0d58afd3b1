//! An Alertmanager: which alerts it has, in which groups and to whom it sends them on, asked while the run goes on; and its
//! notifications, received.

mod webhook;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::api::{Api, Refused};
use crate::base::time::{Clock, Offset};
use crate::evidence::event::Event;
use crate::evidence::servers::{Alertmanager as Told, Pairs};
use crate::scenario;
use webhook::Webhook;
use wire::{Group, GroupKey, Held};

/// An Alertmanager.
pub struct Alertmanager {
    api: Api,
    settings: scenario::Alertmanager,
    is_old: bool, // version 1 of its API
    version: Option<String>,
    webhook: Option<Webhook>,
}

impl Alertmanager {
    /// Finds out who answers, and opens the port on which its notifications are received.
    pub async fn meet(
        settings: &scenario::Alertmanager,
        secret: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Alertmanager, String> {
        let api = Api::new(&settings.server, secret)?;
        let named = |why: Refused| format!("the Alertmanager at {}: {why}", settings.server.address);
        let (is_old, status) = match api.json("/api/v2/status", &[]).await {
            Ok((json, _)) => (false, json),
            Err(why) if why.is_absent() => (true, api.json("/api/v1/status", &[]).await.map_err(named)?.0),
            Err(why) => return Err(named(why)),
        };
        // What else it says of itself is its configuration, which holds secrets: none of it is kept.
        let version = ["/versionInfo/version", "/data/versionInfo/version"];
        let version = version.iter().find_map(|at| status.pointer(at).and_then(Value::as_str)).map(str::to_owned);
        if version.is_none() {
            return Err(format!("{} says no version: is it an Alertmanager?", settings.server.address));
        }
        let webhook = match &settings.listen {
            Some(listen) => Some(Webhook::open(listen).await?),
            None => None,
        };
        Ok(Alertmanager { api, settings: settings.clone(), is_old, version, webhook })
    }

    /// Asks it and receives its notifications until `stop` turns true.
    pub async fn watch(mut self, clock: Clock, events: mpsc::UnboundedSender<Event>, mut stop: watch::Receiver<bool>) {
        let tell = |told: Told| _ = events.send(Event::Alertmanager { at: clock.now(), told });
        tell(Told::Itself {
            version: self.version.clone(),
            api: if self.is_old { "v1".into() } else { "v2".into() },
            listen: self.settings.listen.clone(),
        });
        let dropped = Arc::new(AtomicU64::new(0));
        let webhook = self.webhook.take();
        let receiving = async {
            match webhook {
                Some(webhook) => webhook.serve(clock, events.clone(), dropped.clone()).await,
                None => std::future::pending().await,
            }
        };
        let mut looks = Looks::default();
        tokio::select! {
            () = receiving => {}
            () = self.ask(clock, &tell, &mut looks) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        tell(Told::Polls { good: looks.good, failed: looks.failed, dropped: dropped.load(Relaxed) });
    }

    async fn ask(&self, clock: Clock, tell: &impl Fn(Told), looks: &mut Looks) {
        let mut planned = Offset::ZERO;
        loop {
            tokio::time::sleep(clock.until(planned)).await;
            let path = if self.is_old { "/api/v1/alerts" } else { "/api/v2/alerts" };
            match self.api.json(path, &[]).await.map(|(json, _)| wire::held(&json)) {
                Ok(Ok(held)) => {
                    looks.changes(held).into_iter().for_each(tell);
                    if !self.is_old {
                        self.ask_groups(tell, looks).await;
                    }
                }
                Ok(Err(why)) => looks.refused(path, why).into_iter().for_each(tell),
                Err(why) => looks.refused(path, why.to_string()).into_iter().for_each(tell),
            }
            planned = planned + self.settings.every;
            while clock.now() > planned + self.settings.every {
                planned = planned + self.settings.every;
            }
        }
    }

    /// Asks in which groups it sends alerts on; only version 2 of its API says so.
    async fn ask_groups(&self, tell: &impl Fn(Told), looks: &mut Looks) {
        const PATH: &str = "/api/v2/alerts/groups";
        match self.api.json(PATH, &[]).await.map(|(json, _)| wire::groups(&json)) {
            Ok(Ok(groups)) => looks.regrouped(groups).into_iter().for_each(tell),
            Ok(Err(why)) => looks.refused(PATH, why).into_iter().for_each(tell),
            Err(why) => looks.refused(PATH, why.to_string()).into_iter().for_each(tell),
        }
    }
}

/// What was seen so far.
#[derive(Default)]
struct Looks {
    held: BTreeMap<Pairs, Held>,
    groups: BTreeMap<GroupKey, Group>,
    good: u64,
    failed: u64,
    last: String, // what was wrong last
}

impl Looks {
    /// What has changed since the last look.
    fn changes(&mut self, now: BTreeMap<Pairs, Held>) -> Vec<Told> {
        self.good += 1;
        self.last.clear();
        // An alert is inhibited by others, which are better known by their labels than by their fingerprints.
        let name = |fingerprint: &String| {
            let other = now.iter().find(|(_, held)| held.fingerprint == *fingerprint);
            other.map_or_else(|| fingerprint.clone(), |(labels, _)| listed(labels))
        };
        let told = |labels: &Pairs, held: &Held, state: &str| Told::Alert {
            labels: labels.clone(),
            state: state.to_owned(),
            silenced_by: held.silenced_by.clone(),
            inhibited_by: held.inhibited_by.iter().map(name).collect(),
            receivers: held.receivers.clone(),
        };
        let changed = now.iter().filter(|(labels, held)| self.held.get(*labels) != Some(held));
        let mut all: Vec<Told> = changed.map(|(labels, held)| told(labels, held, &held.state)).collect();
        let gone = self.held.iter().filter(|(labels, _)| !now.contains_key(*labels));
        all.extend(gone.map(|(labels, held)| told(labels, held, "gone")));
        self.held = now;
        all
    }

    /// Which groups have changed since the last look.
    fn regrouped(&mut self, now: BTreeMap<GroupKey, Group>) -> Vec<Told> {
        let told = |(receiver, labels): &GroupKey, group: &Group| Told::Group {
            receiver: receiver.clone(),
            labels: labels.clone(),
            alerts: group.alerts.clone(),
            left_out: group.left_out,
        };
        let changed = now.iter().filter(|(key, group)| self.groups.get(*key) != Some(group));
        let mut all: Vec<Told> = changed.map(|(key, group)| told(key, group)).collect();
        let gone = self.groups.keys().filter(|key| !now.contains_key(*key));
        all.extend(gone.map(|key| told(key, &Group::default())));
        self.groups = now;
        all
    }

    /// The first of a kind of failure is told.
    fn refused(&mut self, path: &str, why: String) -> Option<Told> {
        self.failed += 1;
        if self.last == why {
            return None;
        }
        self.last.clone_from(&why);
        Some(Told::Failed { asked: path.to_owned(), why })
    }
}

/// `High{service="a"}`
fn listed(labels: &Pairs) -> String {
    let name = labels.iter().find(|(n, _)| n == "alertname").map_or("", |(_, v)| v.as_str());
    let others: Vec<String> =
        labels.iter().filter(|(n, _)| n != "alertname").map(|(n, v)| format!("{n}={v:?}")).collect();
    if others.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", others.join(",")) }
}

#[cfg(test)]
mod tests;
