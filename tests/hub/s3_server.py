#!/usr/bin/env python3
"""A bucket server for tests: the part of Amazon's S3 that backups use, served from a folder, with faults on demand.

    s3_server.py ROOT [--page N] [--region NAME]

ROOT/BUCKET/… are buckets: an object is a file, its key the path. Every request has to be signed (AWS Signature Version 4, checked here
from the specification) with the key AKIDTEST and the secret below, or with the temporary key ASIATEST and its session
token. A bucket is named by the path, or by the host: BUCKET.localhost. Lists come in pages of N (1000).

It prints one line, {"endpoint": URL}, when it is ready, and ends with its standard input. Control as that of the test hub
(hub_server.py), with these faults:

    "status": 503, "code": "SlowDown"    answers that instead
    "lost": true            does what is asked, and breaks the connection without an answer
    "cut": bytes            breaks the connection after so many bytes of an object
    "no_conditions": true   doesn't know If-None-Match
    "region": NAME          the bucket is in another region
    "redirect": URL         redirects there
    "html": true            a page of HTML
    "skew": seconds         the server's clock is so much ahead
    "loop": true            a list that begins again and again
"""
import argparse
import base64
import datetime
import hashlib
import hmac
import json
import sys
import threading
import urllib.parse
from xml.sax.saxutils import escape

import hub_server

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYTESTKEY000"
KEYS = {"AKIDTEST": None, "ASIATEST": "session/token+of==today"}  # key: its session token
OPTIONS = None


def quoted(text, safe="-_.~"):
    return urllib.parse.quote(text, safe=safe)


def signing_key(secret, day, region):
    key = ("AWS4" + secret).encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


class Refusal(Exception):
    def __init__(self, status, code, message=""):
        self.status, self.code, self.message = status, code, message


class Handler(hub_server.Handler):
    def xml(self, status, text, headers=()):
        self.answer(status, b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.encode(), headers, "application/xml")

    def refuse(self, status, code="", message="", headers=(), region=""):
        extra = f"<Region>{region}</Region>" if region else ""
        self.xml(status, f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>{extra}<RequestId>1</RequestId></Error>", headers)

    # ---- who asks ----

    def check_signature(self, body, skew):
        text = self.headers.get("Authorization", "")
        if not text.startswith("AWS4-HMAC-SHA256 "):
            raise Refusal(403, "AccessDenied", "Access Denied.")
        fields = dict(part.strip().split("=", 1) for part in text[17:].split(","))
        key, day, region, service, end = fields["Credential"].split("/")
        if key not in KEYS:
            raise Refusal(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
        if KEYS[key] != self.headers.get("x-amz-security-token"):
            raise Refusal(400, "ExpiredToken" if KEYS[key] else "InvalidToken", "The provided token has expired.")
        moment = self.headers.get("x-amz-date", "")
        then = datetime.datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=skew)
        if abs((now - then).total_seconds()) > 900 or day != moment[:8]:
            raise Refusal(403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
        if (service, end) != ("s3", "aws4_request") or region != OPTIONS.region:
            raise Refusal(400, "AuthorizationHeaderMalformed", f"the region '{region}' is wrong; expecting '{OPTIONS.region}'")
        signed = fields["SignedHeaders"].split(";")
        needed = {"host"} | {name.lower() for name in self.headers if name.lower().startswith("x-amz-")}
        if signed != sorted(signed) or not needed <= set(signed):
            raise Refusal(403, "AccessDenied", "There were headers present in the request which were not signed")
        if hashlib.sha256(body).hexdigest() != self.headers.get("x-amz-content-sha256"):
            raise Refusal(400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
        path, _, query = self.path.partition("?")
        pairs = sorted((quoted(name), quoted(value)) for name, value in urllib.parse.parse_qsl(query.replace("+", "%2B"), keep_blank_values=True))
        canonical = "\n".join([self.command, quoted(urllib.parse.unquote(path), "/-_.~"), "&".join(f"{n}={v}" for n, v in pairs),
                               *(f"{name}:{' '.join(self.headers[name].split())}" for name in signed), "", ";".join(signed),
                               hashlib.sha256(body).hexdigest()])
        to_sign = "\n".join(["AWS4-HMAC-SHA256", moment, f"{day}/{region}/s3/aws4_request", hashlib.sha256(canonical.encode()).hexdigest()])
        expected = hmac.new(signing_key(SECRET, day, region), to_sign.encode(), hashlib.sha256).hexdigest()
        if expected != fields["Signature"]:
            raise Refusal(403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")

    # ---- what is asked ----

    def place(self):
        """Bucket's folder and key."""
        path = urllib.parse.unquote(self.path.partition("?")[0]).lstrip("/")
        host = self.headers["Host"].partition(":")[0]
        bucket, _, key = path.partition("/")
        if host.endswith(".localhost"):
            bucket, key = host.removesuffix(".localhost"), path
        folder = hub_server.STATE.root / bucket
        if not bucket or ".." in path or not folder.is_dir():
            raise Refusal(404, "NoSuchBucket", "The specified bucket does not exist")
        return folder, key

    def list(self, folder, query, fault):
        prefix, after = query.get("prefix", [""])[0], ""
        if "continuation-token" in query:
            after = base64.b64decode(query["continuation-token"][0]).decode().removeprefix("after ")
        keys = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        keys = [key for key in keys if key.startswith(prefix) and (key > after or fault.get("loop"))]
        page, rest = keys[:OPTIONS.page], keys[OPTIONS.page:]
        entries = "".join(f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;0&quot;</ETag>"
                          f"<Size>{(folder / key).stat().st_size}</Size></Contents>" for key in page)
        token = base64.b64encode(b"after " + page[-1].encode()).decode() if rest or fault.get("loop") else ""
        more = f"<NextContinuationToken>{escape(token)}</NextContinuationToken>" if token else ""
        self.xml(200, f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{folder.name}</Name><Prefix>{escape(prefix)}</Prefix>'
                      f"<IsTruncated>{'true' if token else 'false'}</IsTruncated>{entries}{more}</ListBucketResult>")

    def put(self, folder, key, body, fault):
        file = folder / key
        if "If-None-Match" in self.headers:
            if fault.get("no_conditions"):
                raise Refusal(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
            with hub_server.STATE.lock:
                if file.exists():
                    raise Refusal(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
                self.write(file, body)
        else:
            self.write(file, body)
        self.answer(200, headers=[("ETag", f'"{hashlib.md5(body).hexdigest()}"')])

    @staticmethod
    def write(file, body):
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = hub_server.STATE.root / f".{threading.get_ident()}.tmp"
        temporary.write_bytes(body)
        temporary.rename(file)

    def serve(self, body, fault):
        folder, key = self.place()
        query = urllib.parse.parse_qs(self.path.partition("?")[2])
        if self.command == "PUT":
            return self.put(folder, key, body, fault)
        if self.command == "GET" and not key:
            return self.list(folder, query, fault)
        file = folder / key
        if self.command == "DELETE":
            file.unlink(missing_ok=True)
            return self.answer(204)
        if not file.is_file():
            raise Refusal(404, "NoSuchKey", "The specified key does not exist.")
        return self.send_content(file, fault, [("ETag", '"0"')])

    def handle_any(self):
        path = self.path.partition("?")[0]
        if path.startswith("/test/"):
            return self.control(path)
        body, fault = self.body(), hub_server.STATE.take_fault(self.command + " " + path)
        if "status" in fault:
            return self.refuse(fault["status"], fault.get("code", "InternalError"), "as asked for")
        if "region" in fault:
            return self.refuse(301, "PermanentRedirect", "use another endpoint", [("x-amz-bucket-region", fault["region"])])
        if self.meet_fault(fault):
            return None
        try:
            self.check_signature(body, fault.get("skew", 0))
            if fault.get("lost"):
                self.answer = lambda *_, **__: None
                self.close_connection = True
            return self.serve(body, fault)
        except Refusal as refusal:
            return self.refuse(refusal.status, refusal.code, refusal.message)

    def do_GET(self):
        self.guarded(self.handle_any)

    do_PUT = do_POST = do_DELETE = do_GET


def main():
    global OPTIONS
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--page", type=int, default=1000)
    parser.add_argument("--region", default="us-east-1")
    OPTIONS = parser.parse_args()
    hub_server.STATE = hub_server.State(OPTIONS.root)
    print(json.dumps({"endpoint": hub_server.serve("127.0.0.1", Handler, None)}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
