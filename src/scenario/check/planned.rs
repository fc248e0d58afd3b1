//! What the language has words for and nobody has built: refused by name, here and nowhere else. Whoever builds one of
//! these deletes its line.

use super::super::raw;
use super::Check;

/// Kinds of fault, as `on/kind`.
const FAULTS: &[&str] = &[
    "link/latency",
    "link/bandwidth",
    "link/slow_close",
    "link/timeout",
    "link/reset_peer",
    "link/slicer",
    "link/limit_data",
    "link/down",
    "link/corrupt",
    "link/drop_half",
    "process/pause",
    "process/kill",
    "process/cpu",
    "process/memory",
    "docker/docker",
    "hook/hook",
];

/// Keys at the top.
const TOP: &[&str] = &["processes", "hooks"];

impl Check<'_, '_> {
    /// Refuses every word of the file that is planned and not built. What else is wrong with it has been told.
    pub(super) fn planned(&mut self, raw: &raw::Root) {
        let mut top = vec![];
        top.extend(raw.processes.as_ref().map(|p| ("processes", p.at)));
        top.extend(raw.hooks.as_ref().map(|h| ("hooks", h.at)));
        for (key, at) in top.into_iter().filter(|(key, _)| TOP.contains(key)) {
            self.within(key, |c| c.reader.wrong(at, format!("`{key}` is planned, not built"), "leave it out for now"));
        }
        for (name, fault) in raw.faults.iter().flat_map(|f| &f.0) {
            self.within("faults", |c| c.within(&name.value, |c| c.planned_fault(fault)));
        }
    }

    fn planned_fault(&mut self, fault: &raw::Fault) {
        let on = fault.on.value.split('/').next().unwrap_or_default();
        let kind = fault.inject.value.word();
        if FAULTS.contains(&format!("{on}/{kind}").as_str()) {
            let what = format!("`{kind}` on {on}/NAME is planned, not built");
            self.reader.wrong(fault.inject.at, what, "leave it out for now");
        }
    }
}
