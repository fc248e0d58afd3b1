//! Signals and their effects, in words.

use crate::base::text;
use crate::judge::EffectsSummary;

/// So many examples of what went wrong are shown in the table; the other reports show all.
pub const EXAMPLES: usize = 3;

/// What became of signals, a line each.
pub fn lines(effects: &EffectsSummary, examples: usize) -> Vec<String> {
    let n = text::thousands;
    let mut lines = vec![format!(
        "signals {} = acknowledged {} + not {}; with effect {}, missing {}",
        n(effects.signals),
        n(effects.acked),
        n(effects.signals.saturating_sub(effects.acked)),
        n(effects.seen),
        n(effects.missing)
    )];
    let unmatched: Vec<String> = effects.unmatched.iter().chain(&effects.counted).map(counter).collect();
    if !unmatched.is_empty() {
        let lost = effects.lost.map_or_else(|| "lost: not known".to_owned(), |lost| format!("lost {}", n(lost)));
        lines.push(format!("counters {}: {lost}", unmatched.join(", ")));
    }
    let wrong = [
        ("lost", effects.lost.filter(|_| effects.unmatched.is_empty()).unwrap_or_default()),
        ("late", effects.late),
        ("duplicated", effects.duplicated),
        ("reordered", effects.reordered),
        ("unacknowledged, with an effect", effects.unacked),
        ("foreign", effects.foreign),
        ("too old to tell", effects.forgotten),
        ("unreadable", effects.unreadable),
    ];
    let wrong: Vec<String> =
        wrong.iter().filter(|(_, count)| *count > 0).map(|(word, count)| format!("{word} {}", n(*count))).collect();
    let wrong = if wrong.is_empty() { "nothing went wrong".to_owned() } else { wrong.join(", ") };
    lines.push(format!(
        "effects {}: {wrong}; at most {} outstanding",
        n(effects.pairs + effects.repeats),
        n(effects.backlog)
    ));
    if let Some(lag) = &effects.lag {
        let behind =
            lag.messages.map_or_else(|| "not known".to_owned(), |m| format!("at most {}", text::count(m, "message")));
        let age = lag.seconds.map_or_else(String::new, |s| format!(", {s:.1} s"));
        let told = lag.told.map_or_else(String::new, |told| {
            let agree = if lag.agree == Some(true) { "" } else { ", which is another story" };
            format!("; by the target's own word {told:.1} s{agree}")
        });
        lines.push(format!("lag of group {}: {behind}{age}{told}", lag.group));
    }
    if effects.perhaps_resent > 0 {
        lines.push(format!(
            "of those duplicated {} may have been twice in the embedded cluster itself",
            n(effects.perhaps_resent)
        ));
    }
    if let Some(missed) = &effects.missed {
        lines.push(format!("effects may have been missed: {missed}"));
    }
    for example in effects.examples.iter().take(examples) {
        let pipeline = example.pipeline.as_ref().map_or_else(String::new, |p| format!(", pipeline {p}"));
        lines.push(format!("{} at {:.3} s: {}{pipeline}", example.kind, example.at, example.id));
    }
    lines
}

fn counter(counter: &crate::judge::UnmatchedSummary) -> String {
    let said = match (&counter.count, &counter.why) {
        (Some(count), _) => text::thousands(*count),
        (None, why) => why.clone().unwrap_or_else(|| "not known".into()),
    };
    format!("`{}` {said}", counter.expr)
}
