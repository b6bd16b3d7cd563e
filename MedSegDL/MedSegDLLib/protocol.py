"""What a caller and its worker say to each other: one JSON object a line, both ways (light: no torch).

Every line is {"message": NAME, …}; the further keys are the fields of the dataclass, all of them, and nothing else.

| message     | from   | when, and what it says                                                                          |
|-------------|--------|-------------------------------------------------------------------------------------------------|
| hello       | worker | its first line, before it loads torch: its process id, version of protocol and of program       |
| not_ready   | worker | instead of ready: why it cannot work (torch is missing); it ends                                |
| ready       | worker | torch is loaded; the devices in words, the one that "auto" takes first                          |
| load        | caller | get a model into memory ahead of time                                                           |
| loaded      | worker | the model of that load is in memory                                                             |
| segment     | caller | segment the image in a file, and write the label map into another file, which exists            |
| cancel      | caller | stop that segment; it is answered with cancelled (or finished, if that was on its way)          |
| ask_devices | caller | answered with devices                                                                           |
| devices     | worker | as in ready, with the memory that is free now                                                   |
| progress    | worker | stage, 0…1 of it, seconds left or null; at most 20 a second                                     |
| heartbeat   | worker | twice a second, from a thread of its own: for how long the work has made no step                |
| finished    | worker | the label map is in its file (`voxel_type`, C order); labels, report, mean entropy              |
| failed      | worker | why a load or segment failed; `spoilt`: the process is of no more use (its GPU failed)          |
| cancelled   | worker | that segment stopped and left nothing                                                           |

`request` is the number that the caller gave its load or segment. One load or segment is under way at a time. End of file
on its standard input ends the worker at once, whatever it is doing.

Whoever changes a message raises PROTOCOL_VERSION. The keys of hello never change: two versions must understand it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from MedSegDLLib import __version__
from MedSegDLLib.errors import MedSegDLError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.labels import LabelTable
from MedSegDLLib.options import SegmentOptions
from MedSegDLLib.strict_json import from_json, to_json

PROTOCOL_VERSION = 1
_NAME = "message"


class ProtocolError(MedSegDLError):
    """A line is no message of this protocol."""


class VersionError(ProtocolError):
    """The hello of a program of another version, with a sentence for a person."""


@dataclass(frozen=True)
class Device:
    """A place where networks run: `name` as SegmentOptions has it, `text` for a person ("NVIDIA …, 11 GB free")."""

    name: str
    text: str


@dataclass(frozen=True)
class ImageFile:
    """Voxels (C, Z, Y, X) in C order in a file, their numpy type ("<i2"), and what they are."""

    path: str
    voxel_type: str
    channels: int
    geometry: Geometry
    name: str


@dataclass(frozen=True)
class ReportedModel:
    """Which weights were used."""

    id: str
    sha256: str


@dataclass(frozen=True)
class ReportedLabel:
    """How much of a label was found."""

    name: str
    value: int
    voxels: int
    volume_ml: float


@dataclass(frozen=True)
class Report:
    """As report.py has it, without paths of files; `seconds` by stage, in the order in which they ran."""

    model: ReportedModel
    device: str
    precision: str
    seconds: dict[str, float]
    peak_memory_mib: float
    labels: tuple[ReportedLabel, ...]
    versions: dict[str, str]


@dataclass(frozen=True)
class Hello:
    """See the table above."""

    pid: int
    protocol: int = PROTOCOL_VERSION
    program: str = __version__


@dataclass(frozen=True)
class NotReady:
    """See the table above."""

    sentence: str


@dataclass(frozen=True)
class Ready:
    """See the table above."""

    devices: tuple[Device, ...]


@dataclass(frozen=True)
class Load:
    """See the table above."""

    request: int
    folder: str


@dataclass(frozen=True)
class Loaded:
    """See the table above."""

    request: int


@dataclass(frozen=True)
class Segment:
    """See the table above."""

    request: int
    folder: str
    image: ImageFile
    label_file: str
    options: SegmentOptions


@dataclass(frozen=True)
class Cancel:
    """See the table above."""

    request: int


@dataclass(frozen=True)
class AskDevices:
    """See the table above."""


@dataclass(frozen=True)
class Devices:
    """See the table above."""

    devices: tuple[Device, ...]


@dataclass(frozen=True)
class Progressed:
    """See the table above."""

    request: int
    stage: str
    fraction: float
    seconds_left: float | None


@dataclass(frozen=True)
class Heartbeat:
    """See the table above."""

    seconds_without_step: float


@dataclass(frozen=True)
class Finished:
    """See the table above."""

    request: int
    voxel_type: str
    labels: LabelTable
    report: Report
    mean_entropy: float | None


@dataclass(frozen=True)
class Failed:
    """See the table above."""

    request: int
    sentence: str
    spoilt: bool = False


@dataclass(frozen=True)
class Stopped:
    """See the table above, cancelled."""

    request: int


Request = Load | Segment | Cancel | AskDevices
Answer = Hello | NotReady | Ready | Loaded | Devices | Progressed | Heartbeat | Finished | Failed | Stopped

_MESSAGES = {
    "hello": Hello,
    "not_ready": NotReady,
    "ready": Ready,
    "load": Load,
    "loaded": Loaded,
    "segment": Segment,
    "cancel": Cancel,
    "ask_devices": AskDevices,
    "devices": Devices,
    "progress": Progressed,
    "heartbeat": Heartbeat,
    "finished": Finished,
    "failed": Failed,
    "cancelled": Stopped,
}
_NAMES = {kind: name for name, kind in _MESSAGES.items()}


def to_line(message: Request | Answer) -> bytes:
    """`message` as a line, its end included; ASCII only, so that no encoding can harm it."""
    return json.dumps({_NAME: _NAMES[type(message)], **to_json(message)}).encode("ascii") + b"\n"


def from_line(line: bytes) -> Request | Answer:
    """The message in a line. Raises ProtocolError for anything else, VersionError for the hello of another version."""
    document = _document(line)
    name = document.pop(_NAME, None)
    if name == "hello":
        _check_version(document)
    if name not in _MESSAGES:
        raise ProtocolError(f"There is no message {name!r}.")
    return from_json(_MESSAGES[name], document, name, ProtocolError)


def _document(line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as reason:
        raise ProtocolError(f"A line is not JSON ({reason}): {_shown(line)}.") from reason
    if not isinstance(document, dict):
        raise ProtocolError(f"A line is not a JSON object: {_shown(line)}.")
    return document


def _check_version(hello: dict[str, Any]) -> None:
    theirs = (hello.get("protocol"), hello.get("program"))
    if theirs != (PROTOCOL_VERSION, __version__):
        raise VersionError(
            f"The segmentation process is MedSegDL {theirs[1]} (protocol {theirs[0]}), but this is MedSegDL {__version__} "
            f"(protocol {PROTOCOL_VERSION}): install one version only, and start the program again."
        )


def _shown(line: bytes) -> str:
    text = line[:80].decode("utf-8", "backslashreplace").strip()
    return f"'{text}…'" if len(line) > 80 else f"'{text}'"
