//! Closed loops: stretches in which nothing is planned but which request comes next.

use std::iter;

use super::mix::{Mix, QuoteRequest};
use crate::base::time::Span;
use crate::base::trace::Shot;

/// The first numbers of the shots of closed loops are this far apart, and the first loop's is this far from that of the
/// planned shots. A trace id holds 48 bits of a number, so that a load has at most 255 closed loops.
const APART: u64 = Shot::CLOSED;

/// A closed loop of one traffic: so many connections, each of which sends as soon as it has its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedLoop {
    /// The position of its segment in the load.
    pub segment: usize,
    /// When. Its shots are due within: none is sent at its end or later.
    pub span: Span,
    /// How many connections.
    pub connections: u32,
}

/// The shots of the `nth` closed loop of a load that `worker` of `workers` sends, each with its number: without end.
pub(super) fn shots(
    nth: usize,
    mut mix: Option<Mix>,
    worker: usize,
    workers: usize,
) -> impl Iterator<Item = (u64, Option<QuoteRequest>)> + Send + 'static {
    let (mut count, stride) = (worker as u64, workers.max(1) as u64);
    if let Some(mix) = &mut mix {
        mix.pass(count);
    }
    iter::from_fn(move || {
        let seq = APART * (1 + nth as u64) + count;
        count += stride;
        let request = mix.as_mut().map(|mix| {
            let request = mix.next_request();
            mix.pass(stride - 1);
            request
        });
        Some((seq, request))
    })
}
