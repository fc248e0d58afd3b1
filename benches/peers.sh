#!/usr/bin/env bash
# proofload beside whichever of its peers are on the PATH: wrk, wrk2, hey, oha, h2load, ab, k6, vegeta, fortio. One
# processor for the generator, one for a server that does no work (examples/zero.rs), in turn, medians. Prints Markdown.
#
#   benches/peers.sh                  flat out, a closed loop: requests per second and CPU per request
#   benches/peers.sh --quotes         the same with what a quote costs: a mix of requests, bodies checked, trace ids
#   benches/peers.sh --open           an open loop at 10 000/s: the latency that each reports, and its CPU
#   benches/peers.sh --stall          500/s to a server that freezes for 100 ms each second: who tells
#   benches/peers.sh --all
#
# What each of them measures, and why their latencies differ: docs/measuring.md.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=3 seconds=10 connections=64 generator=0 server=1 build=yes only='' sections=''

usage() {
  sed -n '2,11s/^# \{0,1\}//p' "$0"
  cat <<END
  --rounds N        medians of so many (3)      --cpus G,S     for the generator and the server (0,1)
  --seconds N       length of a round (10)      --only 'A B'   these tools and no others
  --connections N   64                          --no-build     take what is in target/release
END
}

die() { echo "peers.sh: $*" >&2 && exit 2; }
say() { echo "peers.sh: $*" >&2; }

while (($#)); do
  case $1 in
    --quotes | --open | --stall) sections+=" ${1#--}" ;;
    --all) sections=' closed quotes open stall' ;;
    --no-build) build=no ;;
    --rounds | --seconds | --connections | --only)
      (($# > 1)) || die "$1 wants a value"
      printf -v "${1#--}" %s "$2" && shift
      ;;
    --cpus)
      [[ ${2-} =~ ^([0-9]+),([0-9]+)$ ]] || die "--cpus wants two numbers, like 0,1"
      generator=${BASH_REMATCH[1]} server=${BASH_REMATCH[2]} && shift
      ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && die "what is $1?" ;;
  esac
  shift
done
sections=${sections:- closed}
for number in rounds seconds connections; do
  [[ ${!number} =~ ^[1-9][0-9]*$ ]] || die "--$number ${!number}: a whole number, at least 1"
done
command -v taskset >/dev/null || die "taskset is missing (Debian: util-linux)"
[[ $generator != "$server" ]] || die "generator and server need a processor each"
for cpu in "$generator" "$server"; do
  taskset -c "$cpu" true 2>/dev/null || die "there is no processor $cpu for us: choose two with --cpus"
done

target=${CARGO_TARGET_DIR:-target}/release
if [[ $build == yes ]]; then cargo build --release --locked --bin proofload --example zero >&2; fi
[[ -x $target/proofload && -x $target/examples/zero ]] || die "$target has no proofload and examples/zero: leave out --no-build"
timer=$(type -P time || true)
[[ $timer ]] || say "GNU time is missing (Debian: time): no peak memory"

work=$(mktemp -d)
responder='' freezer=''
finish() {
  [[ -z $freezer ]] || kill "$freezer" 2>/dev/null || true
  [[ -z $responder ]] || kill -CONT "$responder" 2>/dev/null || true
  [[ -z $responder ]] || kill "$responder" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The server ends with this script: it watches its standard input, which nobody else holds open.
serve() { # reply; sets responder and url
  [[ -z $responder ]] || { kill "$responder" && wait "$responder"; } 2>/dev/null || true
  rm -f "$work/lease" "$work/port" && mkfifo "$work/lease"
  exec 9<>"$work/lease"
  "$target/examples/zero" --reply "$1" --cpu "$server" --for 86400 <"$work/lease" >"$work/port" 2>/dev/null 9<&- &
  responder=$!
  until [[ -s $work/port ]]; do
    kill -0 "$responder" 2>/dev/null || die "the server did not start"
    sleep 0.05
  done
  url=http://127.0.0.1:$(<"$work/port")
}

# The pair that the server's quote is of.
sol=So11111111111111111111111111111111111111112 usdc=EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v
quote="quote?inputMint=$sol&outputMint=$usdc&amount"

# --- Commands. Each sets cmd, for `seconds` over `connections` to `url`.

flat_out() { # tool
  local n=$connections t=${seconds}s
  case $1 in
    proofload) scenario "saturate: { connections: $n, for: $t }" ;;
    wrk)
      cmd=(wrk -t1 "-c$n" "-d$t")
      if [[ $section == quotes ]]; then cmd+=(-H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' "$url/$quote=1000000000"); else cmd+=("$url/"); fi
      ;;
    wrk2) cmd=(wrk2 -t1 "-c$n" "-d$t" -R10000000 "$url/") ;;
    hey) cmd=(hey -z "$t" -c "$n" "$url/") ;;
    oha) cmd=(oha --no-tui -z "$t" -c "$n" "$url/") ;;
    h2load) cmd=(h2load --h1 -t1 "-c$n" "-D$seconds" "$url/") ;;
    ab) cmd=(ab -k -q -c "$n" -t "$seconds" -n $((seconds * 1000000)) "$url/") ;; # -t alone stops at 50 000 requests
    k6) k6_script "executor: 'constant-vus', vus: $n, duration: '$t'" ;;
    vegeta) vegeta_attack -rate=0 "-max-workers=$n" ;;
    fortio) cmd=(fortio load -loglevel Warning -c "$n" -qps 0 -t "$t" "$url/") ;;
  esac
}

at_rate() { # tool rate
  local n=$connections t=${seconds}s
  case $1 in
    proofload-*) scenario "hold: { at: $2/s, for: $t }" "${1#proofload-}" ;;
    wrk2) cmd=(wrk2 -t1 "-c$n" "-d$t" "-R$2" --latency "$url/") ;;
    hey) cmd=(hey -z "$t" -c "$n" -q "$(awk "BEGIN { print $2 / $n }")" "$url/") ;;
    oha) cmd=(oha --no-tui -z "$t" -c "$n" -q "$2" "$url/") ;;
    oha-corrected) cmd=(oha --no-tui -z "$t" -c "$n" -q "$2" --latency-correction "$url/") ;;
    k6) k6_script "executor: 'constant-arrival-rate', rate: $2, timeUnit: '1s', duration: '$t', preAllocatedVUs: $n, maxVUs: $n" ;;
    vegeta) vegeta_attack "-rate=$2/s" "-workers=$n" "-max-workers=$n" ;;
    fortio) cmd=(fortio load -loglevel Warning -uniform -c "$n" -qps "$2" -p 50,95,99 -t "$t" "$url/") ;;
  esac
}

scenario() { # segment [precision]
  local traffic="flow: { steps: [ { get: / } ] }" fitness=''
  if [[ $section == quotes ]]; then
    printf 'input,output\n%s,%s\n' "$sol" "$usdc" >"$work/pairs.csv"
    traffic="quote:
      pairs: { file: pairs.csv }
      amount: { log_uniform: [1000000, 1000000000000] }
      query: { input: inputMint, output: outputMint, amount: amount }
      reply: { amount: \$.outAmount, input: \$.inputMint, output: \$.outputMint }
      hybrid: { share: 20%, path: /quote/hybrid }"
  fi
  [[ -z ${2-} ]] || fitness="fitness: { precision: $2 }"
  cat >"$work/bench.yaml" <<END
proofload: 1
target: { url: "$url", connections: $connections }
traffic:
  bench:
    $traffic
    arrivals: even
    load:
      - $1
$fitness
slo:
  - expect: errors(bench) == 0
END
  rm -rf "$work/reports"
  cmd=("$target/proofload" run "$work/bench.yaml" --out "$work/reports" --quiet)
}

k6_script() { # options of the executor
  local check="check(reply, { ok: (r) => r.status === 200 });" request="http.get('$url/');"
  if [[ $section == quotes ]]; then
    request="http.get('$url/$quote=' + Math.floor(1e6 * Math.pow(1e6, Math.random())),
      { headers: { traceparent: '00-' + hex(16) + hex(16) + '-' + hex(16) + '-01' } });"
    check="check(reply, { ok: (r) => r.status === 200, amount: (r) => Number(r.json().outAmount) > 0,
      mints: (r) => r.json().inputMint === '$sol' && r.json().outputMint === '$usdc' });"
  fi
  cat >"$work/bench.js" <<END
import http from 'k6/http';
import { check } from 'k6';
export const options = { scenarios: { bench: { $1 } }, summaryTrendStats: ['p(50)', 'p(95)', 'p(99)'] };
const hex = (n) => Math.floor(Math.random() * 2 ** 52).toString(16).padStart(n, '0');
export default function () { const reply = $request $check }
END
  cmd=(k6 run --quiet --no-usage-report "$work/bench.js")
}

vegeta_attack() { # options
  echo "GET $url/" >"$work/vegeta.targets"
  cmd=(vegeta attack "-targets=$work/vegeta.targets" "-duration=${seconds}s" "-output=$work/vegeta.bin" "$@")
}

# --- Figures, from what a tool printed.

answered() { # tool: requests that were answered well
  case $1 in
    proofload*) from_verdict '/"outcomes"/ { inside = 1 } inside && /"ok":/ { print $2 + 0; exit }' ;;
    wrk | wrk2) awk '/ requests in / { n = $1 } /Non-2xx/ { n -= $NF } END { print n }' "$work/out" ;;
    hey | oha*) awk '$1 == "[200]" { print $2 }' "$work/out" ;;
    h2load) awk '/^status codes:/ { print $3 }' "$work/out" ;;
    ab) awk '/^Complete requests:/ { n = $NF } /^(Failed requests|Non-2xx responses):/ { n -= $NF } END { print n }' "$work/out" ;;
    k6) awk '/http_reqs/ { print $2; exit }' "$work/out" ;;
    vegeta) sed -n 's/^Requests .*\] *\([0-9]*\),.*/\1/p' "$work/out" ;;
    fortio) awk '/^Code 200/ { print $4 }' "$work/out" ;;
  esac
}

latency() { # tool percent: as reported, in ms
  case $1 in
    proofload*) from_verdict '/"response": \{/ { inside = 1 } inside && /"p'"$2"'":/ { print $2 * 1e3; exit }' ;;
    wrk2) awk -v q="$2.000%" -v p="0.${2}0000" '$1 == q { print $2; exit } $2 == p { print $1 "ms"; exit }' "$work/out" | in_ms ;;
    hey | oha*) awk -v q="$2" '$1 ~ "^" q "(\\.00)?%$" { print $3 $4; exit }' "$work/out" | in_ms ;;
    k6) sed -n "/http_req_duration/ { s/.*p($2)=\([^ ]*\).*/\1/p; q }" "$work/out" | in_ms ;;
    vegeta) awk -v at="$2" '/^Latencies/ { sub(/.*\] */, ""); split($0, v, ", "); print v[at == 50 ? 3 : at == 95 ? 5 : 6] }' "$work/out" | in_ms ;;
    fortio) awk -v q="$2%" '/^# target/ && $3 == q { print $4 "s" }' "$work/out" | in_ms ;;
  esac
}

from_verdict() { # awk program, of the lines from the traffic on
  find "$work/reports" -name verdict.json -exec awk -F'[:,]' '/^  "traffic"/ { on = 1 } !on { next } '"$1" {} + 2>/dev/null
}

in_ms() {
  awk '{ factor = /(us|µs)$/ ? 1e-3 : /ms$/ ? 1 : /s(ecs)?$/ ? 1e3 : /m$/ ? 6e4 : 1; print $0 * factor }'
}

version() { # tool
  local said
  case $1 in
    proofload*) said=$("$target/proofload" --version) ;;
    wrk | wrk2) said=$("$1" -v 2>&1 | awk 'NR == 1 { print $2 }') ;;
    ab) said=$(ab -V | awk 'NR == 1 { print $5 }') ;;
    h2load | oha*) said=$("${1%-*}" --version) ;;
    k6) said=$(k6 version | awk 'NR == 1 { print $2 }') ;;
    fortio) said=$(fortio version | awk 'NR == 1 { print $1 }') ;;
    vegeta) said=$(vegeta -version | awk '/^Version/ { print $2 }') ;;
    *) said=– ;; # hey does not say
  esac
  echo "${said##* }" | sed 's/[(),>]//g'
}

# --- A round: runs cmd on the generator's processor, and appends what it took to the section's results.

ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$responder/stat"; }

round() { # tool
  local before after count cpu rss
  before=$(ticks)
  if [[ $timer ]]; then
    taskset -c "$generator" "$timer" -o "$work/took" -f '%U %S %M' "${cmd[@]}" >"$work/out" 2>&1 || true
  else
    TIMEFORMAT='%U %S 0'
    { time taskset -c "$generator" "${cmd[@]}" >"$work/out" 2>&1 || true; } 2>"$work/took"
  fi
  after=$(ticks)
  [[ $1 != vegeta ]] || vegeta report "$work/vegeta.bin" >>"$work/out"
  count=$(answered "$1")
  if ! [[ $count =~ ^[1-9][0-9]*$ ]]; then
    say "$1: no count of requests in what it printed:" && tail -15 "$work/out" >&2
    return
  fi
  read -r cpu rss < <(tail -1 "$work/took" | awk '{ print $1 + $2, $3 / 1024 }')
  awk -v tool="$1" -v n="$count" -v s="$seconds" -v cpu="$cpu" -v rss="$rss" \
    -v busy="$(awk "BEGIN { print ($after - $before) / $(getconf CLK_TCK) / $seconds }")" \
    -v p50="$(latency "$1" 50)" -v p95="$(latency "$1" 95)" -v p99="$(latency "$1" 99)" \
    'BEGIN { OFS = "\t"; print tool, n / s, cpu / n * 1e6, rss, busy, p50, p95, p99 }' >>"$work/results"
}

median() { # tool column
  awk -F'\t' -v tool="$1" -v column="$2" '$1 == tool && $column != "" { print $column }' "$work/results" | sort -g |
    awk '{ v[NR] = $1 } END { if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# A number for people: so many digits after the point, thousands apart, a dash for none.
figure() { # value digits
  [[ ${1-} ]] || { echo – && return; }
  awk -v v="$1" -v d="$2" 'BEGIN {
    text = sprintf("%." d "f", v); point = index(text, "."); whole = point ? substr(text, 1, point - 1) : text
    rest = point ? substr(text, point) : ""
    while (match(whole, /[0-9][0-9][0-9][0-9]($| )/)) whole = substr(whole, 1, RSTART) " " substr(whole, RSTART + 1)
    print whole rest
  }'
}

ratio() { # value of
  [[ ${1-} && ${2-} ]] || { echo – && return; }
  awk "BEGIN { printf \"%.2f\n\", $1 / $2 }"
}

# Those of the tools named that are here and wanted.
here() {
  local tool
  for tool in "$@"; do
    [[ -z $only || " $only " == *" ${tool%%-*} "* ]] || continue
    [[ $tool == proofload* ]] || command -v "${tool%%-*}" >/dev/null || continue
    echo "$tool"
  done
}

in_turn() { # what tools…
  local n tool what=$1 && shift
  : >"$work/results"
  for ((n = 1; n <= rounds; n++)); do
    for tool in "$@"; do
      say "$section, round $n of $rounds: $tool"
      $what "$tool" && round "$tool"
    done
  done
}

closed_table() { # tools…
  local tool
  echo '| tool | version | requests/s | CPU µs/request | peak RSS MB | server busy | rate to wrk | CPU to wrk |'
  echo '|---|---|---:|---:|---:|---:|---:|---:|'
  for tool in "$@"; do
    echo "| $tool | $(version "$tool") | $(figure "$(median "$tool" 2)" 0) | $(figure "$(median "$tool" 3)" 2) | $(figure "$(median "$tool" 4)" 0) | $(figure "$(median "$tool" 5)" 2) | $(ratio "$(median "$tool" 2)" "$(median wrk 2)") | $(ratio "$(median "$tool" 3)" "$(median wrk 3)") |"
  done
}

open_table() { # tools…
  local tool
  echo '| tool | version | requests/s | CPU µs/request | peak RSS MB | p50 ms | p95 ms | p99 ms |'
  echo '|---|---|---:|---:|---:|---:|---:|---:|'
  for tool in "$@"; do
    echo "| $tool | $(version "$tool") | $(figure "$(median "$tool" 2)" 0) | $(figure "$(median "$tool" 3)" 1) | $(figure "$(median "$tool" 4)" 0) | $(figure "$(median "$tool" 6)" 3) | $(figure "$(median "$tool" 7)" 3) | $(figure "$(median "$tool" 8)" 3) |"
  done
}

# --- Sections.

with_10000() { at_rate "$1" 10000; }
with_500() { at_rate "$1" 500; }

closed() {
  local tools
  mapfile -t tools < <(here proofload wrk wrk2 hey oha h2load ab k6 vegeta fortio)
  serve small
  in_turn flat_out "${tools[@]}"
  printf '\n### Flat out: a closed loop of %s connections\n\n' "$connections"
  closed_table "${tools[@]}"
}

quotes() {
  local tools
  mapfile -t tools < <(here proofload wrk k6)
  serve quote
  in_turn flat_out "${tools[@]}"
  printf '\n### Quotes, flat out: a closed loop of %s connections\n\n' "$connections"
  printf 'proofload and k6 draw amounts, send a trace id, and check status, amount and mints of each reply; wrk repeats one such request and checks nothing.\n\n'
  closed_table "${tools[@]}"
}

open() {
  local tools
  mapfile -t tools < <(here proofload-eco proofload-balanced proofload-exact wrk2 oha oha-corrected hey vegeta fortio k6)
  serve small
  in_turn with_10000 "${tools[@]}"
  printf '\n### An open loop: 10 000/s over %s connections, latencies as each reports them\n\n' "$connections"
  open_table "${tools[@]}"
}

stall() {
  local tools connections=8
  mapfile -t tools < <(here proofload-balanced wrk2 oha oha-corrected hey vegeta fortio k6)
  serve small
  (
    trap 'kill -CONT "$responder"; exit' TERM
    while sleep 0.9 && kill -0 $$; do
      from=$EPOCHREALTIME
      kill -STOP "$responder" && sleep 0.1 && kill -CONT "$responder"
      echo "$from $EPOCHREALTIME"
    done
  ) >"$work/stalls" 2>/dev/null 9<&- &
  freezer=$!
  in_turn with_500 "${tools[@]}"
  kill "$freezer" && wait "$freezer" 2>/dev/null || true
  freezer=''
  printf '\n### A server that freezes for 100 ms each second: 500/s over %s connections\n\n' "$connections"
  # Shots come evenly; those that come while it is frozen wait for the rest of it.
  awk '{ frozen += $2 - $1; last = $1 } NR == 1 { first = $1 } END {
    length_ = frozen / NR * 1e3; period = (last - first) / (NR - 1) * 1e3
    split("50 95 99", q, " "); printf "Frozen for %.1f ms every %.0f ms. The truth:", length_, period
    for (i = 1; i <= 3; i++) {
      wait_ = length_ - (1 - q[i] / 100) * period
      printf("%s p%d %.0f ms", (i > 1 ? "," : ""), q[i], (wait_ > 0 ? wait_ : 0))
    }
    print ".\n"
  }' "$work/stalls"
  open_table "${tools[@]}"
}

grep -q ' 0\.[0-4]' <(printf ' %s' "$(cut -d' ' -f1 /proc/loadavg)") || say "this machine is busy (load $(cut -d' ' -f1-3 /proc/loadavg)): the figures are no better than that"
printf '%s, %s processors, Linux %s. Generator on processor %s, server on %s; medians of %s × %s s.\n' \
  "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)" "$(nproc --all)" "$(uname -r)" "$generator" "$server" "$rounds" "$seconds"
for section in $sections; do "$section"; done
