# SPDX-License-Identifier: Apache-2.0
"""JSON over HTTPS with a kept connection, and nothing that repeats by itself:
what goes wrong is for the test to see."""
import http.client
import json
import select
import ssl

MERGE = "application/merge-patch+json"


def context(ca=None, cert=None):
    """For a client; it believes any server when there is no CA.  To read those
    of the system, as create_default_context() does, takes 40 ms."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        made.load_verify_locations(str(ca))
    else:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if cert:
        made.load_cert_chain(cert.crt, cert.key)
    return made


class Client:
    def __init__(self, port, ca=None, token=None, cert=None, seconds=30,
                 agent="uvrfs-rig"):
        self.port, self.seconds = port, seconds
        self.context = context(ca, cert)
        self.headers = {"User-Agent": agent, "Accept": "application/json"}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"
        self.kept = None

    def connect(self, seconds=None):
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=seconds or self.seconds,
            context=self.context)

    def _live(self):
        """The kept connection; a new one when the server has closed it."""
        if self.kept and (self.kept.sock is None or
                          select.select([self.kept.sock], [], [], 0)[0]):
            self.close()
        self.kept = self.kept or self.connect()
        return self.kept

    def close(self):
        if self.kept:
            self.kept.close()
        self.kept = None

    def send(self, method, path, body=None, content_type=None, headers=()):
        """The answer, of which nothing is read yet but the head."""
        data, head = None, {**self.headers, **dict(headers)}
        if body is not None:
            data = body if isinstance(body, (bytes, str)) else json.dumps(body)
            head["Content-Type"] = content_type or (
                MERGE if method == "PATCH" else "application/json")
        try:
            connection = self._live()
            connection.request(method, path, body=data, headers=head)
            return connection.getresponse()
        except BaseException:
            self.close()
            raise

    def request(self, method, path, body=None, content_type=None, headers=()):
        """(status, JSON), or (status, text) when it isn't JSON."""
        answer = self.send(method, path, body, content_type, headers)
        try:
            text = answer.read().decode()
        except BaseException:
            self.close()
            raise
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def watch(self, path, seconds=None):
        """The events of a watch as they come, by a connection of its own."""
        connection = self.connect(seconds)
        try:
            connection.request("GET", path, headers=self.headers)
            answer = connection.getresponse()
            assert answer.status == 200, (answer.status, answer.read())
            while line := answer.readline():
                yield json.loads(line)
        finally:
            connection.close()
