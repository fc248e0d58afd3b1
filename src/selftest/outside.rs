//! Whether faults on processes and by hooks do what they say, in a run of their own: the practice target is stopped, a program
//! that the run started is killed and started again, and a hook is called.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;

use super::breakage::Broken;
use super::trial::{Bench, Trial};
use crate::base::httpd::{self, Answer, Handler, Request, Response};
use crate::base::timing::Timing;
use crate::base::units;
use crate::evidence::event::{Event, FaultStep};

/// How long it is sent.
pub const LENGTH: Duration = Duration::from_secs(4);
/// How long the target is stopped.
const STOPPED: Duration = Duration::from_millis(500);
/// What of that a shot that was due at its beginning may not have felt: shots are 5 ms apart, and windows have edges.
const EDGE: Duration = Duration::from_millis(50);

/// What a hook acts on.
#[derive(Default)]
struct Thing {
    is_broken: AtomicBool,
    broken: AtomicU64,
    mended: AtomicU64,
}

impl Handler for Thing {
    async fn handle(&self, request: Request) -> Answer {
        match request.path.as_str() {
            "/break" => {
                self.is_broken.store(true, Ordering::SeqCst);
                self.broken.fetch_add(1, Ordering::SeqCst);
            }
            "/mend" => {
                self.is_broken.store(false, Ordering::SeqCst);
                self.mended.fetch_add(1, Ordering::SeqCst);
            }
            _ if self.is_broken.load(Ordering::SeqCst) => return Response::text(503, "broken").into(),
            _ => {}
        }
        Response::text(200, "well").into()
    }
}

/// Breaks them, one after the other.
pub async fn measure(bench: &Bench) -> Result<Vec<Broken>, String> {
    let thing = Arc::new(Thing::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|e| e.to_string())?;
    let place = listener.local_addr().map_err(|e| e.to_string())?;
    let serving = tokio::spawn(httpd::serve(listener, thing.clone()));
    let call = |path: &str, method: &str| format!("{{ http: {{ url: 'http://{place}/{path}', method: {method} }} }}");
    let yaml = format!(
        "proofload: 1\ntarget: {{ sim: calibrator, timeout: 5s, connections: 512 }}\nprocesses:\n  victim: {{ command: [sleep, '60'] }}\nhooks:\n  \
         thing: {{ apply: {}, undo: {}, probe: {} }}\ntraffic:\n  x:\n    flow: {{ steps: [ {{ get: / }} ] }}\n    \
         arrivals: even\n    load: [ {{ hold: {{ at: 200/s, for: {}ms }} }} ]\nfaults:\n  \
         pause: {{ on: process/target, inject: {{ pause: {{}} }}, at: 500ms, for: {}ms }}\n  \
         kill: {{ on: process/victim, inject: {{ kill: {{}} }}, at: 1500ms, for: 500ms }}\n  \
         hook: {{ on: hook/thing, inject: {{ hook: {{}} }}, at: 2500ms, for: 500ms }}\nfitness: {{ lag: 1s, cpu: 100% }}\n",
        call("break", "POST"),
        call("mend", "POST"),
        call("", "GET"),
        LENGTH.as_millis(),
        STOPPED.as_millis()
    );
    let trial = bench.trial("outside", &yaml).await;
    serving.abort();
    let trial = trial?;
    let kinds = [("process pause", "pause"), ("process kill", "kill"), ("hook", "hook")];
    let of = |(kind, name): (&str, &str)| {
        let seen = went(&trial, name).and_then(|()| match name {
            "pause" => stopped(&trial),
            "hook" => called(&thing),
            // Applying says that it is gone, and clearing that it runs again: both look.
            _ => Ok("killed, and started again".into()),
        });
        Broken { kind: kind.into(), seen }
    };
    Ok(kinds.into_iter().map(of).collect())
}

/// Whether a fault began and ended as it should.
fn went(trial: &Trial, name: &str) -> Result<(), String> {
    let steps = || {
        trial.evidence.events.iter().filter_map(|event| match event {
            Event::Fault { fault, step, .. } if fault == name => Some(step),
            _ => None,
        })
    };
    for step in steps() {
        match step {
            FaultStep::Failed { why } | FaultStep::Stuck { why, .. } | FaultStep::Withheld { why } => {
                return Err(why.clone());
            }
            FaultStep::Applied | FaultStep::Touched | FaultStep::Cleared { .. } => {}
        }
    }
    let began = steps().any(|step| *step == FaultStep::Applied);
    let ended = steps().any(|step| matches!(step, FaultStep::Cleared { .. }));
    if began && ended { Ok(()) } else { Err("it did not begin and end".into()) }
}

/// A shot that was due when the target stopped waited until it went on.
fn stopped(trial: &Trial) -> Result<String, String> {
    let longest = trial.tally(Timing::Response).max().unwrap_or_default();
    let said = format!(
        "a shot waited {} while the target was stopped for {}",
        units::measured(longest),
        units::duration(STOPPED)
    );
    if longest + EDGE >= STOPPED { Ok(said) } else { Err(said) }
}

fn called(thing: &Thing) -> Result<String, String> {
    let (broken, mended) = (thing.broken.load(Ordering::SeqCst), thing.mended.load(Ordering::SeqCst));
    let said = format!("called {broken} times to break and {mended} times to mend");
    let is_well = !thing.is_broken.load(Ordering::SeqCst);
    if broken == 1 && mended >= 1 && is_well { Ok(said) } else { Err(said) }
}
