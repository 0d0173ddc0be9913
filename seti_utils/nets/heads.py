"""Heads: from an embedding (B, D) to outputs for the loss, and from those to one logit per row.

Every head is made with the width D and has ``forward(features) -> output`` ((B,) or (B, 2), what the loss reads),
``logit(output) -> (B,)`` (what everyone else reads), ``embed(features)`` (what distances are measured on) and
``penalise(output, target)`` (a margin, in training only).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seti_utils.errors import InputError
from seti_utils.learn.losses import as_logit


class OneLogit(nn.Module):
    """A linear layer to one logit, starting near 0.

    timm's own EfficientNet classifier would draw U(-1, 1) weights for a single output, logits of tens at the start.
    """

    def __init__(self, width: int):
        super().__init__()
        self.linear = nn.Linear(width, 1)
        nn.init.zeros_(self.linear.bias)

    def embed(self, features: Tensor) -> Tensor:
        return features

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(features).squeeze(1)

    def logit(self, output: Tensor) -> Tensor:
        return as_logit(output)

    def penalise(self, output: Tensor, target: Tensor) -> Tensor:
        return output


class TwoClass(OneLogit):
    """A linear layer to two logits for a softmax; the score is the sigmoid of their difference."""

    def __init__(self, width: int):
        super().__init__(width)
        self.linear = nn.Linear(width, 2)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(self.embed(features))


class L2Head(TwoClass):
    """L2-constrained softmax (Ranjan 2017): every row's features are scaled to length ``scale``, then two logits.

    The norm is each row's own, so a row's logit does not depend on its batch (the log's version divided by the norm
    of the whole batch). Computed in float32.
    """

    def __init__(self, width: int, scale: float = 16.0):
        super().__init__(width)
        self.scale = _above_zero(scale, "scale", "L2Head")

    def embed(self, features: Tensor) -> Tensor:
        return self.scale * F.normalize(features.float(), dim=1)


class ArcHead(TwoClass):
    """ArcFace (Deng 2019): ``scale`` times the cosine to each of two class directions, with an angular ``margin``.

    In training ``penalise`` moves a row away from its own class by ``margin`` radians before the loss sees it;
    a soft label shares the margin out between the classes. The logit is without margin. Computed in float32.
    """

    def __init__(self, width: int, scale: float = 30.0, margin: float = 0.3):
        super().__init__(width)
        self.linear = nn.Linear(width, 2, bias=False)
        self.scale = _above_zero(scale, "scale", "ArcHead")
        if not 0.0 <= margin < torch.pi:
            raise InputError(f"a margin of {margin} rad", where="ArcHead", remedy="give 0 <= margin < pi")
        self.margin = margin

    def embed(self, features: Tensor) -> Tensor:
        return F.normalize(features.float(), dim=1)

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return self.scale * F.linear(self.embed(features), F.normalize(self.linear.weight.float(), dim=1))

    def penalise(self, output: Tensor, target: Tensor) -> Tensor:
        # The cosine is kept off +-1, where the arc cosine has an infinite slope.
        angle = torch.acos((output.float() / self.scale).clamp(-1 + 1e-6, 1 - 1e-6))
        own = torch.stack([1.0 - target.float(), target.float()], dim=1)
        # Past pi the cosine would rise again and reward the worst rows.
        return self.scale * torch.cos((angle + self.margin * own).clamp(max=torch.pi))


def _above_zero(value: float, name: str, head: str) -> float:
    if not value > 0:
        raise InputError(f"{name} {value}", where=head, remedy=f"{name} must be above 0")
    return value
