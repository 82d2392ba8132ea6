#!/usr/bin/env bash
# Every fuzz target, guided by coverage, each for so many seconds: fuzz/run.sh SECONDS [TARGET...]
#
# What is tried and kept lies in target/fuzz. An input that makes a target fail, or takes more time
# or memory than any may, is left in target/fuzz/failed/TARGET: mend what it found, and move it to
# fuzz/found/TARGET, if it is made of our own seeds, so that the ordinary tests run it from then on.
set -euo pipefail
cd "$(dirname "$0")/.."

# Time of one input in seconds, memory of the process in MiB, and length of an input in bytes.
timeout=5 memory=256 length=16384

seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET...]}
shift
cargo=${CARGO:-cargo}
folder=target/fuzz
traces=${COMO_TRACES:-../shared/traces}
jobs=$(nproc 2>/dev/null || echo 1)

RUSTC_WORKSPACE_WRAPPER=$PWD/fuzz/rustc.sh \
    "$cargo" build --quiet --package como-fuzz --features guided --bin guided
guided=${CARGO_TARGET_DIR:-target}/debug/guided
[ -d "$traces" ] && export COMO_TRACES=$traces
names=$(COMO_SEEDS=$folder/seeds "$guided")

# One target; its last lines say how many inputs were tried, and the most memory.
run() {
    local name=$1 tried peak
    mkdir -p "$folder/corpus/$name" "$folder/failed/$name" "$folder/log"
    local found=fuzz/found/$name
    [ -d "$found" ] || found=
    if COMO_FUZZ=$name "$guided" "$folder/corpus/$name" "$folder/seeds/$name" $found \
        -max_total_time="$seconds" -timeout=$timeout -rss_limit_mb=$memory -max_len=$length \
        -artifact_prefix="$folder/failed/$name/" -print_final_stats=1 \
        >"$folder/log/$name" 2>&1; then
        tried=$(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/log/$name")
        peak=$(sed -n 's/^stat::peak_rss_mb: *//p' "$folder/log/$name")
        echo "$name: $tried inputs, at most $peak MiB"
    else
        echo "$name: FAILED"
        grep -A 2 'panicked at\|ERROR: libFuzzer\|Test unit written' "$folder/log/$name"
        return 1
    fi
}

failed=0
for name in ${*:-$names}; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || failed=1; done
    run "$name" &
done
while [ "$(jobs -p | wc -l)" -gt 0 ]; do wait -n || failed=1; done
exit $failed
