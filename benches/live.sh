#!/usr/bin/env bash
# What watching costs the watched: the same load with nothing shown (--quiet), with the live view on a terminal of its own
# (script(1)), and with plain lines, in alternation. Prints a table.
#
#   cargo build --release && benches/live.sh          PROOFLOAD=path/of/proofload RUNS=1 SECONDS_EACH=10 benches/live.sh
. "$(dirname "$0")/common.sh"
runs=${RUNS:-5}
length=${SECONDS_EACH:-30}
cat >"$out/watched.yaml" <<YAML
proofload: 1
target: { sim: calibrator, connections: 64 }
traffic:
  x:
    flow: { steps: [ { get: / } ] }
    load: [ { hold: { at: 5000/s, for: ${length}s } } ]
slo:
  - expect: errors(x) < 1%
  - expect: p99(x) < 1s
  - { expect: p95(x) < 1s, each: 5s }
fitness: { lag: 1s, cpu: 100% }
YAML
for _ in $(seq 1 "$runs"); do
  "$proofload" run "$out/watched.yaml" --out "$out/1-quiet" --quiet >/dev/null 2>&1 || true
  env -u CI TERM=xterm script --quiet --return --command "stty cols 100 rows 40; '$proofload' run '$out/watched.yaml' --out '$out/2-terminal'" "$out/typescript" >/dev/null 2>&1 </dev/null || true
  TERM=dumb "$proofload" run "$out/watched.yaml" --out "$out/3-lines" >/dev/null 2>&1 || true
done

python3 - "$out" <<'PYTHON'
import json, pathlib, statistics, sys

print("5 000 shots a second to a target that does no work. Medians of the runs, and the lowest and highest of them.\n")
print("| shown | runs | lag p50 | lag p99 | lag p99.9 | response p99 | busiest second of a sender |")
print("|---|---:|---:|---:|---:|---:|---:|")
for kind, words in (("1-quiet", "nothing"), ("2-terminal", "live view on a terminal"), ("3-lines", "plain lines")):
    found = [json.loads(path.read_text()) for path in sorted((pathlib.Path(sys.argv[1]) / kind).rglob("verdict.json"))]
    def of(clock, q):
        values = [run["traffic"]["x"]["clocks"][clock][q] * 1e6 for run in found]
        return f"{statistics.median(values):.0f} µs ({min(values):.0f} to {max(values):.0f})" if values else "–"
    cpu = statistics.median([run["fitness"]["cpu"] or 0 for run in found]) if found else 0
    print(f"| {words} | {len(found)} | {of('lag', 'p50')} | {of('lag', 'p99')} | {of('lag', 'p99.9')} | {of('response', 'p99')} | {cpu * 100:.1f} % |")
PYTHON
