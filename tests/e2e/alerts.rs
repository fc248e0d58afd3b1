//! Alert rules over a run: kept with it, replayed again from it, and foretold before it.

use std::fs;

use serde_json::Value;

use crate::scene::{Scene, finding, hold, scenario, verdict};

const RULES: &str = "groups:
  - name: quotes
    interval: 500ms
    rules:
      - record: quotes:asked:rate1s
        expr: sum(rate(quote_requests_total[1s]))
      - alert: NobodyAsks
        expr: quotes:asked:rate1s < 1
        for: 1s
        labels: { severity: critical }
      - alert: SomebodyAsks
        expr: quotes:asked:rate1s > 1
        for: 1s
        labels: { severity: info }
        annotations: { summary: \"asked {{ if gt $value 1.0 }}often{{ end }}\" }
      - alert: NeverAsked
        expr: rate(quote_requests_total[1m]) == 0
        for: 1h
";

#[test]
fn rules_are_foretold_kept_and_replayed() {
    let yaml = scenario(
        "{ sim: quote-service, timeout: 5s }",
        &hold("100/s", "4s"),
        "  - { alert: NobodyAsks, stays_silent: true }\n  - { expect: errors(q) < 20% }\n",
    ) + "observe: { jobs: { quote-service: { metrics: /metrics, every: 200ms } } }
alerts: { rules: [rules.yml], expected: { SomebodyAsks: info } }
";
    let scene = Scene::new(&yaml);
    fs::write(scene.path("scenes/rules.yml"), RULES).expect("written");
    let file = scene.file();
    let file = file.to_str().expect("text");
    let planned = scene.ask(&["plan", file]);
    let foretold = "NeverAsked: CANNOT FIRE: 1h700ms needed at the least, 4s available";
    assert!(planned.out.contains(foretold) && planned.out.contains("NobodyAsks: "), "{planned:?}");

    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let evidence = scene.evidence();
    let dir = evidence.to_str().expect("text");
    let kept = fs::read_dir(evidence.join("inputs")).expect("inputs").flatten().map(|e| e.path());
    assert!(kept.into_iter().any(|path| fs::read(path).is_ok_and(|bytes| bytes == RULES.as_bytes())), "{dir}");
    let first = fs::read(evidence.join("verdict.json")).expect("there");
    let said = verdict(&evidence);
    assert_eq!(finding(&said, "NobodyAsks stays silent")["verdict"], "PASS", "{said}");
    let shown = finding(&said, "SomebodyAsks stays silent");
    assert_eq!((&shown["verdict"], &shown["severity"]), (&"FAIL".into(), &"info".into()), "{said}");
    let alerts = said["alerts"]["alerts"].as_array().expect("alerts");
    let of = |name: &str| alerts.iter().find(|a| a["alert"] == name).unwrap_or(&Value::Null);
    assert_eq!(of("SomebodyAsks")["windows"][0]["state"], "firing", "{said}");
    assert_eq!(of("SomebodyAsks")["instances"][0]["annotations"]["summary"], "asked often", "{said}");
    assert_eq!(of("NobodyAsks")["windows"][0]["state"], "never", "{said}");

    // Again from the evidence alone, and by other rules.
    assert_eq!(scene.ask(&["judge", dir]).code, Some(0));
    assert_eq!(fs::read(evidence.join("verdict.json")).expect("there"), first);
    let other = scene.path("scenes/other.yaml");
    fs::write(&other, yaml.replace("rules.yml", "other.yml")).expect("written");
    fs::write(scene.path("scenes/other.yml"), RULES.replace("< 1\n", "< 1000\n")).expect("written");
    let judged = scene.ask(&["judge", dir, "--slo", other.to_str().expect("text")]);
    assert_eq!(judged.code, Some(1), "{judged:?}");
    assert!(judged.out.contains("NobodyAsks stays silent: fired from"), "{judged:?}");
}
