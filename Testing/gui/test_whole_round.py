"""A whole round through both panels in a process of its own, with the real worker, commands and training (whole_round.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pytest

from MedSegDLLib.mapped_files import PREFIX
from MedSegDLLib.metrics import Overlap

ROOT = Path(__file__).parents[2]
TEMPORARY = ("medsegdl-", PREFIX)
MARK = "MEDSEGDL_WHOLE_ROUND"  # an environment variable that every process of the round inherits
OPENING_S, LONGEST_S = 4.0, 1.0  # the window stood still: while a module is read for the first time, and at any other time


@pytest.fixture
def folder(tmp_path):
    from Testing.gui.start_model import write_start_model  # torch, which the round's own process must not see

    write_start_model(tmp_path / "zoo", "core")
    (tmp_path / "temporary").mkdir()
    return tmp_path


@pytest.mark.timeout(280)
def test_segment_correct_add_train_publish_and_segment_better(folder):
    mark = uuid.uuid4().hex
    process = begun(folder, mark)
    _, complaint = process.communicate()
    assert process.returncode == 0, complaint
    check_the_new_model_is_better(np.load(folder / "answers.npz"))
    check_the_window_never_stood_still(json.loads((folder / "steps.json").read_text(encoding="utf-8")))
    assert left_over(mark) == {}
    assert list(Path("/dev/shm").glob(f"{PREFIX}{process.pid}-*")) == []
    assert [path.name for path in (folder / "temporary").iterdir() if path.name.startswith(TEMPORARY)] == []


def begun(folder: Path, mark: str) -> subprocess.Popen:
    environment = {
        **os.environ,
        MARK: mark,
        "MEDSEGDL_MODELS": str(folder / "zoo"),
        "XDG_DATA_HOME": str(folder / "home"),
        "TMPDIR": str(folder / "temporary"),
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "MedSegDL", ROOT / "MedSegDLTrain"))),
    }
    command = [sys.executable, "-m", "Testing.gui.whole_round", str(folder)]
    return subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, encoding="utf-8")


def check_the_new_model_is_better(answers: dict[str, np.ndarray]) -> None:
    right, before, after = (answers[name].astype(bool) for name in ("right", "before", "after"))
    dice = [Overlap(right.sum(), found.sum(), (right & found).sum()).dice for found in (before, after)]
    assert 0.4 < dice[0] < 0.75
    assert dice[1] > dice[0] + 0.1, f"Dice {dice[0]:.3f} before and {dice[1]:.3f} after"


def check_the_window_never_stood_still(steps: list[dict]) -> None:
    assert len(steps) > 20
    slow = {
        step["name"]: step["longest_gap"]
        for step in steps
        if step["longest_gap"] > (OPENING_S if step["name"].startswith("open") else LONGEST_S)
    }
    assert slow == {}
    print("\n".join(f"{step['name']:45} {step['seconds']:6.2f} s, gap {step['longest_gap']:.3f} s" for step in steps))


def left_over(mark: str, seconds: float = 5) -> dict[int, str]:
    """Processes of the round that live on after so many seconds: number and command line. Linux can tell, no other system."""
    end = time.monotonic() + seconds
    while (found := _living(mark)) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def _living(mark: str) -> dict[int, str]:
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:  # another user's, or it has just ended
            continue
    return found
