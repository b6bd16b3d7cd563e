"""Downloads: whole files, redirects, refusals, addresses and folders, each with its sentence."""

import hashlib
import json
import urllib.request

import pytest

from MedSegDLLib.download import _Redirects, download, split_url
from MedSegDLLib.errors import InputError, ModelError, OutputError
from Testing.engine.loopback_server import DATA, LARGEST, SHA256, Behaviour, Handler, Server, fails, get, left

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
