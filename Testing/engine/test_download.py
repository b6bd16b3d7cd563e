"""Downloads from a loopback server that cuts, stalls, lies and changes its mind."""

import hashlib
import http.server
import json
import re
import threading
import time
import urllib.request
from dataclasses import dataclass, field

import pytest

from MedSegDLLib.download import _Redirects, download, split_url
from MedSegDLLib.errors import Cancelled, InputError, ModelError, OutputError
from MedSegDLLib.progress import CancelToken

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
    return download(server.url, folder, LARGEST, **options)


def left(folder):
    return sorted(path.suffix for path in folder.iterdir())


def fails(server, folder, complaint, error=ModelError, **options):
    with pytest.raises(error, match=complaint):
        get(server, folder, **options)


# Whole


@pytest.mark.parametrize("sha256", [None, SHA256, SHA256.upper()])
def test_whole_file(tmp_path, sha256):
    seen = []
    with Server(Behaviour()) as server:
        path = get(server, tmp_path, sha256=sha256, progress=lambda *step: seen.append(step))
    assert path.read_bytes() == DATA
    assert left(tmp_path) == [".zip"]
    assert server.asked == [(None, None)]
    fractions = [fraction for stage, fraction, _ in seen if stage == "download"]
    assert len(fractions) == len(seen) > 1
    assert fractions == sorted(fractions)
    assert seen[-1][1:] == (1.0, 0.0)


def test_sha256_from_the_fragment(tmp_path):
    with Server(Behaviour()) as server:
        assert download(f"{server.url}#sha256={SHA256}", tmp_path, LARGEST).read_bytes() == DATA


def test_another_sha256_is_refused_and_nothing_stays(tmp_path):
    with Server(Behaviour()) as server:
        fails(server, tmp_path, f"its SHA-256 is {SHA256}, not {'0' * 64}", sha256="0" * 64)
    assert left(tmp_path) == []


@pytest.mark.parametrize("chunked", [False, True])
def test_file_of_unknown_length(tmp_path, chunked):
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (DATA[:1000], DATA[1000:])) + b"0\r\n\r\n"
    chunks = Behaviour(data=body, length=-1, headers={"Transfer-Encoding": "chunked"})
    with Server(chunks if chunked else Behaviour(length=-1, etag=None)) as server:
        assert get(server, tmp_path).read_bytes() == DATA


# Cut


def test_a_cut_is_taken_up_where_it_was(tmp_path):
    with Server(Behaviour(send=100_000), Behaviour(send=50_000), Behaviour()) as server:
        assert get(server, tmp_path, sha256=SHA256).read_bytes() == DATA
    assert server.asked == [(None, None), ("bytes=100000-", '"one"'), ("bytes=150000-", '"one"')]


def test_a_chunked_answer_that_is_cut_is_no_whole_file(tmp_path):
    body = b"%x\r\n%s" % (len(DATA), DATA[:5000])
    cut = Behaviour(data=body, length=-1, headers={"Transfer-Encoding": "chunked"})
    with Server(cut, Behaviour()) as server:
        assert get(server, tmp_path).read_bytes() == DATA
    assert server.asked[1] == ("bytes=5000-", '"one"')


def test_a_later_call_goes_on_where_a_cut_ended_the_first(tmp_path):
    with Server(Behaviour(send=100_000), Behaviour(send=0), Behaviour()) as server:
        fails(server, tmp_path, "was cut after 100000 bytes. Run the same command again to go on from there")
        assert left(tmp_path) == [".json", ".part"]
        assert get(server, tmp_path).read_bytes() == DATA
    assert server.asked[2] == ("bytes=100000-", '"one"')
    assert left(tmp_path) == [".zip"]


def test_cuts_without_end_are_not_borne_without_end(tmp_path):
    with Server(Behaviour(send=1000)) as server:
        fails(server, tmp_path, "was cut after 5000 bytes")
    assert len(server.asked) == 5


def test_a_file_known_by_its_date_only_is_taken_up_as_well(tmp_path):
    date = {"Last-Modified": "Mon, 02 Mar 2026 10:00:00 GMT"}
    with Server(Behaviour(send=1000, etag=None, headers=date), Behaviour(etag=None, headers=date)) as server:
        assert get(server, tmp_path).read_bytes() == DATA
    assert server.asked[1] == ("bytes=1000-", date["Last-Modified"])


@pytest.mark.parametrize("etag", [None, 'W/"one"'])
def test_a_file_that_cannot_be_recognised_is_begun_anew(tmp_path, etag):
    with Server(Behaviour(send=1000, etag=etag), Behaviour(etag=etag)) as server:
        assert get(server, tmp_path).read_bytes() == DATA
    assert server.asked == [(None, None)] * 2


def test_a_whole_part_is_not_asked_for_again(tmp_path):
    with Server(Behaviour(send=1000), Behaviour(send=0), Behaviour()) as server:
        fails(server, tmp_path, "was cut")
        [part] = tmp_path.glob("*.part")
        part.write_bytes(DATA)
        assert get(server, tmp_path, sha256=SHA256).read_bytes() == DATA
    assert len(server.asked) == 2


# Changed or lying


def test_a_server_that_ignores_ranges_sends_the_whole_again(tmp_path):
    with Server(Behaviour(send=1000), Behaviour(ranges=False)) as server:
        assert get(server, tmp_path).read_bytes() == DATA
    assert server.asked == [(None, None), ("bytes=1000-", '"one"')]


def test_a_file_that_changed_between_tries_is_begun_anew(tmp_path):
    other = DATA[::-1]
    with Server(Behaviour(send=1000), Behaviour(data=other, etag='"two"')) as server:
        assert get(server, tmp_path).read_bytes() == other


def test_a_rest_of_a_changed_file_is_not_appended(tmp_path):
    """A server that ignores If-Range and sends the rest of another file: known by its entity tag."""

    class Careless(Handler):
        def _start(self, behaviour):
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            return int(asked[1]) if asked else None

    other = DATA[::-1]
    with Server(Behaviour(send=1000), Behaviour(data=other, etag='"two"')) as server:
        server.RequestHandlerClass = Careless
        assert get(server, tmp_path).read_bytes() == other
    assert server.asked == [(None, None), ("bytes=1000-", '"one"'), (None, None)]


@pytest.mark.parametrize(
    "content_range",
    [
        "bytes 999-511999/512000",
        "bytes 1001-511999/512000",
        "bytes 1000-511999/512001",
        "bytes */512000",
        "items 1000-2/3",
        "x",
    ],
)
def test_a_rest_that_is_not_the_rest_is_not_appended(tmp_path, content_range):
    with Server(Behaviour(send=1000), Behaviour(content_range=content_range), Behaviour()) as server:
        assert get(server, tmp_path).read_bytes() == DATA
    assert server.asked[2] == (None, None)


def test_a_file_that_became_shorter_is_begun_anew(tmp_path):
    with Server(
        Behaviour(send=1000), Behaviour(status=416, send=0, length=0), Behaviour(data=b"short", etag='"two"')
    ) as server:
        assert get(server, tmp_path).read_bytes() == b"short"


def test_a_part_that_was_not_asked_for_is_no_file(tmp_path):
    with Server(Behaviour(status=206)) as server:
        fails(server, tmp_path, "answered 206, which is no file")


def test_a_length_that_is_too_long_is_a_cut(tmp_path):
    with Server(Behaviour(length=len(DATA) + 10)) as server:
        fails(server, tmp_path, f"was cut after {len(DATA)} bytes", sha256=SHA256)


def test_a_length_that_is_too_short_gives_a_file_that_is_not_the_expected_one(tmp_path):
    with Server(Behaviour(length=1000)) as server:
        fails(server, tmp_path, "is not the one that was expected", sha256=SHA256)
        assert left(tmp_path) == []
        assert get(server, tmp_path).read_bytes() == DATA[:1000]


def test_what_says_it_is_too_large_is_not_begun(tmp_path):
    with Server(Behaviour(length=LARGEST + 1)) as server:
        fails(server, tmp_path, f"has {LARGEST + 1} bytes, more than the {LARGEST}")
    assert left(tmp_path) == []


def test_what_does_not_say_it_is_too_large_is_stopped(tmp_path):
    with Server(Behaviour(data=bytes(LARGEST + 1), length=-1)) as server:
        fails(server, tmp_path, f"sends more than the {LARGEST} bytes")
    assert left(tmp_path) == []


def test_a_recoded_file_is_refused(tmp_path):
    with Server(Behaviour(headers={"Content-Encoding": "gzip"})) as server:
        fails(server, tmp_path, r"sends the file re-encoded \(gzip\)")


# Stalls and stops


def test_a_stall_ends_with_a_sentence_and_is_taken_up_later(tmp_path):
    with Server(Behaviour(send=1000, stall=5), Behaviour()) as server:
        begin = time.monotonic()
        fails(server, tmp_path, "sent next to nothing for 0.3 seconds, .* Run the same command again", stall_seconds=0.3)
        assert time.monotonic() - begin < 3
        assert get(server, tmp_path, sha256=SHA256).read_bytes() == DATA
    assert server.asked[1] == ("bytes=1000-", '"one"')


def test_a_server_that_never_answers_is_a_stall(tmp_path):
    class Silent(Handler):
        def do_GET(self):
            time.sleep(2)
            self.close_connection = True

    with Server(Behaviour()) as server:
        server.RequestHandlerClass = Silent
        fails(server, tmp_path, "sent next to nothing for 0.2 seconds", stall_seconds=0.2)


def test_a_drip_is_a_stall(tmp_path):
    with Server(Behaviour(drip=True)) as server:
        fails(server, tmp_path, "sent next to nothing for 0.3 seconds", stall_seconds=0.3)


def test_a_cancel_keeps_what_has_come(tmp_path):
    cancel = CancelToken()
    with Server(Behaviour()) as server:
        fails(server, tmp_path, "Stopped as asked", Cancelled, cancel=cancel, progress=lambda *_: cancel.cancel())
        assert get(server, tmp_path, sha256=SHA256).read_bytes() == DATA
    assert server.asked[1][0].startswith("bytes=")


# Where to


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x", "gopher://x/", "javascript:alert(1)"]
)
def test_redirects_to_other_schemes_are_refused(tmp_path, target):
    with Server(Behaviour(status=302, headers={"Location": target})) as server:
        fails(server, tmp_path, "sends on to")
    assert left(tmp_path) == []


def test_redirects_from_https_to_http_are_refused():
    """Asked of the handler itself: a loopback server has no certificate that would be believed."""
    handler, request = _Redirects(), urllib.request.Request("https://example.org/model.zip")
    with pytest.raises(ModelError, match=r"sends on to 'http://example\.org/b', which is not as safe"):
        handler.redirect_request(request, None, 302, "Found", {}, "http://example.org/b")
    assert handler.redirect_request(request, None, 302, "Found", {}, "https://example.org/b").type == "https"


def test_redirects_to_http_are_followed_with_the_range(tmp_path):
    with Server(Behaviour(send=1000), Behaviour()) as server, Server(Behaviour(status=302)) as front:
        front.behaviours[0].headers["Location"] = server.url
        assert get(front, tmp_path).read_bytes() == DATA
    assert server.asked[1] == ("bytes=1000-", '"one"')


def test_redirects_in_a_circle_end(tmp_path):
    with Server(Behaviour(status=302, headers={"Location": "/model.zip"})) as server:
        fails(server, tmp_path, "sends on to where a download must not go")


@pytest.mark.parametrize(
    "status, complaint",
    [(404, "has no such file"), (403, "refuses the file"), (503, "or try again later"), (204, "is no file")],
)
def test_refusals_are_sentences(tmp_path, status, complaint):
    with Server(Behaviour(status=status, send=0, length=0)) as server:
        fails(server, tmp_path, complaint)
    assert left(tmp_path) == []


def test_no_server_is_a_sentence(tmp_path):
    with Server(Behaviour()) as server:
        pass
    fails(server, tmp_path, "cannot be reached .*: check the address and the network")


def test_a_server_that_speaks_no_http_is_a_sentence(tmp_path):
    class Odd(Handler):
        def handle(self):
            self.wfile.write(b"220 mail.example.org ESMTP\r\n")

    with Server(Behaviour()) as server:
        server.RequestHandlerClass = Odd
        fails(server, tmp_path, "does not answer as a web server does")


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with Server(Behaviour()) as server:
        fails(server, tmp_path / "file", "The download cannot be kept in", OutputError)


def test_a_link_in_the_place_of_the_part_is_not_followed(tmp_path):
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    with Server(Behaviour()) as server:
        name = hashlib.sha256(server.url.encode()).hexdigest()[:16]
        (tmp_path / f"{name}.part").symlink_to(tmp_path / "mine")
        (tmp_path / f"{name}.json").write_text(json.dumps({"entity_tag": '"one"', "size": len(DATA)}), encoding="utf-8")
        assert get(server, tmp_path).read_bytes() == DATA
    assert (tmp_path / "mine").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("state", ["", "[]", '{"size": "many"}', '{"entity_tag": 1}', '{"unknown": 1}'])
def test_a_spoilt_note_of_the_part_means_begin_anew(tmp_path, state):
    with Server(Behaviour(send=1000), Behaviour(send=0), Behaviour()) as server:
        fails(server, tmp_path, "was cut")
        next(tmp_path.glob("*.json")).write_text(state, encoding="utf-8")
        assert get(server, tmp_path).read_bytes() == DATA
    assert server.asked[2] == (None, None)


# Addresses


NO_ADDRESSES = ["", "model.zip", "file:///etc/passwd", "ftp://host/x", "data:,x", "http://", "http:///x", "//host/x"]
NO_ADDRESSES += ["https://user:secret@host/x", "http://host/a b", "http://host/a\nb", "http://hóst/x", "http://a\\b/x"]


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_addresses_that_are_none_are_refused(tmp_path, url):
    with pytest.raises(InputError, match="is no address to download from"):
        download(url, tmp_path, LARGEST)


def test_sha256_is_taken_from_flag_or_fragment():
    assert split_url("https://host/x") == ("https://host/x", None)
    assert split_url(f"HTTPS://host/x#sha256={SHA256.upper()}", SHA256) == ("HTTPS://host/x", SHA256)
    for url, sha256 in ((f"https://h/x#sha256={SHA256}", "0" * 64), ("https://h/x#sha256=", None), ("https://h/x", "")):
        with pytest.raises(InputError, match="has one SHA-256 of 64 hexadecimal digits"):
            split_url(url, sha256)
    with pytest.raises(InputError, match="Only #sha256=… may follow"):
        split_url("https://host/x#part")
