#!/usr/bin/env bash
# Flow records beside nfcapd and nfdump: do they agree, and what does each cost?
#
#   bench/scripts/flows.sh [COMO [PACKETS]]
#
# softflowd makes flow records of a generated trace and sends them to nfcapd,
# which passes each export packet on to `como`; so both collectors read the very
# same packets. A capture of them is then read as a file. CPU is user and system
# time of all threads. Needs softflowd, nfcapd, nfdump, tcpdump and the right to
# capture on the loopback interface.
set -euo pipefail

como=$(realpath "${1:-target/release/como}")
packets=${2:-2000000}
here=127.0.0.1
port=29551
for tool in softflowd nfcapd nfdump tcpdump; do
    command -v "$tool" >/dev/null || [ -x "/usr/sbin/$tool" ] || { echo "skipped: $tool is not installed"; exit 0; }
done
PATH=$PATH:/usr/sbin
dir=$(mktemp -d)
pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; rm -rf "$dir"' EXIT

# CPU seconds a running process has used.
cpu() { awk -v hz="$(getconf CLK_TCK)" '{ print ($14 + $15) / hz }' "/proc/$1/stat"; }
# CPU seconds of a command that ends.
cost() { local TIMEFORMAT='%U %S'; { time "$@" >"$dir/out" 2>"$dir/err"; } 2>&1 | awk '{ print $1 + $2 }'; }
# A number of como's JSON by its name.
number() { grep -o "\"$1\":[0-9]*" "$2" | head -1 | cut -d: -f2; }
# Records per CPU second.
row() { awk -v name="$1" -v s="$2" -v n="$3" 'BEGIN { printf "  %-36s %8.3f s %10.0f\n", name, s, (s > 0 ? n / s : 0) }'; }
# Waits until a process uses no more CPU.
settle() { local before=; while [ "$before" != "$(cpu "$1")" ]; do before=$(cpu "$1"); sleep 1; done; }

"$como" gen -w "$dir/trace.pcap" "packets=$packets" duration=300s seed=1 2>"$dir/err"
wrong=0
for version in 5 9 10; do
    rm -rf "$dir/flows"; mkdir "$dir/flows"
    "$como" info --json -s "netflow:udp://$here:$((port + 1))" >"$dir/como.json" 2>"$dir/como.err" & como_pid=$!
    nfcapd -b $here -p $port -w "$dir/flows" -R "$here/$((port + 1))" -B 8000000 -t 3600 >"$dir/nfcapd.log" 2>&1 & nfcapd_pid=$!
    tcpdump -i lo -B 65536 -s 0 -w "$dir/exports.pcap" "udp and dst port $port" 2>"$dir/tcpdump.err" & tcpdump_pid=$!
    pids=("$como_pid" "$nfcapd_pid" "$tcpdump_pid")
    sleep 2
    softflowd -r "$dir/trace.pcap" -n "$here:$port" -v "$version" -d -A milli >"$dir/softflowd.log" 2>&1 || true
    settle "$como_pid"; settle "$nfcapd_pid"
    como_cpu=$(cpu "$como_pid"); nfcapd_cpu=$(cpu "$nfcapd_pid")
    kill -INT "$como_pid" "$tcpdump_pid"; kill -TERM "$nfcapd_pid"
    wait "$como_pid" "$nfcapd_pid" "$tcpdump_pid" 2>/dev/null || true
    pids=()

    nfdump -R "$dir/flows" -I >"$dir/nfdump.txt" 2>&1
    theirs=$(awk '/^Flows:/ { f = $2 } /^Packets:/ { p = $2 } /^Bytes:/ { b = $2 } END { print f, p, b }' "$dir/nfdump.txt")
    ours="$(number flow_records "$dir/como.json") $(number flow_packets "$dir/como.json") $(number flow_bytes "$dir/como.json")"
    records=${ours%% *}
    echo "version $version: records, packets, bytes"
    echo "  nfdump  $theirs"
    echo "  como    $ours"
    [ "$theirs" = "$ours" ] || { echo "  they do not agree"; wrong=1; }

    nfdump_cpu=$(cost nfdump -R "$dir/flows" -s dstip/bytes -n 20 -q)
    file_cpu=$(cost "$como" run topaddr -q -s "netflow:$dir/exports.pcap" -a n=20 -a interval=5m --format ndjson)
    echo "                                            CPU    records per CPU s"
    row "nfcapd" "$nfcapd_cpu" "$records"
    row "nfcapd, then nfdump -s dstip" "$(awk "BEGIN { print $nfcapd_cpu + $nfdump_cpu }")" "$records"
    row "como info netflow:udp" "$como_cpu" "$records"
    row "como run topaddr netflow:FILE" "$file_cpu" "$records"
done
exit $wrong
