//! What an Alertmanager had and sent.

mod summary;

pub use summary::{AlertmanagerSummary, HeldSummary, NotificationSummary, summary};
