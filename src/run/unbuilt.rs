//! What a scenario may say and a run cannot do yet. Refused here rather than done otherwise.

use crate::scenario::{Reuse, Scenario, System, Version};

/// What this run would need and is not built, if anything.
pub fn unbuilt(scenario: &Scenario) -> Option<&'static str> {
    let wire = &scenario.target.wire;
    let services = match &scenario.target.system {
        System::Services(services) => services.as_slice(),
        System::Sim { .. } => &[],
    };
    let mut addresses = services.iter().flat_map(|s| &s.addresses);
    let wanted = [
        (addresses.any(|a| a.is_tls() || a.socket().is_some()), "https:// and unix: addresses"),
        (services.iter().any(|s| s.addresses.len() > 1), "several addresses of one service"),
        (wire.http != Version::One, "HTTP/2"),
        (wire.reuse != Reuse::default(), "`reuse`"),
        (!wire.resolve.is_empty(), "`resolve`"),
    ];
    wanted.iter().find(|(wanted, _)| *wanted).map(|(_, what)| *what)
}
