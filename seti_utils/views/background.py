"""The background as a low-rank matrix: what the six panels share goes, needles that move stay."""

import torch
from torch import Tensor

from seti_utils.errors import InputError
from seti_utils.views.cleaning import as_numbers
from seti_utils.wording import quantity

NMF_ROUNDS = 30
"""Enough for a residual within 0.2 % of the converged one on a real cadence, rank 2 and 4."""


def low_rank(x_BPTF: Tensor, rank: int = 2, method: str = "svd") -> Tensor:
    """Subtract the ``rank`` strongest components of the panels stacked in time, a (P * T) x F matrix per cadence.

    ``svd``: the truncated singular value decomposition. ``nmf``: a non-negative factorisation of the panels above
    their common minimum, by hierarchical alternating least squares (Cichocki & Phan 2009) from a start that the
    singular vectors give, so that nothing is random. A needle that stays in one channel is itself of rank one and goes
    when it is strong.

    (B, P, T, F) of any float dtype -> the same shape and dtype; arithmetic in float32, autocast has no effect;
    pixels that are not finite count as 0. Raises ``InputError`` for an unknown method or a rank outside 1..F.
    """
    if method not in ("svd", "nmf"):
        raise InputError(f"low-rank method {method!r}", remedy="expected svd or nmf")
    if not 1 <= rank <= x_BPTF.shape[-1]:
        raise InputError(f"rank {rank} of a background with {quantity(x_BPTF.shape[-1], 'channel')}", remedy="choose 2 or so")
    with torch.autocast(x_BPTF.device.type, enabled=False):
        matrix = as_numbers(x_BPTF).flatten(1, 2)
        profiles = strongest_profiles(matrix, rank)
        if method == "svd":
            rest = matrix - (matrix @ profiles) @ profiles.mT
        else:
            rest = matrix - non_negative_part(matrix, rank)
    return rest.view(x_BPTF.shape).to(x_BPTF.dtype)


def strongest_profiles(matrix: Tensor, rank: int) -> Tensor:
    """(B, N, F) -> (B, F, rank): the first right singular vectors, from the small F x F product."""
    # The product squares the range of the singular values: float64 keeps the strong ones to float32's precision.
    gram = matrix.double()
    return torch.linalg.eigh(gram.mT @ gram).eigenvectors[..., -rank:].to(matrix.dtype)


def non_negative_part(matrix: Tensor, rank: int) -> Tensor:
    """(B, N, F) -> (B, N, F): the rank-``rank`` non-negative approximation, of ``matrix`` above its minimum."""
    floor = matrix.amin((1, 2), keepdim=True)
    above = matrix - floor
    profiles = strongest_profiles(above, rank).abs()
    weights = (above @ profiles).contiguous()
    for _ in range(NMF_ROUNDS):
        improve(profiles, weights, above.mT)
        improve(weights, profiles, above)
    return weights @ profiles.mT + floor


def improve(factor: Tensor, other: Tensor, matrix: Tensor) -> None:
    """One column of ``factor`` (B, N, rank) after the other, in place: the best non-negative one, the rest held."""
    target, overlap = matrix @ other, other.mT @ other
    small = torch.finfo(matrix.dtype).tiny
    for k in range(factor.shape[-1]):
        step = (target[..., k] - (factor @ overlap[..., k : k + 1])[..., 0]) / overlap[:, k, k, None].clamp(min=small)
        factor[..., k] = (factor[..., k] + step).clamp(min=0)
