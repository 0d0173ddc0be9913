"""From panels to what the network sees."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from seti_utils.data.cadence import PANELS, SIX, Panels
from seti_utils.errors import InputError
from seti_utils.log.layouts import Layout, parse_layout
from seti_utils.views.cleaning import is_pointwise
from seti_utils.views.layout import arrange, arrange_channels, check_panels
from seti_utils.views.resizing import resize_into
from seti_utils.wording import quantity

AXES = {"identity": (), "freq": (-2,), "time": (-1,), "both": (-2, -1)}


def render(
    x_BPTF: Tensor,
    *,
    layout: str | Layout,
    panels: Panels = SIX,
    resize: Mapping[str, Any] | None = None,
    clean: Sequence[Callable[[Tensor], Tensor]] = (),
    dtype: torch.dtype = torch.float32,
    out: Tensor | None = None,
) -> Tensor:
    """Clean the panels, lay them out, resize: (B, P, T, F) of any float dtype -> a new (B, C, freq, time) of ``dtype``.

    ``panels`` says which panels ``x_BPTF`` holds. ``clean`` are functions of the panels, applied in order, see
    :func:`cleaned_by`; ``resize`` holds the keyword arguments of
    :func:`seti_utils.views.resizing.resize`, or is ``None`` for native pixels. ``out``: write into this tensor, whose
    dtype then counts, and return it; on a CPU a fresh batch above 32 MB costs more page faults than arithmetic. No
    randomness: two calls are equal bit for bit. Raises ``InputError`` as ``arrange`` and ``resize`` do.
    """
    x_BPTF = cleaned_by(x_BPTF, clean, panels) if clean else x_BPTF
    dtype = dtype if out is None else out.dtype
    if x_BPTF.device.type != "cpu":
        x_BPTF = x_BPTF.to(dtype)
    if resize is None:
        image = arrange(x_BPTF, layout, panels)
        return buffer(out, tuple(image.shape), dtype, image.device).copy_(image)
    channels = parse_layout(layout) if isinstance(layout, str) else layout
    how = dict(resize)
    size = how.pop("freq"), how.pop("time")
    out = buffer(out, (len(x_BPTF), len(channels), *size), dtype, x_BPTF.device)
    # A CPU takes one cadence at a time: what the layout copies then stays in the cache, in half the time.
    cpu = x_BPTF.device.type == "cpu"
    step = 1 if cpu else max(1, len(x_BPTF))
    for x, image in zip(x_BPTF.split(step), out.split(step), strict=True):
        for channel, plane in enumerate(arrange_channels(x.float() if cpu else x, channels, panels)):
            resize_into(plane, image[:, channel], **how)
    return out


def cleaned_by(x_BPTF: Tensor, clean: Sequence[Callable[[Tensor], Tensor]], panels: Panels = SIX) -> Tensor:
    """The panels after the steps of ``clean``. Those that the overlap cleaning made (6 to 11) keep their unit, sigma of the
    raw noise: of the steps they get those that look at single pixels only (``cleaning.pointwise``).
    """
    check_panels(x_BPTF, panels)
    raw = sum(panel < PANELS for panel in panels)
    for step in clean:
        if raw == len(panels) or is_pointwise(step):
            x_BPTF = step(x_BPTF)
        elif raw:
            x_BPTF = torch.cat([step(x_BPTF[:, :raw]), x_BPTF[:, raw:]], 1)
    return x_BPTF


def buffer(out: Tensor | None, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """``out`` if it fits, else a new tensor."""
    if out is None:
        return torch.empty(shape, dtype=dtype, device=device)
    if out.shape != shape or out.device != device:
        raise InputError(f"out is {tuple(out.shape)} on {out.device}", remedy=f"the image is {shape} on {device}")
    return out


def mirror(image_BCFT: Tensor, axis: str, *, rows: int = 1) -> Tensor:
    """The image mirrored along ``axis``: ``identity``, ``freq``, ``time`` or ``both``; for test-time augmentation.

    ``rows`` is the layout's number of panel rows (:func:`seti_utils.views.layout.rows_of`). In a mosaic every row is
    mirrored in its own place: ON panels stay where ON panels are. Raises ``InputError`` for an unknown axis, or when
    the rows do not divide the image.
    """
    if axis not in AXES:
        raise InputError(f"axis {axis!r}", remedy=f"expected one of {', '.join(AXES)}")
    freq = image_BCFT.shape[-2]
    if freq % rows:
        raise InputError(
            f"{freq} frequency pixels do not split into {quantity(rows, 'row')}", remedy="choose a multiple in resize.freq"
        )
    return image_BCFT.unflatten(-2, (rows, freq // rows)).flip(AXES[axis]).flatten(-3, -2)
