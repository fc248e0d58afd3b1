//! `hook`: what a scenario says breaks and mends something that we do not know. Its probe says each time whether it did.

use std::time::Duration;

use crate::evidence::undo::{Call, Undo, Value};
use crate::scenario::{Action, HeaderValue, Hook};
use crate::stage::mend;

/// A hook, ready to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookCalls {
    apply: Call,
    undo: Call,
    probe: Call,
    within: Duration,
}

impl HookCalls {
    /// What a scenario says.
    pub fn new(hook: &Hook) -> HookCalls {
        HookCalls { apply: call(&hook.apply), undo: call(&hook.undo), probe: call(&hook.probe), within: hook.within }
    }

    /// How it is undone. The error says why it cannot be done: it must be whole before.
    pub async fn undo(&self) -> Result<Undo, String> {
        if !mend::is_well(&self.probe, self.within).await? {
            return Err(format!("the probe `{}` finds it broken already", self.probe.shown()));
        }
        Ok(Undo::Call { undo: self.undo.clone(), probe: self.probe.clone(), within: self.within })
    }

    /// Does it, and sees that it had its effect.
    pub async fn apply(&self) -> Result<(), String> {
        mend::call(&self.apply, self.within).await?;
        mend::becomes(&self.probe, false, self.within).await
    }
}

fn call(action: &Action) -> Call {
    match action {
        Action::Exec(command) => Call::Exec(command.clone()),
        Action::Http(call) => Call::Http {
            method: call.method.clone(),
            url: call.url.clone(),
            headers: call.headers.iter().map(|(name, value)| (name.clone(), header(value))).collect(),
            body: call.body.clone().unwrap_or_default(),
        },
    }
}

fn header(value: &HeaderValue) -> Value {
    match value {
        HeaderValue::Text(text) => Value::Text(text.clone()),
        HeaderValue::Secret(name) => Value::Secret(name.clone()),
    }
}
