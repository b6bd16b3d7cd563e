"""The one-patch trial: what wins, what is kept, and what a broken cache does."""

import json
import time

import pytest
import torch

from MedSegDLLib.device import Execution
from MedSegDLLib.model_card import Inference
from MedSegDLLib.precision import chosen_execution
from Testing.engine.tiny_networks import TinyNetwork

CPU = torch.device("cpu")
HOW = Inference((8, 8, 8), "softmax")
PLAIN, SHORT = Execution(CPU), Execution(CPU, "bfloat16", True)


class Staged(TinyNetwork):
    """Takes as long as `seconds` says for its number format; marks every voxel above 0, in bfloat16 all if `wrong`."""

    def __init__(self, seconds: dict, wrong: bool = False) -> None:
        super().__init__(3, classes=2, width=1)
        self.seconds, self.wrong = seconds, wrong
        with torch.no_grad():
            self.classifier.weight[:, 0, 0, 0, 0] = torch.tensor([0.0, 10.0])
            self.classifier.bias.zero_()

    def features(self, batch):
        self.seen.append(len(batch))
        time.sleep(self.seconds.get(str(batch.dtype).removeprefix("torch."), 0))
        return torch.ones_like(batch) if self.wrong and batch.dtype == torch.bfloat16 else batch


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSEGDL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "precision.json"


def _patch() -> torch.Tensor:
    patch = torch.full((1, 1, 8, 8, 8), -1.0)
    patch[..., 2:6, 2:6, 2:6] = 1
    return patch


def _choose(network, patch=None, model="sha") -> Execution:
    return chosen_execution(network, _patch() if patch is None else patch, CPU, HOW, model)


def test_the_fastest_with_equal_labels_wins_and_is_remembered(cache):
    assert _choose(Staged({"float32": 0.02})) == SHORT
    (entry,) = json.loads(cache.read_text(encoding="utf-8")).values()
    assert entry == {"precision": "bfloat16", "channels_last": True}
    again = Staged({"bfloat16": 0.02})
    assert _choose(again) == SHORT
    assert again.seen == []  # not tried again
    assert _choose(again, model="another").precision == "float32"
    assert len(json.loads(cache.read_text(encoding="utf-8"))) == 2


def test_what_is_faster_but_wrong_does_not_win(cache):
    assert _choose(Staged({"float32": 0.02}, wrong=True)).precision == "float32"


def test_a_patch_without_foreground_proves_nothing_and_is_forgotten(cache):
    assert _choose(Staged({"float32": 0.02}), torch.full((1, 1, 8, 8, 8), -1.0)) == PLAIN
    assert not cache.exists()


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"x": 1}', '{"x": {"precision": "int4", "channels_last": true}}'])
def test_a_broken_cache_is_made_again(cache, text):
    cache.parent.mkdir()
    cache.write_text(text, encoding="utf-8")
    assert _choose(Staged({"float32": 0.02})) == SHORT
    assert len(json.loads(cache.read_text(encoding="utf-8"))) == 1


def test_a_broken_entry_of_this_very_trial_is_made_again(cache):
    _choose(Staged({"float32": 0.02}))
    (key,) = json.loads(cache.read_text(encoding="utf-8"))
    cache.write_text(json.dumps({key: {"precision": "bfloat16"}}), encoding="utf-8")
    assert _choose(Staged({"float32": 0.02})) == SHORT


def test_a_cache_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("MEDSEGDL_CACHE", str(tmp_path / "file" / "folder"))
    assert _choose(Staged({"float32": 0.02})) == SHORT


def test_a_format_that_the_network_cannot_run_in_is_passed_over(cache):
    class Fussy(Staged):
        def features(self, batch):
            if batch.dtype == torch.bfloat16:
                raise RuntimeError("not implemented for 'BFloat16'")
            return super().features(batch)

    assert _choose(Fussy({"float32": 0.01})).precision == "float32"


def test_no_room_for_the_trial_is_left_to_the_run_itself(cache):
    network = Staged({})
    network.room = 0
    network.features = super(Staged, network).features
    assert _choose(network) == PLAIN
    assert network.seen == [1]
    assert not cache.exists()
