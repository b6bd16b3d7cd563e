"""One step: the same in parts as at once, the same whenever it is taken, and the moving average follows."""

import dataclasses

import numpy as np
import pytest
import torch

from MedSegDLLib.errors import InputError
from MedSegDLLib.model_card import Inference, NetworkSpec, Normalisation, Preprocessing
from MedSegDLTrainLib.checkpoints import new_state
from MedSegDLTrainLib.job import Optimisation, Sampling, TrainingJob
from MedSegDLTrainLib.patches import Batch
from MedSegDLTrainLib.steps import Stepper, blended, move_towards

CPU = torch.device("cpu")


def _job(**optimisation):
    chosen = {"learning_rate": 0.1, "epochs": 1, "optimizer": "sgd", "schedule": "constant"} | optimisation
    return TrainingJob(
        cases="cases",
        network=NetworkSpec("no_new_net", 1, 4, {"features_per_stage": (4, 6)}),
        preprocessing=Preprocessing("LPS", (1.0, 1.0, 1.0), Normalisation("zscore")),
        sampling=Sampling((8, 8, 8), 4, "uniform"),
        optimisation=Optimisation(**chosen),
        inference=Inference((8, 8, 8), "softmax"),
        loss="dice_and_cross_entropy",
        seed=1,
    )


def _batch(ignored=()):
    """Four patches; the first `ignored` voxels of each are not annotated: unequally many."""
    random = np.random.default_rng(0)
    images = torch.from_numpy(random.normal(size=(4, 1, 8, 8, 8)).astype(np.float32))
    labels = torch.from_numpy(random.integers(0, 4, (4, 8, 8, 8)))
    for patch, count in zip(labels, ignored, strict=False):
        patch.view(-1)[:count] = 255
    return Batch(images, labels, ("a", "a", "b", "b"))


def _after(job, steps=1, batch=None):
    state = new_state(job)
    stepper = Stepper(job, state, CPU)
    losses = [stepper.step(batch or _batch(), step, 10) for step in range(steps)]
    return state, losses


def _weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


@pytest.mark.parametrize("ignored", [(), (400, 10, 0, 500)])
@pytest.mark.parametrize("parts", [2, 3, 4])
def test_a_batch_in_parts_gives_the_step_of_the_whole_batch(parts, ignored):
    whole, losses = _after(_job(), batch=_batch(ignored))
    split, losses_of_parts = _after(_job(accumulation=parts), batch=_batch(ignored))
    assert losses_of_parts == pytest.approx(losses, rel=1e-6)
    start = _weights(new_state(_job()).network)
    moved = (_weights(whole.network) - start).abs().max()
    assert moved > 1e-3
    assert (_weights(whole.network) - _weights(split.network)).abs().max() < 1e-5 * moved


def test_more_parts_than_patches_are_as_many_as_there_are():
    assert _after(_job(accumulation=4))[1] == pytest.approx(_after(_job(accumulation=40))[1])


def test_the_learning_rate_is_that_of_the_schedule():
    state, _ = _after(_job(schedule="steps", decay_every=2, decay_factor=0.5), steps=5)
    assert state.optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.25)


def test_bfloat16_gives_nearly_the_same_loss():
    assert _after(_job(precision="bfloat16"))[1] == pytest.approx(_after(_job())[1], rel=0.02)


def test_a_loss_that_is_not_finite_leaves_the_weights_as_they_are():
    job, batch = _job(), _batch()
    batch.images[2, 0, 0, 0, 0] = float("nan")
    state = new_state(job)
    before = _weights(state.network)
    with pytest.raises(InputError, match=r"not finite at step 7 \(cases a, b\)"):
        Stepper(job, state, CPU).step(batch, 7, 10)
    assert torch.equal(before, _weights(state.network))


def test_the_average_begins_fast_and_then_follows_slowly():
    """Step 0: at most 2/11 of the old weights are kept, whatever the decay."""
    state, _ = _after(_job(average_decay=0.999))
    start = _weights(new_state(_job()).network)
    torch.testing.assert_close(_weights(state.average), 2 / 11 * start + 9 / 11 * _weights(state.network))


def test_without_an_average_the_network_itself_is_published():
    state, _ = _after(_job(average_decay=None))
    assert state.published is state.network


def test_a_blend_is_a_mean_of_old_and_new_weights():
    start = {"weight": torch.tensor([1.0, 3.0]), "counter": torch.tensor(2)}
    trained = {"weight": torch.tensor([5.0, 3.0]), "counter": torch.tensor(9)}
    mixed = blended(start, trained, 0.75)
    assert mixed["weight"].tolist() == [4.0, 3.0]
    assert mixed["counter"].item() == 9


def test_moving_towards_by_hand():
    average, network = torch.nn.BatchNorm1d(1), torch.nn.BatchNorm1d(1)
    network.running_mean.fill_(4.0)
    network.num_batches_tracked.fill_(3)
    move_towards(average, network, 0.75)
    assert average.running_mean.item() == 1.0
    assert average.num_batches_tracked.item() == 3


def test_the_clipped_gradient_moves_weights_by_no_more_than_the_rate():
    job = _job(clip_value=1e-4)
    state, _ = _after(dataclasses.replace(job))
    moved = _weights(state.network) - _weights(new_state(job).network)
    assert moved.abs().max() <= 1.01 * 0.1 * 1e-4
