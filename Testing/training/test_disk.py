"""A full disk makes a run wait, not fail."""

import errno

import pytest

from MedSegDLLib.atomic import written_beside
from MedSegDLLib.errors import Cancelled, OutputError
from MedSegDLLib.progress import CancelToken
from MedSegDLTrainLib import disk
from MedSegDLTrainLib.disk import is_full, when_there_is_room


class _Disk:
    """Full for the first `times` writes."""

    def __init__(self, times, number=errno.ENOSPC):
        self.times, self.number, self.written = times, number, 0

    def write(self):
        if self.times:
            self.times -= 1
            raise OSError(self.number, "no")
        self.written += 1


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    monkeypatch.setattr(disk, "_SECONDS_BETWEEN", 0.001)


def test_it_says_once_that_it_waits_and_once_that_it_goes_on():
    told, full = [], _Disk(3)
    when_there_is_room(full.write, lambda: told.append("waits"), lambda: told.append("goes on"), CancelToken())
    assert (told, full.written) == (["waits", "goes on"], 1)


def test_with_room_nothing_is_said():
    told = []
    when_there_is_room(_Disk(0).write, lambda: told.append(1), lambda: told.append(2), CancelToken())
    assert told == []


def test_other_errors_are_not_waited_for():
    with pytest.raises(OSError, match="no"):
        when_there_is_room(_Disk(1, errno.EACCES).write, _nothing, _nothing, CancelToken())


def test_waiting_ends_when_somebody_stops_the_run():
    cancel = CancelToken()
    with pytest.raises(Cancelled, match="while the disk was full"):
        when_there_is_room(_Disk(9).write, cancel.cancel, _nothing, cancel)


def test_a_full_disk_is_known_through_the_sentence_that_it_became(tmp_path):
    with pytest.raises(OutputError) as caught, written_beside(tmp_path / "file"):
        raise OSError(errno.ENOSPC, "no")
    assert is_full(caught.value)
    assert not is_full(OutputError("something else"))


def _nothing():
    pass
