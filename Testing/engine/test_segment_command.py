import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from MedSegDLLib import pictures
from MedSegDLLib.commands.output_plan import all_or_nothing, frame_end, plan_outputs
from MedSegDLLib.commands.stopping import cancelled_by_signals
from MedSegDLLib.errors import InputError, OutputError
from MedSegDLLib.files import read_labelmap, write_image
from MedSegDLLib.geometry import Geometry
from MedSegDLLib.image import Image
from MedSegDLLib.labels import read_label_table
from MedSegDLLib.model_card import Expected, Postprocessing
from MedSegDLLib.segmentation_file import read_segmentation
from Testing.engine.conftest import BOX, OBLIQUE, CommandLine
from Testing.models import BRIGHT_AND_BRIGHTEST, write_bright_model

BOX_VOXELS, BOX_ML = 400, 400 * 1.5 * 2.0 * 8.0 / 1000


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_result_lies_on_the_input_grid_with_names(command_line: CommandLine, box_file: Path, tmp_path: Path):
    outcome = command_line("segment", box_file, "--model", "bright", "--output", tmp_path / "out.seg.nrrd")
    assert outcome.status == 0 and outcome.err == ""
    found = read_segmentation(tmp_path / "out.seg.nrrd")
    expected = np.zeros(OBLIQUE.shape_zyx, bool)
    expected[BOX] = True
    np.testing.assert_array_equal(found.labelmap.array == 1, expected)
    assert found.labelmap.geometry.same_grid(OBLIQUE)
    assert [(label.name, label.colour) for label in found.labels.labels] == [("Bright", (230, 60, 60))]
    assert f"{BOX_VOXELS} voxels" in outcome.out and "9.60 ml" in outcome.out


def test_report_has_the_keys_and_the_hand_computed_volume(command_line: CommandLine, box_file: Path, tmp_path: Path):
    output, report = tmp_path / "out.seg.nrrd", tmp_path / "report.json"
    assert command_line("segment", box_file, "--model", "bright", "--output", output, "--report", report).status == 0
    written = json.loads(report.read_text(encoding="utf-8"))
    assert list(written) == [
        "input", "output", "model", "device", "precision", "seconds", "peak_memory_mib", "labels", "versions",
    ]  # fmt: skip
    assert written["input"] == str(box_file) and written["output"] == str(output)
    assert written["labels"] == [{"name": "Bright", "value": 1, "voxels": BOX_VOXELS, "volume_ml": pytest.approx(BOX_ML)}]


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_plain_formats_hold_the_values_and_a_table_beside_them(
    command_line: CommandLine, box_file: Path, tmp_path: Path, suffix: str
):
    folder = tmp_path / "results"
    outcome = command_line("segment", box_file, "--model", "two_labels", "--output", folder, "--format", suffix)
    assert outcome.status == 0, outcome.err
    assert files_below(folder) == sorted([f"box{suffix}", "box_labels.csv"])
    assert set(np.unique(read_labelmap(folder / f"box{suffix}").array)) <= {0, 1, 2}
    assert read_label_table(folder / "box_labels.csv") == BRIGHT_AND_BRIGHTEST


def test_labels_keeps_only_those_named(command_line: CommandLine, box_file: Path, tmp_path: Path):
    outcome = command_line(
        "segment", box_file, "--model", "two_labels", "--output", tmp_path / "out.nii.gz", "--labels", "Brightest"
    )
    assert outcome.status == 0
    assert set(np.unique(read_labelmap(tmp_path / "out.nii.gz").array)) <= {0, 2}
    assert [label.name for label in read_label_table(tmp_path / "out_labels.csv").labels] == ["Brightest"]


def test_no_postprocessing_leaves_out_what_the_card_asks_for(command_line: CommandLine, tmp_path: Path, monkeypatch):
    write_bright_model(tmp_path / "zoo", "largest", postprocessing=Postprocessing(largest_component=("Bright",)))
    monkeypatch.setenv("MEDSEGDL_MODELS", str(tmp_path / "zoo"))
    array = np.zeros((1, 4, 20, 20), np.int16)
    array[0, 1:3, 2:5, 2:5] = array[0, 3, 15, 15] = 100
    write_image(Image(array, Geometry((20, 20, 4))), tmp_path / "two.nii.gz")
    found = []
    for options in ([], ["--no-postprocessing"]):
        output = tmp_path / "out.nii.gz"
        assert command_line("segment", tmp_path / "two.nii.gz", "--model", "largest", "--output", output, *options).status == 0
        found.append(int(read_labelmap(output).array.sum()))
    assert found == [18, 19]


def test_roi_leaves_the_rest_empty(command_line: CommandLine, box_file: Path, tmp_path: Path):
    output = tmp_path / "out.nii.gz"
    outcome = command_line("segment", box_file, "--model", "bright", "--output", output, "--roi", "0,0,0,12,30,4")
    assert outcome.status == 0
    found = np.argwhere(read_labelmap(output).array)
    assert len(found) and found[:, 2].max() < 12


def test_several_inputs_and_one_that_fails(command_line: CommandLine, box_file: Path, tmp_path: Path):
    second = box_file.with_name("second.nii.gz")
    shutil.copy(box_file, second)
    missing, report, folder = tmp_path / "missing.nii.gz", tmp_path / "r.json", tmp_path / "out"
    overlay = tmp_path / "edges.png"
    outcome = command_line(
        "segment", box_file, missing, second, "--model", "bright", "--output", folder, "--report", report, "--overlay", overlay
    )
    assert outcome.status == 2
    assert files_below(folder) == ["box.seg.nrrd", "second.seg.nrrd"]
    assert [entry["input"] for entry in json.loads(report.read_text(encoding="utf-8"))] == [str(box_file), str(second)]
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["edges_box.png", "edges_second.png"]
    assert outcome.err.splitlines()[-2:] == ["1 of 3 inputs failed:", f"  {missing}"]
    assert "Traceback" not in outcome.err


def test_all_frames_give_segmentations_a_curve_and_the_ejection_fraction(
    command_line: CommandLine, cine_file: Path, tmp_path: Path
):
    folder, report = tmp_path / "out", tmp_path / "r.json"
    outcome = command_line(
        "segment", cine_file, "--model", "bright", "--output", folder, "--frame", "all", "--report", report,
        "--overlay", tmp_path / "edges.png",
    )  # fmt: skip
    assert outcome.status == 0, outcome.err
    frames = [f"cine_frame{frame:02d}.seg.nrrd" for frame in range(3)]
    assert files_below(folder) == [*frames, "cine_volumes.csv", "cine_volumes.png"]
    rows = [line.split(",") for line in (folder / "cine_volumes.csv").read_text(encoding="utf-8").splitlines()]
    assert rows[0] == ["frame", "time_s", "Bright ml"]
    assert [row[:2] for row in rows[1:]] == [["0", "0.0000"], ["1", "0.2500"], ["2", "0.5000"]]
    assert [float(row[2]) for row in rows[1:]] == pytest.approx([9.6, 4.8, 7.2])
    curve = json.loads(report.read_text(encoding="utf-8"))["cine"]["curves"][0]
    assert curve["ejection_fraction_percent"] == pytest.approx(50)
    assert "stroke volume 4.8 ml, ejection fraction 50 %" in outcome.out
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["edges_frame00.png", "edges_frame01.png"]


@pytest.mark.parametrize(("name", "ends"), [
    ("cine_file", ["frame 0 (end diastole) · bright", "frame 1 (end systole) · bright"]), ("box_file", ["frame 0 · bright"]),
])  # fmt: skip
def test_only_of_a_heart_beat_a_picture_says_which_moment_it_shows(command_line, tmp_path, request, monkeypatch, name, ends):
    titles, overlay = [], pictures.overlay
    monkeypatch.setattr(pictures, "overlay", lambda *given: titles.append(given[2]) or overlay(*given))
    source, picture = request.getfixturevalue(name), tmp_path / "edges.png"
    options = ("--output", tmp_path / "out", "--frame", "all", "--overlay", picture)
    assert command_line("segment", source, "--model", "bright", *options).status == 0
    assert titles == [f"{source.name}, {end}" for end in ends]


def test_one_frame_of_a_cine(command_line: CommandLine, cine_file: Path, tmp_path: Path):
    output = tmp_path / "out.nii.gz"
    assert command_line("segment", cine_file, "--model", "bright", "--output", output, "--frame", 1).status == 0
    assert np.count_nonzero(read_labelmap(output).array) == 200


def test_progress_as_json_lines_and_nothing_else_on_stdout(command_line: CommandLine, box_file: Path, tmp_path: Path):
    outcome = command_line("segment", box_file, "--model", "bright", "--output", tmp_path / "o.nii", "--progress", "json")
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert {tuple(line) for line in lines} == {("stage", "fraction", "seconds_left")}
    network = [line["fraction"] for line in lines if line["stage"] == "network"]
    assert network[0] == 0 and network[-1] == 1 and network == sorted(network)


def test_warns_of_what_the_card_does_not_expect_and_goes_on(
    command_line: CommandLine, bright_zoo: Path, box_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_bright_model(tmp_path / "zoo", "narrow", expected=Expected((0.5, 1.6), None))
    monkeypatch.setenv("MEDSEGDL_MODELS", str(tmp_path / "zoo"))
    outcome = command_line("segment", box_file, "--model", "narrow", "--output", tmp_path / "o.nii")
    assert outcome.status == 0 and (tmp_path / "o.nii").exists()
    assert "Warning" in outcome.err and "1.5 × 2 mm" in outcome.err and "0.5 to 1.6 mm" in outcome.err


def test_says_when_nothing_was_found(command_line: CommandLine, tmp_path: Path):
    path = tmp_path / "even.nii.gz"
    write_image(Image(np.tile(np.array([[0, 1]], np.int16), (1, 3, 16, 8)), Geometry((16, 16, 3))), path)
    outcome = command_line(
        "segment", path, "--model", "bright", "--output", tmp_path / "o.nii", "--overlay", tmp_path / "o.png"
    )
    assert outcome.status == 0 and "Nothing was found" in outcome.err and (tmp_path / "o.png").exists()


def test_ctrl_c_stops_within_a_patch_and_leaves_nothing(bright_zoo: Path, tmp_path: Path):
    path = tmp_path / "long.nii"
    write_image(
        Image(np.random.default_rng(0).normal(size=(1, 30, 128, 128)).astype(np.float32), Geometry((128, 128, 30))), path
    )
    before = files_below(tmp_path)
    command = [sys.executable, "-m", "MedSegDLLib", "segment", path, "--model", "bright", "--output", tmp_path / "out/"]
    command += ["--overlap", "0.9", "--precision", "float32", "--batch-size", "1", "--progress", "json", "--device", "cpu"]
    environment = {**os.environ, "MEDSEGDL_MODELS": str(bright_zoo), "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        for line in process.stdout:
            if json.loads(line)["stage"] == "network":
                process.send_signal(signal.SIGINT)
                break
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped" in errors and "Traceback" not in errors
    assert files_below(tmp_path) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_cancels_and_the_second_would_kill(number: signal.Signals):
    before = signal.getsignal(number)
    with cancelled_by_signals() as cancel:
        assert not cancel.cancelled
        os.kill(os.getpid(), number)
        assert cancel.cancelled
        assert signal.getsignal(number) is signal.SIG_DFL
    assert signal.getsignal(number) is before


class TestPlan:
    def test_a_file_keeps_its_name(self, tmp_path: Path):
        (plan,) = plan_outputs([Path("a.nii")], str(tmp_path / "x.nii.gz"), None, None, None)
        assert plan.segmentation() == tmp_path / "x.nii.gz"
        assert plan.segmentation("_frame07") == tmp_path / "x_frame07.nii.gz"
        assert plan.label_table() == tmp_path / "x_labels.csv"
        assert plan.volumes(".csv") == tmp_path / "x_volumes.csv"

    @pytest.mark.parametrize("output", ["", "new", "new/", "new.folder/"])
    def test_a_folder_gets_files_named_like_the_inputs(self, tmp_path: Path, output: str):
        image = tmp_path / "a.b.nii.gz"
        image.touch()
        (plan,) = plan_outputs([image], f"{tmp_path}/{output}", None, None, None)
        assert plan.segmentation() == tmp_path / output / "a.b.seg.nrrd"

    def test_inputs_of_one_name_get_their_parents_name(self, tmp_path: Path):
        plans = plan_outputs([Path("/p1/SAX"), Path("/p2/SAX"), Path("/p2/LAX")], f"{tmp_path}/", None, None, None)
        assert [plan.segmentation().name for plan in plans] == ["p1_SAX.seg.nrrd", "p2_SAX.seg.nrrd", "LAX.seg.nrrd"]

    def test_inputs_that_stay_alike_are_refused(self, tmp_path: Path):
        with pytest.raises(InputError, match="would have one name"):
            plan_outputs([Path("/p1/SAX"), Path("/p1/SAX")], f"{tmp_path}/", None, None, None)

    @pytest.mark.parametrize(
        ("output", "suffix", "overlay", "says"),
        [
            ("x.stl", None, None, "ends in '.stl'"),
            ("x.nii.gz", ".mha", None, "leave one of them out"),
            ("x.nii.gz", None, "x.jpg", "must end in .png"),
        ],
    )
    def test_names_that_cannot_be(self, tmp_path: Path, output: str, suffix: str, overlay: str, says: str):
        with pytest.raises(InputError, match=says):
            plan_outputs([Path("a")], str(tmp_path / output), suffix, overlay and tmp_path / overlay, None)

    def test_many_inputs_do_not_go_into_one_file(self, tmp_path: Path):
        with pytest.raises(InputError, match="name a folder"):
            plan_outputs([Path("a"), Path("b")], str(tmp_path / "x.nii"), None, None, None)

    def test_an_input_is_never_overwritten(self, tmp_path: Path):
        image = tmp_path / "a.nii.gz"
        image.touch()
        for output, report in ((str(image), None), (f"{tmp_path}/x.nii.gz", image)):
            with pytest.raises(OutputError, match="would be overwritten"):
                plan_outputs([image], output, None, None, report)
        with pytest.raises(OutputError, match="would be overwritten"):
            plan_outputs([image], f"{tmp_path}/", ".nii.gz", None, None)

    def test_frames_have_as_many_digits_as_they_need(self):
        assert (frame_end(7, 30), frame_end(7, 101)) == ("_frame07", "_frame007")


def test_all_or_nothing_removes_files_and_new_folders(tmp_path: Path):
    folder = tmp_path / "new"
    with pytest.raises(RuntimeError), all_or_nothing() as made:
        folder.mkdir()
        (folder / "a").touch()
        made += [folder, folder / "a"]
        raise RuntimeError
    assert files_below(tmp_path) == []
