"""A server with OpenAI's routes that behaves as the model's name says: openai_server.py. Prints its address, ends with its input.

good: an answer of three pieces. cut: ends in the middle. silent_cut: the same with a proper end of the body. garbage: no JSON.
html: a page. endless: a line that doesn't end. error: an error in the stream. slow: a word now and then. refused: 400. busy: 429 twice, then good. down: 503 always.
flood: an answer that doesn't end. escapes: control characters. list: JSON that isn't an object. key: good if the key is "secret".
"""
import http.server, json, sys, threading, time

busy = {}
log = []


def chunk(text, finish=None, chat=True):
    choice = {"index": 0, "finish_reason": finish}
    choice.update({"delta": {"content": text}} if chat else {"text": text})
    return {"id": "x", "object": "chat.completion.chunk", "choices": [choice]}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def whole(self, status, kind, body, **fields):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, message, **fields):
        self.whole(status, "application/json", json.dumps({"error": {"message": message}}).encode(), **fields)

    def begin(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def piece(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def event(self, value):
        self.piece(b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n")

    def end(self):
        self.event(b"[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def do_GET(self):
        if self.path == "/v1/models":
            self.whole(200, "application/json", b'{"object":"list","data":[{"id":"good"},{"id":"cut"}]}')
        elif self.path == "/log":
            self.whole(200, "application/json", json.dumps(log).encode())
        elif self.path == "/health":
            self.whole(200, "application/json", b"{}")
        else:
            self.refuse(404, "no such path")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        log.append({"path": self.path, "body": body, "key": self.headers.get("Authorization")})
        chat = self.path.endswith("/chat/completions")
        prompt = body["messages"][-1]["content"] if chat else str(body["prompt"])
        model = body["model"]
        if model == "key" and self.headers.get("Authorization") != "Bearer secret":
            return self.refuse(401, "no such key")
        if model == "html":
            return self.whole(200, "text/html", b"<html>a page</html>")
        if model == "refused":
            return self.refuse(400, "the prompt is\x1b[31m too long: 9 of 8 tokens")
        if model == "down":
            return self.refuse(503, "the model is being loaded", Retry_After="90")
        if not body.get("stream"):
            usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": 1}
            return self.whole(200, "application/json", json.dumps({"choices": [], "usage": usage}).encode())
        busy[prompt] = busy.get(prompt, 0) + 1
        if model == "busy" and busy[prompt] <= 2:
            return self.refuse(429, "too many requests", Retry_After="0" if busy[prompt] == 1 else "1")
        try:
            getattr(self, "answer_" + model, self.answer_good)(prompt, chat)
        except (BrokenPipeError, ConnectionResetError):
            log.append({"gone": model})

    def answer_good(self, prompt, chat):
        self.begin()
        self.piece(b": a comment\r\n\r\n")
        for text in ("You", " said ", prompt):
            self.event(chunk(text, chat=chat))
        self.event(chunk("", "stop", chat))
        self.event({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3}})
        self.end()

    def answer_cut(self, prompt, chat):
        self.begin()
        self.event(chunk("Half an", chat=chat))
        self.close_connection = True

    def answer_silent_cut(self, prompt, chat):
        self.begin()
        self.event(chunk("Half an", chat=chat))
        self.wfile.write(b"0\r\n\r\n")

    def answer_garbage(self, prompt, chat):
        self.begin()
        self.event(b"\xff{nothing that anyone")
        self.end()

    def answer_list(self, prompt, chat):
        self.begin()
        self.event([1, 2])
        self.end()

    def answer_endless(self, prompt, chat):
        self.begin()
        self.piece(b"data: ")
        while True:
            self.piece(b"a" * 65536)

    def answer_flood(self, prompt, chat):
        self.begin()
        while True:
            self.event(chunk("word " * 10000, chat=chat))

    def answer_slow(self, prompt, chat):
        self.begin()
        while True:
            self.event(chunk("word ", chat=chat))
            time.sleep(0.05)

    def answer_error(self, prompt, chat):
        self.begin()
        self.event(chunk("Half", chat=chat))
        self.event({"error": {"message": "the engine stumbled", "type": "server_error"}})
        self.end()

    def answer_escapes(self, prompt, chat):
        self.begin()
        self.event(chunk("a\x1b]0;title\x07b\x9bc", "stop", chat))
        self.end()


http.server.ThreadingHTTPServer.request_queue_size = 256
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print("http://127.0.0.1:%d" % server.server_address[1], flush=True)
sys.stdin.read()
