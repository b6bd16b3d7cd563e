import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from MedSegDLLib import mapped_files
from MedSegDLLib.errors import OutputError
from MedSegDLLib.mapped_files import MappedFile, exchange_folder, fill, mapped_array, no_room, sweep

PACKAGE = str(Path(mapped_files.__file__).parents[1])


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Memory and temporary folder of this test alone."""
    memory, temporary = tmp_path / "memory", tmp_path / "temporary"
    memory.mkdir()
    temporary.mkdir()
    monkeypatch.setattr(mapped_files, "_MEMORY", memory)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    return memory, temporary


def arrays():
    ramp = np.arange(-30, 30, dtype=np.int16).reshape(3, 4, 5)
    return {
        "as it is": ramp,
        "Fortran order": np.asfortranarray(ramp),
        "a view": ramp[::-1, ::2],
        "big-endian": ramp.astype(">f8"),
        "read-only": np.broadcast_to(np.float32(2.5), (2, 3)),
        "one byte": ramp.astype(np.uint8),
    }


@pytest.mark.parametrize("name", arrays())
def test_another_process_maps_what_was_written(places, name):
    array = arrays()[name]
    file = MappedFile(places[0], "image")
    file.write(array)
    code = (
        "import sys; from pathlib import Path; import numpy as np; from MedSegDLLib.mapped_files import mapped_array\n"
        "array = mapped_array(Path(sys.argv[1]), np.dtype(sys.argv[2]), tuple(map(int, sys.argv[3].split(','))))\n"
        "assert not array.flags.writeable\n"
        "print(array.tolist())"
    )
    command = [sys.executable, "-c", code, str(file.path), array.dtype.str, ",".join(map(str, array.shape))]
    told = subprocess.run(command, capture_output=True, encoding="utf-8", env=os.environ | {"PYTHONPATH": PACKAGE})
    assert told.stdout == f"{array.tolist()}\n", told.stderr
    file.remove()
    assert not file.path.exists()


@pytest.mark.parametrize("name", arrays())
def test_what_another_process_filled_in_is_read(places, name):
    array = arrays()[name]
    file = MappedFile(places[0], "labels")
    fill(file.path, array)
    found = file.read(array.dtype, array.shape)
    file.remove()
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)
    found[:] = 0  # a copy


def test_a_file_that_was_filled_in_part_is_refused(places):
    file = MappedFile(places[0], "labels")
    fill(file.path, np.zeros(7, np.uint8))
    with pytest.raises(ValueError):
        file.read(np.dtype(np.uint8), (2, 4))
    with pytest.raises(ValueError):
        mapped_array(file.path, np.dtype(np.uint8), (2, 4))
    file.remove()


def test_a_file_that_its_owner_removed_is_not_made_again(places):
    file = MappedFile(places[0], "labels")
    file.remove()
    with pytest.raises(FileNotFoundError):
        fill(file.path, np.zeros(7, np.uint8))
    assert list(places[0].iterdir()) == []
    file.remove()  # twice does no harm


def test_a_file_is_for_its_user_only_and_names_its_owner(places):
    file = MappedFile(places[0], "image")
    assert file.path.stat().st_mode & 0o077 == 0
    assert file.path.name.startswith(f"MedSegDL-{os.getpid()}-")
    file.remove()


def test_a_mapped_array_outlives_its_file(places):
    file = MappedFile(places[0], "image")
    file.write(np.arange(10))
    array = mapped_array(file.path, np.dtype(np.int64), (10,))
    file.remove()
    assert array.sum() == 45


def test_leftovers_of_the_dead_are_removed_and_files_of_the_living_stay(places):
    memory, temporary = places
    own = MappedFile(memory, "image")
    code = "import sys; from pathlib import Path; from MedSegDLLib.mapped_files import MappedFile\n"
    code += "files = [MappedFile(Path(folder), 'image') for folder in sys.argv[1:]]; print(flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(memory), str(temporary)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": PACKAGE},
    )  # fmt: skip
    process.stdout.readline()
    others = [path for folder in places for path in folder.glob(f"MedSegDL-{process.pid}-*")]
    (memory / "of-another-program").touch()
    assert len(others) == 2
    assert sweep() == []
    process.kill()
    process.wait()
    # An id is used again: the name of a file that nobody holds says that it is this living process's.
    reused = memory / f"MedSegDL-{os.getpid()}-0123456789abcdef.image"
    reused.touch()
    assert sorted(sweep()) == sorted([*others, reused])
    assert sorted(path.name for path in memory.iterdir()) == sorted([own.path.name, "of-another-program"])
    own.remove()


def test_a_sweep_between_making_and_locking_is_survived(places, monkeypatch):
    taken = []
    lock = mapped_files._locked

    def swept_first(descriptor):
        if not taken:
            taken.extend(sweep())
        return lock(descriptor)

    monkeypatch.setattr(mapped_files, "_locked", swept_first)
    file = MappedFile(places[0], "image")
    assert len(taken) == 1
    file.write(np.zeros(3))
    assert file.path.stat().st_size == 24
    assert sweep() == []
    file.remove()


def with_free(monkeypatch, **mib):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=mib[Path(folder).name] << 20))


def test_memory_is_taken_where_there_is_room_else_the_temporary_folder(places, monkeypatch):
    with_free(monkeypatch, memory=200, temporary=1000)
    assert exchange_folder(100 << 20) == places[0]
    assert exchange_folder(150 << 20) == places[1]  # some is left for others
    places[0].rmdir()
    assert exchange_folder(1) == places[1]


def test_too_little_room_everywhere_is_a_sentence(places, monkeypatch):
    with_free(monkeypatch, memory=200, temporary=100)
    with pytest.raises(OutputError, match=r"needs 1064 MiB .* there is 200 MiB in .*memory and 100 MiB in .*temporary"):
        exchange_folder(1000 << 20)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_disk_that_is_full_while_writing_is_an_error_and_not_the_end_of_the_process(places):
    file = MappedFile(places[0], "image")
    with Path("/dev/full").open("r+b", buffering=0) as full:
        file._file, own = full, file._file
        with pytest.raises(OSError) as error:
            file.write(np.zeros(1000))
        file._file = own
    file.remove()
    assert "the disk is full" in str(no_room(error.value))


def test_a_file_goes_with_the_last_reference_to_it_or_with_the_program(places):
    file = MappedFile(places[0], "image")
    assert list(places[0].iterdir()) == [file.path]
    del file
    assert list(places[0].iterdir()) == []
    code = (
        "import sys; from pathlib import Path; from MedSegDLLib.mapped_files import MappedFile\n"
        "file = MappedFile(Path(sys.argv[1]), 'image'); print(file.path.is_file())"
    )
    command = [sys.executable, "-c", code, str(places[0])]
    told = subprocess.run(command, capture_output=True, encoding="utf-8", env=os.environ | {"PYTHONPATH": PACKAGE})
    assert told.stdout == "True\n" and list(places[0].iterdir()) == [], told.stderr
