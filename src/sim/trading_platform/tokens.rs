//! Bearer tokens: given at login, good for a while.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::seed::Seed;
use crate::base::time::{monotonic, wall};

/// More tokens than this are not remembered: the oldest go first.
const MOST: usize = 10_000;

/// The tokens that are good.
pub struct Tokens {
    life: Duration,
    salt: Seed,
    given: Mutex<Given>,
}

#[derive(Default)]
struct Given {
    count: u64,
    until: HashMap<String, u64>, // on the monotonic clock, in nanoseconds
}

impl Tokens {
    /// None yet; each will be good for so long.
    pub fn new(life: Duration) -> Tokens {
        Tokens { life, salt: Seed(wall() as u64), given: Mutex::default() }
    }

    /// How long a token is good for.
    pub fn life(&self) -> Duration {
        self.life
    }

    /// A new one.
    pub fn give(&self) -> String {
        let now = monotonic();
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.count += 1;
        let part = |n: u64| self.salt.decide(&[b"token", &given.count.to_le_bytes(), &n.to_le_bytes()]);
        let token = format!("{:016x}{:016x}", part(0), part(1));
        if given.until.len() >= MOST {
            given.until.retain(|_, until| *until > now);
        }
        if given.until.len() >= MOST
            && let Some(oldest) = given.until.iter().min_by_key(|(_, until)| **until).map(|(token, _)| token.clone())
        {
            given.until.remove(&oldest);
        }
        given.until.insert(token.clone(), now.saturating_add(self.life.as_nanos() as u64));
        token
    }

    /// Whether a request's `Authorization` holds a good one.
    pub fn admits(&self, authorization: Option<&str>) -> bool {
        let token = authorization.and_then(|value| value.split_once(' '));
        let Some(token) = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, t)| t.trim())
        else {
            return false;
        };
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.until.get(token).is_some_and(|until| *until > monotonic())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_life() {
        let tokens = Tokens::new(Duration::from_secs(60));
        let (one, two) = (tokens.give(), tokens.give());
        assert_ne!(one, two);
        assert!(tokens.admits(Some(&format!("Bearer {one}"))) && tokens.admits(Some(&format!("bearer  {two}"))));
        for bad in [None, Some(""), Some("Bearer"), Some("Bearer x"), Some(one.as_str())] {
            assert!(!tokens.admits(bad), "{bad:?}");
        }
        let expired = Tokens::new(Duration::ZERO);
        let token = expired.give();
        assert!(!expired.admits(Some(&format!("Bearer {token}"))));
    }
}
