//! Cumulative counts that whoever sends keeps and whoever watches reads: how many shots were sent and finished by now,
//! per traffic and status, and how many requests went each way and were answered, per route, class and status.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Statuses are counted from 0, for none, to 599.
const STATUSES: usize = 600;

/// Counts of one run, shared between its parts.
#[derive(Debug, Default)]
pub struct Counters {
    traffic: Vec<Counts>,
}

#[derive(Debug)]
struct Counts {
    sent: AtomicU64,
    finished: AtomicU64,
    statuses: Vec<AtomicU64>, // by status
    routes: Vec<Route>,
}

#[derive(Debug)]
struct Route {
    sent: AtomicU64,
    again: AtomicU64,
    replies: Vec<Vec<AtomicU64>>, // by class, the last for none, then by status
}

/// The counts of one traffic at an instant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Count {
    /// Shots whose first byte was written.
    pub sent: u64,
    /// Shots that are over.
    pub finished: u64,
    /// Finished shots by the status that was answered; 0 for none. Pairs, in order.
    pub statuses: Vec<(u16, u64)>,
    /// Requests by route, in the order of the traffic's routes. A shot of several steps is several requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteCount>,
}

/// The requests of one route of a traffic at an instant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RouteCount {
    /// Requests about to be written, or written since. A service can never have seen more, but for `again`.
    pub sent: u64,
    /// Of those, requests that were written once more because their connection had closed unnoticed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub again: u64,
    /// Requests whose reply was complete: by the position of its class among the traffic's, and its status. In order.
    pub replies: Vec<(Option<u16>, u16, u64)>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl RouteCount {
    /// Requests whose reply was complete.
    pub fn answered(&self) -> u64 {
        self.replies.iter().map(|(.., count)| count).sum()
    }
}

fn zeros(count: usize) -> Vec<AtomicU64> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}

impl Counters {
    /// Counters for each traffic, by how many routes and classes it has.
    pub fn new(traffic: impl IntoIterator<Item = (usize, usize)>) -> Counters {
        let route = |classes: usize| Route {
            sent: AtomicU64::new(0),
            again: AtomicU64::new(0),
            replies: (0..=classes).map(|_| zeros(STATUSES)).collect(),
        };
        let counts = |(routes, classes): (usize, usize)| Counts {
            sent: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            statuses: zeros(STATUSES),
            routes: (0..routes).map(|_| route(classes)).collect(),
        };
        Counters { traffic: traffic.into_iter().map(counts).collect() }
    }

    /// A shot's first byte was written.
    pub fn sent(&self, traffic: usize) {
        self.traffic[traffic].sent.fetch_add(1, Ordering::Relaxed);
    }

    /// A shot is over.
    pub fn finished(&self, traffic: usize, status: Option<u16>) {
        let counts = &self.traffic[traffic];
        counts.statuses[place(status.unwrap_or(0))].fetch_add(1, Ordering::Relaxed);
        counts.finished.fetch_add(1, Ordering::Release);
    }

    /// A request is about to be written; `again` where it was written before, to a connection that had closed.
    pub fn asked(&self, traffic: usize, route: usize, again: bool) {
        if let Some(route) = self.traffic[traffic].routes.get(route) {
            if again { &route.again } else { &route.sent }.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A request was answered to the end.
    pub fn answered(&self, traffic: usize, route: usize, class: Option<u16>, status: u16) {
        if let Some(route) = self.traffic[traffic].routes.get(route) {
            let none = route.replies.len() - 1;
            let of_class = &route.replies[class.map_or(none, usize::from).min(none)];
            of_class[place(status)].fetch_add(1, Ordering::Release);
        }
    }

    /// The counts now. Replies are read before what was sent, so that no reply lacks its request.
    pub fn read(&self) -> Vec<Count> {
        let some = |counts: &[AtomicU64], order: Ordering| {
            let read = counts.iter().enumerate().map(|(s, n)| (s as u16, n.load(order)));
            read.filter(|(_, n)| *n > 0).collect::<Vec<(u16, u64)>>()
        };
        let route = |route: &Route| {
            let classes = route.replies.iter().enumerate();
            let replies = classes.flat_map(|(class, counts)| {
                let class = (class + 1 < route.replies.len()).then_some(class as u16);
                some(counts, Ordering::Acquire).into_iter().map(move |(status, n)| (class, status, n))
            });
            let replies = replies.collect();
            RouteCount { sent: route.sent.load(Ordering::Relaxed), again: route.again.load(Ordering::Relaxed), replies }
        };
        let read = |c: &Counts| {
            let finished = c.finished.load(Ordering::Acquire);
            let statuses = some(&c.statuses, Ordering::Relaxed);
            let routes = c.routes.iter().map(route).collect();
            Count { sent: c.sent.load(Ordering::Relaxed), finished, statuses, routes }
        };
        self.traffic.iter().map(read).collect()
    }
}

/// Where a status is counted.
fn place(status: u16) -> usize {
    usize::from(status).min(STATUSES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_kept_by_traffic_and_status() {
        let counters = Counters::new([(1, 0), (0, 0)]);
        counters.sent(1);
        counters.finished(1, Some(200));
        counters.finished(1, None);
        let read = counters.read();
        assert_eq!((read[0].sent, read[0].finished), (0, 0));
        assert_eq!(read[1], Count { sent: 1, finished: 2, statuses: vec![(0, 1), (200, 1)], routes: Vec::new() });
    }

    #[test]
    fn requests_are_counted_by_route_class_and_status() {
        let counters = Counters::new([(2, 1)]);
        for (route, again) in [(0, false), (1, false), (1, false), (1, true)] {
            counters.asked(0, route, again);
        }
        counters.answered(0, 1, Some(0), 200);
        counters.answered(0, 1, None, 503);
        counters.answered(0, 1, None, 999);
        let routes = &counters.read()[0].routes;
        assert_eq!(routes[0], RouteCount { sent: 1, ..RouteCount::default() });
        let replies = vec![(Some(0), 200, 1), (None, 503, 1), (None, 599, 1)];
        assert_eq!(routes[1], RouteCount { sent: 2, again: 1, replies });
        assert_eq!(routes[1].answered(), 3);
    }

    #[test]
    fn counts_of_before_there_were_routes_read() {
        let count: Count = serde_json::from_str(r#"{"sent":2,"finished":1,"statuses":[[200,1]]}"#).expect("reads");
        assert_eq!(count, Count { sent: 2, finished: 1, statuses: vec![(200, 1)], routes: Vec::new() });
    }
}
