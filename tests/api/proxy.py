# SPDX-License-Identifier: Apache-2.0
"""A proxy in front of an API server, by threads of this process, that ends TLS,
counts requests, and spoils answers as it is told while it runs:

    proxy.rule(status(429, retry_after=1), "GET", r"/pods\b", count=2)
    proxy.rule(drop_response(), "PATCH", count=1)

The first rule that matches, and has not been used up, decides; with none the
request is forwarded, and the answer passed on as it comes, piece by piece.
An action is a function of an Exchange.
"""
import collections
import http.client
import json
import re
import select
import socket
import ssl
import struct
import threading
import time

from kube import ADMIN
from rest import context

Seen = collections.namedtuple("Seen", "time method path headers body")

OURS = ("connection", "keep-alive", "transfer-encoding", "content-length",
        "expect")


class Closed(ConnectionError):
    """One of the ends has gone, or the proxy makes an end."""


class Stream:
    """One TLS connection, read by lines and pieces, by one thread."""
    def __init__(self, link, sock):
        self.link, self.sock, self.buffer = link, sock, b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def peek(self):
        """Takes what has come; False when nothing has."""
        try:
            self.sock.settimeout(0)
            data = self.sock.recv(1 << 16)
        except ssl.SSLWantReadError:
            return False
        finally:
            self.sock.settimeout(None)
        if not data:
            raise Closed
        self.buffer += data
        return True

    def fill(self, other=None):
        """Waits for more; the end of the other stream is an end, too."""
        streams = [s for s in (self, other) if s]
        while not self.peek():
            ready = select.select([s.sock for s in streams], [], [])[0]
            if other and other.sock in ready:
                other.peek()
        self.link.gate()

    def line(self, other=None):
        while b"\n" not in self.buffer:
            self.fill(other)
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode("latin-1")

    def some(self, most, other=None):
        """One byte at least."""
        if not self.buffer:
            self.fill(other)
        data, self.buffer = self.buffer[:most], self.buffer[most:]
        return data

    def head(self, other=None):
        """The first line, and the headers as they were written."""
        first, headers = self.line(other), []
        while line := self.line(other):
            name, _, value = line.partition(":")
            headers.append((name.strip(), value.strip()))
        return first, headers

    def pieces(self, headers, bodiless=False, other=None):
        """The body as it comes.  A request without a length has none; an answer
        without one lasts until the connection ends."""
        if bodiless:
            return
        if "chunked" in header(headers, "transfer-encoding"):
            while size := int(self.line(other).partition(";")[0], 16):
                yield from self._exactly(size, other)
                self.line(other)
            while self.line(other):
                pass
        elif header(headers, "content-length"):
            yield from self._exactly(int(header(headers, "content-length")),
                                     other)
        elif other:
            try:
                while True:
                    yield self.some(1 << 16, other)
            except Closed:
                other.peek()    # which raises when it is that one's end

    def _exactly(self, left, other):
        while left:
            data = self.some(left, other)
            left -= len(data)
            yield data

    def write(self, data):
        self.link.gate()
        self.sock.sendall(data)

    def close(self, reset=False):
        """Of an end that is not a reset the other side is told, as by TLS."""
        try:
            if reset:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                     struct.pack("ii", 1, 0))
            else:
                self.sock.settimeout(0)
                self.sock.unwrap()
        except (OSError, ValueError):
            pass
        self.sock.close()


def header(headers, name):
    return next((v for k, v in headers if k.lower() == name), "")


class Answer:
    """The API server's, of which the body is still to come."""
    def __init__(self, stream, client, method):
        first, self.headers = stream.head(client)
        self.status = int(first.split()[1])
        bodiless = method == "HEAD" or self.status in (204, 304)
        length = header(self.headers, "content-length")
        self.length = int(length) if length else 0 if bodiless else None
        self.pieces = stream.pieces(self.headers, bodiless, client)


class Exchange:
    """A request, and what an action may do about it."""
    def __init__(self, link, client, method, path, headers, body):
        self.link, self.client, self.rule = link, client, None
        self.method, self.path = method, path
        self.headers, self.body = headers, body
        self.chunked = False

    def ask(self):
        """The API server; its Answer."""
        upstream = self.link.connect_upstream()
        lines = [f"{self.method} {self.path} HTTP/1.1"]
        lines += [f"{k}: {v}" for k, v in self.headers
                  if k.lower() not in OURS]
        token = self.link.proxy.token
        if token and not header(self.headers, "authorization"):
            lines.append(f"Authorization: Bearer {token}")
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(self.body)}")
        head = "\r\n".join(lines) + "\r\n\r\n"
        upstream.write(head.encode("latin-1") + self.body)
        return Answer(upstream, self.client, self.method)

    def begin(self, status, headers, length=None):
        """The head of an answer to the client; chunked without a length."""
        self.chunked = length is None
        lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, '')}"]
        lines += [f"{k}: {v}" for k, v in headers if k.lower() not in OURS]
        lines.append("Transfer-Encoding: chunked" if self.chunked
                     else f"Content-Length: {length}")
        self.client.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def send(self, data):
        if self.chunked:
            self.client.write(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self.client.write(data)
        if self.rule:
            self.rule.sent += len(data)

    def end(self):
        if self.chunked:
            self.client.write(b"0\r\n\r\n")

    def answer(self, status, headers, body):
        self.begin(status, headers, len(body))
        self.send(body)

    def forward(self):
        answer = self.ask()
        self.begin(answer.status, answer.headers, answer.length)
        for piece in answer.pieces:
            self.send(piece)
        self.end()

    def finish(self, reset=False):
        """The connection, in the middle of whatever it was."""
        self.link.close(reset)
        raise Closed

    def sleep(self, seconds):
        self.link.sleep(seconds)


# ---- actions ----

JSON = ("Content-Type", "application/json")


def forward():
    return Exchange.forward


def status(code, body=None, headers=(), retry_after=None):
    """Instead of asking the server; without a body a Status, as it gives."""
    headers = [*(headers.items() if isinstance(headers, dict) else headers)]
    if retry_after is not None:
        headers.append(("Retry-After", str(retry_after)))
    if body is None:
        body = json.dumps({
            "kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": "Failure", "code": code, "message": "by the proxy",
            "reason": http.client.responses.get(code, "").replace(" ", "")})
    if not header(headers, "content-type"):
        headers.append(("Content-Type", "text/html") if body[:1] in ("<", b"<")
                       else JSON)
    data = body.encode() if isinstance(body, str) else body
    return lambda x: x.answer(code, headers, data)


def delay(seconds, then=Exchange.forward):
    def act(x):
        x.sleep(seconds)
        then(x)
    return act


def hang():
    """No answer, until the client has enough."""
    def act(x):
        while True:
            x.client.fill()
    return act


def reset():
    """The server does not get to know of the request."""
    return lambda x: x.finish(reset=True)


def close():
    """As a server does that has just closed a kept connection."""
    return lambda x: x.finish()


def drop_response():
    """The request is served, the answer lost by a reset."""
    def act(x):
        for _ in x.ask().pieces:
            pass
        x.finish(reset=True)
    return act


def cut_after(size, reset=False):
    """So many bytes of the body, as of a watch in the middle of a line."""
    def act(x):
        answer, left = x.ask(), size
        x.begin(answer.status, answer.headers, answer.length)
        for piece in answer.pieces if left else ():
            x.send(piece[:left])
            left -= len(piece[:left])
            if not left:
                break
        x.finish(reset)
    return act


def truncate(keep=None):
    """A Content-Length that is not kept: half of it, or so many bytes."""
    def act(x):
        answer = x.ask()
        body = b"".join(answer.pieces)
        x.begin(answer.status, answer.headers, len(body))
        x.send(body[:len(body) // 2 if keep is None else keep])
        x.finish()
    return act


def garbage(body=b'{"kind": \xff\x00, }}} no JSON'):
    return status(200, body, [JSON])


def wrong_json(body=None):
    """An object, but not of the kind that was asked for."""
    return status(200, json.dumps(body or {
        "kind": "Pod", "apiVersion": "v1", "metadata": {"name": "wrong"},
        "spec": "wrong", "status": []}))


def huge(piece=b'{"metadata":{"name":"%b"}},' % (b"x" * 4000)):
    """A list without an end; the rule's `sent` says how much was taken."""
    def act(x):
        x.begin(200, [JSON])
        x.send(b'{"kind":"List","apiVersion":"v1","metadata":{},"items":[')
        while True:
            x.send(piece)
    return act


def slow_drip(interval, size=1):
    """The server's answer, so many bytes of the body at a time."""
    def act(x):
        answer = x.ask()
        x.begin(answer.status, answer.headers, answer.length)
        for piece in answer.pieces:
            for i in range(0, len(piece), size):
                x.sleep(interval)
                x.send(piece[i:i + size])
        x.end()
    return act


def gone_event():
    """A watch that begins well, and says that its version is too old."""
    def act(x):
        x.begin(200, [JSON])
        x.send(json.dumps({"type": "ERROR", "object": {
            "kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": "Failure", "reason": "Expired", "code": 410,
            "message": "too old resource version"}}).encode() + b"\n")
        x.end()
    return act


def close_idle():
    """A good answer; then the kept connection is closed without a word."""
    def act(x):
        x.forward()
        x.finish()
    return act


class Rule:
    def __init__(self, action, method, path, count, agent):
        self.action, self.count, self.agent = action, count, agent
        self.method, self.path = re.compile(method), re.compile(path)
        self.hits = self.sent = 0

    def take(self, seen):
        if self.count is not None and self.hits >= self.count or \
                not self.method.fullmatch(seen.method) or \
                not self.path.search(seen.path) or \
                self.agent not in seen.headers.get("user-agent", ""):
            return False
        self.hits += 1
        return True


class Link(threading.Thread):
    """A client's connection, and ours to the server on its behalf."""
    def __init__(self, proxy, sock):
        super().__init__(daemon=True)
        self.proxy, self.raw = proxy, sock
        self.client = self.upstream = None
        self.gone = self.idle = self.greeted = False

    def gate(self):
        with self.proxy.turn:
            self.proxy.turn.wait_for(lambda: self.proxy.moving or self.gone)
        if self.gone:
            raise Closed

    def sleep(self, seconds):
        with self.proxy.turn:
            self.proxy.turn.wait_for(lambda: self.gone, seconds)
        self.gate()

    def shut(self, how=socket.SHUT_RDWR):
        """From any thread: its own will find that it has to end."""
        with self.proxy.turn:
            self.gone = True
            self.proxy.turn.notify_all()
        try:
            socket.socket.shutdown(self.raw, how)
        except OSError:
            pass

    def run(self):
        try:
            self.gate()
            self.raw = self.proxy.context.wrap_socket(
                self.raw, server_side=True, do_handshake_on_connect=False)
            self.raw.do_handshake()
            self.client = Stream(self, self.raw)
            while True:
                self.serve()
                self.greeted = True
        except ssl.SSLError as e:
            if not self.greeted:
                self.proxy.refusals.append(str(e))
        except OSError:
            pass
        finally:
            self.close()
            self.proxy.forget(self)

    def serve(self):
        client = self.client
        self.idle = True
        first, headers = client.head()
        self.idle = False
        method, path, _ = first.split(" ", 2)
        if header(headers, "expect"):
            client.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = b"".join(client.pieces(headers))
        x = Exchange(self, client, method, path, headers, body)
        x.rule = self.proxy.note(Seen(
            time.monotonic(), method, path,
            {k.lower(): v for k, v in headers}, body))
        (x.rule.action if x.rule else Exchange.forward)(x)
        if header(headers, "connection").lower() == "close":
            raise Closed

    def connect_upstream(self):
        """The kept one, when the server has not closed it."""
        if self.upstream:
            try:
                self.upstream.peek()
                return self.upstream
            except OSError:
                self.upstream.close()
        self.upstream = None
        raw = socket.create_connection(("127.0.0.1", self.proxy.target))
        self.upstream = Stream(self, context().wrap_socket(raw))
        return self.upstream

    def close(self, reset=False):
        if self.client:
            self.client.close(reset)
        else:
            self.raw.close()
        if self.upstream:
            self.upstream.close()


class Proxy:
    """Listens from start() on, on a port of its own that down() keeps.
    Requests without an Authorization get the token, unless that is None."""
    def __init__(self, cluster, port=0, token=ADMIN, cert=None):
        self.cluster, self.target, self.token = cluster, cluster.port, token
        self.rules, self.refusals = [], []
        self._seen, self.links = [], set()
        self.turn, self.moving = threading.Condition(), True
        self.listener = None
        self.serve_cert(cert or cluster.make_server_cert())
        # Bound as long as the proxy lives, so that nobody takes the port.
        self.holder = self._bind(port)
        self.port = self.holder.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}"

    def _bind(self, port):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        return sock

    def serve_cert(self, cert):
        """To those who connect from now on."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(cert.crt, cert.key)
        made.set_alpn_protocols(["http/1.1"])
        self.context = made

    def start(self):
        self.up()
        return self

    def stop(self):
        self.down()
        self.holder.close()

    def up(self):
        self.listener = self._bind(self.port)
        self.listener.listen(128)
        threading.Thread(target=self._accept, args=(self.listener,),
                         daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                sock = listener.accept()[0]
            except OSError:     # down()
                listener.close()
                return
            link = Link(self, sock)
            with self.turn:
                self.links.add(link)
                if listener is not self.listener:
                    link.gone = True
            link.start()

    def down(self):
        """Connections end, new ones are refused."""
        with self.turn:
            listener, self.listener = self.listener, None
        if listener:
            listener.shutdown(socket.SHUT_RDWR)
        links = self.connections()
        for link in links:
            link.shut()
        for link in links:
            link.join(10)

    def pause(self):
        """Nothing moves: who connects is not even greeted."""
        with self.turn:
            self.moving = False

    def resume(self):
        with self.turn:
            self.moving = True
            self.turn.notify_all()

    def connections(self):
        with self.turn:
            return list(self.links)

    def close_idle(self):
        """The kept connections that wait for a request; how many they were."""
        idle = [link for link in self.connections() if link.idle]
        for link in idle:
            link.shut(socket.SHUT_RD)
        return len(idle)

    def forget(self, link):
        with self.turn:
            self.links.discard(link)

    def rule(self, action, method=".*", path="", count=None, agent=""):
        """The method is a regex for the whole, the path for a part of it and
        the query, the agent a part; for ever without a count."""
        made = Rule(action, method, path, count, agent)
        with self.turn:
            self.rules.append(made)
        return made

    def clear(self):
        """Every rule."""
        with self.turn:
            self.rules.clear()

    def note(self, seen):
        with self.turn:
            self._seen.append(seen)
            return next((r for r in self.rules if r.take(seen)), None)

    def seen(self, method=".*", path="", agent=""):
        """Every request that has come, or those that match, oldest first."""
        wanted = Rule(None, method, path, None, agent)
        with self.turn:
            return [s for s in self._seen if wanted.take(s)]

    def kubeconfig(self, user="token", **overrides):
        return self.cluster.kubeconfig(user, **{"server": self.url,
                                                **overrides})

    def client(self, token=ADMIN, **more):
        return self.cluster.client(token, port=self.port, **more)
