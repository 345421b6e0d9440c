#!/usr/bin/env bash
# The figures of docs/serving-performance.md on this machine: serving.sh BITNET [SECTION…] (all of them: health small scheduling shape
# exact stall). $MODEL is of the 2B shape, with a vocabulary: without it a random one is written to the cache folder, and an optimized copy, 2.7 GB
# together. $BITNET_PYTHON is a Python interpreter with llama-cpp-python[server], whose server is then measured in the same run, with $PEER_MODEL ($MODEL
# if that isn't given).
set -euo pipefail
bitnet=$1
shift
[ $# -gt 0 ] || set -- health small scheduling shape exact stall
demo=$(realpath "$(dirname "$0")/../assets/demo/demo.gguf")
work=$(mktemp -d)
servers=()
trap 'stop; rm -rf "$work"' EXIT

heading() { printf '\n── %s\n' "$1"; }
stop() {
    [ ${#servers[@]} -eq 0 ] || kill "${servers[@]}" 2>/dev/null || true
    wait || true
    servers=()
}
load() { "$bitnet" bench serve "$@"; }

# ours MODEL OPTION…: our server; its address in $url. $pinned runs it on some cores only.
ours() {
    ${pinned:-} "$bitnet" serve "$@" --port 0 --no-access-log >"$work/said" 2>"$work/log" &
    servers+=($!)
    for _ in $(seq 600); do grep -q listening "$work/said" && break; sleep 0.1; done
    url=$(sed -n 's/^listening on //p' "$work/said")
}
# peer MODEL: llama-cpp-python's server; its address in $theirs, "" without one.
peer() {
    theirs=
    [ -n "${BITNET_PYTHON:-}" ] || return 0
    local port=$((20000 + RANDOM % 20000))
    "$BITNET_PYTHON" -m llama_cpp.server --model "$1" --port "$port" --n_threads "$(nproc)" --n_ctx 1024 --interrupt_requests False \
        >"$work/peer" 2>&1 &
    servers+=($!)
    local pid=$!
    for _ in $(seq 300); do
        kill -0 $pid 2>/dev/null || break
        curl -s -o /dev/null "http://127.0.0.1:$port/v1/models" && theirs=http://127.0.0.1:$port && return
        sleep 0.2
    done
    echo "llama-cpp-python's server doesn't start: $(tail -n 1 "$work/peer")"
}
# $MODEL and $PEER_MODEL, made where they aren't given.
the_models() {
    [ -z "${MODEL:-}" ] || return 0
    local random=${XDG_CACHE_HOME:-$HOME/.cache}/bitnet/synthetic-2b-words-f16
    mkdir -p "${random%/*}"
    [ -e "$random.gguf" ] || "$bitnet" bench synthetic 2b "$random.gguf" --vocabulary
    [ -e "$random-optimized.gguf" ] || "$bitnet" model optimize "$random.gguf" -o "$random-optimized.gguf" -q
    MODEL=$random-optimized.gguf PEER_MODEL=$random.gguf
}

# ask_health: requests a second, mean and 99th percentile of 64 connections, from the cores of $rest.
ask_health() {
    rm -f "$work/times"
    taskset -c "$rest" h2load --h1 -c 64 -D 4 --log-file="$work/times" "$url/health" | grep -E 'finished|requests:'
    cut -f 3 "$work/times" | sort -n | awk '{ v[NR] = $1; sum += $1 } END { printf "mean %.2f ms, p99 %.2f ms, longest %.2f ms\n", sum / NR / 1e3, v[int(NR * .99)] / 1e3, v[NR] / 1e3 }'
}

health() {
    heading "GET /health while a model generates; the server with its model on one core, everything else on the others"
    command -v h2load >/dev/null || { echo "skipped: no h2load"; return; }
    local rest=1
    [ "$(nproc)" -le 2 ] || rest=1-$(($(nproc) - 1))
    pinned='taskset -c 0' ours "$demo" -t 1
    echo idle
    ask_health
    taskset -c "$rest" "$bitnet" bench serve "$url" --concurrency 2 --duration 6 --warmup 0 --output-len 200 --ignore-eos -q &
    local client=$!
    sleep 1
    echo generating
    ask_health
    wait $client
    stop
}

small() {
    heading "the demo model: 1, 16, 64 and 512 streams; each answer again, alone"
    ours "$demo" --parallel 64
    load "$url" --concurrency 1,16,64 -n 128 --verify
    load "$url" --concurrency 512 -n 1024 --verify
    peer "$demo"
    [ -z "$theirs" ] || load "$url" --compare "$theirs" --concurrency 1,16 -n 32
    stop
}

# What lies between the engine and the client: the time per token of one stream here and there, in turns.
scheduling() {
    heading "one stream: the engine alone, and through the server (ms a token; the demo model, one thread, no guesses)"
    ours "$demo" -t 1 --no-speculation
    for _ in 1 2 3; do
        "$bitnet" bench "$demo" -t 1 -p 0 -n 128 -d 32 -r 5 --json | jq -r '.[] | "engine  \(1000 / .tokens_per_second)"'
        load "$url" -n 24 -p 32 --output-len 128 --ignore-eos --json | jq -r '.[] | "server  \(.mean_tpot_ms)"'
    done
    stop
}

shape() {
    heading "the 2B shape: 1 and 16 streams"
    the_models
    ours "$MODEL" --no-speculation
    load "$url" --concurrency 1 -n 2 -p 16 --output-len 48 --ignore-eos
    load "$url" --concurrency 16 -n 32 -p 16 --output-len 48 --ignore-eos --warmup 1
    peer "${PEER_MODEL:-$MODEL}"
    if [ -n "$theirs" ]; then
        load "$theirs" --concurrency 1 -n 1 -p 16 --output-len 48 --warmup 1
        load "$theirs" --concurrency 16 -n 16 -p 16 --output-len 48 --warmup 0
    fi
    stop
}

exact() {
    heading "the 2B shape: 16 streams, each answer again, alone"
    the_models
    ours "$MODEL"
    load "$url" --concurrency 16 -n 16 -p 16 --output-len 48 --ignore-eos --warmup 0 --verify
    stop
}

stall() {
    heading "the 2B shape: a prompt of nearly 4,000 tokens comes while four streams go on"
    the_models
    ours "$MODEL" -b "${CHUNK:-256}" --no-speculation
    load "$url" --concurrency 4 -n 4 -p 16 --output-len 120 --ignore-eos --warmup 0 --json >"$work/streams" &
    local client=$!
    sleep 4
    load "$url" -n 1 -p 3700 --output-len 1 --warmup 0 --json >"$work/long"
    wait $client
    jq -r '.[0] | "streams: gaps between tokens, ms: p50 \(.p50_itl_ms), p90 \(.p90_itl_ms), p99 \(.p99_itl_ms), longest \(.max_itl_ms)"' "$work/streams"
    jq -r --argjson chunk "${CHUNK:-256}" '.[0] | "prompt: \(.total_input_tokens) tokens, first token after \(.p50_ttft_ms) ms: \(.p50_ttft_ms / (.total_input_tokens / $chunk)) ms a chunk of \($chunk)"' "$work/long"
    stop
}

for section in "$@"; do "$section"; done
