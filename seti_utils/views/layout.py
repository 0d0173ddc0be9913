"""From six panels to an image: the layout notation put into effect."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from seti_utils.data.cadence import PANELS, SIX, Panels
from seti_utils.errors import InputError
from seti_utils.log.layouts import Layout, panels_shown, parse_layout
from seti_utils.wording import quantity


def places(panels: Panels, needed: Sequence[int]) -> tuple[int, ...]:
    """Where the panels numbered ``needed`` lie in an array that holds ``panels``. Raises ``InputError`` when one is not there."""
    if missing := sorted(set(needed) - set(panels)):
        kind = "cleaned " if min(missing) >= PANELS else ""
        raise InputError(
            f"panels {missing} are needed, but only {', '.join(map(str, panels))} are there", remedy=f"read the {kind}panels too"
        )
    return tuple(panels.index(panel) for panel in needed)


def kinds_of(panels: Panels) -> list[tuple[slice, Panels, bool]]:
    """The raw and the cleaned part of an array that holds ``panels``: where it lies, its slots (0 to 5), and whether cleaned.

    Raises ``InputError`` where the two parts hold different slots: what is done to one could not be done to the other.
    """
    raw, cleaned = (tuple(panel % PANELS for panel in panels if (panel >= PANELS) is kind) for kind in (False, True))
    if panels != (*raw, *(PANELS + slot for slot in cleaned)) or (raw and cleaned and raw != cleaned):
        raise InputError(f"panels {panels}", remedy="give raw panels, cleaned ones, or the same of both, the raw ones first")
    parts = [(slice(0, len(raw)), raw, False), (slice(len(raw), len(panels)), cleaned, True)]
    return [part for part in parts if part[1]]


def check_panels(x_BPTF: Tensor, panels: Panels) -> None:
    """Refuse an array that holds another number of panels than its numbers say."""
    if x_BPTF.shape[1] != len(panels):
        raise InputError(
            f"{quantity(x_BPTF.shape[1], 'panel')}, and the numbers of {len(panels)}: {panels}", remedy="say which they are"
        )


def rows_of(layout: str | Layout) -> int:
    """How many rows of panels lie above each other along frequency: 1, or more in a mosaic such as ``aaa/bcd``."""
    channels = parse_layout(layout) if isinstance(layout, str) else layout
    counts = {len(channel) for channel in channels}
    if len(counts) != 1:
        raise InputError(f"layout {layout!r}: its channels have {sorted(counts)} rows", remedy="give every channel as many rows")
    return counts.pop()


def arrange_channels(x_BPTF: Tensor, layout: str | Layout, panels: Panels = SIX) -> list[Tensor]:
    """One (B, freq, time) image per channel of ``layout``, each of its own length; views where that is possible."""
    channels = parse_layout(layout) if isinstance(layout, str) else layout
    check_panels(x_BPTF, panels)
    places(panels, tuple(panels_shown(channels)))
    images = []
    for rows in channels:
        bands = [take(x_BPTF, places(panels, row)).flatten(1, 2).transpose(1, 2) for row in rows]
        images.append(bands[0] if len(bands) == 1 else torch.cat(bands, dim=1))
    return images


def arrange(x_BPTF: Tensor, channels: str | Layout, panels: Panels = SIX) -> Tensor:
    """Lay the panels out as an image (B, C, freq, time) of the dtype of ``x_BPTF``, which holds ``panels``.

    ``channels`` is a layout in the log's notation, or what ``layouts.parse_layout`` makes of it. Panels follow each
    other in time; rows of a mosaic follow each other in frequency. ``abacad`` gives 1 x 256 x 1638, ``aaa,bcd``
    2 x 256 x 819, ``aaa/bcd`` 1 x 512 x 819. The result may be a view of ``x_BPTF``.

    Raises ``InputError`` when the channels differ in size (only ``render`` with a resize can join those), or when the
    layout shows panels that ``x_BPTF`` does not hold.
    """
    images = arrange_channels(x_BPTF, channels, panels)
    if len({image.shape for image in images}) > 1:
        sizes = [f"{image.shape[1]} x {image.shape[2]}" for image in images]
        raise InputError(f"layout {channels!r}: its channels are {', '.join(sizes)} pixels", remedy="switch on a resize")
    return images[0].unsqueeze(1) if len(images) == 1 else torch.stack(images, dim=1)


def take(x_BPTF: Tensor, panels: tuple[int, ...]) -> Tensor:
    """The panels at these places: a slice (no copy) when they are evenly spaced, a copy otherwise."""
    steps = {b - a for a, b in pairwise(panels)}
    step = steps.pop() if steps else 1
    if not steps and step > 0:
        return x_BPTF[:, panels[0] : panels[-1] + 1 : step]
    return x_BPTF[:, list(panels)]
