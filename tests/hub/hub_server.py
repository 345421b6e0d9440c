#!/usr/bin/env python3
"""The test hub: the protocol of a Hugging Face hub, served from a folder, with faults on demand.

    hub_server.py ROOT [--tls CERT KEY]

ROOT/OWNER/NAME/REVISION/… are repositories: a folder per branch, its files as they are. What lies in a file named
*.safetensors, *.bin, *.gguf, *.h5, *.msgpack or is larger than 100 kB is "large": resolve redirects to the storage, a second
server on another port of another host name (127.0.0.2), as the real hub does. ROOT/OWNER/NAME/hub.json may say
{"gated": true, "private": true, "disabled": true, "tokens": ["…"]}; tokens that a repository accepts are otherwise hf_good.

It prints one line, {"hub": URL, "storage": URL}, when it is ready, and ends with its standard input. Control:

    POST /test/fault  {"path": GLOB of the request's path, "times": n (-1: for ever), …one of the faults below}
        "status": 503, "retry_after": 1, "error_code": "…", "error_message": "…"    answers that instead
        "cut": bytes            breaks the connection after so many bytes of the body
        "cut_at": n             breaks it behind byte n of the file, only if the answer reaches over it
        "shift": n              answers a range that begins n bytes later than was asked for
        "no_range": true        answers 200 and the whole when a range is asked for
        "corrupt": true         a byte of the body is another one
        "flip": n               byte n of the file is another one, if the answer has it
        "slow": seconds         waits so long before every 64 kB
        "redirect": URL         redirects there
        "html": true            a page of HTML instead, as a proxy's login page
        "etag": text            another ETag and X-Linked-Etag
        "longer": n             n bytes more than promised by the list
        "size": n               a list of files that gives large ones this size
    POST /test/reset            forgets faults and requests
    POST /test/count  EXPRESSION    for how many requests r since the reset it holds (Python, over the members
                                    r["server"], "method", "path", "range", "token", "status"; of contents of files also
                                    "length": bytes that were sent of it, "open": how many were being sent then)
    POST /test/sum    EXPRESSION    of its numbers
"""
import argparse
import base64
import fnmatch
import hashlib
import http.server
import json
import pathlib
import socketserver
import ssl
import sys
import threading
import time
import urllib.parse

LARGE_ENDINGS = (".safetensors", ".bin", ".gguf", ".h5", ".msgpack", ".onnx")
LARGE_BYTES = 100_000


class State:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.lock = threading.Lock()
        self.faults = []
        self.requests = []
        self.hub = self.storage = ""
        self.n_open = 0  # contents that are being sent
        self.digests = {}  # (path, mtime, size) -> (git id, sha256)

    def take_fault(self, path):
        with self.lock:
            for fault in self.faults:
                if fault["times"] and fnmatch.fnmatch(path, fault["path"]):
                    fault["times"] -= 1
                    return fault
        return {}

    def hashes(self, file):
        info = file.stat()
        key = (str(file), info.st_mtime_ns, info.st_size)
        if key not in self.digests:
            content = file.read_bytes()
            self.digests[key] = (hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(), hashlib.sha256(content).hexdigest())
        return self.digests[key]


STATE = None


def is_large(file):
    return file.name.endswith(LARGE_ENDINGS) or file.stat().st_size > LARGE_BYTES


def pointer(sha256, size):
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


class Repo:
    """A repository's folder; a commit is a hash over its revision's files."""

    def __init__(self, repo_id):
        self.id = repo_id
        self.folder = STATE.root / repo_id
        settings = self.folder / "hub.json"
        self.settings = json.loads(settings.read_text()) if settings.exists() else {}

    def exists(self):
        return self.folder.is_dir() and ".." not in self.id and self.id.count("/") <= 1

    def revisions(self):
        return sorted(entry.name for entry in self.folder.iterdir() if entry.is_dir())

    def files(self, revision):
        base = self.folder / revision.replace("/", "%2F")
        return sorted((str(p.relative_to(base)), p) for p in base.rglob("*") if p.is_file())

    def commit(self, revision):
        listing = [[name, STATE.hashes(file)[1]] for name, file in self.files(revision)]
        return hashlib.sha1(json.dumps([self.id, listing]).encode()).hexdigest()

    def find(self, wanted):
        """The branch that a name or a commit means, and its commit."""
        for revision in self.revisions():
            name = revision.replace("%2F", "/")
            commit = self.commit(name)
            if wanted in (name, commit):
                return name, commit
        return None, None

    def entry(self, name, file):
        git_id, sha256 = STATE.hashes(file)
        size = file.stat().st_size
        if not is_large(file):
            return {"type": "file", "oid": git_id, "size": size, "path": name}
        text = pointer(sha256, size)
        pointer_id = hashlib.sha1(b"blob %d\0" % len(text) + text).hexdigest()
        return {"type": "file", "oid": pointer_id, "size": size, "path": name, "lfs": {"oid": sha256, "size": size, "pointerSize": len(text)}}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    storage = False

    def log_message(self, *_):
        pass

    def token(self):
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def note(self, status):
        request = {"server": "storage" if self.storage else "hub", "method": self.command, "path": self.path, "range": self.headers.get("Range"),
                   "token": self.token(), "status": status, "length": 0, "open": STATE.n_open}
        with STATE.lock:
            STATE.requests.append(request)
        return request

    def answer(self, status, body=b"", headers=(), kind="application/json"):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.note(status)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code="", message="", headers=()):
        extra = list(headers)
        if code:
            extra.append(("X-Error-Code", code))
        if message:
            extra.append(("X-Error-Message", message))
        self.answer(status, {"error": message or code or str(status)}, extra)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def meet_fault(self, fault):
        """True when the fault is the answer."""
        if "status" in fault:
            headers = [("Retry-After", str(fault["retry_after"]))] if "retry_after" in fault else []
            self.refuse(fault["status"], fault.get("error_code", ""), fault.get("error_message", ""), headers)
        elif "redirect" in fault:
            self.answer(302, headers=[("Location", fault["redirect"])])
        elif fault.get("html"):
            self.answer(200, b"<html><body>Please log in to the network</body></html>", kind="text/html")
        else:
            return False
        return True

    # ---- contents, with ranges ----

    def byte_range(self, size):
        text = self.headers.get("Range", "")
        if not text.startswith("bytes="):
            return None
        first, _, last = text[6:].partition("-")
        return int(first), int(last) if last else size - 1

    def send_content(self, file, fault, headers):
        content = file.read_bytes() + b"x" * fault.get("longer", 0)
        if fault.get("corrupt"):
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1:]
        if "flip" in fault:
            content = content[:fault["flip"]] + bytes([content[fault["flip"]] ^ 1]) + content[fault["flip"] + 1:]
        asked = None if fault.get("no_range") else self.byte_range(len(content))
        if asked and asked[0] >= len(content):
            self.answer(416, headers=[("Content-Range", f"bytes */{len(content)}")])
            return
        first, last = asked or (0, len(content) - 1)
        first = min(first + fault.get("shift", 0), max(last, 0))
        request = self.note(206 if asked else 200)
        self.send_response(206 if asked else 200)
        for name, value in headers:
            self.send_header(name, value)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        if self.command != "HEAD":
            with STATE.lock:
                STATE.n_open += 1
                request["open"] = STATE.n_open
            try:
                self.stream(content, first, last, fault, request)
            finally:
                with STATE.lock:
                    STATE.n_open -= 1

    def stream(self, content, first, last, fault, request):
        left = fault.get("cut", -1)
        if "cut_at" in fault and first < fault["cut_at"] <= last:
            left = fault["cut_at"] - first
        for at in range(first, last + 1, 65536):
            piece = content[at:min(at + 65536, last + 1)]
            if 0 <= left < len(piece):
                request["length"] += left
                self.wfile.write(piece[:left])
                self.wfile.flush()
                self.close_connection = True
                return
            left -= len(piece) if left >= 0 else 0
            if "slow" in fault:
                time.sleep(fault["slow"])
            self.wfile.write(piece)
            request["length"] += len(piece)

    # ---- the storage ----

    def do_storage(self, path):
        fault = STATE.take_fault(path)
        if self.meet_fault(fault):
            return
        file = STATE.root / urllib.parse.unquote(path.removeprefix("/store/"))
        if ".." in path or not file.is_file():
            self.refuse(404)
            return
        self.send_content(file, fault, [("ETag", '"storage-%s"' % STATE.hashes(file)[1][:8])])

    # ---- the hub ----

    def allowed(self, repo):
        """Whether the request may see the repository; answers if not."""
        settings = repo.settings if repo.exists() else {}
        known = self.token() in settings.get("tokens", ["hf_good"])
        if self.token() and self.token() not in ("hf_good", "hf_other", "hf_write"):
            self.refuse(401, message="Invalid credentials in Authorization header")
        elif not repo.exists() or (settings.get("private") and not known):
            self.refuse(404 if self.token() else 401, "RepoNotFound", "Repository not found")
        elif settings.get("disabled"):
            self.refuse(403, message="Access to this resource is disabled.")
        else:
            return True
        return False

    def gate_open(self, repo):
        if not repo.settings.get("gated") or self.token() in repo.settings.get("tokens", ["hf_good"]):
            return True
        message = f"Access to model {repo.id} is restricted."
        self.refuse(403 if self.token() else 401, "GatedRepo", message)
        return False

    def model_info(self, repo, revision, commit):
        card = dict(self.card(repo, revision))
        return {"_id": "0", "id": repo.id, "modelId": repo.id, "author": repo.id.split("/")[0], "sha": commit, "private": bool(repo.settings.get("private")),
                "gated": "manual" if repo.settings.get("gated") else False, "disabled": False, "downloads": repo.settings.get("downloads", 0),
                "likes": repo.settings.get("likes", 0), "tags": repo.settings.get("tags", []), "pipeline_tag": repo.settings.get("pipeline_tag"),
                "library_name": repo.settings.get("library_name"), "lastModified": repo.settings.get("lastModified", "2026-01-01T00:00:00.000Z"),
                "createdAt": "2026-01-01T00:00:00.000Z", "cardData": card, "siblings": [{"rfilename": name} for name, _ in repo.files(revision)]}

    @staticmethod
    def card(repo, revision):
        license_id = repo.settings.get("license")
        return {"license": license_id} if license_id else {}

    def api_models(self, parts, query, fault):
        if not parts:
            return self.search(query)
        repo = Repo("/".join(parts[:2]))
        rest = parts[2:]
        if not self.allowed(repo):
            return None
        revision, commit = repo.find(urllib.parse.unquote(rest[1]) if len(rest) > 1 else "main")
        if revision is None:
            return self.refuse(404, "RevisionNotFound", "Invalid rev id")
        if not rest or rest[0] == "revision":
            return self.answer(200, self.model_info(repo, revision, commit))
        if rest[0] == "tree":
            if not self.gate_open(repo):
                return None
            return self.tree(repo, revision, query, fault)
        if rest[0] == "refs":
            return self.answer(200, {"branches": [{"name": name, "ref": "refs/heads/" + name, "targetCommit": repo.commit(name)} for name in repo.revisions()], "tags": [], "converts": []})
        return self.refuse(404)

    def tree(self, repo, revision, query, fault):
        entries = [repo.entry(name, file) for name, file in repo.files(revision)]
        for entry in entries:
            if "size" in fault and "lfs" in entry:
                entry["size"] = entry["lfs"]["size"] = fault["size"]
        page, size = int(query.get("cursor", ["0"])[0]), repo.settings.get("page_size", 1000)
        headers = []
        if (page + 1) * size < len(entries):
            url = STATE.hub + self.path.split("?")[0] + f"?recursive=true&expand=false&cursor={page + 1}"
            headers.append(("Link", f'<{url}>; rel="next"'))
        self.answer(200, entries[page * size:(page + 1) * size], headers)

    def search(self, query):
        def one(name, default=None):
            return query.get(name, [default])[0]
        models = []
        for folder in sorted(STATE.root.glob("*/*")):
            repo = Repo(str(folder.relative_to(STATE.root)))
            revision, commit = repo.find("main")
            if revision and not repo.settings.get("private"):
                models.append(self.model_info(repo, revision, commit))
        wanted = one("search")
        if wanted:
            models = [m for m in models if wanted.lower() in m["id"].lower()]
        if one("author"):
            models = [m for m in models if m["author"] == one("author")]
        if one("pipeline_tag"):
            models = [m for m in models if m["pipeline_tag"] == one("pipeline_tag")]
        for tag in query.get("filter", []):
            models = [m for m in models if tag in m["tags"] or tag in (m["library_name"], "license:%s" % m["cardData"].get("license"))]
        key = one("sort")
        if key in ("downloads", "likes", "lastModified", "createdAt"):
            models.sort(key=lambda m: m[key], reverse=True)
        limit, cursor = int(one("limit", "30")), int(one("cursor", "0"))
        headers = []
        if cursor + limit < len(models):
            again = {name: values for name, values in query.items() if name != "cursor"} | {"cursor": [str(cursor + limit)]}
            headers.append(("Link", f'<{STATE.hub}/api/models?{urllib.parse.urlencode(again, doseq=True)}>; rel="next"'))
        self.answer(200, models[cursor:cursor + limit], headers)

    def resolve(self, repo, wanted, name, fault):
        if not self.allowed(repo) or not self.gate_open(repo):
            return None
        revision, commit = repo.find(wanted)
        if revision is None:
            return self.refuse(404, "RevisionNotFound", "Invalid rev id")
        found = dict(repo.files(revision)).get(name)
        if not found:
            return self.refuse(404, "EntryNotFound", "Entry not found", [("X-Repo-Commit", commit)])
        git_id, sha256 = STATE.hashes(found)
        headers = [("X-Repo-Commit", commit)]
        if not is_large(found):
            return self.send_content(found, fault, headers + [("ETag", '"%s"' % fault.get("etag", git_id))])
        etag = fault.get("etag", sha256)
        location = STATE.storage + "/store/" + urllib.parse.quote(str(found.relative_to(STATE.root)))
        headers += [("X-Linked-Etag", f'"{etag}"'), ("X-Linked-Size", str(found.stat().st_size)), ("Location", location + "?signature=secret")]
        return self.answer(302, headers=headers)

    def whoami(self):
        users = {"hf_good": "ada", "hf_other": "bob", "hf_write": "eve"}
        if self.token() not in users:
            return self.refuse(401, message="Invalid credentials in Authorization header")
        role = "write" if self.token() == "hf_write" else "read"
        return self.answer(200, {"type": "user", "id": "1", "name": users[self.token()], "fullname": users[self.token()].title(), "orgs": [],
                                 "auth": {"type": "access_token", "accessToken": {"displayName": "laptop", "role": role}}})

    # ---- uploads ----

    def upload(self, parts):
        """preupload, commit, lfs batch; parts begin behind /api/models or are those of /OWNER/NAME.git/info/lfs/…"""
        if self.token() != "hf_write":
            return self.refuse(403 if self.token() else 401, message="You need a token with write permission")
        body = self.body()
        repo = Repo("/".join(parts[:2]).removesuffix(".git"))
        if not repo.exists():
            return self.refuse(404, "RepoNotFound", "Repository not found")
        if parts[2] == "preupload":
            files = [{"path": f["path"], "uploadMode": "lfs" if f["path"].endswith(LARGE_ENDINGS) or f["size"] > LARGE_BYTES else "regular", "shouldIgnore": False} for f in json.loads(body)["files"]]
            return self.answer(200, {"files": files})
        if parts[2] == "info":
            return self.lfs_batch(repo, json.loads(body))
        if parts[2] == "commit":
            return self.commit(repo, urllib.parse.unquote(parts[3]), body)
        return self.refuse(404)

    def lfs_batch(self, repo, batch):
        objects = []
        for entry in batch["objects"]:
            there = (STATE.root / ".uploads" / entry["oid"]).exists()
            actions = {"upload": {"href": f"{STATE.storage}/put/{entry['oid']}", "header": {}}, "verify": {"href": f"{STATE.hub}/api/verify/{entry['oid']}", "header": {}}}
            part = repo.settings.get("part_bytes")
            if part and entry["size"] > part:
                count = -(-entry["size"] // part)
                header = {"chunk_size": str(part)} | {str(i + 1): f"{STATE.storage}/part/{entry['oid']}/{i + 1}" for i in range(count)}
                actions["upload"] = {"href": f"{STATE.hub}/api/complete/{entry['oid']}", "header": header}
            objects.append({"oid": entry["oid"], "size": entry["size"], **({} if there else {"actions": actions})})
        return self.answer(200, {"transfer": "multipart" if repo.settings.get("part_bytes") else "basic", "objects": objects}, kind="application/vnd.git-lfs+json")

    def commit(self, repo, revision, body):
        folder = repo.folder / revision.replace("/", "%2F")
        lines = [json.loads(line) for line in body.decode().splitlines()]
        staged = []
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                staged.append((value["path"], base64.b64decode(value["content"])))
            elif line["key"] == "lfsFile":
                kept = STATE.root / ".uploads" / value["oid"]
                if not kept.exists():
                    return self.refuse(400, message="the LFS object is missing")
                staged.append((value["path"], kept.read_bytes()))
            elif line["key"] == "deletedFile":
                (folder / value["path"]).unlink()
        for name, content in staged:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        oid = repo.commit(revision)
        return self.answer(200, {"success": True, "commitOid": oid, "commitUrl": f"{STATE.hub}/{repo.id}/commit/{oid}", "hookOutput": ""})

    def complete(self, oid):
        kept = STATE.root / ".uploads" / oid
        parts = sorted((STATE.root / ".uploads").glob(oid + ".part*"), key=lambda p: int(p.suffix[5:]))
        content = b"".join(part.read_bytes() for part in parts)
        if hashlib.sha256(content).hexdigest() != oid or len(json.loads(self.body())["parts"]) != len(parts):
            return self.refuse(400, message="the parts don't make the object")
        kept.write_bytes(content)
        return self.answer(200, {})

    def store_upload(self, path):
        content = self.body()
        oid = path.split("/")[2]
        folder = STATE.root / ".uploads"
        folder.mkdir(exist_ok=True)
        if path.startswith("/put/"):
            if hashlib.sha256(content).hexdigest() != oid:
                return self.refuse(400, message="wrong hash")
            (folder / oid).write_bytes(content)
            return self.answer(200)
        number = path.split("/")[3]
        (folder / f"{oid}.part{number}").write_bytes(content)
        return self.answer(200, headers=[("ETag", f'"part-{number}"')])

    # ---- dispatch ----

    def control(self, path):
        text, count = self.body().decode(), 0
        if path == "/test/fault":
            STATE.faults.append({"times": 1, "path": "*"} | json.loads(text))
        elif path == "/test/reset":
            STATE.faults.clear()
            STATE.requests.clear()
        elif path == "/test/count":
            count = sum(1 for r in list(STATE.requests) if eval(text, {"r": r}))
        elif path == "/test/sum":
            count = sum(eval(text, {"r": r}) for r in list(STATE.requests))
        body = b"%d\n" % count
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_request(self):
        path, _, text = self.path.partition("?")
        query = urllib.parse.parse_qs(text)
        if path.startswith("/test/"):
            return self.control(path)
        if self.storage:
            return self.do_storage(path)
        fault = STATE.take_fault(path)
        if self.meet_fault(fault):
            return None
        parts = [urllib.parse.unquote(part) if "resolve" in path else part for part in path.strip("/").split("/")]
        if path.startswith("/api/models"):
            return self.api_models(parts[2:], query, fault)
        if path == "/api/whoami-v2":
            return self.whoami()
        if "resolve" in parts:
            at = parts.index("resolve")
            return self.resolve(Repo("/".join(parts[:at])), parts[at + 1], "/".join(parts[at + 2:]), fault)
        return self.refuse(404)

    def do_GET(self):
        self.guarded(self.handle_request)

    do_HEAD = do_GET

    def do_POST(self):
        self.guarded(self.handle_post)

    def handle_post(self):
        path = self.path.partition("?")[0]
        if path.startswith("/test/"):
            return self.control(path)
        if self.meet_fault(STATE.take_fault(path)):
            return None
        parts = path.strip("/").split("/")
        if path.startswith("/api/complete/"):
            return self.complete(parts[2])
        if path.startswith("/api/verify/"):
            self.body()
            return self.answer(200 if (STATE.root / ".uploads" / parts[2]).exists() else 404, {})
        if path == "/api/validate-yaml":
            self.body()
            return self.answer(200, {"errors": [], "warnings": []})
        if path == "/api/repos/create":
            return self.create()
        return self.upload(parts[2:] if parts[:2] == ["api", "models"] else parts)

    def create(self):
        asked = json.loads(self.body())
        if self.token() != "hf_write":
            return self.refuse(403 if self.token() else 401, message="You need a token with write permission")
        folder = STATE.root / asked.get("organization", "eve") / asked["name"]
        if folder.exists():
            return self.refuse(409, message="You already created this model repo")
        (folder / "main").mkdir(parents=True)
        (folder / "hub.json").write_text(json.dumps({"private": asked.get("private", False), "tokens": ["hf_write"]}))
        return self.answer(200, {"url": f"{STATE.hub}/{folder.relative_to(STATE.root)}"})

    def do_PUT(self):
        def put():
            if not self.meet_fault(STATE.take_fault(self.path)):
                self.store_upload(self.path)
        self.guarded(put)

    def guarded(self, action):
        try:
            action()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


class StorageHandler(Handler):
    storage = True


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError)):
            super().handle_error(request, client_address)


def serve(host, handler, tls):
    server = Server((host, 0), handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http{'s' if tls else ''}://{host}:{server.server_address[1]}"


def main():
    global STATE
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    arguments = parser.parse_args()
    STATE = State(arguments.root)
    STATE.hub = serve("127.0.0.1", Handler, arguments.tls)
    STATE.storage = serve("127.0.0.2", StorageHandler, arguments.tls)
    print(json.dumps({"hub": STATE.hub, "storage": STATE.storage}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
