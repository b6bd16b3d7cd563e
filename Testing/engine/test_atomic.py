"""Files appear whole or not at all."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from MedSegDLLib.atomic import make_folder, written_beside
from MedSegDLLib.errors import OutputError


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "scan.seg.nrrd"
    with written_beside(path) as beside:
        beside.write_text("whole", encoding="utf-8")
        assert (beside.parent, beside.suffixes) == (tmp_path, [".seg", ".nrrd"])
        assert not path.exists()
    assert path.read_text(encoding="utf-8") == "whole"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there(tmp_path, failure):
    path = tmp_path / "scan.nii.gz"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(failure), written_beside(path) as beside:
        beside.write_text("half", encoding="utf-8")
        raise failure
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full; make room"),
        (errno.EDQUOT, "quota is used up"),
        (errno.EROFS, "read-only; choose another folder"),
        (errno.EACCES, "not allowed; choose another folder"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_errors_of_the_system_become_sentences(tmp_path, number, words):
    with pytest.raises(OutputError, match=words), written_beside(tmp_path / "a.txt"):
        raise OSError(number, os.strerror(number))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_read_only_is_told_though_nothing_can_be_removed_there(tmp_path, monkeypatch):
    def refused(self, *_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    monkeypatch.setattr(Path, "touch", refused)
    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(OutputError, match="that disk is read-only; choose another folder"), written_beside(tmp_path / "a.txt"):
        pass


def test_a_missing_folder_is_named(tmp_path):
    with (
        pytest.raises(OutputError, match=r"there is no folder .*nowhere; make it"),
        written_beside(tmp_path / "nowhere" / "a.txt"),
    ):
        pass


def test_a_folder_is_not_replaced(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OutputError, match="is a folder"), written_beside(tmp_path / "a.txt"):
        pass


def test_too_long_a_name_is_a_sentence(tmp_path):
    with pytest.raises(OutputError, match="the name is too long"), written_beside(tmp_path / (300 * "a" + ".txt")) as beside:
        beside.write_text("x", encoding="utf-8")


def test_a_folder_with_too_long_a_name_is_a_sentence(tmp_path):
    with pytest.raises(OutputError, match="cannot be made: the name is too long"):
        make_folder(tmp_path / (300 * "a") / "results")


def test_the_file_gets_ordinary_permissions(tmp_path):
    path = tmp_path / "a.txt"
    with written_beside(path) as beside:
        beside.write_text("x", encoding="utf-8")
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no user that may not write his own folder this way")
def test_protected_files_and_folders_are_refused(tmp_path):
    """In a process without the administrator's rights, which would write anywhere."""
    (tmp_path / "a.txt").write_text("old", encoding="utf-8")
    (tmp_path / "a.txt").chmod(0o444)
    (tmp_path / "closed").mkdir(mode=0o555)
    tmp_path.chmod(0o777)
    script = (
        "import os, sys, pathlib\n"
        "from MedSegDLLib.atomic import written_beside\n"
        "from MedSegDLLib.errors import OutputError\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "os.chdir(folder)\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "for name in ('a.txt', 'closed/b.txt'):\n"
        "    try:\n"
        "        with written_beside(pathlib.Path(name)): pass\n"
        "    except OutputError as error: print(error)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, encoding="utf-8", env=environment, check=True
    )
    first, second = done.stdout.splitlines()
    assert first == "a.txt is write-protected; choose another name or change its permissions."
    assert second.startswith("closed/b.txt cannot be written: writing there is not allowed")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "old"
