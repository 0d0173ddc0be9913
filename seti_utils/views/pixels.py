"""Augmentations of the image: (image_BCFT, y) -> (image, y), out of place, one draw per cadence.

``image_BCFT`` (B, C, freq, time) of any float dtype, ``y`` (B,) float labels in [0, 1]. All of these keep the label.
All channels of an image get the same treatment, so ON and OFF stay aligned.
"""

import torch
import torch.nn.functional as nn
from torch import Generator, Tensor

from seti_utils.errors import InputError
from seti_utils.sky.draws import uniform
from seti_utils.views.draws import chosen, per_cadence, whole_numbers
from seti_utils.views.rendering import mirror
from seti_utils.wording import quantity

Pair = tuple[Tensor, Tensor]


def flip(
    image_BCFT: Tensor,
    y: Tensor,
    *,
    generator: Generator,
    p: float = 0.5,
    axes: tuple[str, ...] = ("freq",),
    rows: int = 1,
) -> Pair:
    """Flip the image along one of ``axes`` (``freq``, ``time``, ``both``), drawn evenly. The label is kept.

    Along time an ABACAD image turns into DACABA, and exp0002 kept its label all the same; layouts that give ON and OFF
    panels channels or rows of their own have no such problem. ``rows`` is the layout's number of panel rows: a mosaic's
    rows are flipped each in its place. Raises ``InputError`` for an unknown axis.
    """
    if not axes or not set(axes) <= {"freq", "time", "both"}:
        raise InputError(f"flip axes {axes!r}", remedy="expected some of freq, time, both")
    hit = chosen(len(image_BCFT), p, generator)
    axis = whole_numbers(0, len(axes), len(image_BCFT), generator)
    image = image_BCFT.clone()
    for along in ("freq", "time"):
        turns = torch.tensor([name in (along, "both") for name in axes], device=axis.device)
        if along in axes or "both" in axes:
            image = torch.where(per_cadence(hit & turns[axis], image), mirror(image, along, rows=rows), image)
    return image, y.clone()


def cutout(image_BCFT: Tensor, y: Tensor, *, generator: Generator, holes: int = 5, share: float = 0.1, p: float = 0.5) -> Pair:
    """Zero ``holes`` rectangles, each ``share`` of the image's sides and wholly inside it.

    They may overlap. The label is kept.
    """
    batch, _, freq, time = image_BCFT.shape
    hit = chosen(batch, p, generator)
    along_f, along_t = (spans(size, round(share * size), (batch, holes), generator) for size in (freq, time))
    # A pixel is cut when any hole covers it: a sum over holes of an outer product.
    cut = torch.einsum("bhf,bht->bft", along_f.to(image_BCFT.dtype), along_t.to(image_BCFT.dtype)) > 0
    return image_BCFT.masked_fill((cut & hit[:, None, None]).unsqueeze(1), 0), y.clone()


def distort(image_BCFT: Tensor, y: Tensor, *, generator: Generator, steps: int = 6, limit: float = 0.3, p: float = 0.5) -> Pair:
    """Stretch and shrink the cells of a ``steps`` x ``steps`` grid by up to ``limit`` of a cell (exp0004).

    The label is kept. Frequency and time are stretched independently of each other, the image's edges stay, pixels are
    interpolated linearly in float32. Raises ``InputError`` unless ``steps`` is positive and ``limit`` in [0, 1).
    """
    if steps < 1 or not 0 <= limit < 1:
        raise InputError(
            f"grid distortion with {quantity(steps, 'step')} and limit {limit}", remedy="steps >= 1 and 0 <= limit < 1"
        )
    batch, _, freq, time = image_BCFT.shape
    hit = chosen(batch, p, generator)
    along_f, along_t = (stretched(size, steps, limit, batch, generator) for size in (freq, time))
    grid = torch.stack([along_t[:, None, :].expand(batch, freq, time), along_f[:, :, None].expand(batch, freq, time)], dim=-1)
    moved = nn.grid_sample(image_BCFT.float(), grid, padding_mode="border", align_corners=True).to(image_BCFT.dtype)
    return torch.where(per_cadence(hit, image_BCFT), moved, image_BCFT), y.clone()


def spans(size: int, width: int, shape: tuple[int, int], generator: Generator) -> Tensor:
    """Bool (*shape, size): one run of ``width`` True at a random place in each row."""
    start = torch.rand(shape, generator=generator, device=generator.device) * (size + 1 - width)
    start = start.floor().long()[..., None]
    at = torch.arange(size, device=generator.device)
    return (at >= start) & (at < start + width)


def stretched(size: int, steps: int, limit: float, batch: int, generator: Generator) -> Tensor:
    """Float32 (B, size) in [-1, 1]: from where each pixel is taken; piecewise linear, rising, from end to end."""
    widths = uniform(1 - limit, 1 + limit, (batch, steps), generator=generator)
    widths = widths / widths.sum(1, keepdim=True)
    edges = nn.pad(widths.cumsum(1), (1, 0))
    at = torch.linspace(0, steps, size, device=generator.device)
    cell = at.long().clamp(max=steps - 1)
    return (edges[:, cell] + (at - cell) * widths[:, cell]) * 2 - 1
