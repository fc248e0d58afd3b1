//! The four quoters that a stub can play: where they answer, and with which fields, as they document it in public.
//!
//! Paths may stand behind any prefix, since some hand out addresses with a key in the path.

use crate::base::httpd::Request;

/// A public quoter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quoter {
    /// Jupiter's swap API: `GET /swap/v1/quote`, and `/v6/quote` as it was called before.
    Jupiter,
    /// DFlow's imperative swap API: `GET /quote`.
    Dflow,
    /// QuickNode's Metis add-on, which speaks Jupiter: `GET /quote`.
    Quicknode,
    /// bloXroute's Trader API: `GET /api/v2/raydium/quotes` and `/api/v2/jupiter/quotes`.
    Blxr,
}

impl Quoter {
    /// All of them.
    pub const ALL: [Quoter; 4] = [Quoter::Jupiter, Quoter::Dflow, Quoter::Quicknode, Quoter::Blxr];

    /// The word for it in scenarios.
    pub fn word(self) -> &'static str {
        match self {
            Quoter::Jupiter => "jupiter",
            Quoter::Dflow => "dflow",
            Quoter::Quicknode => "quicknode",
            Quoter::Blxr => "blxr",
        }
    }

    /// The quoter of a word.
    pub fn from_word(word: &str) -> Option<Quoter> {
        Quoter::ALL.into_iter().find(|q| q.word() == word)
    }

    /// A request that it answers: path and query.
    pub fn example(self) -> &'static str {
        match self {
            Quoter::Jupiter => "/v6/quote?inputMint=canary&outputMint=canary&amount=1000000",
            Quoter::Dflow | Quoter::Quicknode => "/quote?inputMint=canary&outputMint=canary&amount=1000000",
            Quoter::Blxr => "/api/v2/raydium/quotes?inToken=canary&outToken=canary&inAmount=1&slippage=1",
        }
    }

    /// The template that answers a request, if the quoter knows the path.
    pub fn template(self, request: &Request) -> Option<&'static str> {
        self.replies().iter().find(|(path, _)| request.path.ends_with(path)).map(|(_, body)| *body)
    }

    fn replies(self) -> &'static [(&'static str, &'static str)] {
        const JUPITER: &str = include_str!("quoters/jupiter.json");
        match self {
            Quoter::Jupiter => &[("/swap/v1/quote", JUPITER), ("/v6/quote", JUPITER)],
            Quoter::Dflow => &[("/quote", include_str!("quoters/dflow.json"))],
            Quoter::Quicknode => &[("/quote", include_str!("quoters/quicknode.json"))],
            Quoter::Blxr => &[
                ("/api/v2/raydium/quotes", include_str!("quoters/blxr-raydium.json")),
                ("/api/v2/jupiter/quotes", include_str!("quoters/blxr-jupiter.json")),
            ],
        }
    }
}
