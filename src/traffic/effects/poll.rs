//! Effects in the reply to a request that is repeated. They are seen when the reply is, up to an interval late; what stands
//! in a list that no longer holds it when it is asked for is not seen at all.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use serde_json_path::JsonPath;
use tokio::runtime::Builder;
use tokio::sync::watch;

use super::{Deliver, Effect, Reader, Told, World};
use crate::base::time::{Clock, Offset};
use crate::scenario::Poll;
use crate::traffic::http::open::Opener;
use crate::traffic::http::single::ask;
use crate::traffic::reply::{excerpt, status_is};
use crate::traffic::request::Request;
use crate::traffic::resolve;

/// A reply is read up to this size, in bytes.
const BODY: usize = 16_000_000;
/// Trouble is told of once in this time.
const AGAIN: Duration = Duration::from_secs(5);

/// A reply that is looked at again and again.
pub struct Watched {
    opener: Opener,
    request: Vec<u8>,
    path: String,
    every: Duration,
    timeout: Duration,
    list: Option<JsonPath>,
    reader: Reader,
}

impl Watched {
    /// Of a service of the target. The error says what it lacks.
    pub fn open(poll: &Poll, world: &World<'_>) -> Result<Watched, String> {
        let all = Opener::all(world.services, world.target)?;
        let wanted = |(name, _): &(String, Vec<Opener>)| poll.service.as_deref().is_none_or(|service| service == name);
        let found = all.into_iter().find(wanted).and_then(|(_, openers)| openers.into_iter().next());
        let opener = found.ok_or("the target has no such service")?;
        let mut headers = resolve(&world.target.headers, world.secrets);
        headers.push(("Connection".into(), "close".into()));
        let mut request = Vec::new();
        let path = format!("{}{}", opener.address().base, poll.path);
        let authority = opener.address().authority();
        Request::new("GET", &path, &headers, b"").write(None, authority.as_bytes(), None, &mut request);
        Ok(Watched {
            opener,
            request,
            path: poll.path.clone(),
            every: poll.every,
            timeout: world.target.timeout,
            list: poll.list.clone(),
            reader: Reader::new(&poll.reading),
        })
    }

    /// Delivers what stands in each reply until told to stop.
    pub fn watch(self, clock: Clock, deliver: &Deliver, stop: &watch::Receiver<bool>) {
        let Ok(runtime) = Builder::new_current_thread().enable_all().build() else {
            return deliver(Told::Missed("there is no runtime to poll in".into()));
        };
        runtime.block_on(async {
            let mut told: Option<Offset> = None;
            let mut next = clock.now();
            let mut stop = stop.clone();
            loop {
                let stopped = tokio::time::timeout(clock.until(next), stop.wait_for(|stop| *stop)).await;
                // A sender that is gone has stopped, too.
                if stopped.is_ok() {
                    break;
                }
                next = next.max(clock.now() - self.every) + self.every;
                if let Err(why) = self.look(clock, deliver).await {
                    let now = clock.now();
                    if told.is_none_or(|told| now.since(told) > AGAIN) {
                        told = Some(now);
                        deliver(Told::Trouble(format!("GET {}: {why}", self.path)));
                    }
                }
            }
        });
    }

    async fn look(&self, clock: Clock, deliver: &Deliver) -> Result<(), String> {
        let got = ask(&self.opener, &self.request, BODY, clock, self.timeout).await?;
        if got.too_long {
            return Err("the reply is longer than 16 MB".into());
        }
        if !status_is(got.status, &[]) {
            return Err(format!("status {}", got.status));
        }
        effects(self.list.as_ref(), &self.reader, &got.body, clock.now()).into_iter().for_each(|told| deliver(told));
        Ok(())
    }
}

/// What a reply tells that was seen at an instant.
fn effects(list: Option<&JsonPath>, reader: &Reader, body: &[u8], at: Offset) -> Vec<Told> {
    let unreadable = || vec![Told::Unreadable(excerpt(body))];
    let items: Vec<Vec<u8>> = match list {
        None => vec![body.to_vec()],
        Some(path) => {
            let Ok(document) = serde_json::from_slice::<Value>(body) else { return unreadable() };
            let found = path.query(&document).all();
            let items = found.into_iter().flat_map(|found| match found {
                Value::Array(items) => items.iter().collect(),
                item => vec![item],
            });
            items.map(|item| item.to_string().into_bytes()).collect()
        }
    };
    let mut seen: HashMap<(Box<str>, Option<Box<str>>, Option<Box<str>>), u32> = HashMap::new();
    let tell = |item: &Vec<u8>| match reader.read(item, at) {
        Some(effect) => {
            let place = (effect.id.clone(), effect.pipeline.clone(), effect.state.clone());
            let nth = seen.entry(place).or_default();
            *nth += 1;
            Told::Effect(Effect { listed: Some(*nth), ..effect })
        }
        None => Told::Unreadable(excerpt(item)),
    };
    items.iter().map(tell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Reading;

    fn read(list: Option<&str>, body: &str) -> Vec<Result<(String, u32), String>> {
        let path = |text: &str| JsonPath::parse(text).expect("a path");
        let reading = Reading { id: path("$.id"), pipeline: None, state: Some(path("$.state")), sequence: None };
        let list = list.map(path);
        let told = effects(list.as_ref(), &Reader::new(&reading), body.as_bytes(), Offset::ZERO);
        let shown = |told| match told {
            Told::Effect(effect) => Ok((effect.id.into_string(), effect.listed.unwrap_or_default())),
            Told::Unreadable(what) => Err(what),
            other => Err(format!("{other:?}")),
        };
        told.into_iter().map(shown).collect()
    }

    #[test]
    fn every_item_is_an_effect_and_the_same_twice_is_a_second_one() {
        let ok = |id: &str, nth| Ok((id.to_owned(), nth));
        let body = r#"{"items":[{"id":"a"},{"id":"b"},{"id":"a"},{"id":"a","state":"NEW"}]}"#;
        let all = vec![ok("a", 1), ok("b", 1), ok("a", 2), ok("a", 1)];
        assert_eq!(read(Some("$.items"), body), all);
        assert_eq!(read(Some("$.items[*]"), body), all);
        assert_eq!(read(Some("$.nothing"), body), []);
        assert_eq!(read(None, r#"{"id":"x"}"#), [ok("x", 1)]);
        assert!(read(Some("$.items"), "no JSON")[0].is_err());
        assert!(read(Some("$.items"), r#"{"items":[{"other":1}]}"#)[0].is_err());
    }
}
