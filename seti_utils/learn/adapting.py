"""Adaptation to cadences without labels: BatchNorm statistics (AdaBN), and sure, varied scores (SHOT)."""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from seti_utils.data.batches import Batch
from seti_utils.errors import InputError
from seti_utils.learn.average import bare, recompute_batchnorm
from seti_utils.learn.losses import as_logit
from seti_utils.learn.objectives import Context, Views

EPSILON = 1e-6


class Network(Protocol):
    """What describes rows: a classifier or a detector."""

    def eval(self) -> object: ...

    def __call__(self, image: Tensor) -> Tensor: ...

    def features(self, image: Tensor) -> Tensor: ...


def adapt_batchnorm(model: nn.Module, images: Iterable[Tensor]) -> None:
    """Replace the network's BatchNorm statistics, in place, by those of ``images`` (AdaBN, Li 2016).

    ``images`` are rendered batches (B, C, freq, time) of the new domain; no label enters, and no weight changes.
    Raises ``InputError`` for a network without BatchNorm, on which this would do nothing.
    """
    if not any(isinstance(module, _BatchNorm) for module in model.modules()):
        raise InputError(
            "this network has no BatchNorm, so there are no statistics to adapt",
            where=type(bare(model)).__name__,
            remedy="leave adapt off, or take Shot",
        )
    recompute_batchnorm(model, images)


def information_maximisation(
    views: Views, *, diversity: float = 1.0, positive: float = 0.2, pseudo: float | None = None, autocast: Context = nullcontext
) -> Callable[..., Tensor]:
    """Objective of unlabelled batches: be sure of each cadence, and not of the same answer for all (SHOT, Liang 2020).

    The mean entropy of the scores, plus ``diversity`` times KL(mean score || ``positive``), plus, if on, ``pseudo`` times the
    cross-entropy with the batch's ``y``, which holds :func:`centre_labels`, never a label of a person's. Liang's
    diversity is the case ``positive=0.5``; here positives are rare, and half of them would be wrong. The images are
    augmented as ``views`` says; what its augmentations do to labels is not used.
    """
    if not 0.0 < positive < 1.0:
        raise InputError(f"positive={positive} is not a share between 0 and 1", where="Shot", remedy="give 0 < positive < 1")

    def objective(model: nn.Module, batch: Batch, done: float) -> Tensor:
        image, guess = views.training(batch, done)
        with autocast():
            output = model(image)
        logit = as_logit(output)
        score = torch.sigmoid(logit)
        entropy = nn.functional.binary_cross_entropy_with_logits(logit, score)
        mean = score.mean().clamp(EPSILON, 1 - EPSILON)
        apart = mean * (mean / positive).log() + (1 - mean) * ((1 - mean) / (1 - positive)).log()
        loss = entropy + diversity * apart
        return loss + pseudo * nn.functional.binary_cross_entropy_with_logits(logit, guess) if pseudo else loss

    return objective


def centre_labels(features: Tensor, score: Tensor) -> Tensor:
    """SHOT's pseudo labels, float32 (N,) of 0 and 1: the class whose centre lies nearer to a row's ``features`` (N, D).

    Centres are means of the normalised features weighted by ``score`` (N,) and by its complement, then once more by the
    labels found. Two rounds, as in the paper; cosine distance. A class that nobody is nearest to keeps its first centre.
    """
    unit = nn.functional.normalize(features.float(), dim=1)
    weight = torch.stack([1 - score.float(), score.float()], dim=1)
    centres = centres_of(unit, weight)
    label = (unit @ centres.T).argmax(1)
    again = nn.functional.one_hot(label, 2).float()
    centres = torch.where((again.sum(0) > 0)[:, None], centres_of(unit, again), centres)
    return (unit @ centres.T).argmax(1).float()


def centres_of(unit: Tensor, weight: Tensor) -> Tensor:
    """The normalised weighted means (K, D) of ``unit`` (N, D) under ``weight`` (N, K)."""
    return nn.functional.normalize(weight.T @ unit / weight.sum(0).clamp(min=EPSILON)[:, None], dim=1)


@torch.no_grad()
def describe_rows(model: Network, images: Iterable[Tensor], autocast: Context = nullcontext) -> tuple[Tensor, Tensor]:
    """Features (N, D) and scores (N,) of all rows of ``images``, float32 on the CPU; leaves ``model`` in evaluation mode."""
    model.eval()
    features, scores = [], []
    for image in images:
        with autocast():
            features.append(model.features(image).float().cpu())
            scores.append(torch.sigmoid(as_logit(model(image))).cpu())
    return torch.cat(features), torch.cat(scores)
