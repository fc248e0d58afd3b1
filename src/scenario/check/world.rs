//! What process faults and hooks act by.

use std::time::Duration;

use super::super::raw;
use super::super::shape::At;
use super::super::world::{Action, Call, Hook, Program};
use super::Check;
use super::fault::is_method;

/// How long an action of a hook may take, unless the scenario says otherwise.
const WITHIN: Duration = Duration::from_secs(10);

impl Check<'_, '_> {
    pub(super) fn programs(&mut self, raw: &raw::Root) -> Vec<Program> {
        let named = raw.processes.iter().flat_map(|p| &p.value.0);
        named.map(|(name, program)| self.within(&name.value, |c| c.program(name, program))).collect()
    }

    fn program(&mut self, name: &At<String>, raw: &raw::Program) -> Program {
        self.name(name);
        if name.value == "target" {
            self.reader.wrong(name.at, "`target` is the practice target", "call it something else");
        }
        if raw.command.is_empty() && !self.reader.is_broken_here() {
            self.reader.wrong(
                raw.place,
                format!("`{}` has no command", name.value),
                "write `command: [./program, --option]`",
            );
        }
        self.exec(raw.place, "a process is started by a command");
        Program {
            name: name.value.clone(),
            command: self.within("command", |c| c.command(&raw.command)),
            env: raw.env.iter().flat_map(|e| &e.0).map(|(k, v)| (k.value.clone(), v.value.clone())).collect(),
            dir: raw.dir.as_ref().map(|d| d.value.clone()),
            place: name.at,
        }
    }

    /// The words of a command.
    pub(super) fn command(&mut self, words: &[At<String>]) -> Vec<String> {
        if let Some(first) = words.first().filter(|w| w.value.is_empty()) {
            self.reader.wrong(first.at, "a command without a program", "name the program first");
        }
        for word in words.iter().filter(|w| w.value.contains('\0')) {
            self.reader.wrong(word.at, "an argument with a zero in it", "remove it");
        }
        words.iter().map(|w| w.value.clone()).collect()
    }

    pub(super) fn hooks(&mut self, raw: &raw::Root) -> Vec<Hook> {
        let named = raw.hooks.iter().flat_map(|h| &h.value.0);
        named.map(|(name, hook)| self.within(&name.value, |c| c.hook(name, hook))).collect()
    }

    fn hook(&mut self, name: &At<String>, raw: &raw::Hook) -> Hook {
        self.name(name);
        if let Some(within) = raw.within.filter(|w| w.value.is_zero()) {
            self.reader.wrong(within.at, "no time to act in", "write a length above 0");
        }
        Hook {
            name: name.value.clone(),
            apply: self.within("apply", |c| c.action(&raw.apply)),
            undo: self.within("undo", |c| c.action(&raw.undo)),
            probe: self.within("probe", |c| c.action(&raw.probe)),
            within: raw.within.map_or(WITHIN, |w| w.value),
            place: name.at,
        }
    }

    fn action(&mut self, raw: &At<raw::Action>) -> Action {
        match &raw.value {
            raw::Action::Exec(words) => {
                if words.is_empty() && !self.reader.is_broken_here() {
                    self.reader.wrong(raw.at, "a command without a program", "write `exec: [./program, --option]`");
                }
                self.exec(raw.at, "`exec` is a command");
                Action::Exec(self.within("exec", |c| c.command(words)))
            }
            raw::Action::Http(call) => Action::Http(self.within("http", |c| c.call(call))),
        }
    }

    fn call(&mut self, raw: &raw::Call) -> Call {
        if let Some(method) = raw.method.as_ref().filter(|m| !is_method(&m.value)) {
            self.reader.wrong(
                method.at,
                format!("`{}` is no method", method.value),
                "write it in capitals, such as POST",
            );
        }
        // What follows a `?` is no part of an address.
        let place = raw.url.value.split('?').next().unwrap_or_default().to_owned();
        let _ = self.address(&At { at: raw.url.at, value: place }, &[]);
        Call {
            method: raw.method.as_ref().map_or_else(|| "POST".into(), |m| m.value.clone()),
            url: raw.url.value.clone(),
            headers: self.headers(raw.headers.as_ref()),
            body: raw.body.as_ref().map(|b| b.value.clone()),
        }
    }
}
