import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from MedSegDLLib import batch_records
from MedSegDLLib.batch_inputs import BatchInput, images_below, images_of_database
from MedSegDLLib.batch_records import Row, Summary
from MedSegDLLib.errors import InputError, OutputError
from MedSegDLLib.files import write_image
from MedSegDLLib.segmentation_file import read_segmentation
from Testing.engine.conftest import CommandLine, bright_box

BOX_VOXELS, BOX_ML = 400, 9.6


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Three images in two folders, one damaged file, a segmentation and a text, which are none."""
    folder = tmp_path / "scans"
    for name in ("a.nii.gz", "anna/first.nrrd", "anna/deep/second.mha"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(bright_box(), folder / name)
    (folder / "anna" / "broken.nii.gz").write_bytes(b"no image")
    (folder / "anna" / "first.seg.nrrd").write_bytes(b"not looked at")
    (folder / "notes.txt").write_text("none")
    return folder


def rows_of(summary: Path) -> list[dict]:
    with summary.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_results_lie_as_the_images_do_and_one_table_has_all_volumes(command_line: CommandLine, scans: Path, tmp_path: Path):
    out = tmp_path / "out"
    outcome = command_line("batch", "--input", scans, "--model", "bright", "--output", out)
    assert outcome.status == 2 and "broken.nii.gz" in outcome.err and "1 of 4 inputs failed" in outcome.err
    for name in ("a", "anna/first", "anna/deep/second"):
        assert (read_segmentation(out / f"{name}.seg.nrrd").labelmap.array == 1).sum() == BOX_VOXELS
    rows = rows_of(out / "summary.csv")
    assert [(Path(row["input"]).name, row["state"]) for row in rows] == [
        ("a.nii.gz", "done"), ("broken.nii.gz", "failed"), ("first.nrrd", "done"), ("second.mha", "done"),
    ]  # fmt: skip
    assert rows[0]["label"] == "Bright" and float(rows[0]["volume_ml"]) == pytest.approx(BOX_ML)
    assert rows[1]["label"] == "" and "broken.nii.gz" in rows[1]["message"]


def test_resume_leaves_alone_what_is_done_and_does_the_rest(command_line: CommandLine, scans: Path, tmp_path: Path):
    out = tmp_path / "out"
    (scans / "anna" / "broken.nii.gz").unlink()
    assert command_line("batch", "--input", scans, "--model", "bright", "--output", out).status == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.seg.nrrd")}
    (out / "anna" / "first.seg.nrrd").unlink()  # its record is still there
    write_image(bright_box(), scans / "a.nii.gz")  # changed since
    outcome = command_line("batch", "--input", scans, "--model", "bright", "--output", out, "--resume")
    assert outcome.status == 0 and "3 images, 2 to segment, 1 done already." in outcome.err
    assert (out / "anna" / "deep" / "second.seg.nrrd").stat().st_mtime_ns == before[out / "anna" / "deep" / "second.seg.nrrd"]
    assert (out / "a.seg.nrrd").stat().st_mtime_ns > before[out / "a.seg.nrrd"] and (out / "anna" / "first.seg.nrrd").is_file()
    assert [row["volume_ml"] for row in rows_of(out / "summary.csv")] == ["9.6"] * 3


@pytest.mark.parametrize(
    "changed", [["--model", "two_labels"], ["--overlap", "0.25"], ["--format", ".nii.gz"]], ids=lambda c: c[0]
)
def test_resume_with_another_model_or_option_does_everything_again(command_line, scans, tmp_path, changed):
    asked = {"--model": "bright"} | dict([changed])
    shutil.rmtree(scans / "anna")
    command_line("batch", "--input", scans, "--model", "bright", "--output", tmp_path / "out")
    options = [text for pair in asked.items() for text in pair]
    outcome = command_line("batch", "--input", scans, *options, "--output", tmp_path / "out", "--resume")
    assert outcome.status == 0 and "1 to segment." in outcome.err


def test_a_second_run_over_a_folder_that_holds_the_results_does_not_segment_them(command_line, scans, tmp_path):
    shutil.rmtree(scans / "anna")
    for _ in range(2):
        options = ("--model", "bright", "--output", scans / "results", "--format", ".nii.gz")
        outcome = command_line("batch", "--input", scans, *options)
        assert outcome.status == 0 and outcome.err == "1 image, 1 to segment.\n"


def test_every_frame_gives_the_table_of_a_heart(command_line, cine_file, tmp_path):
    out = tmp_path / "out"
    outcome = command_line("batch", "--input", cine_file.parent, "--model", "bright", "--output", out, "--frame", "all")
    (row,) = rows_of(out / "summary.csv")
    assert outcome.status == 0, outcome.err
    assert float(row["end_diastolic_ml"]) == pytest.approx(9.6) and float(row["end_systolic_ml"]) == pytest.approx(4.8)
    assert float(row["ejection_fraction_percent"]) == pytest.approx(50)


def test_a_single_frame_has_no_ejection_fraction_in_the_table(command_line: CommandLine, scans: Path, tmp_path: Path):
    shutil.rmtree(scans / "anna")
    out = tmp_path / "out"
    outcome = command_line("batch", "--input", scans, "--model", "bright", "--output", out, "--frame", "all")
    (row,) = rows_of(out / "summary.csv")
    assert outcome.status == 0 and "ejection fraction unknown" in outcome.out
    assert row["volume_ml"] == "9.6" and row["message"].startswith("One frame does not make a heart beat")
    assert [row[name] for name in ("end_diastolic_ml", "end_systolic_ml", "ejection_fraction_percent")] == ["", "", ""]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "There is nothing to segment: name a folder with --input"),
        (["--input", "nowhere"], "nowhere is no folder"),
        (["--dicom-database", "."], "holds no DICOM database of Slicer: there is no ctkDICOM.sql in it"),
    ],
)
def test_nothing_to_segment_is_a_sentence(command_line: CommandLine, tmp_path: Path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    outcome = command_line("batch", *arguments, "--model", "bright", "--output", "out")
    assert outcome.status == 2 and sentence in outcome.err and not (tmp_path / "out").exists()


def test_two_folders_with_results_of_one_name_are_refused(command_line: CommandLine, scans: Path, tmp_path: Path):
    other = shutil.copytree(scans, tmp_path / "other")
    options = ("--model", "bright", "--output", tmp_path / "out")
    outcome = command_line("batch", "--input", scans, "--input", other, *options)
    assert outcome.status == 2 and "would have one name" in outcome.err and not (tmp_path / "out").exists()


def test_a_damaged_record_counts_for_nothing(command_line: CommandLine, scans: Path, tmp_path: Path):
    shutil.rmtree(scans / "anna")
    options = ("batch", "--input", scans, "--model", "bright", "--output", tmp_path / "out")
    for damage in ("", "{", "[]", '{"question": 1}', '{"question": {}, "report": {"output": 3}}'):
        command_line(*options)
        (tmp_path / "out" / "a.done.json").write_text(damage)
        assert "1 to segment." in command_line(*options, "--resume").err


def test_a_batch_that_is_killed_has_told_what_it_did_and_goes_on(bright_zoo: Path, scans: Path, tmp_path: Path):
    (scans / "anna" / "broken.nii.gz").unlink()
    out = tmp_path / "out"
    command = [sys.executable, "-m", "MedSegDLLib", "batch", "--input", scans, "--model", "bright", "--output", out, "--resume"]
    environment = os.environ | {"MEDSEGDL_MODELS": str(bright_zoo), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not (out / "summary.csv").is_file() and time.monotonic() < until:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = len(rows_of(out / "summary.csv"))
    again = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8")
    assert again.returncode == 0 and 1 <= finished <= 3, again.stderr
    assert len(rows_of(out / "summary.csv")) == 3
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


def database(folder: Path, series: list[tuple[str, str, str, Path]]) -> Path:
    """A DICOM database as ctkDICOM.sql 0.8.1 keeps it, with (uid, description, modality, file) of one patient."""
    with sqlite3.connect(folder / "ctkDICOM.sql") as made:
        made.executescript(
            "CREATE TABLE Images (SOPInstanceUID, Filename, SeriesInstanceUID);"
            "CREATE TABLE Patients (UID INTEGER PRIMARY KEY, PatientID);"
            "CREATE TABLE Studies (StudyInstanceUID, PatientsUID, StudyDate);"
            "CREATE TABLE Series (SeriesInstanceUID, StudyInstanceUID, SeriesNumber, SeriesDescription, Modality);"
            "INSERT INTO Patients VALUES (1, 'AB/12'); INSERT INTO Studies VALUES ('1.2', 1, '2020-01-31');"
        )
        for number, (uid, description, modality, file) in enumerate(series):
            made.execute("INSERT INTO Series VALUES (?, '1.2', ?, ?, ?)", (uid, number, description, modality))
            made.execute("INSERT INTO Images VALUES (?, ?, ?)", (f"{uid}.1", str(file), uid))
    made.close()
    return folder


def test_a_dicom_database_names_its_series_by_patient_and_date(tmp_path: Path):
    (tmp_path / "dicom" / "x").mkdir(parents=True)
    (tmp_path / "dicom" / "x" / "1.dcm").touch()
    series = [("1.2.12345678", "SAX / cine", "MR", Path("dicom/x/1.dcm")), ("1.3", "", "CT", tmp_path / "gone.dcm")]
    found, problems = images_of_database(database(tmp_path, series))
    name = Path("AB_12") / "2020-01-31" / "SAX_cine_12345678"
    assert found == [BatchInput(tmp_path / "dicom" / "x", name, "1.2.12345678", "MR")]
    assert problems == [f"The files of the series 1.3 of patient AB/12 are gone from {tmp_path}: import them again."]


def test_series_of_another_modality_are_left_out_and_say_so(command_line: CommandLine, tmp_path: Path):
    (tmp_path / "1.dcm").touch()
    folder = database(tmp_path, [("1.2", "bones", "CT", Path("1.dcm"))])
    outcome = command_line("batch", "--dicom-database", folder, "--model", "bright", "--output", tmp_path / "out")
    (row,) = rows_of(tmp_path / "out" / "summary.csv")
    assert outcome.status == 0 and outcome.err == "1 image, 0 to segment, 1 of another modality.\n"
    assert row["state"] == "left out" and row["message"] == "It is CT, the model 'bright' is for MR."


def test_a_file_that_is_no_database_is_a_sentence(tmp_path: Path):
    (tmp_path / "ctkDICOM.sql").write_text("nonsense")
    with pytest.raises(InputError, match=r"cannot be read .*: open it in Slicer once"):
        images_of_database(tmp_path)


def test_links_to_folders_and_hidden_files_are_not_followed(scans: Path):
    (scans / "loop").symlink_to(scans)
    shutil.copy(scans / "a.nii.gz", scans / ".hidden.nii.gz")
    found, problems = images_below(scans)
    assert [str(item.name) for item in found] == ["a", "anna/broken", "anna/first", "anna/deep/second"] and problems == []


def test_a_record_says_what_was_asked_and_what_came_out(command_line: CommandLine, scans: Path, tmp_path: Path):
    shutil.rmtree(scans / "anna")
    command_line("batch", "--input", scans, "--model", "bright", "--output", tmp_path / "out")
    record = json.loads((tmp_path / "out" / "a.done.json").read_text(encoding="utf-8"))
    assert record["question"]["model"] == "bright" and record["question"]["image"] == str(scans / "a.nii.gz")
    assert record["report"]["labels"][0]["voxels"] == BOX_VOXELS


def test_images_of_one_name_in_one_folder_are_told_apart_by_their_suffix(command_line: CommandLine, scans: Path, tmp_path):
    shutil.rmtree(scans / "anna")
    write_image(bright_box(), scans / "a.nrrd")
    outcome = command_line("batch", "--input", scans, "--model", "bright", "--output", tmp_path / "out")
    assert outcome.status == 0, outcome.err
    assert sorted(path.name for path in (tmp_path / "out").glob("*.seg.nrrd")) == ["a_nii_gz.seg.nrrd", "a_nrrd.seg.nrrd"]


def test_names_that_differ_in_capitals_only_are_one_name_as_on_windows_and_macos(tmp_path: Path):
    for name in ("Scan.nii.gz", "other.nrrd", "scan.nrrd"):
        (tmp_path / name).touch()
    assert [str(item.name) for item in images_below(tmp_path)[0]] == ["Scan_nii_gz", "other", "scan_nrrd"]


def test_series_whose_names_would_be_one_are_told_apart_by_their_uid(tmp_path: Path):
    (tmp_path / "1.dcm").touch()
    series = [(uid, "cine", "MR", Path("1.dcm")) for uid in ("1.2.3.45678.11.2", "1.2.3.45678.1.12", "1.2.99")]
    found, _ = images_of_database(database(tmp_path, series))
    assert [item.name.name for item in found] == [
        "cine_45678112_1.2.3.45678.11.2", "cine_45678112_1.2.3.45678.1.12", "cine_1299"
    ]  # fmt: skip


@pytest.mark.parametrize(("method", "name"), [("iterdir", "anna"), ("open", "notes.txt")])
def test_a_folder_or_file_that_cannot_be_read_does_not_stop_the_others(scans: Path, monkeypatch, method: str, name: str):
    real = getattr(Path, method)

    def refused(path: Path, *arguments):
        if path == scans / name:
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments)

    monkeypatch.setattr(Path, method, refused)
    found, problems = images_below(scans)
    assert scans / "a.nii.gz" in [item.source for item in found]
    assert len(problems) == 1 and f"{scans / name} cannot be read: Permission denied." in problems[0]


def _row(number: int) -> Row:
    labels = [{"name": f"bone {n}", "voxels": n, "volume_ml": n / 10} for n in range(10)]
    report = {"output": "o", "model": {"id": "m"}, "device": "cpu", "seconds": {"network": 1.0}, "labels": labels}
    return Row(BatchInput(Path(f"{number}.nii.gz"), Path(str(number))), "done", report)


def test_the_table_of_many_images_costs_little_and_is_whole_whenever_it_is_looked_at(tmp_path: Path, monkeypatch):
    """Time is counted in images and lines of the table: writing 10 lines takes as long as an image."""
    rows, path, now, cost = [_row(number) for number in range(2000)], tmp_path / "new" / "summary.csv", [0.0], [0.0]
    summary, lines = Summary(path, [row.input for row in rows]), 0
    monkeypatch.setattr(batch_records.time, "monotonic", lambda: now[0] + cost[0])
    written_beside = batch_records.written_beside

    @contextmanager
    def slowly(path: Path) -> Iterator[Path]:
        with written_beside(path) as beside:
            yield beside
        cost[0] += lines / 10

    monkeypatch.setattr(batch_records, "written_beside", slowly)
    written = []
    for row in rows[::-1]:
        summary.put(row)
        now[0] += 1000
        lines += 10
        if summary.is_due:
            summary.write()
            written.append(lines)
    assert len(rows_of(path)) == written[-1]
    assert written[:20] == list(range(10, 210, 10)), "a short table is always up to date"
    assert cost[0] <= 0.021 * now[0], "a long one costs a fiftieth of the time"
    summary.write()
    assert [row["input"] for row in rows_of(path)[::10]] == [str(row.input.source) for row in rows]


def test_a_table_that_cannot_be_written_meanwhile_does_not_stop_the_batch(command_line, scans, tmp_path, monkeypatch):
    """As on Windows, where somebody has it open in Excel."""
    shutil.rmtree(scans / "anna")
    write_image(bright_box(), scans / "b.nii.gz")
    real, calls = Summary.write, []

    def write(summary: Summary) -> None:
        calls.append(summary)
        if len(calls) < 3:
            raise OutputError("It is open elsewhere.")
        real(summary)

    monkeypatch.setattr(Summary, "write", write)
    outcome = command_line("batch", "--input", scans, "--model", "bright", "--output", tmp_path / "out")
    assert outcome.status == 0, outcome.err
    assert [row["state"] for row in rows_of(tmp_path / "out" / "summary.csv")] == ["done", "done"]


def test_a_resumed_table_stands_in_the_order_of_the_images(command_line: CommandLine, scans: Path, tmp_path: Path):
    options = ("batch", "--input", scans, "--model", "bright", "--output", tmp_path / "out", "--resume")
    command_line(*options)
    before = [row["input"] for row in rows_of(tmp_path / "out" / "summary.csv")]
    (tmp_path / "out" / "a.done.json").unlink()
    command_line(*options)
    assert [row["input"] for row in rows_of(tmp_path / "out" / "summary.csv")] == before


def test_the_command_line_stops_when_the_program_that_started_it_ends(bright_zoo: Path, scans: Path, tmp_path: Path):
    command = [sys.executable, "-m", "MedSegDLLib.with_caller", "batch", "--input", scans, "--model", "bright", "--output"]
    environment = os.environ | {"MEDSEGDL_MODELS": str(bright_zoo), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = subprocess.Popen(
        [*command, tmp_path / "out"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr.readline() == b"4 images, 4 to segment.\n"
    process.stdin.close()  # which the end of the caller does
    assert process.wait(60) in (130, -signal.SIGTERM)
    process.stderr.close()
    assert not (tmp_path / "out").exists() or len(rows_of(tmp_path / "out" / "summary.csv")) < 4
