//! Finds what is wrong with what a platform says of itself before anybody is paged by it: pages of metrics, and alert
//! rules, recording rules and dashboards that will not do what they were written for. Pure: from text and from what is
//! known to be exposed.

mod bounds;
mod checks;
mod dashboard;
mod exposed;
mod finding;
mod json;
pub mod kinds;
mod labels;
pub mod metrics;
mod names;
mod rules;
mod silence;
mod subject;
mod texts;
mod variables;

pub use dashboard::Dashboard;
pub use exposed::Exposed;
pub use finding::{Finding, Report};
pub use rules::RuleFile;
pub use subject::{Known, Remark, Role, Scrape, Subject};
