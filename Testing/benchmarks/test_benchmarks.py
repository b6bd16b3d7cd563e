"""The arithmetic and the files of the benchmarks, and one real run in small; without peers."""

import json

import numpy as np
import pytest

from Testing.benchmarks import __main__ as benchmarks
from Testing.benchmarks.__main__ import BENCHMARKS, main
from Testing.benchmarks.loss_results import loss_results
from Testing.benchmarks.loss_run import LossRun, LossSetting, measure_loss
from Testing.benchmarks.results import Result, keep
from Testing.benchmarks.rounds import Benchmark, Measured, run_figures
from Testing.benchmarks.run import Run, measure
from Testing.benchmarks.segment_results import label_results, memory_results, time_results
from Testing.benchmarks.setting import Setting
from Testing.benchmarks.worker_run import FILE_SUFFIXES, WorkerRun, WorkerSetting, measure_worker, worker_results

TINY = Setting((24, 20, 16), (16, 16, 16), overlap=0.5, classes=126, features=(4, 8))


def measured(**seconds_of: list[tuple[float, float]]) -> Measured:
    """Runs with (seconds, network seconds) and 100 MiB above base, 500 for peers."""
    runs = {
        approach: [Run(approach, whole, network, 50, 150 if approach == "ours" else 550) for whole, network in pairs]
        for approach, pairs in seconds_of.items()
    }
    return Measured(runs, {})


def test_ratio_and_goal():
    assert Result(ours=1, peer=8, unit="s", goal=1 / 8).met
    assert not Result(ours=1.01, peer=8, unit="s", goal=1 / 8).met
    assert Result(ours=3, peer=12, unit="s", goal=1).ratio == 0.25


def test_without_a_peer_the_value_itself_is_compared():
    result = Result(ours=4.5, peer=None, unit="GiB", goal=4)
    assert (result.ratio, result.met) == (None, False)
    assert Result(ours=3.5, peer=None, unit="GiB", goal=4).met


def test_times_are_medians_over_rounds():
    peers = {peer: [(30, 10), (31, 10), (90, 10)] for peer in ("monai", "monai_buffered", "nnunet")}
    results = time_results(measured(ours=[(12, 10), (14, 11), (20, 11)], bare_forwards=[(10, 10), (13, 13), (12, 12)], **peers))
    outside = results["time_outside_network_monai"]
    assert (outside.ours, outside.peer, outside.ratio) == (3, 21, pytest.approx(1 / 7))
    assert not outside.met
    assert results["whole_run_over_bare_forwards"].ratio == pytest.approx(14 / 12)


def test_memory_is_above_base():
    results = memory_results(measured(ours=[(1, 1)], monai=[(1, 1)], monai_buffered=[(1, 1)], nnunet=[(1, 1)]))
    assert {result.ratio for result in results.values()} == {0.2}
    assert [result.met for result in results.values()] == [False] * 3


def test_labels_are_counted_voxel_by_voxel():
    ours, peer = np.zeros((10, 10, 10)), np.zeros((10, 10, 10))
    peer[3, 3, 3] = 7
    result = label_results(Measured({}, {"ours": ours, "monai": peer}))["labels_unlike_monai"]
    assert (result.ours, result.met) == (0.001, False)


def test_a_loss_is_measured_by_time_memory_and_gradient():
    runs = {
        "ours": [LossRun("ours", seconds, 100, 300) for seconds in (0.2, 0.3, 0.9)],
        "monai": [LossRun("monai", seconds, 100, 500) for seconds in (0.8, 0.9, 1.0)],
        "nnunet": [LossRun("nnunet", seconds, 100, 700) for seconds in (1.0, 1.0, 1.0)],
    }
    gradients = {"ours": np.array([1e-7, -4e-6]), "monai": np.array([1e-7, -4e-6]), "nnunet": np.array([3e-7, -4e-6])}
    results = loss_results("loss", Measured(runs, gradients))
    assert results["loss_time_monai"].ratio == pytest.approx(1 / 3)
    assert results["loss_time_nnunet"].ratio == pytest.approx(0.3)
    assert [results[f"loss_memory_{peer}"].met for peer in ("monai", "nnunet")] == [False, True]  # 200 of 400, of 600
    assert results["loss_gradient_unlike_monai"].met
    assert results["loss_gradient_unlike_nnunet"].ours == pytest.approx(0.05)
    assert not results["loss_gradient_unlike_nnunet"].met


def test_benchmarks_of_the_same_setting_share_their_runs(monkeypatch, capsys):
    seen, kept = [], {}

    def fake(approach, setting):
        seen.append((approach, setting))
        return LossRun(approach, 1, 100, 200), None

    def result(name):
        return lambda measured: {name: Result(len(measured.runs), None, "", 2)}

    one, other = LossSetting(8, 1), LossSetting(9, 1)
    table = {
        "a": Benchmark(fake, one, ("ours", "monai"), 2, result("a")),
        "b": Benchmark(fake, other, ("ours",), 1, result("b")),
        "c": Benchmark(fake, one, ("ours",), 1, result("c")),
        "d": Benchmark(fake, one, ("nnunet",), 1, result("d")),
    }
    monkeypatch.setattr(benchmarks, "BENCHMARKS", table)
    monkeypatch.setattr(benchmarks, "keep", lambda results, runs, machine: kept.update(results))
    assert main(["c", "a", "b"]) == 0
    assert seen == [("ours", one), ("monai", one), ("ours", one), ("monai", one), ("ours", other)]
    assert set(kept) == {"a", "b", "c"}
    assert "a: 2 , goal at most 2: met" in capsys.readouterr().out


def test_files_merge_by_name(tmp_path):
    (tmp_path / "README.md").write_text(
        "# Above\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nbelow\n", encoding="utf-8"
    )
    keep({"a": Result(1, 10, "s", 0.125), "b": Result(5, None, "GiB", 4)}, {}, "one machine", tmp_path)
    runs = run_figures(TINY, measured(ours=[(12, 10), (14, 11), (20, 11)]))
    keep({"a": Result(4, 10, "s", 0.125)}, runs, "another machine", tmp_path)
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert results["a"] == {
        "ours": 4, "peer": 10, "unit": "s", "ratio": 0.4, "goal": 0.125, "met": False, "machine": "another machine"
    }  # fmt: skip
    assert (results["b"]["ratio"], results["b"]["peer"], results["b"]["machine"]) == (None, None, "one machine")
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "| a | 4 | 10 | s | 0.4 | ≤ 0.125 | **no** |" in text
    assert "| b | 5 | – | GiB | – | ≤ 4 | **no** |" in text
    assert ": ours | 3 | 14 (12 – 20) | 11 | 3 | 100 | 150 |" in text
    assert (text.startswith("# Above\n"), text.endswith("\nbelow\n"), "old" in text) == (True, True, False)


def test_unknown_name_is_refused(capsys):
    assert main(["speed"]) == 2
    sentence = capsys.readouterr().err
    assert all(name in sentence for name in BENCHMARKS)


def test_a_real_run_in_small(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    run, labels = measure("ours", TINY)
    assert (labels.shape, labels.dtype) == (TINY.shape, np.uint8)
    assert len(np.unique(labels)) > 10
    assert 0 < run.network_seconds < run.seconds
    assert run.peak_mib >= run.base_mib > 50
    bare, nothing = measure("bare_forwards", TINY)
    assert nothing is None
    assert bare.network_seconds > 0.5 * bare.seconds


def test_a_real_loss_in_small(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    run, gradient = measure_loss("ours", LossSetting(10, passes=2, classes=5))
    assert gradient.shape == (1, 5, 2, 10, 10)
    assert 0 < np.abs(gradient).max() < 1
    assert 0 < run.seconds < 10
    assert run.peak_mib >= run.base_mib > 50


def worker_measured(ours, gz, plain, **labels):
    runs = {"ours": ours, "files_gz": gz, "files_plain": plain}
    return Measured(
        {name: [WorkerRun(name, 9, 5, overhead) for overhead in overheads] for name, overheads in runs.items()},
        dict.fromkeys(runs, np.zeros(3)) | labels,
    )


def test_what_a_worker_costs_is_compared_with_the_faster_way_over_files():
    results = worker_results(worker_measured([0.03, 0.04, 0.9], [7, 7, 7], [4, 4, 4]))
    assert (results["worker_overhead"].ours, results["worker_overhead"].met) == (0.04, True)
    assert (results["worker_overhead_files"].ratio, results["worker_overhead_files"].met) == (0.01, True)
    assert not worker_results(worker_measured([0.06], [7], [4]))["worker_overhead"].met
    with pytest.raises(ValueError):
        worker_results(worker_measured([0.03], [7], [4], files_gz=np.ones(3)))


def test_a_real_worker_in_small(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    setting = WorkerSetting(size=16, repeats=2)
    (ours, labels), (files, same) = (measure_worker(approach, setting) for approach in ("ours", "files_plain"))
    assert set(FILE_SUFFIXES) >= {files.approach}
    assert labels.shape == (16, 16, 16)
    assert 0 < labels.sum() < labels.size
    assert np.array_equal(labels, same)
    assert 0 < ours.engine_seconds < ours.seconds < files.seconds
    assert ours.overhead_seconds == pytest.approx(ours.seconds - ours.engine_seconds, abs=0.1)
