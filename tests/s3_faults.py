"""An S3 whose network has bad days: a proxy that spoils a share of the requests on their way to moto's server.

>>> with faulty_s3("stores", Weather(share=0.1)) as proxy:
...     ArtifactStore("s3://stores/x")         # the environment points at the proxy
...     proxy.weather = Weather(down=True)     # an outage, until it is set again
"""

from __future__ import annotations

import http.client
import os
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from pipeline.s3_files import S3Files
from tests.s3 import s3_server

KINDS = ("throttled", "internal", "slow", "dropped_before", "dropped_inside", "dropped_upload")
_ERROR = ('<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message>'
          "<RequestId>1</RequestId></Error>")


@dataclass(frozen=True)
class Weather:
    """What happens to requests from now on."""

    share: float = 0.0                         # of requests that are spoiled
    kinds: tuple[str, ...] = KINDS
    slow_s: float = 0.3
    down: bool = False                         # every connection is closed without an answer
    down_from: str = ""                        # so it is from the first request with this in its path
    seed: int = 6


@dataclass
class Proxy:
    """Counts all requests by method (LIST apart), and what was done to them."""

    endpoint: str
    target: str
    requests: Counter[str] = field(default_factory=Counter)
    spoiled: Counter[str] = field(default_factory=Counter)
    _weather: Weather = field(default_factory=Weather)
    _random: random.Random = field(default_factory=random.Random)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def weather(self) -> Weather:
        return self._weather

    @weather.setter
    def weather(self, weather: Weather) -> None:
        with self._lock:
            self._weather, self._random = weather, random.Random(weather.seed)

    def fate(self, method: str, path: str, query: str) -> str:
        """Count a request, and say what becomes of it; empty where it gets through."""
        with self._lock:
            kind = "LIST" if method == "GET" and "list-type" in query else method
            self.requests[kind] += 1
            if self._weather.down_from and self._weather.down_from in path:
                self._weather = replace(self._weather, down=True)
            weather = self._weather
            what = "down" if weather.down else ""
            if not what and self._random.random() < weather.share:
                what = self._random.choice(weather.kinds)
            if what:
                self.spoiled[what] += 1
            return what


@contextmanager
def faulty_s3(bucket: str, weather: Weather | None = None) -> Iterator[Proxy]:
    """moto's server behind the proxy; the environment of this process points at the proxy."""
    with s3_server(bucket) as direct:
        server = _Server(("127.0.0.1", 0), _Handler)
        proxy = Proxy(f"http://127.0.0.1:{server.server_port}", direct)
        proxy.weather = weather or Weather()
        server.proxy = proxy
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        os.environ["AWS_ENDPOINT_URL"] = proxy.endpoint
        S3Files.clear_instance_cache()
        try:
            yield proxy
        finally:
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    proxy: Proxy

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is no news here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _handle(self) -> None:
        proxy = self.server.proxy
        url = urlsplit(self.path)
        fate = proxy.fate(self.command, url.path, url.query)
        if fate in ("down", "dropped_before"):
            return self._hang_up()
        length = int(self.headers.get("Content-Length") or 0)
        if fate == "dropped_upload":
            self.rfile.read(length // 2)
            return self._hang_up()
        body = self.rfile.read(length) if length else self._chunks()
        if fate == "throttled":
            return self._refuse(503, "SlowDown", "Please reduce your request rate.")
        if fate == "internal":
            return self._refuse(500, "InternalError", "We encountered an internal error.")
        if fate == "slow":
            time.sleep(proxy.weather.slow_s)
        where = urlsplit(proxy.target)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        try:
            connection.request(self.command, self.path, body=body, headers=dict(self.headers.items()))
            answer = connection.getresponse()
            data = answer.read()
            headers = {name: value for name, value in answer.getheaders()
                       if name.lower() not in ("connection", "transfer-encoding", "content-length", "date", "server")}
            size = int(answer.getheader("Content-Length") or len(data))
        finally:
            connection.close()
        self._answer(answer.status, answer.reason, headers, data, size, half=fate == "dropped_inside")
        return None

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _handle

    def _chunks(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return b""
        data = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        del self.headers["Transfer-Encoding"]
        return data

    def _refuse(self, status: int, code: str, message: str) -> None:
        data = b"" if self.command == "HEAD" else _ERROR.format(code=code, message=message).encode()
        self._answer(status, code, {}, data)

    def _answer(self, status: int, reason: str, headers: dict[str, str], data: bytes, size: int | None = None,
                half: bool = False) -> None:
        self.send_response(status, reason)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data) if size is None else size))
        if half and not data:                  # done, and nobody hears of it
            return self._hang_up()
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if half else data)
        self.wfile.flush()
        return self._hang_up() if half else None

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Quiet."""
