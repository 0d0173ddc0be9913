"""Losses that aim at the ROC AUC itself: a pairwise surrogate and a minimax margin."""

import torch
from torch import Tensor, nn

from seti_utils.errors import InputError
from seti_utils.learn.losses import as_logit


def wmw(output: Tensor, target: Tensor, gamma: float = 0.7, power: float = 2.0, weight: float = 1.0) -> Tensor:
    """Wilcoxon-Mann-Whitney surrogate of 1 - AUC on scores (Yan 2003), times ``weight``: float32 scalar.

    Every pair of a positive and a negative whose scores (sigmoids) are less than ``gamma`` apart costs
    (gamma - difference)^power; the mean over pairs is returned, where Yan sums, so that the batch size does not
    change its scale. Soft labels weigh a pair by y_i (1 - y_j). A batch of one class costs 0. It is meant to be
    added to another loss: alone it is flat where all scores saturate.
    """
    score, target = torch.sigmoid(as_logit(output)), target.float()
    short = (gamma - (score[:, None] - score[None, :])).clamp(min=0.0)
    pair = target[:, None] * (1.0 - target[None, :])
    pair = pair - torch.diag_embed(pair.diagonal())  # a soft row is no rival of its own
    return weight * (pair * short**power).sum() / pair.sum().clamp(min=torch.finfo(torch.float32).eps)


class AUCMargin(nn.Module):
    """AUC margin as a min-max problem with a, b and alpha learned beside the model (Yuan 2021, "AUCM").

    With h the output, p the share of positives and m the ``margin``, per row of label y:

        (1-p) y (h-a)^2 + p (1-y) (h-b)^2 + 2 alpha [p(1-p) m + p (1-y) h - (1-p) y h] - p(1-p) alpha^2

    minimised over the model, ``a`` and ``b`` (the mean outputs of the classes), maximised over ``alpha`` >= 0.
    ``imratio`` is p; ``None`` takes each batch's own. Train it with ``make_optimiser(..., loss=this)``, which
    ascends in ``alpha``.

    ``on="logit"`` takes h to be the raw logit, as exp0013 did with plain gradient steps at rate 0.1. That can hardly
    learn: in h the loss is a parabola, and descent on a parabola diverges once rate x curvature > 2. In a
    classifier's weights the curvature is about 4 p(1-p) times the squared length of the feature vector: 0.36 x 115 = 41
    for 1280 features around 0.3, against 20 allowed. Every step overshoots the last, h grows without bound, fp16
    overflows. (tests/test_losses.py shows it, and that a tenth of the rate learns; his own run was not repeated.)
    ``on="score"`` takes h = sigmoid(logit), as Yuan's code does: h and every gradient are bounded, and rate 0.1 learns.
    """

    def __init__(self, margin: float = 1.0, imratio: float | None = 0.1, on: str = "score"):
        super().__init__()
        if on not in ("logit", "score"):
            raise InputError(f"on={on!r}", where="AUCMargin", remedy='write "logit" or "score"')
        if imratio is not None and not 0.0 < imratio < 1.0:
            raise InputError(
                f"imratio {imratio} is not a share between 0 and 1", where="AUCMargin", remedy="give 0 < imratio < 1 or None"
            )
        self.margin, self.imratio, self.on = margin, imratio, on
        self.a, self.b, self.alpha = (nn.Parameter(torch.zeros(())) for _ in range(3))

    def ascending(self) -> list[nn.Parameter]:
        """The parameters to be maximised over; an optimiser keeps them at 0 or above."""
        return [self.alpha]

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean over the batch, float32 scalar; ``output`` (B,) or (B, 2), ``target`` (B,) in [0, 1]."""
        logit, positive = as_logit(output), target.float()
        h = torch.sigmoid(logit) if self.on == "score" else logit
        negative = 1.0 - positive
        p = positive.mean() if self.imratio is None else self.imratio
        spread = (1 - p) * positive * (h - self.a) ** 2 + p * negative * (h - self.b) ** 2
        gap = p * (1 - p) * self.margin + p * negative * h - (1 - p) * positive * h
        return (spread + 2 * self.alpha * gap).mean() - p * (1 - p) * self.alpha**2
