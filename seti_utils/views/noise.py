"""Artificial noise on the panels."""

import torch
from torch import Generator, Tensor

from seti_utils.data.cadence import SIX, Panels
from seti_utils.errors import InputError
from seti_utils.sky.draws import uniform
from seti_utils.views.draws import chosen, gamma, per_cadence
from seti_utils.views.layout import check_panels, kinds_of
from seti_utils.views.normalising import normalise_panels


def add_noise(
    x_BPTF: Tensor,
    y: Tensor,
    *,
    generator: Generator,
    panels: Panels = SIX,
    kind: str = "gaussian",
    low: float = 0.0,
    high: float = 1.0,
    p: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Add noise to a cadence and normalise every panel again to mean 0, std 1. The label is kept.

    ``gaussian``: N(0, u) with standard deviation u ~ U(low, high), one u per cadence (exp0018). ``chi2``: chi-squared
    with U(low, high) degrees of freedom (the idea list's artificial spectral noise: 0.1 to 3.1, p 0.75).
    (B, P, T, F) of any float dtype, holding ``panels`` -> a new tensor of the same; arithmetic in float32. Cleaned panels
    get the same noise as their raw ones, in sigma, and are not normalised. Raises ``InputError`` for an unknown kind.
    """
    if kind not in ("gaussian", "chi2"):
        raise InputError(f"noise kind {kind!r}", remedy="expected gaussian or chi2")
    hit = chosen(len(x_BPTF), p, generator)
    strength = per_cadence(uniform(low, high, (len(x_BPTF),), generator=generator), x_BPTF)
    check_panels(x_BPTF, panels)
    kinds = kinds_of(panels)
    shape = (len(x_BPTF), len(kinds[0][1]), *x_BPTF.shape[2:])
    if kind == "gaussian":
        noise = torch.randn(shape, generator=generator, device=x_BPTF.device).mul_(strength)
    else:
        noise = gamma((strength / 2).expand(shape).contiguous(), generator).mul_(2)
    noisy = torch.empty_like(x_BPTF)
    for where, _, cleaned in kinds:
        louder = noise + x_BPTF[:, where]
        noisy[:, where] = louder if cleaned else normalise_panels(louder)
    return torch.where(per_cadence(hit, x_BPTF), noisy, x_BPTF), y.clone()
