#!/usr/bin/env bash
# Builds the tests that the crate toxiproxy_rust ships, as target/toxiproxy_rust/own-tests. Wants libssl-dev and pkg-config.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=0.1.6 probe=target/toxiproxy_probe place=target/toxiproxy_rust
mkdir -p "$probe/src"
printf '[package]\nname = "probe"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\ntoxiproxy_rust = "=%s"\n[workspace]\n' "$version" >"$probe/Cargo.toml"
: >"$probe/src/lib.rs"
cargo fetch --quiet --manifest-path "$probe/Cargo.toml"
source=$(find "${CARGO_HOME:-$HOME/.cargo}/registry/src" -maxdepth 2 -type d -name "toxiproxy_rust-$version" | head -n 1)
mkdir -p "$place" && cp -r "$source"/. "$place" && chmod -R u+w "$place"
# Not a part of this package, and not held to the lints of its own future.
printf '\n[workspace]\n' >>"$place/Cargo.toml"
sed -i 's/#!\[deny(warnings)\]//' "$place"/tests/*.rs "$place"/src/*.rs
built=$(cargo test --no-run --test toxiproxy_rust --manifest-path "$place/Cargo.toml" 2>&1 | sed -n 's/.*Executable.*(\(.*\))$/\1/p')
cp "$built" "$place/own-tests"
