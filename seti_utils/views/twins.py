"""One needle at two brightnesses in the same cadence: what a network is taught with that brighter is never worse."""

import math

import torch
from torch import Generator, Tensor

from seti_utils.data.cadence import CLEANED_LIMIT, SIX, Panels
from seti_utils.data.noise import local_sigma
from seti_utils.errors import InputError
from seti_utils.sky.carriers import any_subset
from seti_utils.sky.draws import log_uniform
from seti_utils.sky.nature import natural
from seti_utils.sky.needles import draw, random_tracks
from seti_utils.views.layout import check_panels, kinds_of
from seti_utils.views.normalising import normalise_panels


def twins(
    x_BPTF: Tensor,
    *,
    generator: Generator,
    panels: Panels = SIX,
    share: float = 0.25,
    families: tuple[str, ...] = ("drift",),
    amplitude: tuple[float, float] = (0.3, 300.0),
    nature: tuple[str, ...] = ("all",),
) -> tuple[Tensor, Tensor]:
    """The first ``share`` of the cadences, rounded up, with a needle in some ON panels: once fainter, once brighter.

    (B, P, T, F) of any float dtype, holding ``panels`` -> two float32 tensors (N, P, T, F). Both show the same sky and the same
    needle, of ``families`` and ``nature`` as in :func:`seti_utils.views.injection.inject`; its two amplitudes, in sigma of the
    local noise, are drawn log-uniformly from ``amplitude``. Raw panels are normalised again, cleaned ones stay in sigma and
    hold what cleaning lets them hold. No label enters and none comes out: what the cadence shows beside the needle is the same
    in both. Raises ``InputError`` for an unknown family or aspect, and amplitudes that do not rise.
    """
    if not 0 < amplitude[0] <= amplitude[1]:
        raise InputError(f"amplitude {amplitude}", remedy="give (low, high) in sigma, 0 < low <= high")
    check_panels(x_BPTF, panels)
    x = x_BPTF[: math.ceil(share * len(x_BPTF))].float()
    count, _, time, freq = x.shape
    kinds = kinds_of(panels)
    carriers = any_subset(count, generator=generator)
    tracks = random_tracks(families, count, generator=generator, carriers=carriers, freq=freq, time=time)
    tracks = natural(tracks, nature, generator=generator)
    peak = log_uniform(*amplitude, (2, count), generator=generator).sort(0).values
    light = torch.zeros_like(x)
    for where, held, cleaned in kinds:
        sigma = x.new_ones(count, len(held)) if cleaned else local_sigma(x[:, where])
        # Drawing leaves out what is faint: the brighter one is drawn, and dimmed, so that both have one shape.
        light[:, where] = draw(light[:, where], tracks, peak[1], sigma=sigma, panels=held)
    pair = []
    for dim in (peak[0] / peak[1], torch.ones_like(peak[0])):
        shown = x + light * dim[:, None, None, None]
        for where, _, cleaned in kinds:
            part = shown[:, where]
            shown[:, where] = part.clamp(-CLEANED_LIMIT, CLEANED_LIMIT) if cleaned else normalise_panels(part)
        pair.append(shown)
    return pair[0], pair[1]
