#!/usr/bin/env bash
# `bitnet serve` as a process: where it listens, how it says so, keys, signals, and what systemd passes on.
# shellcheck disable=SC2015
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if ! "$BITNET" serve --help >/dev/null 2>&1 || ! command -v curl >/dev/null || ! command -v python3 >/dev/null; then
    skip "the server isn't built, or curl or python3 is missing"
    finish
fi

server=
# start ARGUMENT…: in the background; waits until it says where it listens. $url is that.
start() {
    rm -f served # the one before said something, too
    "$BITNET" serve "$@" >served 2>log </dev/null &
    server=$!
    for _ in $(seq 200); do
        [ -s served ] && break
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    url=$(sed -n 's/^listening on //p' served)
}
stop() {
    kill -TERM "$server"
    wait "$server"
    code=$?
}
# get PATH [OPTION…]: the answer in out, its status in $status.
get() {
    status=$(curl -s -o out -w '%{http_code}' "${@:2}" "$url$1" 2>err)
    code=$?
}
answers() { [ "$status" = "$1" ]; }

start --port 0
check 'a free port is found and said' grep -Eq '^listening on http://127\.0\.0\.1:[0-9]+$' served
get /health
check 'it is healthy' answers 200
check 'as llama-server says it' prints '^{"status":"ok"}$'
get /nothing
check 'unknown paths are 404' answers 404
check 'in JSON' prints '"type":"not_found_error"'
get /metrics
check 'metrics count requests' prints '^bitnet_http_requests_total{code="2xx"} 1$'
get /openapi.json --compressed
check 'routes are described' same "$(json 'openapi')" 3.1.0
check 'each failed request is logged as JSON' same "$(json 'path' log)" /nothing
get /health -H 'Host: evil.example'
check 'an open server answers to names of this machine only' answers 403
stop
check 'SIGTERM ends it well' exits 0

start --port 0 --json
check 'where it listens as JSON' grep -Eq '"url": ?"http://127\.0\.0\.1:[0-9]+"' served
stop

start --host "$WORK/s.sock" --no-access-log
check 'a socket by its path' same "$url" "unix:$WORK/s.sock"
url=http://localhost
get /health --unix-socket s.sock
check 'answers there' answers 200
url=http://any.name
get /health --unix-socket s.sock
check 'by whatever name' answers 200
bitnet serve --host "$WORK/s.sock"
check 'a second server is refused' fails_saying 'another server' 1
stop
check 'the socket is gone' not test -e s.sock

printf '# keys\nfirst\nsecond\n' >keys
start --port 0 --api-key third --api-key-file keys
get /metrics
check 'a key is needed' answers 401
get /metrics -H 'Authorization: Bearer second'
check 'one of the file' answers 200
get /metrics -H 'x-api-key: third'
check 'one of the option' answers 200
get /metrics -H 'Authorization: Bearer secon'
check 'no part of one' answers 401
get /health
check 'not for its health' answers 200
stop

bitnet serve --host 0.0.0.0 --port 0
check 'no open server for others' fails_saying 'needs --api-key' 2
bitnet serve --port 0 --ssl-cert-file keys
check 'a certificate needs a key' fails_saying 'both a certificate file and a key file' 2

# What systemd does: a listening socket as descriptor 3, and a datagram socket to say when it is ready.
cat >systemd.py <<'PYTHON'
import os, signal, socket, subprocess, sys, urllib.request
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind('notify.sock')
notify.settimeout(10)
listener = socket.socket()
listener.bind(('127.0.0.1', 0))
listener.listen()
def before():
    os.dup2(listener.fileno(), 3)
    os.set_inheritable(3, True)
    os.environ['LISTEN_PID'] = str(os.getpid())
command = ['sh', '-c', 'LISTEN_PID=$$ exec "$0" serve --no-access-log', sys.argv[1]]
environment = dict(os.environ, LISTEN_FDS='1', NOTIFY_SOCKET=os.path.abspath('notify.sock'))
server = subprocess.Popen(command, env=environment, preexec_fn=before, close_fds=False, stdout=subprocess.DEVNULL)
print(notify.recv(100).decode())
url = 'http://127.0.0.1:%d/health' % listener.getsockname()[1]
print(urllib.request.urlopen(url, timeout=10).status)
server.send_signal(signal.SIGTERM)
print(notify.recv(100).decode())
print('status', server.wait(20))
PYTHON
run python3 systemd.py "$BITNET"
check 'systemd hears that it is ready' prints '^READY=1$'
check 'its socket is served' prints '^200$'
check 'systemd hears that it stops' prints '^STOPPING=1$'
check 'and it does' prints '^status 0$'

finish
