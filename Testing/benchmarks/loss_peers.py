"""Cross-entropy + Dice over all classes, background included, as three libraries have it: (logits, labels) to a scalar.

All take the whole batch as one (not Dice per image) and add 1e-5 to numerator and denominator.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def ours() -> Loss:
    """Out of sums, without one-hot labels."""
    from MedSegDLTrainLib.losses import dice_of_all_classes_and_cross_entropy, loss_sums

    return lambda logits, labels: dice_of_all_classes_and_cross_entropy(loss_sums(logits, labels))


def monai() -> Loss:
    """DiceCELoss of MONAI."""
    from monai.losses import DiceCELoss

    loss = DiceCELoss(to_onehot_y=True, softmax=True, batch=True, smooth_nr=1e-5, smooth_dr=1e-5)
    return lambda logits, labels: loss(logits, labels[:, None])


def nnunet() -> Loss:
    """DC_and_CE_loss of nnU-Net with its memory-efficient Dice; its value is less by one, as its Dice is −Dice."""
    from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
    from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss

    dice = {"batch_dice": True, "smooth": 1e-5, "do_bg": True, "ddp": False}
    loss = DC_and_CE_loss(dice, {}, weight_ce=1, weight_dice=1, dice_class=MemoryEfficientSoftDiceLoss)
    return lambda logits, labels: loss(logits, labels[:, None])


LOSS_APPROACHES = {"ours": ours, "monai": monai, "nnunet": nnunet}
