//! The processes of a scenario, which the run starts before the load and stops after it, however that ends.

use std::path::Path;
use std::sync::Arc;

use crate::evidence::undo::Undo;
use crate::fault::guard::{Guard, Guards};
use crate::fault::member::{Member, Spec};
use crate::scenario::Program;

/// Processes that run.
#[derive(Default)]
pub struct Programs {
    running: Vec<(Arc<Member>, Guard)>,
}

impl Programs {
    /// Starts one after the other; `home` is where they run unless they say otherwise, `env` what is added to their
    /// environments. The error says which one did not start.
    pub async fn start(
        &mut self,
        programs: &[Program],
        home: &Path,
        env: &[(String, String)],
        guards: &Guards,
    ) -> Result<(), String> {
        for program in programs {
            let mark = guards.mark(&program.name);
            let marked = (mark.name.clone(), mark.value.clone());
            let of = format!("process {}", program.name);
            // Before there is anything to end: what dies in between leaves nothing behind.
            let guard = guards.raise(&of, Undo::End { mark }, None).await?;
            let [path, args @ ..] = program.command.as_slice() else { continue };
            let spec = Spec {
                name: program.name.clone(),
                program: path.into(),
                args: args.iter().map(Into::into).collect(),
                env: env.iter().chain(&program.env).cloned().chain([marked]).collect(),
                // A scenario that is named without a folder lies in this one.
                dir: Some(Path::new(".").join(home).join(program.dir.as_deref().unwrap_or_default())),
                tells: None,
                speaks: false,
            };
            let (member, _) = Member::start(spec).await?;
            self.running.push((member, guard));
        }
        Ok(())
    }

    /// One of them, by its position in the scenario.
    pub fn member(&self, position: usize) -> Option<Arc<Member>> {
        self.running.get(position).map(|(member, _)| member.clone())
    }

    /// Ends them, the last first. What cannot be ended stays written down.
    pub async fn stop(&mut self) {
        while let Some((member, guard)) = self.running.pop() {
            let _ = guard.undo().await;
            member.stop().await;
        }
    }
}
