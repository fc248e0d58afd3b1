# What scripts here that run the program have in common; they source it. Sets `proofload`, the program as a path that holds
# wherever one goes, and `out`, a folder that goes with the script; `job PID` makes a process go with it too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
proofload=$(realpath -m "${PROOFLOAD:-target/release/proofload}")
[ -x "$proofload" ] || { echo "$proofload is not there: cargo build --release, or say where with PROOFLOAD" >&2; exit 2; }
out=$(mktemp -d)
jobs=()
job() { jobs+=("$1"); }
# Ends the jobs that there are.
quiet() {
  [ "${#jobs[@]}" -eq 0 ] || { kill "${jobs[@]}" && wait "${jobs[@]}"; } 2>/dev/null || true
  jobs=()
}
trap 'quiet; rm -rf "$out"' EXIT
