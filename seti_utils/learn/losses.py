"""Losses on one logit or two, for hard and soft labels; always computed in float32.

``output`` is what ``model(image, target)`` gives: logits (B,), or the two logits (B, 2) of a two-class head.
``target``: (B,) in [0, 1]. Every loss returns the mean over the batch as a float32 scalar.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def as_logit(output: Tensor) -> Tensor:
    """One float32 logit per row (B,): of two logits, the difference, whose sigmoid is the softmax of class 1."""
    output = output.float()
    return output[:, 1] - output[:, 0] if output.ndim == 2 else output


def bce(output: Tensor, target: Tensor, pos_weight: float | None = None, smoothing: float | None = None) -> Tensor:
    """Binary cross-entropy on the logit.

    ``pos_weight`` multiplies the positive term. ``smoothing`` moves every label that share of the way to 0.5.
    """
    logit, target = as_logit(output), target.float()
    if smoothing is not None:
        target = target * (1.0 - smoothing) + 0.5 * smoothing
    weight = None if pos_weight is None else torch.full_like(logit[:1], pos_weight)
    return F.binary_cross_entropy_with_logits(logit, target, pos_weight=weight)


def focal(output: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """Cross-entropy with well-classified rows faded out by (1 - p)^gamma (Lin 2017); ``gamma`` 0 is BCE.

    A soft label weighs the two terms. The factor is exp(-gamma softplus), whose gradient stays finite for
    ``gamma`` < 1, where (1 - p)^gamma has an infinite slope at p = 1.
    """
    logit, target = as_logit(output), target.float()
    miss_positive, miss_negative = F.softplus(-logit), F.softplus(logit)
    positive = target * miss_positive * torch.exp(-gamma * miss_negative)
    negative = (1.0 - target) * miss_negative * torch.exp(-gamma * miss_positive)
    return (positive + negative).mean()


def fall(fainter: Tensor, brighter: Tensor) -> Tensor:
    """Mean of how far logits (N,) of needles fall when these get brighter; rising costs nothing, and no needles are 0."""
    return F.relu(fainter.float() - brighter.float()).sum() / max(len(fainter), 1)


def soft_cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of the two-class softmax against soft labels; on one logit it is :func:`bce`.

    For two classes, softmax cross-entropy of (z0, z1) *is* binary cross-entropy of z1 - z0; the two heads
    differ in how their weights move, not in the loss.
    """
    output, target = output.float(), target.float()
    if output.ndim == 1:
        return bce(output, target)
    return F.cross_entropy(output, torch.stack([1.0 - target, target], dim=1))
