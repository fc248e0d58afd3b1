//! What the server makes of it itself: of the promises, and of its alert rules.

use serde_json::Value;

use super::fetch::{labels, partial};
use super::{Prometheus, Told, seconds};
use crate::base::text;
use crate::base::time::Offset;
use crate::evidence::servers::{Alert, Pairs};
use crate::observe::api::Refused;

/// So many alerts, failing rules, and elements of an answer are kept.
const MOST: usize = 1000;

/// What the server is asked about a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The expression.
    pub expr: String,
    /// The instant, on its clock, in Unix milliseconds.
    pub at: i64,
}

impl Prometheus {
    /// Asks what it makes of each, until `deadline`.
    pub async fn answer(&self, questions: &[Question], deadline: Offset) {
        for Question { expr, at } in questions {
            let answered = match self.clock.now() > deadline {
                true => Err(Refused::from("it took too long: given up".to_owned())),
                false => self.value(expr, *at).await,
            };
            let (elements, failed) = match answered {
                Ok(elements) => (elements, None),
                Err(why) => (Vec::new(), Some(why.to_string())),
            };
            self.tell(Told::Answered { expr: expr.clone(), instant: *at, elements, failed });
        }
    }

    async fn value(&self, expr: &str, at: i64) -> Result<Vec<(Pairs, String)>, Refused> {
        let (json, _) = self.api.json("/api/v1/query", &[("query", expr), ("time", &seconds(at))]).await?;
        if let Some(why) = partial(&json).filter(|why| why.starts_with("only a part")) {
            return Err(Refused::from(why));
        }
        let odd = || Refused::from("/api/v1/query: its answer has no value".to_owned());
        let value = |pair: &Value| pair.get(1).and_then(Value::as_str).map(str::to_owned);
        let data = json.get("data").ok_or_else(odd)?;
        let result = data.get("result").ok_or_else(odd)?;
        match data.get("resultType").and_then(Value::as_str) {
            Some("scalar") => Ok(vec![(Vec::new(), value(result).ok_or_else(odd)?)]),
            Some("vector") => {
                let elements = result.as_array().ok_or_else(odd)?.iter().take(MOST).map(|element| {
                    let labels = labels(element.get("metric")?);
                    let labels = labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
                    Some((labels, value(element.get("value")?)?))
                });
                elements.collect::<Option<_>>().ok_or_else(odd)
            }
            _ => Err(odd()),
        }
    }

    /// Asks which alerts are pending or firing now, and which rules it cannot evaluate.
    pub async fn state(&self) {
        match self.api.json("/api/v1/alerts", &[]).await {
            Ok((json, _)) => {
                let all = json.pointer("/data/alerts").and_then(Value::as_array);
                let alerts = all.into_iter().flatten().take(MOST).map(alert).collect();
                self.tell(Told::Alerts { alerts });
            }
            Err(why) => self.failed("/api/v1/alerts", &why),
        }
        match self.api.json("/api/v1/rules", &[]).await {
            Ok((json, _)) => self.tell(health(&json)),
            Err(why) => self.failed("/api/v1/rules", &why),
        }
    }
}

fn alert(json: &Value) -> Alert {
    let word = |key: &str| json.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let labels = labels(json.get("labels").unwrap_or(&Value::Null));
    Alert {
        labels: labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
        state: word("state"),
        since: word("activeAt"),
    }
}

/// How many rules there are, and which cannot be evaluated.
fn health(json: &Value) -> Told {
    let groups = json.pointer("/data/groups").and_then(Value::as_array).into_iter().flatten();
    let rules = groups.filter_map(|group| group.get("rules")?.as_array()).flatten();
    let (mut count, mut failing) = (0, Vec::new());
    for rule in rules {
        count += 1;
        let word = |key: &str| rule.get(key).and_then(Value::as_str).unwrap_or_default();
        if word("health") == "err" && failing.len() < MOST {
            failing.push((word("name").to_owned(), text::shorten(word("lastError"), 200)));
        }
    }
    Told::Rules { rules: count, failing }
}
