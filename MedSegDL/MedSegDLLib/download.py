"""Downloading a file over http(s) so that a cut costs nothing and no wrong byte goes unnoticed.

What has come so far lies in the cache folder as `<name>.part`, beside `<name>.json` with what the server said of the file
(entity tag, date, size). A later try asks for the rest only (Range, If-Range) and starts anew where the server has no rest
to give or the file has changed.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import MedSegDLLib
from MedSegDLLib.atomic import why
from MedSegDLLib.checksums import sha256_of
from MedSegDLLib.errors import InputError, ModelError, OutputError
from MedSegDLLib.model_card import is_sha256
from MedSegDLLib.progress import CancelToken, Progress, no_progress
from MedSegDLLib.strict_json import read_json, to_json

STALL_SECONDS = 30.0

_PIECE = 64 << 10
_SLOWEST_BYTES = 1024  # fewer than these in STALL_SECONDS is a stall
_TRIES = 5
_SCHEMES = ("http", "https")
_ADVICE = "Run the same command again to go on from there."


@dataclass(frozen=True)
class _Job:
    """One download: what, whereto, how much at most, whom to tell."""

    url: str
    part: Path
    largest: int
    progress: Progress
    cancel: CancelToken
    stall_seconds: float

    @property
    def host(self) -> str:
        return urllib.parse.urlsplit(self.url).netloc

    @property
    def state_file(self) -> Path:
        return self.part.with_suffix(".json")

    @property
    def received(self) -> int:
        return self.part.stat().st_size if self.part.is_file() and not self.part.is_symlink() else 0

    def forget(self) -> None:
        """Remove what has come so far."""
        self.part.unlink(missing_ok=True)
        self.state_file.unlink(missing_ok=True)


@dataclass(frozen=True)
class _State:
    """What the server said of the file when its first byte came; empty or None where it said nothing."""

    entity_tag: str = ""
    modified: str = ""
    size: int | None = None

    @property
    def validator(self) -> str:
        """What tells this version of the file from another one (RFC 9110, 13.1.5); empty if nothing does."""
        return self.entity_tag if self.entity_tag and not self.entity_tag.startswith("W/") else self.modified


class _Cut(Exception):
    """The connection ended before the file did."""


def download(
    url: str,
    folder: Path,
    largest: int,
    sha256: str | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    stall_seconds: float = STALL_SECONDS,
) -> Path:
    """The whole file behind `url`, in `folder`; the caller removes it after use.

    `sha256`, or the fragment `#sha256=` of the URL, says what the file must be. At most `largest` bytes are taken. A cut
    connection is taken up again at once while bytes keep coming; after a stall, further cuts or a cancel the part stays in
    `folder` for the next call. Raises InputError for an unusable URL, ModelError where the server does not deliver (the
    sentence says what to do), OutputError if `folder` cannot be written, Cancelled.
    """
    address, expected = split_url(url, sha256)
    part = folder / (hashlib.sha256(address.encode()).hexdigest()[:16] + ".part")
    job = _Job(address, part, largest, progress, cancel or CancelToken(), stall_seconds)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _fetch(job)
        return _checked(job, expected)
    except OSError as reason:
        raise OutputError(f"The download cannot be kept in {folder}: {why(reason)}.") from reason


def split_url(url: str, sha256: str | None = None) -> tuple[str, str | None]:
    """The URL without its fragment, and the SHA-256 from `sha256` or the fragment `#sha256=…`, None if neither is given.

    Raises InputError unless the URL is http or https with a host, and the SHA-256 is one and the same wherever it stands.
    """
    address, _, fragment = url.partition("#")
    if not re.fullmatch(r"https?://[!-~]+", address, re.IGNORECASE) or not re.fullmatch(r"[^@\\]+", address.split("/")[2]):
        raise InputError(f"{url!r} is no address to download from: it must begin with https:// or http:// and name a host.")
    if fragment and not fragment.startswith("sha256="):
        raise InputError(f"Only #sha256=… may follow the address, but '#{fragment}' does.")
    given = {text.lower() for text in (sha256, fragment.removeprefix("sha256=") if fragment else None) if text is not None}
    if len(given) > 1 or not all(map(is_sha256, given)):
        told = " and ".join(map(repr, sorted(given)))
        raise InputError(f"A download has one SHA-256 of 64 hexadecimal digits, but given is {told}.")
    return address, next(iter(given), None)


def _fetch(job: _Job) -> None:
    """Bring `job.part` to its full size; a cut is borne as long as every try brings something."""
    for _ in range(_TRIES):
        before = job.received
        try:
            return _fetch_rest(job)
        except _Cut:
            if job.received <= before:
                break
    raise ModelError(f"The connection to {job.host} was cut after {job.received} bytes. {_ADVICE}")


def _fetch_rest(job: _Job) -> None:
    """One connection: ask for what is missing and append it, or begin anew with a file that the server sends whole."""
    start, state = _kept(job)
    if start and start == state.size:
        return
    response = _open(job, start, state)
    if start and not _continues(response, start, state):
        start = 0
        if response.status != 200:
            response.close()
            response = _open(job, 0, _State())
    with response:
        if not start:
            state = _begin(job, response)
        with job.part.open("ab") as file:
            _receive(job, response, file, start, state.size)


def _kept(job: _Job) -> tuple[int, _State]:
    """How many bytes an earlier try left, and of which file; (0, …) where that cannot be known for sure."""
    try:
        state = read_json(_State, job.state_file, ModelError)
    except ModelError:
        return 0, _State()
    usable = state.validator and job.received <= (state.size or job.largest)
    return (job.received, state) if usable else (0, _State())


def _begin(job: _Job, response: http.client.HTTPResponse) -> _State:
    """Empty the part and note of which file its bytes will be, from the answer to a request for all of it."""
    if response.status != 200:
        raise ModelError(f"{job.host} answered {response.status}, which is no file: check the address.")
    headers = response.headers
    if headers.get("Content-Encoding", "identity") != "identity":
        raise ModelError(f"{job.host} sends the file re-encoded ({headers['Content-Encoding']}), which was not asked for.")
    length = headers.get("Content-Length", "")
    state = _State(headers.get("ETag", ""), headers.get("Last-Modified", ""), int(length) if length.isdigit() else None)
    job.forget()
    if state.size is not None and state.size > job.largest:
        raise ModelError(f"The file at {job.host} has {state.size} bytes, more than the {job.largest} of the largest model.")
    job.part.touch()
    job.state_file.write_text(json.dumps(to_json(state)), encoding="utf-8")
    return state


def _continues(response: http.client.HTTPResponse, start: int, state: _State) -> bool:
    """Whether the answer is the rest, from byte `start` on, of the very file of which the first bytes are there."""
    given = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", response.headers.get("Content-Range", ""))
    if response.status != 206 or not given or int(given[1]) != start:
        return False
    same_file = response.headers.get("ETag", state.entity_tag) == state.entity_tag
    return same_file and (state.size is None or given[3] in ("*", str(state.size)))


def _receive(job: _Job, response: http.client.HTTPResponse, file: BinaryIO, start: int, size: int | None) -> None:
    """Append what comes to `file`, until `size` bytes are there (None: until the server ends); raises _Cut if it ends early."""
    clock, received = _StallClock(job), 0
    while piece := _piece(job, response, _PIECE if size is None else min(_PIECE, size - start - received)):
        job.cancel.check()
        received += len(piece)
        if start + received > job.largest:
            job.forget()
            raise ModelError(f"{job.host} sends more than the {job.largest} bytes of the largest model: it was stopped.")
        file.write(piece)
        clock.tick(start, received, size)
    if size is not None and start + received < size:
        raise _Cut


class _StallClock:
    """Tells the progress of a download, and ends one that hardly moves."""

    def __init__(self, job: _Job) -> None:
        self._job, self._begin = job, time.monotonic()
        self._window_begin, self._window_received = self._begin, 0

    def tick(self, start: int, received: int, size: int | None) -> None:
        """After `start` bytes of earlier tries and `received` of this one, out of `size`."""
        now = time.monotonic()
        if now - self._window_begin > self._job.stall_seconds:
            if received - self._window_received < _SLOWEST_BYTES:
                raise _stalled(self._job)
            self._window_begin, self._window_received = now, received
        if size:
            left = (now - self._begin) / received * (size - start - received)
            self._job.progress("download", (start + received) / size, left)
        else:
            self._job.progress("download", 0.0, None)


def _piece(job: _Job, response: http.client.HTTPResponse, largest: int) -> bytes:
    """The next bytes as soon as there are any, at most `largest`; none at the end."""
    try:
        return response.read1(largest) if largest > 0 else b""
    except TimeoutError:
        raise _stalled(job) from None
    except (OSError, http.client.HTTPException) as reason:
        raise _Cut from reason


def _open(job: _Job, start: int, state: _State) -> http.client.HTTPResponse:
    """The server's answer to a request for the file from byte `start` on; raises ModelError for one that is no file."""
    headers = {"User-Agent": f"MedSegDL/{MedSegDLLib.__version__}", "Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": state.validator}
    try:
        return _OPENER.open(urllib.request.Request(job.url, headers=headers), timeout=job.stall_seconds)
    except urllib.error.HTTPError as answer:
        if start and answer.code == 416:  # the file has become shorter
            return answer
        raise ModelError(_refusal(job.host, answer)) from answer
    except urllib.error.URLError as reason:
        if isinstance(reason.reason, TimeoutError):
            raise _stalled(job) from reason
        raise ModelError(f"{job.host} cannot be reached ({reason.reason}): check the address and the network.") from reason
    except TimeoutError as reason:
        raise _stalled(job) from reason
    except (OSError, http.client.HTTPException, ValueError) as reason:
        raise ModelError(f"{job.host} does not answer as a web server does ({reason!r}): check the address.") from reason


def _refusal(host: str, answer: urllib.error.HTTPError) -> str:
    reason = " ".join(word for word in str(answer.reason).split() if word.isprintable())
    if answer.code in (404, 410):
        return f"{host} has no such file ({answer.code}): check the address."
    if 300 <= answer.code < 400:
        return f"{host} sends on to where a download must not go ({reason}): nothing was downloaded."
    return f"{host} refuses the file ({answer.code} {reason}): check the address, or try again later."


def _stalled(job: _Job) -> ModelError:
    return ModelError(
        f"{job.host} sent next to nothing for {job.stall_seconds:g} seconds, so the download was ended. {_ADVICE}"
    )


def _checked(job: _Job, expected: str | None) -> Path:
    """The finished part under its final name, if it is what it must be; else it is removed and ModelError raised."""
    if expected is not None and (found := sha256_of(job.part)) != expected:
        job.forget()
        raise ModelError(
            f"The file from {job.host} is not the one that was expected: its SHA-256 is {found}, not {expected}. "
            "It was removed; ask whoever gave you the address."
        )
    job.state_file.unlink(missing_ok=True)
    return job.part.replace(job.part.with_suffix(".zip"))


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a server to http and https only, and never from https back to http."""

    def redirect_request(self, request, file, code, reason, headers, target):
        scheme = urllib.parse.urlsplit(target).scheme
        if scheme not in _SCHEMES or (request.type == "https" and scheme != "https"):
            raise ModelError(f"{request.host} sends on to {target!r}, which is not as safe: nothing was downloaded from there.")
        return super().redirect_request(request, file, code, reason, headers, target)


def _opener() -> urllib.request.OpenerDirector:
    """http and https with the system's proxies; unlike urllib's own opener none of file, ftp and data."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        _Redirects,
    ):
        opener.add_handler(handler())
    return opener


_OPENER = _opener()
