"""Artificial alien signals: needles drawn into the ON panels of negatives."""

from dataclasses import replace

import torch
from torch import Generator, Tensor

from seti_utils.data.cadence import CLEANED_LIMIT, SIX, Panels
from seti_utils.errors import InputError
from seti_utils.sky.carriers import any_subset
from seti_utils.sky.draws import log_uniform, may_look, uniform
from seti_utils.sky.nature import FWHM, natural
from seti_utils.sky.needles import draw, random_tracks
from seti_utils.views.draws import chosen
from seti_utils.views.layout import check_panels, kinds_of
from seti_utils.views.normalising import normalise_panels

LEAST_ROWS = 64
"""A needle with fewer rows in the window is not drawn: nobody could see it, and its label would be wrong."""


LAWS = {"even": uniform, "log": log_uniform}


def inject(
    x_BPTF: Tensor,
    y: Tensor,
    *,
    generator: Generator,
    panels: Panels = SIX,
    families: tuple[str, ...] = ("drift", "chirp_linear"),
    p: float = 0.1,
    amplitude: tuple[float, float] = (0.9, 2.0),
    drop: float = 0.5,
    law: str = "even",
    nature: tuple[str, ...] = (),
    fwhm: tuple[float, float] = FWHM,
) -> tuple[Tensor, Tensor]:
    """Draw a needle into a random non-empty subset of the ON panels of a share ``p`` of the negatives (exp0017).

    The label of a cadence that got a needle becomes 1; positives (label 0.5 or more) and the rest are kept as they are,
    and so is a cadence whose needle would show in fewer than ``LEAST_ROWS`` rows. ``families`` as in
    :data:`seti_utils.sky.needles.FAMILIES`, drawn evenly; ``amplitude``: range in sigma of the panel's local noise
    (:mod:`seti_utils.sky.profiles` says of what), drawn evenly or, with ``law="log"``, log-uniformly; ``drop``: up to this
    share of its rows is missing, at random. ``nature``: the aspects in which needles vary
    (:mod:`seti_utils.sky.nature`; none: all have the real needle's profile, and are steady), ``fwhm`` their widths in
    channels. Altered panels are normalised again to mean 0, std 1.

    (B, P, T, F) of any float dtype, holding ``panels`` -> a new tensor of the same. Cleaned panels get the same needle as
    their raw ones: their unit is sigma, they stay in it, and hold what cleaning lets them hold (``CLEANED_LIMIT``). Raises
    ``InputError`` for an unknown family or aspect, a range that is not rising, or a drop outside [0, 1).
    """
    low, high = amplitude
    if not 0 < low <= high:
        raise InputError(f"amplitude {amplitude}", remedy="give (low, high) in sigma, 0 < low <= high")
    if not 0 <= drop < 1:
        raise InputError(f"drop {drop}", remedy="give a share of pixels in [0, 1)")
    if law not in LAWS:
        raise InputError(f"law {law!r} of the amplitude", remedy=f"write one of {', '.join(LAWS)}")
    check_panels(x_BPTF, panels)
    batch, _, time, freq = x_BPTF.shape
    kinds = kinds_of(panels)
    held = kinds[0][1]
    hit = chosen(batch, p, generator) & (y < 0.5)
    carriers = any_subset(batch, generator=generator)
    tracks = random_tracks(families, batch, generator=generator, carriers=carriers, freq=freq, time=time)
    tracks = natural(tracks, nature, generator=generator, fwhm=fwhm, wanted=hit)
    missing = uniform(0, drop, (batch, 1, 1), generator=generator)
    kept = torch.rand(tracks.gate.shape, generator=generator, device=x_BPTF.device) >= missing
    tracks = replace(tracks, gate=tracks.gate * kept)
    hit = hit & (tracks.visible(freq).sum((1, 2)) >= LEAST_ROWS)
    peak = torch.where(hit, LAWS[law](low, high, (batch,), generator=generator), 0)
    changed = hit[:, None] & (tracks.gate[:, list(held)] > 0).any(2)
    # A GPU draws into all cadences, most with amplitude 0: selecting them would wait for the device.
    rows = hit.nonzero().flatten() if may_look(hit) else slice(None)
    picked = tracks.rows(rows)
    x = x_BPTF.clone()
    for where, _, cleaned in kinds:
        before = x_BPTF[rows, where]
        if cleaned:
            drawn = draw(before, picked, peak[rows], sigma=before.new_ones(before.shape[:2], dtype=torch.float32), panels=held)
            drawn = drawn.clamp_(-CLEANED_LIMIT, CLEANED_LIMIT)
        else:
            drawn = normalise_panels(draw(before, picked, peak[rows], panels=held))
        x[rows, where] = torch.where(changed[rows][:, :, None, None], drawn, before)
    return x, torch.where(hit, 1, y)
