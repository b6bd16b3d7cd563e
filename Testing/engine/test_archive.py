"""Model archives: what comes out is what went in, and nothing harmful ever enters a zoo."""

import io
import stat
import struct
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from MedSegDLLib import archive
from MedSegDLLib.archive import export_model, import_model
from MedSegDLLib.errors import InputError, ModelError, OutputError
from MedSegDLLib.zoo import verify_model
from Testing.engine.small_model import LABELS, WEIGHTS, write_model


@pytest.fixture
def packed(tmp_path):
    """A sound archive of the model 'small'."""
    folder = write_model(tmp_path / "source")
    export_model(folder, tmp_path / "small.zip")
    return tmp_path / "small.zip"


def contents(path):
    with zipfile.ZipFile(path) as file:
        return {entry.filename: file.read(entry) for entry in file.infolist()}


def repacked(packed, *entries, without=()):
    """The archive `packed` with further entries (name or ZipInfo, bytes) and `without` some of its files."""
    files = [(name, data) for name, data in contents(packed).items() if name not in without]
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for entry, data in [*files, *entries]:
            file.writestr(entry, data)
    return packed


def refused(packed, zoo, complaint, error=ModelError):
    """Assert that importing fails with a sentence and leaves the zoo as it was."""
    before = sorted(zoo.rglob("*")) if zoo.exists() else []
    with pytest.raises(error, match=complaint):
        import_model(packed, zoo)
    assert (sorted(zoo.rglob("*")) if zoo.exists() else []) == before


def test_round_trip(packed, tmp_path):
    assert set(contents(packed)) == {
        f"small/{name}" for name in ("card.json", "labels.csv", "weights.safetensors", "README.md")
    }
    folder = import_model(packed, tmp_path / "zoo")
    assert folder == tmp_path / "zoo" / "small"
    assert verify_model(folder)[1] == LABELS
    for path in (tmp_path / "source" / "small").iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes()
    assert [path.name for path in (tmp_path / "zoo").iterdir()] == ["small"]


def test_the_same_model_gives_the_same_archive(packed, tmp_path):
    export_model(write_model(tmp_path / "again"), tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes()


def test_export_leaves_out_what_is_no_part_of_a_model(tmp_path):
    folder = write_model(tmp_path / "source")
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "job.json").write_text("{}", encoding="utf-8")
    (folder / "LICENSE.txt").symlink_to("/etc/hostname")
    export_model(folder, tmp_path / "small.zip")
    names = {name.removeprefix("small/") for name in contents(tmp_path / "small.zip")}
    assert names == {"card.json", "labels.csv", "weights.safetensors", "README.md", "job.json"}


def test_damaged_models_are_not_exported(tmp_path):
    folder = write_model(tmp_path)
    (folder / "weights.safetensors").write_bytes(b"other")
    with pytest.raises(ModelError, match="damaged or was changed"):
        export_model(folder, tmp_path / "small.zip")
    assert not (tmp_path / "small.zip").exists()


def test_export_says_where_it_cannot_write(tmp_path):
    folder = write_model(tmp_path)
    with pytest.raises(OutputError, match=r"should end in \.zip"):
        export_model(folder, tmp_path / "small.tar")
    with pytest.raises(OutputError):
        export_model(folder, tmp_path / "absent" / "small.zip")


def test_archives_of_other_programs_with_a_folder_entry_are_read(packed, tmp_path):
    assert import_model(repacked(packed, ("small/", b"")), tmp_path / "zoo").name == "small"


ELSEWHERE = ["/etc/passwd", "../small/card.json", "small/../../x", "small/./README.md", "..", "C:/x", "C:x", "\\\\host\\x"]
ELSEWHERE += ["small\\..\\x", "small/card.json:stream", "small/a\nb", "~/../x", "./small/README.md"]
UNKNOWN = ["small/other.txt", "small/more/card.json", "README.md", "small/inner.zip", "small/weights.pt", "small/__init__.py"]
UNKNOWN += ["small/Card.json", "small/CARD.JSON", "Small/card.json", "small/card.json ", "small/card.json.", "small//card.json"]
UNKNOWN += ["small", "small/licence.txt", "__MACOSX/._card.json", "small/job.json/", "~root/x", "small/cárd.json"]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_paths_that_lead_elsewhere_are_refused(packed, tmp_path, name):
    refused(repacked(packed, (name, b"x")), tmp_path / "zoo", "leads outside of the model's folder")
    assert {path.name for path in tmp_path.iterdir()} <= {"small.zip", "source", "zoo"}


@pytest.mark.parametrize("name", UNKNOWN)
def test_files_that_no_model_has_are_refused(packed, tmp_path, name):
    refused(repacked(packed, (name, b"x")), tmp_path / "zoo", "but a model archive has only <id>/ with card.json")


def test_a_name_with_a_nul_byte_is_refused(packed, tmp_path):
    data = repacked(packed, ("small/LICENSE.txtX.exe", b"x")).read_bytes()
    packed.write_bytes(data.replace(b"small/LICENSE.txtX.exe", b"small/LICENSE.txt\0.exe"))
    refused(packed, tmp_path / "zoo", "leads outside of the model's folder")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicates_are_refused(packed, tmp_path):
    refused(repacked(packed, ("small/card.json", b"{}")), tmp_path / "zoo", "has a file twice")


def test_two_models_in_one_archive_are_refused(packed, tmp_path):
    refused(repacked(packed, ("other/card.json", b"{}")), tmp_path / "zoo", "this one has 2 folders")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK, stat.S_IFDIR])
def test_links_and_special_files_are_refused(packed, tmp_path, kind):
    entry = zipfile.ZipInfo("small/LICENSE.txt")
    entry.external_attr = (kind | 0o777) << 16
    refused(repacked(packed, (entry, b"/etc/passwd")), tmp_path / "zoo", "is a link or a special file")


@pytest.mark.parametrize("name", ["card.json", "labels.csv", "weights.safetensors"])
def test_incomplete_models_are_refused(packed, tmp_path, name):
    refused(repacked(packed, without=[f"small/{name}"]), tmp_path / "zoo", f"lacks {name}")


def test_unusual_packing_is_refused(packed, tmp_path):
    entry = zipfile.ZipInfo("small/LICENSE.txt")
    entry.compress_type = zipfile.ZIP_LZMA
    with zipfile.ZipFile(packed, "a") as file:
        file.writestr(entry, b"x", compress_type=zipfile.ZIP_LZMA)
    refused(packed, tmp_path / "zoo", "encrypted or packed in an unusual way")


# Sizes


def test_files_that_say_they_are_too_large_are_refused(packed, tmp_path):
    refused(repacked(packed, ("small/LICENSE.txt", bytes(1 << 20) + b"x")), tmp_path / "zoo", "has 1048577 bytes, more than")


def test_files_that_unpack_to_far_more_are_refused(packed, tmp_path):
    refused(repacked(packed, ("small/LICENSE.txt", bytes(1 << 20))), tmp_path / "zoo", "suspiciously many bytes")


def lying(packed, name, size):
    """Change the size that the archive declares for the file `name`, in both of its headers."""
    data = bytearray(packed.read_bytes())
    for signature, size_at, name_at in ((b"PK\x03\x04", 22, 30), (b"PK\x01\x02", 24, 46)):
        at = data.find(name.encode())
        while at >= name_at and data[at - name_at : at - name_at + 4] != signature:
            at = data.find(name.encode(), at + 1)
        struct.pack_into("<I", data, at - name_at + size_at, size)
    packed.write_bytes(data)
    return packed


@pytest.mark.parametrize("size", [1, len(WEIGHTS) - 1])
def test_files_larger_than_they_say_are_refused(packed, tmp_path, size):
    refused(lying(repacked(packed), "small/weights.safetensors", size), tmp_path / "zoo", "is not a whole zip file .*CRC")


def test_files_smaller_than_they_say_are_refused(packed, tmp_path):
    lying(repacked(packed), "small/weights.safetensors", len(WEIGHTS) + 1)
    refused(packed, tmp_path / "zoo", "another size than it declares")


def test_bytes_beyond_the_declared_size_are_never_taken(packed, tmp_path, monkeypatch):
    """Even if the zip library gave more than an entry declares, unpacking would stop there."""
    streams = []

    @contextmanager
    def generous(self, entry):
        streams.append(io.BytesIO(bytes(entry.file_size + (1 << 20))))
        yield streams[-1]

    monkeypatch.setattr(zipfile.ZipFile, "open", generous)
    refused(packed, tmp_path / "zoo", "another size than it declares")
    assert len(streams) == 1
    assert streams[0].tell() <= 2 * (64 << 10)


def test_many_entries_are_refused(packed, tmp_path):
    repacked(packed, *((f"small/{n}", b"") for n in range(9)))
    refused(packed, tmp_path / "zoo", "has 13 entries, more than a model has")


def test_a_table_of_contents_of_many_thousand_entries_is_not_loaded(packed, tmp_path):
    repacked(packed, *((f"small/{n}", b"") for n in range(3000)))
    refused(packed, tmp_path / "zoo", "lists far more files than a model has")


# Damage


@pytest.mark.parametrize("kept", [0, 10, 0.5, -1])
def test_truncated_archives_are_refused(packed, tmp_path, kept):
    data = packed.read_bytes()
    packed.write_bytes(data[: int(len(data) * kept) if isinstance(kept, float) else kept])
    refused(packed, tmp_path / "zoo", "is not a whole zip file .*: get it again")


def test_changed_weights_are_refused(packed, tmp_path):
    changed = bytes(len(WEIGHTS) - 1) + b"x"
    repacked(packed, ("small/weights.safetensors", changed), without=["small/weights.safetensors"])
    with zipfile.ZipFile(packed) as file:
        assert file.testzip() is None
    refused(packed, tmp_path / "zoo", "suspiciously many bytes")
    changed = WEIGHTS[::-1]
    repacked(packed, ("small/weights.safetensors", changed), without=["small/weights.safetensors"])
    refused(packed, tmp_path / "zoo", "damaged or was changed")


def test_a_card_of_another_model_is_refused(packed, tmp_path):
    other = write_model(tmp_path / "source", "other") / "card.json"
    repacked(packed, ("small/card.json", other.read_bytes()), without=["small/card.json"])
    refused(packed, tmp_path / "zoo", "is the card of 'other', but its folder is called 'small'")


def test_what_is_no_archive_is_told(tmp_path):
    refused(tmp_path / "absent.zip", tmp_path / "zoo", "cannot be read: No such file", InputError)
    refused(tmp_path, tmp_path / "zoo", "cannot be read: Is a directory", InputError)
    (tmp_path / "text.zip").write_text("not a zip file", encoding="utf-8")
    refused(tmp_path / "text.zip", tmp_path / "zoo", "is not a whole zip file")


# Into the zoo


def test_a_model_is_replaced_only_when_asked(packed, tmp_path):
    zoo = tmp_path / "zoo"
    older = write_model(zoo, weights=b"older")
    refused(packed, zoo, "a model 'small' in .* already: add --replace")
    assert (older / "weights.safetensors").read_bytes() == b"older"
    assert import_model(packed, zoo, replace=True) == older
    assert (older / "weights.safetensors").read_bytes() == WEIGHTS
    assert [path.name for path in zoo.iterdir()] == ["small"]


def test_the_older_model_stays_when_the_new_one_cannot_be_moved_in(packed, tmp_path, monkeypatch):
    zoo = tmp_path / "zoo"
    older = write_model(zoo, weights=b"older")
    rename = Path.rename

    def failing(self, target):
        if self.name == "small" and self.parent != zoo:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OutputError, match="the disk is full"):
        import_model(packed, zoo, replace=True)
    assert (older / "weights.safetensors").read_bytes() == b"older"
    assert [path.name for path in zoo.iterdir()] == ["small"]


def test_a_bundled_model_is_never_replaced(packed, tmp_path, monkeypatch):
    write_model(tmp_path / "bundled")
    monkeypatch.setattr(archive, "bundled_zoo", lambda: tmp_path / "bundled")
    with pytest.raises(ModelError, match="'small' came with MedSegDL and is not replaced"):
        import_model(packed, tmp_path / "zoo", replace=True)
    assert list((tmp_path / "zoo").iterdir()) == []


def test_a_link_in_the_zoo_is_replaced_not_followed(packed, tmp_path):
    elsewhere = write_model(tmp_path / "elsewhere", weights=b"mine")
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "small").symlink_to(elsewhere, target_is_directory=True)
    refused(packed, tmp_path / "zoo", "already: add --replace")
    folder = import_model(packed, tmp_path / "zoo", replace=True)
    assert not folder.is_symlink()
    assert (elsewhere / "weights.safetensors").read_bytes() == b"mine"


def test_a_link_to_nowhere_in_the_zoo_is_in_the_way(packed, tmp_path):
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "small").symlink_to(tmp_path / "nowhere")
    refused(packed, tmp_path / "zoo", "already: add --replace")
    assert not (tmp_path / "nowhere").exists()


def test_a_zoo_that_cannot_be_written_is_told(packed, tmp_path):
    (tmp_path / "zoo").write_text("a file, not a folder", encoding="utf-8")
    with pytest.raises(OutputError, match="The model cannot be put into"):
        import_model(packed, tmp_path / "zoo")
