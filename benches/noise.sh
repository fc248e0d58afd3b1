#!/usr/bin/env bash
# What neighbours do to a run: the README's main job beside 0 to 4 busy loops for each core, each three times. Prints a table.
#
#   cargo build --release && benches/noise.sh          PROOFLOAD=path/of/proofload RUNS=1 benches/noise.sh
. "$(dirname "$0")/common.sh"
runs=${RUNS:-3}
cores=$(nproc)
for loops in 0 1 "$cores" $((2 * cores)) $((4 * cores)); do
  for _ in $(seq 1 "$loops"); do
    timeout 900 sh -c 'while :; do :; done' &
    job $!
  done
  for seed in $(seq 1 "$runs"); do
    "$proofload" run scenarios/quote-service/smoke.yaml --set "seed=$seed" --out "$out/$loops" --quiet --no-color >/dev/null 2>&1 || true
  done
  quiet
done

python3 - "$out" "$cores" <<'PYTHON'
import json, pathlib, statistics, sys

out, cores = pathlib.Path(sys.argv[1]), int(sys.argv[2])

def ms(seconds):
    return f"{seconds * 1e3:.3g} ms"

def middle(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None

print(f"`scenarios/quote-service/smoke.yaml`: 100 quotes a second, practice target, stub quoters and generator on one machine of {cores} cores,")
print("beside busy loops of ordinary priority. Medians of the runs; how far p95 moved is against the first row.\n")
print("| busy loops | verdicts | unfit seconds | lag p99 | p50 | p95 | p99 | p95 moved | hypervisor took |")
print("|---:|---|---:|---:|---:|---:|---:|---:|---:|")
quiet = None
for level in sorted(out.iterdir(), key=lambda path: int(path.name)):
    found = [json.loads(path.read_text()) for path in sorted(level.rglob("verdict.json"))]
    clock = lambda name, q: middle([run["traffic"]["quotes"]["clocks"].get(name, {}).get(q) for run in found])
    unfit = [f"{run['fitness']['unfit_seconds']} of {run['fitness']['seconds']}" for run in found]
    steal = middle([run["fitness"]["health"].get("steal") for run in found])
    p95 = clock("response", "p95")
    quiet = quiet or p95
    cells = [level.name, ", ".join(run["verdict"] for run in found), ", ".join(unfit), ms(clock("lag", "p99"))]
    cells += [ms(clock("response", q)) for q in ("p50", "p95", "p99")]
    cells += [f"{(p95 / quiet - 1) * 100:+.0f} %", "–" if steal is None else f"{steal * 100:.1f} %"]
    print("| " + " | ".join(cells) + " |")
PYTHON
