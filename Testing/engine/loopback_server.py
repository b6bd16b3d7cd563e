"""A loopback web server that cuts, stalls, lies and changes its mind, and downloads from it."""

import hashlib
import http.server
import re
import threading
import time
from dataclasses import dataclass, field

import pytest

from MedSegDLLib.download import download
from MedSegDLLib.errors import ModelError

DATA = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(DATA).hexdigest()
LARGEST = 1 << 20


@dataclass
class Behaviour:
    """What the server does at one request, in order; the last one stays."""

    data: bytes = DATA
    etag: str | None = '"one"'
    ranges: bool = True
    send: int | None = None  # how many bytes of the answer, then cut (or stall)
    stall: float = 0.0  # seconds to sleep after them
    drip: bool = False  # one byte at a time
    length: int | None = None  # Content-Length to claim; -1: none
    content_range: str | None = None  # to claim
    status: int | None = None
    headers: dict = field(default_factory=dict)


class Server(http.server.ThreadingHTTPServer):
    """Answers one request after another as told; notes the Range and If-Range headers that it got."""

    daemon_threads = True

    def __init__(self, *behaviours: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviours, self.asked = list(behaviours), []
        self.url = f"http://127.0.0.1:{self.server_port}/model.zip"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers a request with the server's next behaviour."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        behaviour = server.behaviours.pop(0) if len(server.behaviours) > 1 else server.behaviours[0]
        server.asked.append((self.headers.get("Range"), self.headers.get("If-Range")))
        start = self._start(behaviour)
        partial = start is not None
        body = behaviour.data[start or 0 :]
        self.send_response(behaviour.status or (206 if partial else 200))
        if behaviour.etag:
            self.send_header("ETag", behaviour.etag)
        if behaviour.length != -1:
            self.send_header("Content-Length", str(len(body) if behaviour.length is None else behaviour.length))
        if partial:
            told = f"bytes {start}-{len(behaviour.data) - 1}/{len(behaviour.data)}"
            self.send_header("Content-Range", behaviour.content_range or told)
        for name, value in behaviour.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self._body(behaviour, body)

    def _start(self, behaviour):
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        unchanged = self.headers.get("If-Range") in (behaviour.etag, behaviour.headers.get("Last-Modified"))
        return int(asked[1]) if asked and behaviour.ranges and unchanged else None

    def _body(self, behaviour, body):
        try:
            if behaviour.drip:
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.02)
            self.wfile.write(body[: behaviour.send])
            time.sleep(behaviour.stall)
        except OSError:
            pass  # the client has gone
        self.close_connection = True

    def log_message(self, *_):
        pass


def get(server, folder, **options):
    """Download the server's file into a folder."""
    return download(server.url, folder, LARGEST, **options)


def left(folder):
    """The suffixes of what lies in a folder."""
    return sorted(path.suffix for path in folder.iterdir())


def fails(server, folder, complaint, error=ModelError, **options):
    """The download must fail with this complaint."""
    with pytest.raises(error, match=complaint):
        get(server, folder, **options)
