"""Augmentations that mix two cadences: (image_BCFT, y) -> (image, y), out of place.

Partners form one random cycle through the batch, so nothing is mixed with itself; a batch of one stays as it is.
"""

import torch
from torch import Generator, Tensor

from seti_utils.errors import InputError
from seti_utils.sky.draws import uniform
from seti_utils.views.draws import beta, chosen, partners, per_cadence
from seti_utils.views.normalising import normalised

Pair = tuple[Tensor, Tensor]


def either(y1: Tensor, y2: Tensor) -> Tensor:
    """The probability that at least one of two independent signals is there: y1 + y2 - y1 y2."""
    # Written so that a certain signal gives exactly 1, never a rounding above it.
    return y1 + y2 * (1 - y1)


def mixup(
    image_BCFT: Tensor,
    y: Tensor,
    *,
    generator: Generator,
    alpha: float = 1.0,
    label: str = "or",
    renormalise: bool = False,
    p: float = 1.0,
) -> Pair:
    """Mix pairs of images, x = l x1 + (1 - l) x2 with l ~ Beta(alpha, alpha), one l per cadence.

    The label of a mixed cadence: ``or`` y1 + y2 - y1 y2 (exp0003), ``max`` the larger one (the winner's), ``linear``
    l y1 + (1 - l) y2 (Zhang 2017). Cadences that are not drawn keep image and label. ``renormalise`` restores mean 0,
    std 1 per mixed image and channel. Works on panels as well. Raises ``InputError`` for an unknown label or
    alpha <= 0.
    """
    if label not in ("or", "max", "linear"):
        raise InputError(f"mixup label {label!r}", remedy="expected or, max, linear")
    check_alpha(alpha)
    batch = len(image_BCFT)
    hit = chosen(batch, p, generator) & (batch > 1)
    other, share = partners(batch, generator), beta(alpha, batch, generator)
    # A weight of 1 gives the image itself; in place, because a second batch of pixels costs as much as the sum.
    weight = per_cadence(torch.where(hit, share, 1.0), image_BCFT).to(image_BCFT.dtype)
    mixed = image_BCFT.index_select(0, other).lerp_(image_BCFT, weight)
    if renormalise:
        mixed = torch.where(per_cadence(hit, image_BCFT), normalised(mixed, (-2, -1)), image_BCFT)
    if label == "linear":
        target = share.to(y.dtype) * y + (1 - share).to(y.dtype) * y[other]
    else:
        target = either(y, y[other]) if label == "or" else torch.maximum(y, y[other])
    return mixed, torch.where(hit, target, y)


def cutmix(image_BCFT: Tensor, y: Tensor, *, generator: Generator, alpha: float = 1.0, p: float = 0.5) -> Pair:
    """Paste a rectangle of another image, of area share 1 - l with l ~ Beta(alpha, alpha) (Yun 2019), wholly inside.

    The label of a pasted cadence is y1 + y2 - y1 y2, as for mixup: a needle crosses the whole image, so both signals
    usually show. Cadences that are not drawn keep image and label. Raises ``InputError`` for alpha <= 0.
    """
    check_alpha(alpha)
    batch, _, freq, time = image_BCFT.shape
    hit = chosen(batch, p, generator) & (batch > 1)
    other, side = partners(batch, generator), (1 - beta(alpha, batch, generator)).sqrt()
    inside = []
    for size in (freq, time):
        start = uniform(0, 1, (batch,), generator=generator) * (1 - side)
        at = (torch.arange(size, device=generator.device) + 0.5) / size
        inside.append((at >= start[:, None]) & (at < (start + side)[:, None]))
    pasted = (inside[0][:, :, None] & inside[1][:, None, :] & hit[:, None, None]).unsqueeze(1)
    return torch.where(pasted, image_BCFT[other], image_BCFT), torch.where(hit, either(y, y[other]), y)


def check_alpha(alpha: float) -> None:
    """Refuse what is not a Beta distribution."""
    if not alpha > 0:
        raise InputError(f"Beta({alpha}, {alpha})", remedy="alpha must be positive")
