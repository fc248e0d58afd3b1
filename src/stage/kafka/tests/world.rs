//! What replies name, written as Kafka does in any version.

use proptest::prelude::*;

use super::super::apis::{self, DESCRIBE_CLUSTER, FIND_COORDINATOR, METADATA, PRODUCE};

/// Writes values as Kafka does.
#[derive(Default)]
pub(super) struct Pen {
    pub(super) flexible: bool,
    pub(super) out: Vec<u8>,
}

impl Pen {
    pub(super) fn i8(&mut self, n: i8) -> &mut Pen {
        self.out.push(n as u8);
        self
    }
    pub(super) fn i16(&mut self, n: i16) -> &mut Pen {
        self.out.extend(n.to_be_bytes());
        self
    }
    pub(super) fn i32(&mut self, n: i32) -> &mut Pen {
        self.out.extend(n.to_be_bytes());
        self
    }
    pub(super) fn i64(&mut self, n: i64) -> &mut Pen {
        self.out.extend(n.to_be_bytes());
        self
    }
    pub(super) fn varint(&mut self, mut n: usize) -> &mut Pen {
        while n > 127 {
            self.out.push((n % 128 + 128) as u8);
            n /= 128;
        }
        self.out.push(n as u8);
        self
    }
    pub(super) fn text(&mut self, text: Option<&str>) -> &mut Pen {
        match (self.flexible, text) {
            (true, text) => self.varint(text.map_or(0, |t| t.len() + 1)),
            (false, text) => self.i16(text.map_or(-1, |t| t.len() as i16)),
        };
        self.out.extend(text.unwrap_or_default().as_bytes());
        self
    }
    pub(super) fn list(&mut self, n: usize) -> &mut Pen {
        if self.flexible { self.varint(n + 1) } else { self.i32(n as i32) }
    }
    pub(super) fn numbers(&mut self, all: &[i32]) -> &mut Pen {
        self.list(all.len());
        all.iter().for_each(|n| _ = self.i32(*n));
        self
    }
    /// Some tagged fields that nobody knows.
    pub(super) fn tags(&mut self, some: &[(usize, Vec<u8>)]) -> &mut Pen {
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

/// A name, an error, and of each partition its number and its leader.
pub(super) type Topic = (String, i16, Vec<(i32, i32)>);

/// What a cluster is made of, for any reply.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) brokers: Vec<(i32, String, u16, Option<String>)>,
    pub(super) topics: Vec<Topic>,
    pub(super) tags: Vec<(usize, Vec<u8>)>,
}

/// Where the test puts a broker.
pub(super) fn moved(node: i32, host: &str, port: u16) -> (String, u16) {
    (format!("10.0.0.{}-{}", node.rem_euclid(200), host.len()), port ^ 0x0101)
}

pub(super) fn worlds() -> impl Strategy<Value = World> {
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
    pub(super) fn reply(&self, key: i16, version: i16, move_them: bool) -> Vec<u8> {
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
