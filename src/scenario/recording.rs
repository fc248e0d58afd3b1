//! Arrivals that were recorded elsewhere and are played again.

use std::sync::Arc;

use super::mistake::Place;
use super::value::Feed;
use crate::base::time::Offset;

/// Arrivals that were recorded elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The file, as it is named.
    pub file: String,
    /// Where it is written.
    pub place: Place,
    /// When shots are due, at the speed that they are played at; in order, at least one.
    pub times: Arc<[Offset]>,
    /// What the file says of each besides when it was; nothing where it says no more.
    pub rows: Option<Arc<Feed>>,
}
