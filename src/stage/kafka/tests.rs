//! Replies in every version that is understood, written by hand from the protocol's description, and connections cut
//! wherever reads may cut them.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use proptest::prelude::*;

use super::apis::{self, API_VERSIONS, DESCRIBE_CLUSTER, FIND_COORDINATOR, METADATA, PRODUCE};
use super::rewrite::{Refusal, TopicSeen, metadata, rewrite};
use super::talk::{Company, lenses};

/// Writes values as Kafka does.
#[derive(Default)]
struct Pen {
    flexible: bool,
    out: Vec<u8>,
}

impl Pen {
    fn i8(&mut self, n: i8) -> &mut Pen {
        self.out.push(n as u8);
        self
    }
    fn i16(&mut self, n: i16) -> &mut Pen {
        self.out.extend(n.to_be_bytes());
        self
    }
    fn i32(&mut self, n: i32) -> &mut Pen {
        self.out.extend(n.to_be_bytes());
        self
    }
    fn i64(&mut self, n: i64) -> &mut Pen {
        self.out.extend(n.to_be_bytes());
        self
    }
    fn varint(&mut self, mut n: usize) -> &mut Pen {
        while n > 127 {
            self.out.push((n % 128 + 128) as u8);
            n /= 128;
        }
        self.out.push(n as u8);
        self
    }
    fn text(&mut self, text: Option<&str>) -> &mut Pen {
        match (self.flexible, text) {
            (true, text) => self.varint(text.map_or(0, |t| t.len() + 1)),
            (false, text) => self.i16(text.map_or(-1, |t| t.len() as i16)),
        };
        self.out.extend(text.unwrap_or_default().as_bytes());
        self
    }
    fn list(&mut self, n: usize) -> &mut Pen {
        if self.flexible { self.varint(n + 1) } else { self.i32(n as i32) }
    }
    fn numbers(&mut self, all: &[i32]) -> &mut Pen {
        self.list(all.len());
        all.iter().for_each(|n| _ = self.i32(*n));
        self
    }
    /// Some tagged fields that nobody knows.
    fn tags(&mut self, some: &[(usize, Vec<u8>)]) -> &mut Pen {
        if self.flexible {
            self.varint(some.len());
            for (tag, value) in some {
                self.varint(*tag).varint(value.len());
                self.out.extend(value);
            }
        }
        self
    }
}

/// What a cluster is made of, for any reply.
#[derive(Debug, Clone)]
struct World {
    brokers: Vec<(i32, String, u16, Option<String>)>,
    topics: Vec<(String, i16, Vec<(i32, i32)>)>,
    tags: Vec<(usize, Vec<u8>)>,
}

/// Where the test puts a broker.
fn moved(node: i32, host: &str, port: u16) -> (String, u16) {
    (format!("10.0.0.{}-{}", node.rem_euclid(200), host.len()), port ^ 0x0101)
}

fn worlds() -> impl Strategy<Value = World> {
    let broker = (any::<i32>(), "[a-z.]{1,140}", 1u16.., proptest::option::of("[a-z]{0,9}"));
    let topic = ("[a-z.-]{1,40}", any::<i16>(), proptest::collection::vec((any::<i32>(), any::<i32>()), 0..4));
    let tag = (5usize..400, proptest::collection::vec(any::<u8>(), 0..200));
    (
        proptest::collection::vec(broker, 0..5),
        proptest::collection::vec(topic, 0..4),
        proptest::collection::vec(tag, 0..3),
    )
        .prop_map(|(brokers, topics, tags)| World { brokers, topics, tags })
}

impl World {
    /// A reply of a version, with its brokers where they are or where the test puts them.
    fn reply(&self, key: i16, version: i16, move_them: bool) -> Vec<u8> {
        let mut pen = Pen { flexible: apis::is_flexible(key, version), out: Vec::new() };
        let p = &mut pen;
        let place = |node: i32, host: &str, port: u16| match move_them {
            true => moved(node, host, port),
            false => (host.to_owned(), port),
        };
        let tags = &self.tags;
        p.tags(tags); // of the head
        match key {
            METADATA => {
                if version >= 3 {
                    p.i32(7);
                }
                p.list(self.brokers.len());
                for (node, host, port, rack) in &self.brokers {
                    let (host, port) = place(*node, host, *port);
                    p.i32(*node).text(Some(&host)).i32(port.into());
                    if version >= 1 {
                        p.text(rack.as_deref());
                    }
                    p.tags(tags);
                }
                if version >= 2 {
                    p.text(None);
                }
                if version >= 1 {
                    p.i32(1);
                }
                p.list(self.topics.len());
                for (name, error, partitions) in &self.topics {
                    p.i16(*error).text(Some(name));
                    if version >= 10 {
                        p.i64(1).i64(2);
                    }
                    if version >= 1 {
                        p.i8(0);
                    }
                    p.list(partitions.len());
                    for (partition, leader) in partitions {
                        p.i16(0).i32(*partition).i32(*leader);
                        if version >= 7 {
                            p.i32(3);
                        }
                        p.numbers(&[1, 2, 3]).numbers(&[1]);
                        if version >= 5 {
                            p.numbers(&[]);
                        }
                        p.tags(tags);
                    }
                    if version >= 8 {
                        p.i32(0);
                    }
                    p.tags(tags);
                }
                if (8..=10).contains(&version) {
                    p.i32(0);
                }
                if version >= 13 {
                    p.i16(0);
                }
                p.tags(tags);
            }
            FIND_COORDINATOR if version < 4 => {
                if version >= 1 {
                    p.i32(0);
                }
                p.i16(0);
                if version >= 1 {
                    p.text(None);
                }
                match self.brokers.first() {
                    Some((node, host, port, _)) => {
                        let (host, port) = place(*node, host, *port);
                        p.i32(*node).text(Some(&host)).i32(port.into());
                    }
                    None => _ = p.i32(-1).text(Some("")).i32(-1), // nobody coordinates
                }
                p.tags(tags);
            }
            FIND_COORDINATOR => {
                p.i32(0).list(self.brokers.len());
                for (node, host, port, rack) in &self.brokers {
                    let (host, port) = place(*node, host, *port);
                    p.text(Some("group")).i32(*node).text(Some(&host)).i32(port.into()).i16(0).text(rack.as_deref());
                    p.tags(tags);
                }
                p.tags(tags);
            }
            DESCRIBE_CLUSTER => {
                p.i32(0).i16(0).text(None);
                if version >= 1 {
                    p.i8(1);
                }
                p.text(Some("cluster")).i32(1).list(self.brokers.len());
                for (node, host, port, rack) in &self.brokers {
                    let (host, port) = place(*node, host, *port);
                    p.i32(*node).text(Some(&host)).i32(port.into()).text(rack.as_deref());
                    if version >= 2 {
                        p.i8(0);
                    }
                    p.tags(tags);
                }
                p.i32(0).tags(tags);
            }
            PRODUCE => {
                p.list(self.topics.len());
                for (name, error, partitions) in &self.topics {
                    match version {
                        13.. => p.i64(1).i64(2),
                        _ => p.text(Some(name)),
                    };
                    p.list(partitions.len());
                    for (partition, _) in partitions {
                        p.i32(*partition).i16(*error).i64(1).i64(2).i64(3);
                        p.list(1).i32(0).text(None).tags(tags);
                        p.text(Some(name)).tags(tags);
                    }
                    p.tags(tags);
                }
                p.i32(0);
                let mut inner = Pen { flexible: true, out: Vec::new() };
                inner.list(self.brokers.len());
                for (node, host, port, rack) in &self.brokers {
                    let (host, port) = place(*node, host, *port);
                    inner.i32(*node).text(Some(&host)).i32(port.into()).text(rack.as_deref()).tags(tags);
                }
                let mut all = vec![(0, inner.out)];
                all.extend(tags.iter().cloned());
                p.tags(&all);
            }
            other => unreachable!("{other} names no brokers"),
        }
        pen.out
    }
}

/// The versions in which replies name brokers.
fn naming() -> Vec<(i16, i16)> {
    let all = |key: i16, from: i16| (from..=apis::latest(key).expect("known")).map(move |version| (key, version));
    let found = all(METADATA, 0).chain(all(FIND_COORDINATOR, 0)).chain(all(DESCRIBE_CLUSTER, 0));
    found.chain(all(PRODUCE, 10)).collect()
}

fn place(node: i32, host: &str, port: u16) -> Result<(String, u16), Refusal> {
    Ok(moved(node, host, port))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_version_names_the_proxy_and_nothing_else_changes(world in worlds()) {
        for (key, version) in naming() {
            let rewritten = rewrite(key, version, &world.reply(key, version, false), &place);
            prop_assert_eq!(rewritten, Ok(world.reply(key, version, true)), "API {} version {}", key, version);
        }
    }

    #[test]
    fn every_version_of_metadata_is_understood(world in worlds()) {
        for version in 0..=apis::latest(METADATA).expect("known") {
            let (brokers, topics) = metadata(version, &world.reply(METADATA, version, false)).expect("reads");
            let theirs: Vec<_> = world.brokers.iter().map(|(n, h, p, _)| (*n, h.clone(), *p)).collect();
            prop_assert_eq!(brokers, theirs);
            let theirs = world.topics.iter().map(|(name, error, leaders)| TopicSeen {
                name: Some(name.clone()),
                error: *error,
                leaders: leaders.clone(),
            });
            prop_assert_eq!(topics, theirs.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_reply_that_is_cut_short_is_refused_and_garbage_harms_nobody(world in worlds(), garbage: Vec<u8>) {
        for (key, version) in naming() {
            let reply = world.reply(key, version, false);
            // Of Metadata only the beginning matters.
            if key != METADATA && !reply.is_empty() {
                prop_assert!(rewrite(key, version, &reply[..reply.len() - 1], &place).is_err());
                let longer = [&reply[..], &[0]].concat();
                prop_assert!(rewrite(key, version, &longer, &place).is_err(), "API {} version {}", key, version);
            }
            let _ = rewrite(key, version, &garbage, &place);
        }
        for version in 0..=4 {
            let _ = rewrite(API_VERSIONS, version, &garbage, &place);
        }
        let _ = metadata(9, &garbage);
        let (mut up, mut down) = lenses(Arc::new(Table::default()));
        let _ = (up(garbage.clone().into()), down(garbage.into()));
    }
}

#[test]
fn a_cluster_understands_what_the_proxy_does() {
    let reply = |version: i16, all: &[(i16, i16, i16)]| {
        let mut pen = Pen { flexible: version >= 3, out: Vec::new() };
        pen.i16(0).list(all.len());
        for (key, first, last) in all {
            pen.i16(*key).i16(*first).i16(*last).tags(&[]);
        }
        if version >= 1 {
            pen.i32(0);
        }
        pen.tags(&[(1, vec![0; 8])]);
        pen.out
    };
    // Fetch is capped, share groups and what nobody knows are left out, SASL begins at version 1.
    let theirs = [(0, 0, 13), (1, 4, 17), (3, 0, 13), (17, 0, 1), (18, 0, 9), (78, 0, 1), (999, 0, 0), (2, 99, 100)];
    let ours = [(0, 0, 13), (1, 4, 15), (3, 0, 13), (17, 1, 1), (18, 0, 4)];
    for version in 0..=4 {
        let rewritten = rewrite(API_VERSIONS, version, &reply(version, &theirs), &place);
        assert_eq!(rewritten, Ok(reply(version, &ours)), "version {version}");
    }
    // A broker that does not know the version answers as version 0 has it; librdkafka's in a form of its own.
    let refusing = |rest: &[u8]| [&35_i16.to_be_bytes()[..], rest].concat();
    let theirs = [&[0, 0, 0, 2, 0, 1, 0, 0, 0, 13][..], &[0, 18, 0, 0, 0, 9]].concat();
    for (theirs, last) in [(refusing(&theirs), 4), (refusing(&[1, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0]), 2)] {
        let ours = refusing(&[0, 0, 0, 1, 0, 18, 0, 0, 0, last]);
        assert_eq!(rewrite(API_VERSIONS, 4, &theirs, &place), Ok(ours));
    }
}

/// Who hears what passes, in a test.
#[derive(Default)]
struct Table {
    asked: Mutex<Vec<i16>>,
    refused: Mutex<Vec<String>>,
}

impl Company for Table {
    fn asked(&self, key: i16) {
        self.asked.lock().expect("whole").push(key);
    }
    fn told(&self, _: &[TopicSeen]) {}
    fn is_curious(&self) -> bool {
        true
    }
    fn place(&self, node: i32, host: &str, port: u16) -> Result<(String, u16), Refusal> {
        place(node, host, port)
    }
    fn refused(&self, why: String) {
        self.refused.lock().expect("whole").push(why);
    }
}

/// A request with a head as its version has it, and a body of so many bytes.
fn request(key: i16, version: i16, correlation: i32, body: &[u8]) -> Vec<u8> {
    let mut pen = Pen::default();
    pen.i16(key).i16(version).i32(correlation).text(Some("client"));
    if apis::is_flexible(key, version) {
        pen.out.push(0);
    }
    pen.out.extend(body);
    framed(&pen.out)
}

fn framed(content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32).to_be_bytes(), content].concat()
}

fn answer(correlation: i32, body: &[u8]) -> Vec<u8> {
    framed(&[&correlation.to_be_bytes(), body].concat())
}

fn world() -> World {
    let brokers = vec![(1, "one".into(), 9092, None), (2, "two".into(), 9093, Some("rack".into()))];
    World { brokers, topics: vec![("signals".into(), 0, vec![(0, 1)])], tags: Vec::new() }
}

#[test]
fn reads_may_cut_a_conversation_anywhere() {
    let produce = |acks: i16| [&(-1_i16).to_be_bytes()[..], &acks.to_be_bytes()[..], &[7; 300][..]].concat();
    let world = world();
    let asked = [
        request(METADATA, 1, 1, &[0; 4]),
        request(PRODUCE, 7, 2, &produce(0)), // is not answered
        request(PRODUCE, 7, 3, &produce(-1)),
        request(FIND_COORDINATOR, 3, 4, &[1, 2, 3]),
        request(1, 11, 5, &[9; 90]),
        request(PRODUCE, 9, 6, &[&[0][..], &1_i16.to_be_bytes()[..], &[5; 20][..]].concat()),
    ]
    .concat();
    let answered = |moved: bool| {
        [
            answer(1, &world.reply(METADATA, 1, moved)),
            answer(3, &[8; 70]),
            answer(4, &world.reply(FIND_COORDINATOR, 3, moved)),
            answer(5, &[6; 4000]),
            answer(6, &[]),
        ]
        .concat()
    };
    let (plain, wanted) = (answered(false), answered(true));
    for piece in (1..40).chain([100, 1000, 10_000]) {
        let table = Arc::new(Table::default());
        let (mut up, mut down) = lenses(table.clone());
        let through = |bytes: &[u8], lens: &mut dyn FnMut(Bytes) -> Option<Bytes>| -> Vec<u8> {
            let pieces = bytes.chunks(piece).map(Bytes::copy_from_slice);
            pieces.flat_map(|piece| lens(piece).expect("understood")).collect()
        };
        assert_eq!(through(&asked, &mut up), asked, "requests go on as they are");
        assert!(through(&plain, &mut down) == wanted, "in pieces of {piece}");
        assert_eq!(*table.asked.lock().expect("whole"), [METADATA, PRODUCE, FIND_COORDINATOR, 1, PRODUCE]);
    }
}

#[test]
fn what_is_not_understood_ends_the_connection_and_says_why() {
    let refused = |requests: &[u8], replies: &[u8]| {
        let table = Arc::new(Table::default());
        let (mut up, mut down) = lenses(table.clone());
        let passed = up(Bytes::copy_from_slice(requests)).and_then(|_| down(Bytes::copy_from_slice(replies)));
        assert_eq!(passed, None);
        let all = table.refused.lock().expect("whole").clone();
        assert_eq!(all.len(), 1, "{all:?}");
        all[0].clone()
    };
    let plain = request(METADATA, 1, 1, &[0; 4]);
    for (requests, replies, why) in [
        (request(78, 0, 1, &[]), vec![], "API 78 is not understood"),
        (request(1, 16, 1, &[]), vec![], "Fetch in version 16"),
        (request(17, 0, 1, &[]), vec![], "SaslHandshake in version 0"),
        (vec![0x16, 0x03, 0x01, 0x02, 0x00], vec![], "speaks TLS"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), vec![], "none of Kafka's"),
        (framed(&[0, 0, 0, 9, 0, 0, 0, 1, 255, 255, 0, 200, 1, 1]), vec![], "none that Kafka knows"),
        (plain.clone(), answer(2, &[]), "a reply (correlation id 2) to nothing that was asked"),
        (plain.clone(), answer(1, &[0, 0, 0, 9]), "API 3, version 1"),
        (plain.clone(), vec![0xff; 8], "none of Kafka's"),
    ] {
        let said = refused(&requests, &replies);
        assert!(said.contains(why), "{said}");
    }
}
