#!/usr/bin/env python3
"""A registry's front that makes mistakes on order: stands before a real registry and spoils answers.

    registry-proxy.py PORT UPSTREAM_PORT FOLDER

FOLDER/faults holds one order a line, read anew for each request: `COUNT METHOD PATTERN FAULT [ARGUMENT]`.
The first line whose pattern (a regular expression) is found in the path and whose count is not used up
is followed; COUNT * is for ever. FOLDER/log gets a line for each request:
`METHOD PATH STATUS range=.. auth=yes|no bytes=N`. Faults:

    status N           an answer of that status; 429 with Retry-After: ARGUMENT seconds
    cut N              the right head, and the connection ends after N bytes of the body
    wrong N            the byte at offset N of the body is another
    norange            a range is ignored: 200 and everything
    shift              206 whose Content-Range begins one byte later
    short              206 that says less than it sends of the whole
    total              206 with a wrong total
    redirect PORT      307 to the same path at localhost:PORT
    stall SECONDS      nothing for so long, then the right answer
    slow N             the body with N bytes a second
    token              401 with a bearer challenge, unless the request shows the token of the day
"""
import http.client
import http.server
import json
import os
import re
import sys
import threading
import time

port, upstream, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
lock = threading.Lock()
used = {}
tokens = {"serial": 0}


def order(method, path):
    with lock:
        try:
            lines = open(os.path.join(folder, "faults")).read().splitlines()
        except FileNotFoundError:
            return None
        for number, line in enumerate(lines):
            words = line.split()
            if len(words) < 4 or words[1] not in (method, "*") or not re.search(words[2], path):
                continue
            key = (number, line)
            if words[0] != "*" and used.get(key, 0) >= int(words[0]):
                continue
            used[key] = used.get(key, 0) + 1
            return words[3:]
    return None


class Front(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def note(self, status, count):
        seen = self.headers.get("Authorization") is not None
        with lock, open(os.path.join(folder, "log"), "a") as log:
            log.write(
                f"{self.command} {self.path} {status} range={self.headers.get('Range', '-')}"
                f" auth={'yes' if seen else 'no'} bytes={count}\n")

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.note(status, len(body))

    def cut(self, status, headers, body, count):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:count])
        self.wfile.flush()
        self.note(status, count)
        self.close_connection = True

    def trickle(self, status, headers, body, rate):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        step = max(1, rate // 20)
        for start in range(0, len(body), step):
            self.wfile.write(body[start:start + step])
            self.wfile.flush()
            time.sleep(0.05)
        self.note(status, len(body))

    def serve(self):
        length = int(self.headers.get("Content-Length") or 0)
        sent = self.rfile.read(length) if length else b""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                sent += self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    break
        if self.path.startswith("/token"):
            with lock:
                tokens["serial"] += 1
                text = json.dumps({"token": f"day-{tokens['serial']}", "expires_in": 300})
            return self.answer(200, [("Content-Type", "application/json")], text.encode())
        fault = order(self.command, self.path) or ["none"]
        kind, argument = fault[0], fault[1] if len(fault) > 1 else ""
        if kind == "status":
            headers = [("Content-Type", "application/json")]
            if len(fault) > 2:
                headers.append(("Retry-After", fault[2]))
            text = json.dumps({"errors": [{"code": "SPOILED", "message": "spoiled on order"}]})
            return self.answer(int(argument), headers, text.encode())
        if kind == "redirect":
            return self.answer(307, [("Location", f"http://localhost:{argument}{self.path}")])
        if kind == "token":
            with lock:
                right = f"Bearer day-{tokens['serial']}"
            if tokens["serial"] == 0 or self.headers.get("Authorization") != right:
                challenge = (f'Bearer realm="http://127.0.0.1:{port}/token",service="front"')
                return self.answer(401, [("WWW-Authenticate", challenge)])
        if kind == "stall":
            time.sleep(float(argument))
        headers = {
            name: value for name, value in self.headers.items()
            if name.lower() not in ("host", "transfer-encoding", "content-length", "accept")}
        accepts = self.headers.get_all("Accept") or []
        if accepts:
            headers["Accept"] = ", ".join(accepts)
        if sent or self.command in ("POST", "PUT", "PATCH"):
            headers["Content-Length"] = str(len(sent))
        if kind == "token":
            headers.pop("Authorization", None)
        if kind == "norange":
            headers.pop("Range", None)
        headers["Host"] = self.headers.get("Host", "")
        behind = http.client.HTTPConnection("127.0.0.1", upstream)
        behind.request(self.command, self.path, sent or None, headers)
        response = behind.getresponse()
        body = response.read()
        status = response.status
        back = [
            (name, value) for name, value in response.getheaders()
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date")]
        if kind in ("shift", "short", "total") and status == 206:
            first, last, total = map(int, re.search(
                r"(\d+)-(\d+)/(\d+)", response.getheader("Content-Range")).groups())
            wrong = {
                "shift": f"bytes {first + 1}-{last}/{total}", "short": f"bytes {first}-{last - 1}/{total}",
                "total": f"bytes {first}-{last}/{total + 1}"}[kind]
            back = [(n, wrong if n.lower() == "content-range" else v) for n, v in back]
        if kind == "wrong" and len(body) > int(argument):
            body = bytearray(body)
            body[int(argument)] ^= 0x55
            body = bytes(body)
        if kind == "slow":
            return self.trickle(status, back, body, int(argument))
        if kind == "cut":
            return self.cut(status, back, body, int(argument))
        if self.command == "HEAD":
            back.append(("X-Length", response.getheader("Content-Length") or "0"))
            self.send_response(status)
            for name, value in back:
                self.send_header(name, value)
            self.send_header("Content-Length", response.getheader("Content-Length") or "0")
            self.end_headers()
            return self.note(status, 0)
        if status in (204, 304):
            self.send_response(status)
            for name, value in back:
                self.send_header(name, value)
            self.end_headers()
            return self.note(status, 0)
        self.answer(status, back, body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", port), Front)
server.serve_forever()
