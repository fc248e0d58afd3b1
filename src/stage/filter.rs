//! Which requests come a fault's way.

use crate::base::httpd::Request;
use crate::scenario::Match;

/// Whether a request is as everything that is said of it.
pub fn matches(wanted: &Match, request: &Request) -> bool {
    let is = |value: &str, wanted: &str| wanted == "*" || value == wanted;
    wanted.method.as_ref().is_none_or(|method| *method == request.method)
        && wanted.path.as_ref().is_none_or(|path| match path.strip_suffix('*') {
            Some(start) => request.path.starts_with(start),
            None => *path == request.path,
        })
        && wanted.headers.iter().all(|(name, wanted)| {
            request.headers.iter().any(|(n, value)| n.eq_ignore_ascii_case(name) && is(value, wanted))
        })
        && wanted.query.iter().all(|(name, wanted)| request.param(name).is_some_and(|value| is(&value, wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_said_must_hold() {
        let request = Request {
            method: "POST".into(),
            path: "/v6/quote".into(),
            query: "amount=5&mint=a%20b".into(),
            headers: vec![("X-Tenant".into(), "load".into()), ("X-Tenant".into(), "test".into())],
            ..Request::default()
        };
        let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let method = |m: &str| Match { method: Some(m.into()), ..Match::default() };
        let path = |p: &str| Match { path: Some(p.into()), ..Match::default() };
        let header = |name, value| Match { headers: pair(name, value), ..Match::default() };
        let query = |name, value| Match { query: pair(name, value), ..Match::default() };
        for wanted in [
            Match::default(),
            method("POST"),
            path("/v6/quote"),
            path("/v6/*"),
            path("/*"),
            header("x-tenant", "load"),
            header("x-tenant", "test"),
            header("x-tenant", "*"),
            query("mint", "a b"),
            query("amount", "*"),
            Match { query: query("amount", "5").query, ..method("POST") },
        ] {
            assert!(matches(&wanted, &request), "{wanted:?}");
        }
        for wanted in [
            method("GET"),
            path("/v6"),
            path("/v6/quote/"),
            path("/v7/*"),
            header("x-tenant", "other"),
            header("x-other", "*"),
            query("amount", "6"),
            query("other", "*"),
            Match { query: query("amount", "5").query, ..method("GET") },
        ] {
            assert!(!matches(&wanted, &request), "{wanted:?}");
        }
    }
}
