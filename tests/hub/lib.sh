# shellcheck shell=bash
# The words of sessions with the test hub, beyond those of tests/cli/lib.sh: hub_start serves the folder hub/, with HF_ENDPOINT and
# HF_HOME set for the program. No desktop: the keyring of who runs them is nothing for tests.
SERVERS=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
source "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
command -v python3 >/dev/null || { skip "sessions with the test hub: no python3"; finish; }
for name in $(compgen -e HF_) $(compgen -e AWS_) $(compgen -e HUGGING) $(compgen -e TRANSFORMERS) http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY \
    DBUS_SESSION_BUS_ADDRESS XDG_RUNTIME_DIR; do unset "$name"; done
export HF_HOME=$WORK/hf
CACHE=$HF_HOME/hub

# server_start SCRIPT [OPTION…]: starts a server of this folder, which ends with the session. CONTROL is where it takes orders.
server_start() {
    mkfifo server.stop
    python3 "$SERVERS/$1" "${@:2}" <server.stop >server.address 2>server.log &
    SERVER_PID=$!
    exec 9>server.stop # the server ends when this is closed
    trap 'exec 9>&-; rm -rf "$WORK"' EXIT
    for _ in $(seq 200); do [ -s server.address ] && break; sleep 0.05; done
    [ -s server.address ] || { echo "not ok  $1 doesn't start: $(cat server.log)"; exit 1; }
    CONTROL=$(sed 's/^{"[a-z]*": "\([^"]*\)".*/\1/' server.address)
    export CONTROL SERVER_PID
}
# server_address NAME: the URL that the server tells under this name.
server_address() { sed -n 's/.*"'"$1"'": "\([^"]*\)".*/\1/p' server.address; }

# hub_start [OPTION…]: starts the hub; STORAGE is the address of its storage.
hub_start() {
    server_start hub_server.py "$WORK/hub" "$@"
    HF_ENDPOINT=$(server_address hub)
    STORAGE=$(server_address storage)
    export HF_ENDPOINT STORAGE
}

# ask_hub PATH BODY: the answer of the server's control, without a process of its own.
ask_hub() {
    local address=${CONTROL#http*://} line
    exec 8<>"/dev/tcp/${address%:*}/${address#*:}"
    printf 'POST /test/%s HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s' "$1" "${#2}" "$2" >&8
    while IFS= read -r line <&8 && [ "$line" != $'\r' ]; do :; done
    IFS= read -r line <&8
    printf '%s\n' "$line"
    exec 8>&-
}
# fault JSON: the next answer that fits goes wrong so.
fault() { ask_hub fault "$1" >/dev/null; }
reset_hub() { ask_hub reset '{}' >/dev/null; }
# requests PYTHON-EXPRESSION over one request r: how many since the reset fit.
requests() { ask_hub count "$1"; }
# sum CONDITION PYTHON-EXPRESSION: over the requests that fit.
sum() { ask_hub sum "($2) if ($1) else 0"; }

# repo OWNER/NAME [REVISION]: makes a small model of a usual file set there, and prints its folder.
repo() {
    local folder=hub/$1/${2:-main}
    mkdir -p "$folder"
    echo '{"model_type": "llama"}' >"$folder/config.json"
    echo '{"version": "1.0"}' >"$folder/tokenizer.json"
    printf -- '---\nlicense: mit\n---\n# A model\n' >"$folder/README.md"
    head -c 300000 /dev/zero | openssl enc -aes-128-ctr -pass pass:"$1" -nosalt -pbkdf2 >"$folder/model.safetensors" 2>/dev/null ||
        python3 -c 'import random, sys; random.seed(sys.argv[1]); sys.stdout.buffer.write(random.randbytes(300000))' "$1" >"$folder/model.safetensors"
    echo "$folder"
}
snapshot() { echo "$CACHE/models--${1/\//--}/snapshots/$(cat "$CACHE/models--${1/\//--}/refs/main")"; }
# nothing_visible OWNER/NAME: what can be seen of it is whole, and its name means nothing yet.
nothing_visible() {
    local folder=$CACHE/models--${1/\//--} file
    [ ! -e "$folder/refs/main" ] || return 1
    while IFS= read -r file; do
        cmp "$file" "hub/$1/main/${file##*/}" || return 1
    done < <(find "$folder/snapshots" -type l 2>/dev/null)
}
