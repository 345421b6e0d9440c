#!/usr/bin/env bash
# The figures of docs/serving-performance.md on this machine: serving.sh BITNET [MODEL]. MODEL: of the 2B shape; without one it is made.
# BITNET_PYTHON names a Python interpreter with llama-cpp-python[server]: then its server is measured in the same run.
set -euo pipefail
bitnet=$1
demo=$(dirname "$0")/../assets/demo/demo.gguf
work=$(mktemp -d)
servers=()
trap 'kill "${servers[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT

heading() { printf '\n── %s\n' "$1"; }
# table FILE KEY…: members of the JSON rows that `bench serve` wrote, a row a line.
table() { jq -r --arg keys "${*:2}" '($keys | split(" ")) as $k | ($k, (.[] as $row | [$k[] | $row[.] // "" | if type == "number" then . * 100 | round / 100 else . end])) | @tsv' "$1" | column -t; }

# start_ours MODEL OPTION…: a server; its address in $url.
start_ours() {
    "$bitnet" serve "$@" --port 0 --no-access-log >"$work/said" 2>"$work/log" &
    servers+=($!)
    for _ in $(seq 600); do grep -q listening "$work/said" && break; sleep 0.1; done
    url=$(sed -n 's/^listening on //p' "$work/said")
}
# start_peer MODEL: llama-cpp-python's server; its address in $peer.
start_peer() {
    local port=$((20000 + RANDOM % 20000))
    "$BITNET_PYTHON" -m llama_cpp.server --model "$1" --port "$port" --n_threads "$(nproc)" --interrupt_requests False --n_ctx 2048 >"$work/peer" 2>&1 &
    servers+=($!)
    peer=http://127.0.0.1:$port
    for _ in $(seq 600); do "$bitnet" bench serve "$peer" -n 1 --output-len 1 -p 4 --warmup 0 -q >/dev/null 2>&1 && return; sleep 0.5; done
    echo "llama-cpp-python's server doesn't start: $(tail -n 1 "$work/peer")" >&2
    exit 1
}
stop() { kill "${servers[@]}" 2>/dev/null || true; wait 2>/dev/null || true; servers=(); }
