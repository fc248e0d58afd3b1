#!/usr/bin/env bash
# Real pairs for `compare`: three of one target twice, three whose candidate is 10 % slower, each 60 s at 1 000/s against
# `sim:queue`, base and candidate in alternation. Prints a table.
#
#   cargo build --release && benches/pairs.sh          PROOFLOAD=path/of/proofload PAIRS=1 SECONDS_EACH=20 benches/pairs.sh
. "$(dirname "$0")/common.sh"
pairs=${PAIRS:-3}
length=${SECONDS_EACH:-60}
cat >"$out/pair.yaml" <<YAML
proofload: 1
target: http://127.0.0.1:1
traffic:
  x:
    flow: { steps: [ { get: / } ] }
    arrivals: poisson
    load: [ { warm_up: { at: 1000/s, for: 5s } }, { hold: { for: ${length}s } } ]
slo:
  - expect: errors(x) < 1%
fitness: { lag: 20ms }
YAML

# Where a target of that work listens; it goes with this script.
target() {
  coproc SIM { exec "$proofload" sim queue --set servers=16 --set "service=$1" --set "seed=$2"; }
  job "$SIM_PID"
  read -r line <&"${SIM[0]}"
  url=$(grep -o 'http://[0-9.:]*' <<<"$line" | head -n 1)
}

for pair in $(seq 1 "$pairs"); do
  for kind in same slower; do
    work=5ms
    [ "$kind" = same ] || work=5500us
    target 5ms $((2 * pair)) 2>/dev/null
    base=$url
    target "$work" $((2 * pair + 1)) 2>/dev/null
    code=0
    "$proofload" compare "$base" "$url" --interleave 1 --scenario "$out/pair.yaml" --out "$out/runs/$kind-$pair" --format json \
      >"$out/$kind-$pair.json" 2>"$out/$kind-$pair.err" || code=$?
    echo "$code" >"$out/$kind-$pair.code"
    quiet
  done
done

python3 - "$out" <<'PYTHON'
import json, pathlib, sys

out = pathlib.Path(sys.argv[1])
print("16 servers, exponential work of 5 ms on average, busy to 31 %; the slower candidate's is 5.5 ms. What matters is 5 %.\n")
print("| pair | exit | worse | undecided | better | p50 | p95 | p99 | p99 surely between |")
print("|---|---:|---|---|---|---:|---:|---:|---|")
percent = lambda part: f"{part * 100:+.1f} %"
for path in sorted(out.glob("*-*.json")):
    code = path.with_suffix(".code").read_text().strip()
    try:
        changes = json.loads(path.read_text())["pairs"][0]["traffic"][0]["changes"]
    except (ValueError, LookupError):
        said = path.with_suffix(".err").read_text().strip().splitlines()[-1:]
        print(f"| {path.stem} | {code} | {' '.join(said)} | | | | | | |")
        continue
    names = lambda outcome: ", ".join(c["measure"] for c in changes if c["outcome"] == outcome) or "–"
    of = {c["measure"]: c for c in changes}
    between = of["p99"]["between"]
    cells = [path.stem, code, names("worse"), names("undecided"), names("better")]
    cells += [percent(of[q]["change"]) for q in ("p50", "p95", "p99")]
    cells.append(" to ".join(map(percent, between)) if between else "–")
    print("| " + " | ".join(cells) + " |")
PYTHON
