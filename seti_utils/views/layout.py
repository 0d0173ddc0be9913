"""From six panels to an image: the layout notation put into effect."""

from itertools import pairwise

import torch
from torch import Tensor

from seti_utils.data.cadence import ON, PANELS
from seti_utils.errors import InputError
from seti_utils.log.layouts import Layout, panels_shown, parse_layout


def held_panels(count: int) -> tuple[int, ...]:
    """The numbers of the panels in an array of ``count``: all six, the ON panels, or six raw and six cleaned ones.

    Raises ``InputError`` for any other count.
    """
    if count == PANELS:
        return tuple(range(PANELS))
    if count == len(ON):
        return ON
    if count == 2 * PANELS:
        return tuple(range(2 * PANELS))
    raise InputError(f"{count} panels", remedy=f"give all {PANELS}, the ON panels {ON}, or raw and cleaned ones, {2 * PANELS}")


def places(count: int, needed: tuple[int, ...] = tuple(range(PANELS))) -> tuple[int, ...]:
    """Where the panels numbered ``needed`` lie in an array of ``count`` panels.

    Where only cleaned panels (6 to 11) are needed, an array of six or three is taken to hold those. Raises ``InputError``
    when an OFF panel is needed and only ON panels are there, or cleaned panels beside raw ones and only one kind is there.
    """
    held = held_panels(count)
    if count <= PANELS and min(needed) >= PANELS:
        held = tuple(PANELS + panel for panel in held)
    if count <= PANELS and len({panel < PANELS for panel in needed}) == 2:
        raise InputError(
            f"raw and cleaned panels are needed, but only {count} panels are there",
            remedy=f"read both kinds, {2 * PANELS} panels",
        )
    if missing := sorted(set(needed) - set(held)):
        raise InputError(f"panels {missing} are needed, but only the ON panels {ON} are there", remedy="read all six panels")
    return tuple(held.index(panel) for panel in needed)


def rows_of(layout: str | Layout) -> int:
    """How many rows of panels lie above each other along frequency: 1, or more in a mosaic such as ``aaa/bcd``."""
    channels = parse_layout(layout) if isinstance(layout, str) else layout
    counts = {len(channel) for channel in channels}
    if len(counts) != 1:
        raise InputError(f"layout {layout!r}: its channels have {sorted(counts)} rows", remedy="give every channel as many rows")
    return counts.pop()


def arrange_channels(x_BPTF: Tensor, layout: str | Layout) -> list[Tensor]:
    """One (B, freq, time) image per channel of ``layout``, each of its own length; views where that is possible."""
    channels = parse_layout(layout) if isinstance(layout, str) else layout
    places(x_BPTF.shape[1], tuple(panels_shown(channels)))
    images = []
    for rows in channels:
        bands = [take(x_BPTF, places(x_BPTF.shape[1], row)).flatten(1, 2).transpose(1, 2) for row in rows]
        images.append(bands[0] if len(bands) == 1 else torch.cat(bands, dim=1))
    return images


def arrange(x_BPTF: Tensor, channels: str | Layout) -> Tensor:
    """Lay the panels out as an image (B, C, freq, time) of the dtype of ``x_BPTF``.

    ``channels`` is a layout in the log's notation, or what ``layouts.parse_layout`` makes of it. Panels follow each
    other in time; rows of a mosaic follow each other in frequency. ``abacad`` gives 1 x 256 x 1638, ``aaa,bcd``
    2 x 256 x 819, ``aaa/bcd`` 1 x 512 x 819. The result may be a view of ``x_BPTF``.

    Raises ``InputError`` when the channels differ in size (only ``render`` with a resize can join those), or when the
    layout shows OFF panels that ``x_BPTF`` does not hold.
    """
    images = arrange_channels(x_BPTF, channels)
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
