//! What is common to replies of every kind: their status, their class.

use super::http::codec::Answer;
use super::pick::{Paths, Picks};
use crate::base::text;
use crate::scenario::{Class, ClassPlace};

/// The classes of one traffic.
pub struct Classes {
    all: Vec<(Place, String)>,
}

enum Place {
    Slot(usize),
    Header(String),
}

impl Classes {
    /// In order; tells `paths` what they will ask for.
    pub fn new(classes: &[Class], paths: &mut Paths) -> Classes {
        let mut place = |class: &Class| match &class.place {
            ClassPlace::Json(path) => Place::Slot(paths.slot(path)),
            ClassPlace::Header(name) => Place::Header(name.clone()),
        };
        Classes { all: classes.iter().map(|c| (place(c), c.is.clone())).collect() }
    }

    /// The class of a reply: the first that matches. `picks` is what was picked of its body, if it is JSON.
    pub fn of(&self, answer: &Answer<'_>, picks: Option<&Picks<'_>>) -> Option<u16> {
        let matches = |(place, is): &(Place, String)| match place {
            Place::Slot(slot) => picks.and_then(|p| p.get(*slot)).is_some_and(|v| v.is(is)),
            Place::Header(name) => answer.header(name).is_some_and(|v| v == is.as_bytes()),
        };
        self.all.iter().position(matches).map(|i| i as u16)
    }
}

/// Whether a status is one of those that are wanted: any 2xx where none is named.
pub fn status_is(status: u16, wanted: &[u16]) -> bool {
    if wanted.is_empty() { (200..300).contains(&status) } else { wanted.contains(&status) }
}

/// The beginning of a body, for people.
pub fn excerpt(body: &[u8]) -> String {
    text::shorten(&String::from_utf8_lossy(&body[..body.len().min(80)]), 80)
}
