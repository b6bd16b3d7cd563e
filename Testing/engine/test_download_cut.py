"""Downloads that are cut, stall, or whose file changes are taken up where they were, or begun anew."""

import re
import time

import pytest

from MedSegDLLib.errors import Cancelled
from MedSegDLLib.progress import CancelToken
from Testing.engine.loopback_server import DATA, LARGEST, SHA256, Behaviour, Handler, Server, fails, get, left

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
