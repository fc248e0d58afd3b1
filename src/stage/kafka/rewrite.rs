//! Replies that name brokers, with the places of the proxy instead; and what can be seen in passing.

use super::apis::{self, API_VERSIONS, DESCRIBE_CLUSTER, FIND_COORDINATOR, METADATA, PRODUCE};
use super::wire::{Copier, Garbled};

/// The error of a broker that does not know a version of ApiVersions.
const UNSUPPORTED_VERSION: i16 = 35;
/// The tagged field of a reply to Produce that names brokers.
const NODE_ENDPOINTS: u32 = 0;

/// Why a reply is not passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub String);

impl From<Garbled> for Refusal {
    fn from(why: Garbled) -> Refusal {
        Refusal(why.to_string())
    }
}

/// What a reply says of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSeen {
    /// Its name; nothing where only its id is said.
    pub name: Option<String>,
    /// The number of its error; 0 where there is none.
    pub error: i16,
    /// Its partitions and their leaders; -1 where there is none.
    pub leaders: Vec<(i32, i32)>,
}

impl TopicSeen {
    /// Whether it can be used: no error, and leaders everywhere.
    pub fn is_available(&self) -> bool {
        self.error == 0 && !self.leaders.is_empty() && self.leaders.iter().all(|(_, leader)| *leader >= 0)
    }
}

/// Where clients find a broker, by its number and its own place.
pub type Place<'p> = &'p dyn Fn(i32, &str, u16) -> Result<(String, u16), Refusal>;

/// A reply as it goes on: everything behind its correlation id.
pub fn rewrite(key: i16, version: i16, reply: &[u8], place: Place<'_>) -> Result<Vec<u8>, Refusal> {
    let mut at = Copier::new(reply, apis::is_flexible(key, version));
    match key {
        API_VERSIONS => return api_versions(reply, version),
        METADATA => {
            at.tags()?;
            brokers(&mut at, version, place)?;
            at.rest();
        }
        FIND_COORDINATOR => {
            at.tags()?;
            coordinator(&mut at, version, place)?;
        }
        DESCRIBE_CLUSTER => {
            at.tags()?;
            describe_cluster(&mut at, version, place)?;
        }
        PRODUCE => {
            at.tags()?;
            produce(&mut at, version, place)?;
        }
        _ => at.rest(),
    }
    if at.is_done() { Ok(at.out) } else { Err(Garbled.into()) }
}

/// The brokers of Metadata, which come first.
fn brokers(at: &mut Copier<'_>, version: i16, place: Place<'_>) -> Result<(), Refusal> {
    if version >= 3 {
        at.i32()?; // throttled for so long
    }
    for _ in 0..at.list()?.unwrap_or(0) {
        let node = at.i32()?;
        at.place(|host, port| place(node, host, port))?;
        if version >= 1 {
            at.text()?; // its rack
        }
        at.tags()?;
    }
    Ok(())
}

fn coordinator(at: &mut Copier<'_>, version: i16, place: Place<'_>) -> Result<(), Refusal> {
    if version >= 1 {
        at.i32()?;
    }
    if version < 4 {
        at.i16()?; // its error
        if version >= 1 {
            at.text()?;
        }
        let node = at.i32()?;
        at.place(|host, port| place(node, host, port))?;
        return Ok(at.tags()?);
    }
    for _ in 0..at.list()?.unwrap_or(0) {
        at.text()?; // whose
        let node = at.i32()?;
        at.place(|host, port| place(node, host, port))?;
        at.i16()?;
        at.text()?;
        at.tags()?;
    }
    Ok(at.tags()?)
}

fn describe_cluster(at: &mut Copier<'_>, version: i16, place: Place<'_>) -> Result<(), Refusal> {
    at.i32()?;
    at.i16()?;
    at.text()?;
    if version >= 1 {
        at.i8()?; // brokers or controllers
    }
    at.text()?;
    at.i32()?;
    for _ in 0..at.list()?.unwrap_or(0) {
        let node = at.i32()?;
        at.place(|host, port| place(node, host, port))?;
        at.text()?;
        if version >= 2 {
            at.i8()?; // whether it is fenced
        }
        at.tags()?;
    }
    at.i32()?;
    Ok(at.tags()?)
}

/// From version 10 on it names the brokers that lead instead, in a tagged field at its very end.
fn produce(at: &mut Copier<'_>, version: i16, place: Place<'_>) -> Result<(), Refusal> {
    for _ in 0..at.list()?.unwrap_or(0) {
        match version {
            13.. => at.bytes(16)?,
            _ => at.text().map(drop)?,
        }
        for _ in 0..at.list()?.unwrap_or(0) {
            at.bytes(4 + 2 + 8 + 8 + 8)?; // partition, error, offset, time, first offset
            for _ in 0..at.list()?.unwrap_or(0) {
                at.i32()?;
                at.text()?;
                at.tags()?;
            }
            at.text()?;
            at.tags()?;
        }
        at.tags()?;
    }
    at.i32()?;
    let mut refused = None;
    at.tags_but(|tag, value| {
        let changed = (tag == NODE_ENDPOINTS).then(|| endpoints(value, place));
        match changed.transpose() {
            Ok(changed) => changed,
            Err(why) => {
                refused = Some(why);
                None
            }
        }
    })?;
    refused.map_or(Ok(()), Err)
}

fn endpoints(value: &[u8], place: Place<'_>) -> Result<Vec<u8>, Refusal> {
    let mut at = Copier::new(value, true);
    for _ in 0..at.list()?.unwrap_or(0) {
        let node = at.i32()?;
        at.place(|host, port| place(node, host, port))?;
        at.text()?;
        at.tags()?;
    }
    if at.is_done() { Ok(at.out) } else { Err(Garbled.into()) }
}

/// The cluster understands what both it and the proxy do.
fn api_versions(reply: &[u8], version: i16) -> Result<Vec<u8>, Refusal> {
    let error = Copier::new(reply, false).i16()?;
    if error == UNSUPPORTED_VERSION {
        return unsupported(reply);
    }
    let mut at = Copier::new(reply, version >= 3);
    at.i16()?;
    let listed = at.taken_list()?;
    let mut kept = Copier::new(&[], version >= 3);
    let mut entries = Vec::new();
    for _ in 0..listed.unwrap_or(0) {
        let begin = at.out.len();
        let (key, first, last) = (at.i16()?, at.i16()?, at.i16()?);
        at.tags()?;
        let mut entry = at.out[begin..].to_vec();
        at.rewind(begin);
        let (first, last) = (first.max(apis::earliest(key)), last.min(apis::latest(key).unwrap_or(-1)));
        if first <= last {
            entry[2..4].copy_from_slice(&first.to_be_bytes());
            entry[4..6].copy_from_slice(&last.to_be_bytes());
            entries.push(entry);
        }
    }
    kept.out.extend(error.to_be_bytes());
    kept.put_list(listed.map(|_| entries.len() as u32));
    entries.iter().for_each(|entry| kept.out.extend(entry));
    at.rewind(0);
    if version >= 1 {
        at.i32()?;
    }
    at.tags()?;
    if !at.is_done() {
        return Err(Garbled.into());
    }
    kept.out.extend(at.out);
    Ok(kept.out)
}

/// Which versions of ApiVersions both know, as version 0 says it, which every client understands. librdkafka's brokers say it in
/// a form of their own, of which clients of others make nothing.
fn unsupported(reply: &[u8]) -> Result<Vec<u8>, Refusal> {
    const OF_THEIRS: usize = 3; // error and a count of one byte
    let range = |mut at: Copier<'_>| Ok::<_, Garbled>((at.i16()?, at.i16()?, at.i16()?));
    let mut at = Copier::new(reply, false);
    at.i16()?;
    let mut listed = (0..at.list()?.unwrap_or(0)).map(|_| Ok::<_, Garbled>((at.i16()?, at.i16()?, at.i16()?)));
    let as_written = listed.find(|range| range.is_err() || range.is_ok_and(|(key, ..)| key == API_VERSIONS));
    let (_, first, last) = match as_written {
        Some(Ok(found)) => found,
        _ => {
            let found = range(Copier::new(reply.get(OF_THEIRS..).unwrap_or_default(), false))?;
            if found.0 != API_VERSIONS {
                return Err(Garbled.into());
            }
            found
        }
    };
    let last = last.min(apis::latest(API_VERSIONS).unwrap_or(0));
    let mut out = UNSUPPORTED_VERSION.to_be_bytes().to_vec();
    out.extend(1_i32.to_be_bytes());
    [API_VERSIONS, first, last].iter().for_each(|n| out.extend(n.to_be_bytes()));
    Ok(out)
}

/// What a reply to Metadata says of brokers (number, host, port) and topics.
pub fn metadata(version: i16, reply: &[u8]) -> Result<(Vec<(i32, String, u16)>, Vec<TopicSeen>), Refusal> {
    let mut at = Copier::new(reply, apis::is_flexible(METADATA, version));
    at.tags()?;
    let seen = std::cell::RefCell::new(Vec::new());
    brokers(&mut at, version, &|node, host, port| {
        seen.borrow_mut().push((node, host.to_owned(), port));
        Ok((host.to_owned(), port))
    })?;
    if version >= 2 {
        at.text()?; // the cluster's id
    }
    if version >= 1 {
        at.i32()?; // who controls it
    }
    let mut topics = Vec::new();
    for _ in 0..at.list()?.unwrap_or(0) {
        let error = at.i16()?;
        let name = at.text()?.map(|name| String::from_utf8_lossy(name).into_owned());
        if version >= 10 {
            at.bytes(16)?;
        }
        if version >= 1 {
            at.i8()?;
        }
        let mut leaders = Vec::new();
        for _ in 0..at.list()?.unwrap_or(0) {
            at.i16()?;
            leaders.push((at.i32()?, at.i32()?));
            if version >= 7 {
                at.i32()?;
            }
            at.numbers()?;
            at.numbers()?;
            if version >= 5 {
                at.numbers()?;
            }
            at.tags()?;
        }
        if version >= 8 {
            at.i32()?;
        }
        at.tags()?;
        topics.push(TopicSeen { name, error, leaders });
    }
    Ok((seen.into_inner(), topics))
}
