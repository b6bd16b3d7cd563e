"""Models as zip files: `<id>/card.json` and its companions, checked before anything of them enters a zoo."""

from __future__ import annotations

import io
import re
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path

from MedSegDLLib.atomic import put_folder, why, written_beside
from MedSegDLLib.errors import InputError, ModelError, OutputError
from MedSegDLLib.model_card import (
    CARD_FILE,
    JOB_FILE,
    LABELS_FILE,
    LICENCE_FILE,
    README_FILE,
    WEIGHTS_FILE,
    is_model_id,
)
from MedSegDLLib.zoo import LARGEST_TEXT_BYTES, LARGEST_WEIGHTS_BYTES, bundled_zoo, verify_model

# The files that a model may have, with the most bytes of each; the first three it must have.
MODEL_FILES = {
    CARD_FILE: LARGEST_TEXT_BYTES,
    LABELS_FILE: LARGEST_TEXT_BYTES,
    WEIGHTS_FILE: LARGEST_WEIGHTS_BYTES,
    README_FILE: LARGEST_TEXT_BYTES,
    LICENCE_FILE: LARGEST_TEXT_BYTES,
    JOB_FILE: LARGEST_TEXT_BYTES,
}
_REQUIRED_FILES = (CARD_FILE, LABELS_FILE, WEIGHTS_FILE)
LARGEST_ARCHIVE_BYTES = sum(MODEL_FILES.values()) + LARGEST_TEXT_BYTES

_LARGEST_RATIO = 100  # text packs to a tenth, weights hardly at all; deflate can reach 1000
_RATIO_FREE_BYTES = 64 << 10
_PIECE = 64 << 10
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_DATE = (1980, 1, 1, 0, 0, 0)


def import_model(archive: Path, zoo: Path, replace: bool = False) -> Path:
    """Unpack a model archive into the folder `zoo`; returns the model's folder.

    The archive is unpacked beside, verified (card, labels, SHA-256 of the weights) and renamed, so that the zoo has the
    whole model or is as before. Raises ModelError for an archive that holds anything but one model or could harm (paths
    that lead elsewhere, links, sizes beyond the limits), for a model that does not verify, and for an id that is bundled or,
    without `replace`, already there; InputError if the archive and OutputError if the zoo cannot be used.
    """
    try:
        zoo.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=zoo) as beside:
            folder = _unpack(archive, Path(beside))
            verify_model(folder)
            return _move_in(folder, zoo / folder.name, replace)
    except OSError as reason:
        raise OutputError(f"The model cannot be put into {zoo}: {why(reason)}. Nothing was changed.") from reason


def import_folder(folder: Path, zoo: Path, replace: bool = False) -> Path:
    """As `import_model`, for a model folder that lies anywhere: it is packed first, so that the same checks apply."""
    with tempfile.TemporaryDirectory(prefix="medsegdl-import-") as beside:
        archive = Path(beside) / "model.zip"
        export_model(folder, archive)
        return import_model(archive, zoo, replace)


def export_model(folder: Path, archive: Path) -> None:
    """Write a verified model folder into a zip file that `import_model` reads; the same model gives the same bytes.

    Raises ModelError if the model does not verify, OutputError if the archive cannot be written.
    """
    verify_model(folder)
    if archive.suffix.lower() != ".zip":
        raise OutputError(f"A model archive is a zip file, so '{archive.name}' should end in .zip.")
    with written_beside(archive) as beside, zipfile.ZipFile(beside, "w") as packed:
        for name in MODEL_FILES:
            if (folder / name).is_file() and not (folder / name).is_symlink():
                _pack(folder / name, packed, f"{folder.name}/{name}")


def _pack(path: Path, packed: zipfile.ZipFile, name: str) -> None:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type = zipfile.ZIP_STORED if path.name == WEIGHTS_FILE else zipfile.ZIP_DEFLATED
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    entry.file_size = path.stat().st_size
    with path.open("rb") as source, packed.open(entry, "w") as target:
        shutil.copyfileobj(source, target, _PIECE)


class _ShortReads(io.BufferedReader):
    """A file that is only read in short pieces: a table of contents of many thousand entries is refused, not loaded.

    zipfile reads that table in one go; everything else that it asks for is shorter.
    """

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(2 * _PIECE if size is None or size < 0 else min(size, 2 * _PIECE))
        if len(piece) == 2 * _PIECE:
            raise ModelError("The archive lists far more files than a model has, so it was not unpacked.")
        return piece


def _unpack(archive: Path, beside: Path) -> Path:
    """Unpack the checked entries of `archive` below the folder `beside`; returns the model's folder there."""
    try:
        opened = io.FileIO(archive)
    except OSError as reason:
        raise InputError(f"The archive {archive} cannot be read: {reason.strerror}.") from reason
    try:
        with _ShortReads(opened) as file, zipfile.ZipFile(file) as packed:
            entries = _checked_entries(packed)
            for entry in entries:
                target = beside / entry.filename
                target.parent.mkdir(exist_ok=True)
                _unpack_entry(packed, entry, target)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, ValueError, RuntimeError) as reason:
        raise ModelError(f"{archive} is not a whole zip file ({reason}): get it again.") from reason
    return target.parent


def _checked_entries(packed: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files of the one model in the archive; raises ModelError at the first thing that does not belong there."""
    entries = packed.infolist()
    if len(entries) > 2 * len(MODEL_FILES):
        raise ModelError(f"The archive has {len(entries)} entries, more than a model has, so it was not unpacked.")
    for entry in entries:
        _check_place(entry)
        _check_kind(entry)
        _check_size(entry)
    files = [entry for entry in entries if not entry.is_dir()]
    names = [entry.filename for entry in files]
    if len(set(names)) < len(names):
        raise ModelError("The archive has a file twice, so it was not unpacked.")
    folders = {entry.filename.split("/")[0] for entry in entries}
    if len(folders) != 1:
        raise ModelError(f"An archive holds one model in one folder, but this one has {len(folders)} folders.")
    if missing := [name for name in _REQUIRED_FILES if f"{next(iter(folders))}/{name}" not in names]:
        raise ModelError(f"The archive lacks {', '.join(missing)}, which every model has.")
    return files


def _check_place(entry: zipfile.ZipInfo) -> None:
    """Only `<id>/` and `<id>/<file of a model>`: letter for letter, so no absolute path, `..`, drive or other case."""
    name = entry.orig_filename
    if re.search(r"^[/\\]|\\|:|(^|/)\.\.?(/|$)|[\0-\x1f]", name):
        raise ModelError(f"The archive has a file {name!r}, which leads outside of the model's folder: it was not unpacked.")
    model_id, _, file = name.partition("/")
    if not is_model_id(model_id) or file not in ("", *MODEL_FILES) or name == model_id:
        known = ", ".join(MODEL_FILES)
        raise ModelError(f"The archive has {name!r}, but a model archive has only <id>/ with {known}: it was not unpacked.")


def _check_kind(entry: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFDIR if entry.is_dir() else stat.S_IFREG):
        raise ModelError(f"{entry.filename!r} in the archive is a link or a special file: it was not unpacked.")
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _PACKINGS:
        raise ModelError(f"{entry.filename!r} in the archive is encrypted or packed in an unusual way: pack it as a plain zip.")


def _check_size(entry: zipfile.ZipInfo) -> None:
    limit = MODEL_FILES.get(entry.filename.rpartition("/")[2], 0)
    if entry.file_size > limit:
        raise ModelError(f"{entry.filename!r} in the archive has {entry.file_size} bytes, more than the {limit} allowed.")
    if entry.file_size > _RATIO_FREE_BYTES + _LARGEST_RATIO * entry.compress_size:
        raise ModelError(f"{entry.filename!r} in the archive unpacks to suspiciously many bytes: it was not unpacked.")


def _unpack_entry(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    """Write one entry, never more bytes than it declares (its CRC is checked at its end)."""
    written = 0
    with packed.open(entry) as source, target.open("xb") as file:
        while piece := source.read(_PIECE):
            written += len(piece)
            if written > entry.file_size:
                break
            file.write(piece)
    if written != entry.file_size:
        raise ModelError(f"{entry.filename!r} in the archive has another size than it declares: get the archive again.")


def _move_in(folder: Path, target: Path, replace: bool) -> Path:
    """Rename a verified model folder to `target`; an older one is put aside first and put back if that fails."""
    bundled = bundled_zoo()
    if bundled and (bundled / target.name).exists():
        raise ModelError(f"The model '{target.name}' came with MedSegDL and is not replaced: export yours under another id.")
    if (target.is_symlink() or target.exists()) and not replace:
        raise ModelError(f"There is a model '{target.name}' in {target.parent} already: add --replace to replace it.")
    put_folder(folder, target)
    return target
