//! Looks at alert rules, recording rules and dashboards for what will not do what it was written for: pure, from text
//! and from what is known to be exposed.

mod bounds;
mod checks;
mod dashboard;
mod exposed;
mod finding;
mod json;
pub mod kinds;
mod labels;
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
