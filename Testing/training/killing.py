"""Training in a process of its own that is killed again and again, at random moments."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from MedSegDLTrainLib.progress import read_events
from MedSegDLTrainLib.run_folder import EVENTS_FILE, JOB_FILE

PACKAGES = os.pathsep.join(str(Path(__file__).resolve().parents[2] / folder) for folder in ("MedSegDL", "MedSegDLTrain"))

_CODE = """
import sys
from pathlib import Path
import torch
from MedSegDLTrainLib.train import Surroundings, train
torch.set_num_threads(int(sys.argv[4]))
train(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "resume", Surroundings(device="cpu", checkpoint_seconds=0.05))
"""


def train_with_kills(job_file: Path, run: Path, kills: int, seed: int) -> list[int]:
    """Train until the run is finished, killing it `kills` times; returns the last step told before each kill.

    Of two kills one comes at any moment since the process was started, the other one some steps after it has begun.
    """
    random, steps = np.random.default_rng(seed), []
    while len(steps) < kills:
        process = _start(job_file, run)
        if len(steps) % 2:
            time.sleep(random.uniform(0, 3))
        else:
            _wait_for_steps(process, run, int(random.integers(1, 8)))
        process.send_signal(signal.SIGKILL)
        if process.wait() != -signal.SIGKILL:
            assert process.returncode == 0, "the run failed by itself"
            raise AssertionError("the run was finished before it could be killed as often as asked: give it more steps")
        steps.append(_last_step(run))
    assert _start(job_file, run).wait() == 0
    return steps


def losses_of(run: Path) -> dict[int, float]:
    """The loss of each step; of steps that were done twice, the later one."""
    return {event["step"]: event["loss"] for event in read_events(run / EVENTS_FILE) if event["event"] == "step"}


def _start(job_file: Path, run: Path) -> subprocess.Popen:
    how = "resume" if (run / JOB_FILE).is_file() else "new"
    command = [sys.executable, "-c", _CODE, job_file, run, how, str(torch.get_num_threads())]
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": PACKAGES})


def _last_step(run: Path) -> int:
    return max(losses_of(run), default=0)


def _wait_for_steps(process: subprocess.Popen, run: Path, steps: int) -> None:
    first, size = None, (run / EVENTS_FILE).stat().st_size if (run / EVENTS_FILE).is_file() else 0
    while process.poll() is None:
        text = (run / EVENTS_FILE).read_bytes()[size:] if (run / EVENTS_FILE).is_file() else b""
        first = text.count(b'"event": "step"')
        if first >= steps:
            return
        time.sleep(0.005)
