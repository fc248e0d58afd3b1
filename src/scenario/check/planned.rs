//! What the language has words for and nobody has built: refused by name, here and nowhere else. Whoever builds one of
//! these deletes its line.

use super::super::raw;
use super::Check;

/// Kinds of fault, as `on/kind`.
const FAULTS: &[&str] = &[
    "upstream/latency",
    "upstream/status",
    "upstream/reset",
    "upstream/truncate",
    "upstream/corrupt",
    "upstream/stale",
    "upstream/slow_body",
    "upstream/refuse",
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
];

/// Keys of a fault.
const KEYS: &[&str] = &["match", "when", "ramp", "repeat"];

/// Keys of an upstream.
const UPSTREAM: &[&str] = &["forward"];

/// Keys at the top.
const TOP: &[&str] = &["abort_when"];

impl Check<'_, '_> {
    /// Refuses every word of the file that is planned and not built. What else is wrong with it has been told.
    pub(super) fn planned(&mut self, raw: &raw::Root) {
        let mut top = vec![];
        top.extend(raw.abort_when.as_ref().map(|a| ("abort_when", a.at)));
        for (key, at) in top.into_iter().filter(|(key, _)| TOP.contains(key)) {
            self.within(key, |c| c.reader.wrong(at, format!("`{key}` is planned, not built"), "leave it out for now"));
        }
        for (name, upstream) in raw.upstreams.iter().flat_map(|u| &u.0) {
            let forward = upstream.forward.as_ref().map(|f| ("forward", f.at));
            for (key, at) in forward.into_iter().filter(|(key, _)| UPSTREAM.contains(key)) {
                let what = format!("`{key}` is planned, not built");
                self.within("upstreams", |c| {
                    c.within(&name.value, |c| c.reader.wrong(at, what, "leave it out for now"))
                });
            }
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
        let mut keys = vec![];
        keys.extend(fault.r#match.as_ref().map(|m| ("match", m.place)));
        keys.extend(fault.when.as_ref().map(|w| ("when", w.at)));
        keys.extend(fault.ramp.as_ref().map(|r| ("ramp", r.place)));
        keys.extend(fault.repeat.as_ref().map(|r| ("repeat", r.place)));
        for (key, at) in keys.into_iter().filter(|(key, _)| KEYS.contains(key)) {
            self.reader.wrong(at, format!("`{key}` is planned, not built"), "leave it out for now");
        }
    }
}
