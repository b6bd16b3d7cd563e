import json
import os

import pytest

import MedSegDLLib
from MedSegDLLib import protocol
from MedSegDLLib.errors import MedSegDLError
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.labels import Code, Label, LabelTable, Terminology
from MedSegDLLib.options import Region, SegmentOptions
from MedSegDLLib.protocol import (
    AskDevices,
    Cancel,
    Device,
    Devices,
    Failed,
    Finished,
    Heartbeat,
    Hello,
    ImageFile,
    Load,
    Loaded,
    NotReady,
    Progressed,
    ProtocolError,
    Ready,
    Report,
    ReportedLabel,
    ReportedModel,
    Segment,
    Stopped,
    VersionError,
    from_line,
    to_line,
)

HEART = Terminology(Code("SCT", "123037004", "Anatomical Structure"), Code("SCT", "80891009", "Heart"))
LABELS = LabelTable((Label(1, "Herz, linker Vorhof", (1, 2, 3), HEART), Label(300, "b", (4, 5, 6))))
REPORT = Report(
    ReportedModel("m", "0" * 64), "cuda:0", "bfloat16", {"network": 1.5, "stitch": 0.25}, 12.5,
    (ReportedLabel("b", 300, 7, 0.007),), {"torch": "2.4"},
)  # fmt: skip
IMAGE = ImageFile("/dev/shm/x", "<i2", 2, Geometry((5, 4, 3), (1, 2, 3), (4, 5, 6), (0, 1, 0, 1, 0, 0, 0, 0, 1)), "ramp")
OPTIONS = SegmentOptions("cpu", "float16", 0.25, ("a", "b"), Region((0, 1, 2), (3, 4, 5)), 2, False, True)
MESSAGES = [
    Hello(77),
    NotReady("No torch: install it."),
    Ready((Device("cuda:0", "NVIDIA ä, 11 GB free"), Device("cpu", "CPU"))),
    Load(1, "/models/m"),
    Loaded(1),
    Segment(2, "/models/m", IMAGE, "/dev/shm/y", OPTIONS),
    Segment(3, "/models/m", IMAGE, "/dev/shm/y", SegmentOptions()),
    Cancel(2),
    AskDevices(),
    Devices(()),
    Progressed(2, "network", 0.5, None),
    Progressed(2, "network", 0.5, 3.25),
    Heartbeat(0.5),
    Finished(2, "|u1", LABELS, REPORT, 0.125),
    Finished(2, "<u2", LabelTable(()), REPORT, None),
    Failed(2, "It\nfailed.", True),
    Stopped(2),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_message_comes_back_as_it_was_sent(message):
    line = to_line(message)
    assert line.isascii()
    assert line.index(b"\n") == len(line) - 1
    assert from_line(line) == message


def test_every_message_is_tested_and_stands_in_the_table():
    assert {type(message) for message in MESSAGES} == set(protocol._MESSAGES.values())
    for name in protocol._MESSAGES:
        assert f"\n| {name:<11} |" in protocol.__doc__


def test_a_path_that_is_no_text_survives():
    path = os.fsdecode(b"/data/\xff\xfe")
    assert from_line(to_line(Load(1, path))).folder == path


@pytest.mark.parametrize(
    "line, says",
    [
        (b"", "not JSON"),
        (b"Segmentation fault\n", "'Segmentation fault'"),
        (b"\xff\xfe\n", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"17\n", "not a JSON object"),
        (b'{"request": 1}\n', "no message None"),
        (b'{"message": "dance"}\n', "no message 'dance'"),
        (b'{"message": "loaded"}\n', "lacks the keys request"),
        (b'{"message": "loaded", "request": "1"}\n', "whole number"),
        (b'{"message": "loaded", "request": 1, "x": 2}\n', "unknown keys: x"),
        (b'{"message": "heartbeat", "seconds_without_step": NaN}\n', "finite"),
        (b'{"message": "progress", "request": 1, "stage": "network", "fraction": 0.', "not JSON"),
    ],
)
def test_what_is_no_message_is_refused_with_a_sentence(line, says):
    with pytest.raises(ProtocolError, match=says) as error:
        from_line(line)
    assert not isinstance(error.value, VersionError)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "change", [{"protocol": 99}, {"program": "9.9"}, {"protocol": 99, "built": "today"}, {"pid": "x", "protocol": 0}]
)
def test_a_hello_of_another_version_is_told_as_that_whatever_else_it_says(change):
    hello = json.loads(to_line(Hello(1))) | change
    with pytest.raises(VersionError, match=f"this is MedSegDL {MedSegDLLib.__version__}"):
        from_line(json.dumps(hello).encode())


def test_options_that_cannot_be_are_refused():
    line = to_line(MESSAGES[5]).replace(b'"overlap": 0.25', b'"overlap": 2.5')
    with pytest.raises(MedSegDLError, match="share of a patch"):
        from_line(line)
