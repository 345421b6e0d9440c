"""A running `bitnet serve` for sessions: SESSION.py BITNET FOLDER."""
import http.client
import json
import signal
import subprocess
import sys
import traceback

BITNET = sys.argv[1]
PROMPT = [{"role": "user", "content": "Once upon a time"}]


class Server:
    running = []

    def __init__(self, *arguments):
        self.process = subprocess.Popen([BITNET, "serve", "--port", "0", "--no-access-log", "-t", "1", *arguments],
                                        stdout=subprocess.PIPE, text=True)
        Server.running.append(self.process)
        line = self.process.stdout.readline()
        assert line.startswith("listening on http://"), line
        self.address = line.split("//")[1].strip()

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(self.address, timeout=120)
        raw = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        connection.request(method, path, raw, {"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response, data

    def json(self, method, path, body=None, status=200, headers=None):
        response, data = self.ask(method, path, body, headers)
        assert response.status == status, (response.status, data)
        return json.loads(data)

    def chat(self, status=200, **options):
        return self.json("POST", "/v1/chat/completions",
                         {"messages": PROMPT, "temperature": 0, "max_tokens": 8, **options}, status)

    def events(self, path, body):
        """[(event or None, data)] of a stream, whose form is checked."""
        response, data = self.ask("POST", path, {**body, "stream": True})
        assert response.status == 200 and response.getheader("content-type").startswith("text/event-stream"), data
        assert data.endswith(b"\n\n")
        found = []
        for block in data.decode()[:-2].split("\n\n"):
            lines = [line for line in block.split("\n") if not line.startswith(":")]
            if not lines:
                continue
            assert lines[-1].startswith("data: ") and len(lines) <= 2, block
            found.append((lines[0][7:] if len(lines) == 2 else None, lines[-1][6:]))
        return found

    def lines(self, path, body):
        """The objects of a stream of JSON lines, whose form is checked."""
        response, data = self.ask("POST", path, body)
        assert response.status == 200 and response.getheader("content-type") == "application/x-ndjson", data
        assert data.endswith(b"\n") and b"\n\n" not in data
        return [json.loads(line) for line in data.splitlines()]

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(30)


def run_checks(names):
    """Runs every check_… in the order they stand, ends all servers, and exits."""
    failures = 0
    checks = [check for name, check in list(names.items()) if name.startswith("check_")]
    for check in checks:
        try:
            check()
            print("ok ", check.__name__)
        except Exception:
            failures += 1
            print("not ok ", check.__name__)
            traceback.print_exc(file=sys.stdout)
    for process in Server.running:
        process.kill()
    print(f"{len(checks)} checks, {failures} failed")
    sys.exit(failures != 0)
