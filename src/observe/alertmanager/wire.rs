//! What an Alertmanager says, read: the alerts of its API, version 2 and 1, and the bodies of its webhooks.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::base::text;
use crate::evidence::servers::{Member, Notice, Pairs};

/// So many alerts of one notification, or of one group, are kept.
const MOST: usize = 100;

/// An alert that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// `active`, `suppressed` or `unprocessed`.
    pub state: String,
    /// Ids of silences.
    pub silenced_by: Vec<String>,
    /// Fingerprints of alerts.
    pub inhibited_by: Vec<String>,
    /// Names of receivers.
    pub receivers: Vec<String>,
    /// What it is called by others.
    pub fingerprint: String,
}

/// The alerts that it has, by their labels; version 1 wraps them into `data`. The error says what is odd.
pub fn held(json: &Value) -> Result<BTreeMap<Pairs, Held>, String> {
    let all = json.as_array().or_else(|| json.get("data")?.as_array());
    let all = all.ok_or("it answers with what are no alerts: is it an Alertmanager?")?;
    let mut held = BTreeMap::new();
    for alert in all {
        let status = alert.get("status").unwrap_or(&Value::Null);
        let word = |of: &Value, key: &str| of.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let receivers = alert.get("receivers").and_then(Value::as_array).into_iter().flatten();
        // Version 2 has objects with a name, version 1 bare names.
        let name = |r: &Value| r.get("name").unwrap_or(r).as_str().map(str::to_owned);
        let one = Held {
            state: word(status, "state"),
            silenced_by: words(status.get("silencedBy")),
            inhibited_by: words(status.get("inhibitedBy")),
            receivers: receivers.filter_map(name).collect(),
            fingerprint: word(alert, "fingerprint"),
        };
        held.insert(pairs(alert.get("labels")), one);
    }
    Ok(held)
}

/// What a group is known by: the receiver, and the labels that its alerts have in common.
pub type GroupKey = (String, Pairs);

/// The alerts of a group, and how many are not among them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// Sorted by labels.
    pub alerts: Vec<Member>,
    /// How many were left out.
    pub left_out: u64,
}

/// The groups in which it sends alerts on. Two routes may make groups of one receiver and the same labels: they count as one.
/// The error says what is odd.
pub fn groups(json: &Value) -> Result<BTreeMap<GroupKey, Group>, String> {
    let all = json.as_array().ok_or("it answers with what are no groups of alerts")?;
    let mut groups: BTreeMap<GroupKey, Group> = BTreeMap::new();
    for one in all {
        let receiver = one.pointer("/receiver/name").and_then(Value::as_str);
        let receiver = receiver.ok_or("it answers with a group that has no receiver")?;
        let group = groups.entry((receiver.to_owned(), pairs(one.get("labels")))).or_default();
        for alert in one.get("alerts").and_then(Value::as_array).into_iter().flatten() {
            let state = alert.pointer("/status/state").and_then(Value::as_str).unwrap_or_default();
            group.alerts.push(Member { labels: pairs(alert.get("labels")), state: state.to_owned() });
        }
    }
    for group in groups.values_mut() {
        group.alerts.sort_by(|a, b| a.labels.cmp(&b.labels));
        group.left_out = group.alerts.len().saturating_sub(MOST) as u64;
        group.alerts.truncate(MOST);
    }
    Ok(groups)
}

/// A notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Whose.
    pub receiver: String,
    /// `firing` or `resolved`.
    pub status: String,
    /// What its alerts have in common by `group_by`.
    pub group: Pairs,
    /// Its alerts.
    pub alerts: Vec<Notice>,
    /// How many were left out.
    pub left_out: u64,
}

/// The body of a webhook; the error says what is odd.
pub fn notification(body: &[u8]) -> Result<Notification, String> {
    let odd = |what: &str| {
        let begin = text::shorten(String::from_utf8_lossy(body).trim(), 60);
        format!("{what} is missing in `{begin}`: is it a webhook of Alertmanager?")
    };
    let json: Value = serde_json::from_slice(body).map_err(|_| odd("JSON"))?;
    let word = |of: &Value, key: &str| of.get(key).and_then(Value::as_str).map(str::to_owned);
    let alerts = json.get("alerts").and_then(Value::as_array).ok_or_else(|| odd("`alerts`"))?;
    let notice = |alert: &Value| Notice {
        labels: pairs(alert.get("labels")),
        status: word(alert, "status").unwrap_or_default(),
        starts: word(alert, "startsAt").unwrap_or_default(),
        ends: word(alert, "endsAt").unwrap_or_default(),
    };
    let truncated = json.get("truncatedAlerts").and_then(Value::as_u64).unwrap_or(0);
    Ok(Notification {
        receiver: word(&json, "receiver").ok_or_else(|| odd("`receiver`"))?,
        status: word(&json, "status").ok_or_else(|| odd("`status`"))?,
        group: pairs(json.get("groupLabels")),
        alerts: alerts.iter().take(MOST).map(notice).collect(),
        left_out: truncated + alerts.len().saturating_sub(MOST) as u64,
    })
}

fn pairs(object: Option<&Value>) -> Pairs {
    let object = object.and_then(Value::as_object).into_iter().flatten();
    let mut pairs: Pairs = object.map(|(n, v)| (n.clone(), v.as_str().unwrap_or_default().to_owned())).collect();
    pairs.sort();
    pairs
}

fn words(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|word| word.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_versions_of_the_api_read_alike() {
        let alert = |receivers: Value| {
            json!({ "labels": { "b": "2", "alertname": "High" }, "fingerprint": "f1", "receivers": receivers,
                "status": { "state": "suppressed", "silencedBy": ["s1"], "inhibitedBy": [] } })
        };
        let two = held(&json!([alert(json!([{ "name": "pagers" }]))])).expect("alerts");
        let one = held(&json!({ "status": "success", "data": [alert(json!(["pagers"]))] })).expect("alerts");
        assert_eq!(two, one);
        let (labels, held_as) = two.first_key_value().expect("one");
        assert_eq!(labels[0], ("alertname".into(), "High".into()));
        assert_eq!((held_as.state.as_str(), held_as.silenced_by.as_slice()), ("suppressed", &["s1".to_owned()][..]));
        assert_eq!(held_as.receivers, ["pagers"]);
        assert!(held(&json!({ "status": "success" })).is_err_and(|why| why.contains("no alerts")));
    }

    #[test]
    fn groups_are_read_by_receiver_and_labels() {
        let alert = |name: &str| json!({ "labels": { "alertname": name }, "status": { "state": "active" } });
        let group = |receiver: &str, alerts: Value| json!({ "receiver": { "name": receiver }, "labels": { "service": "api" }, "alerts": alerts });
        let read = groups(&json!([
            group("pagers", json!([alert("B")])),
            group("chat", json!([])),
            group("pagers", json!([alert("A")])),
        ]));
        let read = read.expect("groups");
        let names = |receiver: &str| -> Vec<&str> {
            let key = (receiver.to_owned(), vec![("service".to_owned(), "api".to_owned())]);
            read[&key].alerts.iter().map(|member| member.labels[0].1.as_str()).collect()
        };
        assert_eq!((names("pagers"), names("chat")), (vec!["A", "B"], vec![]));
        let many: Vec<Value> = (0..MOST + 5).map(|n| alert(&n.to_string())).collect();
        let many = groups(&json!([group("pagers", Value::from(many))])).expect("groups");
        assert!(many.values().all(|group| (group.alerts.len(), group.left_out) == (MOST, 5)));
        assert!(groups(&json!({ "data": [] })).is_err() && groups(&json!([{ "labels": {} }])).is_err());
    }

    #[test]
    fn a_webhook_is_read_and_what_is_none_is_refused() {
        let body = json!({ "version": "4", "groupKey": "{}", "truncatedAlerts": 2, "status": "firing",
            "receiver": "pagers", "groupLabels": { "service": "a", "alertname": "High" },
            "alerts": [{ "status": "firing", "labels": { "alertname": "High" }, "startsAt": "t", "endsAt": "u" }] });
        let read = notification(body.to_string().as_bytes()).expect("a notification");
        assert_eq!((read.receiver.as_str(), read.status.as_str(), read.left_out), ("pagers", "firing", 2));
        assert_eq!(read.group, [("alertname".into(), "High".into()), ("service".into(), "a".into())]);
        assert_eq!((read.alerts[0].status.as_str(), read.alerts[0].starts.as_str()), ("firing", "t"));
        for bad in ["", "<html>", "{}", r#"{"alerts": []}"#, r#"{"alerts": [], "receiver": "x"}"#] {
            assert!(notification(bad.as_bytes()).is_err_and(|why| why.contains("webhook")), "{bad}");
        }
    }
}
