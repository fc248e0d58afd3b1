//! Replies in every version that is understood, written by hand from the protocol's description, and connections cut
//! wherever reads may cut them.

mod world;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use proptest::prelude::*;

use super::apis::{self, API_VERSIONS, DESCRIBE_CLUSTER, FIND_COORDINATOR, METADATA, PRODUCE};
use super::rewrite::{Refusal, TopicSeen, metadata, rewrite};
use super::talk::{Company, lenses};
use world::{Pen, World, moved, worlds};

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
