//! What a case expects of the servers that watch the target: `check AGREEMENT OURS THEIRS`, or `says FRAGMENT` of what the
//! final table says of them.

use proofload::judge::Judgement;
use proofload::report;

pub fn check(line: &str, judgement: &Judgement) -> Result<(), String> {
    let miss = |said: String| Err(format!("not so: server {line}\n    said: {said}"));
    match line.split_once(' ') {
        Some(("check", rest)) => {
            let of = judgement.prometheus.as_ref().ok_or("there is no server")?;
            let said: Vec<String> = of
                .checks
                .iter()
                .map(|check| {
                    let agreement = serde_json::to_value(check.agreement).expect("a word");
                    format!("{} {} {}", agreement.as_str().unwrap_or_default(), check.ours, check.theirs)
                })
                .collect();
            if said.iter().any(|said| said == rest) { Ok(()) } else { miss(said.join("; ")) }
        }
        Some(("says", fragment)) => {
            let said = report::table(judgement, "here", false).replace('\u{202f}', " ");
            if said.contains(fragment) { Ok(()) } else { miss(said) }
        }
        _ => Err(format!("what does `server {line}` expect?")),
    }
}
