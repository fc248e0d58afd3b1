//! A rate limit with a bucket for all, or one for each client, header or query value.

use std::collections::HashMap;

use super::bucket::{Bucket, Taken};
use crate::base::httpd::Request;
use crate::base::time::Offset;
use crate::scenario::{Per, RateLimit};

/// The most buckets. Beyond, those that are full are forgotten, being as good as new; when none is, who is new shares
/// the bucket of those without a key.
const MOST: usize = 100_000;

/// Buckets by key.
#[derive(Debug)]
pub struct Throttle {
    limit: RateLimit,
    per: Per,
    buckets: HashMap<String, Bucket>,
}

impl Throttle {
    /// Nobody has taken anything.
    pub fn new(limit: RateLimit, per: Per) -> Throttle {
        Throttle { limit, per, buckets: HashMap::new() }
    }

    /// Takes a token for a request, if its bucket has one. Requests without a key share a bucket.
    pub fn take(&mut self, request: &Request, at: Offset) -> Taken {
        let mut key = match &self.per {
            Per::One => String::new(),
            Per::Client => request.peer.map(|peer| peer.to_string()).unwrap_or_default(),
            Per::Header(name) => request.header(name).unwrap_or_default().to_owned(),
            Per::Query(name) => request.param(name).unwrap_or_default(),
        };
        if self.buckets.len() >= MOST && !self.buckets.contains_key(&key) {
            self.buckets.retain(|key, bucket| key.is_empty() || !bucket.is_full(at));
            if self.buckets.len() >= MOST {
                key.clear();
            }
        }
        self.buckets.entry(key).or_insert_with(|| Bucket::full(self.limit, at)).take(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::units::Rate;

    const LIMIT: RateLimit = RateLimit { rate: Rate::per_second(1), burst: 2 };

    fn request(query: &str, peer: u8) -> Request {
        let headers = vec![("x-key".to_owned(), query.to_owned())];
        Request { query: format!("u={query}"), headers, peer: Some([127, 0, 0, peer].into()), ..Request::default() }
    }

    /// How many of three requests of each of three clients pass.
    fn passed(per: Per) -> [usize; 3] {
        let mut throttle = Throttle::new(LIMIT, per);
        ["a", "b", "a"].map(|who| {
            let requests = (0..3).map(|_| request(who, who.as_bytes()[0]));
            requests.filter(|r| throttle.take(r, Offset::ZERO).granted).count()
        })
    }

    #[test]
    fn a_bucket_belongs_to_its_key() {
        assert_eq!(passed(Per::One), [2, 0, 0]);
        for per in [Per::Client, Per::Header("X-Key".into()), Per::Query("u".into())] {
            assert_eq!(passed(per), [2, 2, 0]);
        }
        assert_eq!(passed(Per::Header("X-Other".into())), [2, 0, 0], "without a key they share one");
    }

    #[test]
    fn memory_does_not_grow_with_the_keys() {
        let mut throttle = Throttle::new(LIMIT, Per::Query("u".into()));
        let mut ask = |n: usize, at: i64| throttle.take(&request(&n.to_string(), 1), Offset::from_millis(at)).granted;
        assert!((0..MOST).all(|n| ask(n, 0)));
        assert!(ask(MOST, 0) && ask(MOST + 1, 0), "strangers share what is left");
        assert!(!ask(MOST + 2, 0));
        assert!(ask(MOST + 3, 10_000), "when buckets have filled there is room again");
        assert!(throttle.buckets.len() <= MOST);
    }
}
