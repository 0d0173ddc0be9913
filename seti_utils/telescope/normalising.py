"""Panels in units of their local noise, minus what is broad, and sums of them in units of their own scatter.

Everything here looks at a neighbourhood only, and neighbourhoods follow each other from the first channel on. So what a pixel
becomes does not depend on where a block of channels ends, as long as it begins at a multiple of ``Grid.aligned``; but for the
outermost neighbourhoods.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from seti_utils.data.noise import MAD_TO_SIGMA
from seti_utils.keeping import keep
from seti_utils.telescope.grid import ALIGNED, FEWEST_SUMS
from seti_utils.views.medians import QUARTILES_TO_SIGMA, sort_along

BLOCK = ALIGNED
"""Channels over which the noise is measured."""

AROUND = 8
"""The level of a channel is the mean of this many times its width around it."""

LEVEL_CLIP = 4.0
"""Pixels count in that mean up to this many sigma: a bright line leaves no trough beside it."""

AT_ONCE = 1 << 16
"""Pixels whose level is taken at a time: what that needs stays in a processor's cache."""

COLUMNS_AT_ONCE = 1024
"""Channels whose medians are taken at a time."""

ROOM = 16
"""Pixels between two rows of :func:`spaced`: a line of the cache."""

LEVEL_ROUNDS = 2
"""How often that is done. Levels of what is left after a first level would ring: a faint copy of the line on either side."""

PIXEL_CLIP = 10.0
"""Largest pixel in the sums, in sigma: one glitch does not make a track."""

PATCHES = 11
"""Patches of time in a panel in which unrest (bursts, flickering emission) is measured and divided by."""

PATCH_FREQ = 16
"""Channels of such a patch, at least; four widths of wide boxcars."""

ROW_FREQ = 64
"""Channels of one row over which its unrest is measured: bursts are shorter than a patch."""

PATCH_CLIP = 8.0
"""Pixels count in a patch up to this many sigma, so that a needle in it does not dim itself by more than a third."""

ABS_TO_SIGMA = 1.2533
"""Mean absolute value of a Gaussian to its standard deviation."""

BEND_TO_SIGMA = MAD_TO_SIGMA / 12**0.5
"""Median absolute value of a channel's bend, changed from row to row, to the standard deviation of a Gaussian."""

SCATTER_FREQ = 128
"""Channels over which the scatter of sums is measured, and ``FEWEST_SUMS`` sums at least: where the sky is restless, a sum has to
be larger."""


def local_noise(x_TF: Tensor) -> Tensor:
    """(F,): noise per channel from how it bends away from its neighbours, and how that changes from row to row.

    Measured block by block, interpolated between the blocks. Slopes, ripples, lines and bursts leave it alone. Constant
    data give 0.
    """
    size = x_TF.shape[1]
    step = max(len(x_TF) // 64, 1) * 2
    rows = x_TF[:-1:step] - x_TF[1::step] if len(x_TF) > 1 else x_TF * 2**0.5
    rows = F.pad(rows[None], (0, 2), mode="replicate")[0]
    blocks, width = divided(size, BLOCK)
    bend = (rows[:, :-2] + rows[:, 2:]).sub_(rows[:, 1:-1], alpha=2).abs_()[:, : blocks * width]
    ordered = sort_along(bend.view(len(rows), blocks, width).transpose(0, 1).reshape(blocks, -1), 1)
    noise = ordered[:, ordered.shape[1] // 2] * BEND_TO_SIGMA
    return between(noise, width, size)


def divided(size: int, width: int) -> tuple[int, int]:
    """How many neighbourhoods of ``width`` there are in ``size``, and their width; one of all where that is less."""
    return (size // width, width) if size >= width else (1, size)


def between(values: Tensor, step: int, size: int, before: int = 0) -> Tensor:
    """(…, ``size``): linear between ``values`` (…, N), which stand in the middles of ``step`` neighbours each, the first of
    whom is ``before`` places ahead; beyond the outermost ones as they are.

    What lies between two values is a product with a small matrix: a third of the time of ``F.interpolate``.
    """
    knots = torch.cat([values[..., :1], values, values[..., -1:]], -1)
    ahead = (torch.arange(step, dtype=values.dtype, device=values.device) + 0.5 * (step % 2 == 0)) / step
    pairs = torch.stack([knots[..., :-1], knots[..., 1:]], -1)
    wide = (pairs @ torch.stack([1 - ahead, ahead])).flatten(-2)[..., (step + 1) // 2 :]
    if (lack := before + size - wide.shape[-1]) > 0:
        wide = torch.cat([wide, values[..., -1:].expand(*values.shape[:-1], lack)], -1)
    return wide[..., before : before + size]


def in_sigma(x_TF: Tensor) -> Tensor:
    """``x_TF`` over its local noise; where nothing varies, 0."""
    noise = local_noise(x_TF)
    return x_TF * torch.where(noise > 0, 1 / noise, 0)


def added_up(x_TF: Tensor, many: int) -> Tensor:
    """Groups of ``many`` channels (a power of two) added, in units of the sum's noise; a rest at the end is left out."""
    size = x_TF.shape[1] // many * many
    out, count = x_TF[:, :size], 1
    while count < many:
        out, count = out[:, ::2] + out[:, 1::2], 2 * count
    return out.mul_(many**-0.5) if many > 1 else out


def boxcar(x_TF: Tensor, width: int) -> Tensor:
    """Sums over ``width`` channels (a power of two) around each, ``width // 2`` of them below; edges repeated."""
    if width == 1:
        return x_TF
    below, above = width // 2, width - 1 - width // 2
    summed, reach = torch.cat([x_TF[:, :1].expand(-1, below), x_TF, x_TF[:, -1:].expand(-1, above)], 1), 1
    while reach < width:
        summed = summed[:, :-reach] + summed[:, reach:]
        reach *= 2
    return summed


def flattened(x_TF: Tensor, width: int) -> Tensor:
    """``x_TF`` (in sigma) minus its level, summed over ``width`` channels, in units of the sum's noise; not clipped.

    The level is a mean over ``AROUND * width`` channels in which bright pixels count up to ``LEVEL_CLIP`` above it.
    """
    out = torch.empty_like(x_TF, memory_format=torch.contiguous_format)
    around, some = AROUND * width, max(AT_ONCE // x_TF.shape[1], 1)
    low, high = x_TF.new_tensor(-LEVEL_CLIP), x_TF.new_tensor(LEVEL_CLIP)
    for rows, rest in zip(x_TF.split(some), out.split(some), strict=True):
        sums = boxcar(rows, around)  # the level is a share of them: never written by itself, which would be a pass more
        for _ in range(LEVEL_ROUNDS):
            edges = (torch.add(edge, sums, alpha=1 / around) for edge in (low, high))
            sums = boxcar(torch.clamp(rows, *edges), around)
        torch.sub(rows, sums, alpha=1 / around, out=rest)
        if width > 1:
            torch.mul(boxcar(rest, width), width**-0.5, out=rest)
    return out


def calmed(y_TF: Tensor, width: int, added: int = 1) -> Tensor:
    """``y_TF`` divided by the unrest around every pixel, at least 1: bursts and flicker lose their weight.

    Unrest is the mean absolute value of a patch of time and frequency, or of the row nearby, whichever is larger. ``added``
    channels were added into each.
    """
    rows, size = y_TF.shape
    span, freq = max(rows // PATCHES, 1), max(PATCH_FREQ // added, 4 * width)
    clipped = y_TF.abs().clamp_(max=PATCH_CLIP)
    unrest = pooled(clipped, span, min(freq, size))
    if span > 1:
        unrest = torch.maximum(unrest, pooled(clipped, 1, min(max(ROW_FREQ // added, freq), size)), out=unrest)
    return y_TF / unrest.mul_(ABS_TO_SIGMA).clamp_(min=1.0)


def pooled(x_TF: Tensor, span: int, freq: int) -> Tensor:
    """Means over ``span`` rows and ``freq`` channels around every pixel, interpolated: (T, F)."""
    half = max(freq // 2, 1)
    wide = between(window_means(x_TF, span, freq), half, x_TF.shape[1], half // 2)
    return wide if span == 1 else between_rows(len(wide), len(x_TF), max(span // 2, 1), wide.device) @ wide


def window_means(x_TF: Tensor, span: int, freq: int) -> Tensor:
    """Means over windows of ``span`` rows and ``freq`` channels, every half of them, from half a one before the edge on."""
    if freq % 2 or (span > 1 and span % 2):
        stride = max(span // 2, 1), max(freq // 2, 1)
        return F.avg_pool2d(x_TF[None], (span, freq), stride, (span // 2, freq // 2), count_include_pad=False)[0]
    sums, count = x_TF, 1.0
    for dim, size in ((0, span), (1, freq)):
        if size > 1:
            sums = half_overlapping(sums, size // 2, dim)
            count = count * half_overlapping(x_TF.new_ones(x_TF.shape[dim]), size // 2, 0).unsqueeze(1 - dim)
    return sums / count


def half_overlapping(x: Tensor, half: int, dim: int) -> Tensor:
    """Sums along ``dim`` over neighbours, twice ``half``, every ``half``; the first one and the last one lie half outside."""
    size = x.shape[dim]
    whole = size // half * half
    parts = [x.narrow(dim, 0, whole).unflatten(dim, (-1, half)).sum(dim + 1)]
    if whole < size:
        parts.append(x.narrow(dim, whole, size - whole).sum(dim, keepdim=True))
    edge = torch.zeros_like(parts[0].narrow(dim, 0, 1))
    sums = torch.cat([edge, *parts, edge], dim)
    count = size // half + 1
    return sums.narrow(dim, 0, count) + sums.narrow(dim, 1, count)


@keep(16)
def between_rows(count: int, rows: int, half: int, device: torch.device) -> Tensor:
    """(``rows``, ``count``): what interpolates between ``count`` windows of twice ``half`` rows, the first half outside."""
    return between(torch.eye(count, device=device), half, rows, half // 2).T.contiguous()


def column_medians(y_TF: Tensor) -> Tensor:
    """(…, F): the median of every channel of (T, …, F) over the rows; some channels at a time, which are laid row by row before
    they are sorted."""
    if y_TF.ndim > 2:
        return torch.stack([column_medians(part) for part in y_TF.unbind(1)])
    parts = [sort_along(some.T.contiguous(), 1) for some in y_TF.split(COLUMNS_AT_ONCE, 1)]
    low, high = (len(y_TF) - 1) // 2, len(y_TF) // 2
    return torch.cat([(part[:, low] + part[:, high]) / 2 for part in parts])


def spaced(rows: int, *shape: int, device: torch.device | None = None) -> Tensor:
    """An empty tensor (``rows``, *``shape``) with a little room between its rows: where these begin at multiples of a large power
    of two, the pixels of a column share a few places of the cache, and reading a column takes five times as long."""
    size = math.prod(shape)
    return torch.empty(rows, size + ROOM, device=device)[:, :size].unflatten(1, shape)


def in_own_scatter(sums_DF: Tensor, rows: int, added: int = 1) -> Tensor:
    """Sums (…, F) over ``rows`` unit-noise pixels in units of their scatter around their median, block by block of channels.

    The scatter counts at least as that of Gaussian noise, the square root of ``rows``. ``added`` channels were added into each.
    """
    size = sums_DF.shape[-1]
    blocks, width = divided(size, max(SCATTER_FREQ // added, FEWEST_SUMS))
    whole = blocks * width
    ordered = sort_along(sums_DF[..., :whole].unflatten(-1, (blocks, width)), -1)
    middle = ordered[..., width // 2, None]
    scatter = (ordered[..., 3 * width // 4, None] - ordered[..., width // 4, None]).div_(QUARTILES_TO_SIGMA)
    scale = scatter.clamp_(min=rows**0.5).reciprocal_()
    out = torch.empty_like(sums_DF, memory_format=torch.contiguous_format)
    for first, last, at in ((0, whole, slice(None)), (whole, size, slice(-1, None))):  # the rest counts to the last block
        part = out[..., first:last].unflatten(-1, (blocks if first == 0 else 1, -1))
        torch.sub(sums_DF[..., first:last].unflatten(-1, part.shape[-2:]), middle[..., at, :], out=part)
        part.mul_(scale[..., at, :])
    return out
