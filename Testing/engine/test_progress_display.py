import io
import json

import pytest

from MedSegDLLib.progress_display import Bar, JsonLines, Nothing, progress_display


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("kind", "stderr", "shows"),
    [
        (None, Terminal(), Bar),
        (None, io.StringIO(), Nothing),
        ("bar", io.StringIO(), Bar),
        ("json", Terminal(), JsonLines),
        ("none", Terminal(), Nothing),
    ],
)
def test_a_bar_only_on_a_terminal_or_if_asked_for(kind: str | None, stderr: io.StringIO, shows: type):
    assert type(progress_display(kind, io.StringIO(), stderr)) is shows


def test_json_lines_tell_first_and_last_step_and_skip_hurried_ones():
    stream = io.StringIO()
    display = progress_display("json", stream, io.StringIO())
    display("network", 0.0, None)
    for step in range(1, 1000):
        display("network", step / 1000, 1.23456)
    display("network", 1.0, 0.0)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert lines[0] == {"stage": "network", "fraction": 0.0, "seconds_left": None}
    assert lines[-1] == {"stage": "network", "fraction": 1.0, "seconds_left": 0.0}
    assert len(lines) < 100


def test_a_new_stage_is_always_shown():
    stream = io.StringIO()
    display = progress_display("json", stream, io.StringIO())
    display("read", 0.5, None)
    display("network", 0.5, None)
    assert [json.loads(line)["stage"] for line in stream.getvalue().splitlines()] == ["read", "network"]


def test_bar_shows_share_and_time_left_and_can_be_cleared():
    stream = io.StringIO()
    display = progress_display("bar", io.StringIO(), stream)
    display.name("2/5")
    display("network", 0.5, 75.2)
    last = stream.getvalue().split("\r\x1b[K")[-1]
    assert last == "2/5  network     [############............]  50%  1 min 15 s left"
    display.clear()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_an_unknown_time_is_not_made_up():
    stream = io.StringIO()
    progress_display("bar", io.StringIO(), stream)("read", 0.0, None)
    assert "left" not in stream.getvalue()
