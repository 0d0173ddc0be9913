"""The log's own notation for how six panels become an image: ``abacad``, ``aaa,bcd``, ``a,b,a,c,a,d``.

A comma starts a new channel. A letter takes that star's next panel (the A star has three, B, C and D one
each; after the last it starts again), and panels of a channel follow each other in time. A slash starts a new
row of the mosaic along frequency: ``aaa/bcd`` shows the ON panels above the OFF panels. Capital letters are the same
panels cleaned of the sky that other files show too: ``AAA,BCD`` alone, ``aaa,bcd,AAA,BCD`` beside the raw ones.
"""

from itertools import cycle

from seti_utils.errors import InputError
from seti_utils.wording import quantity

RAW = 6
"""Panels of a cadence, numbered 0 to 5; the cleaned ones are numbered 6 to 11, in the same order."""

SLOTS = {"a": (0, 2, 4), "b": (1,), "c": (3,), "d": (5,)}
SLOTS |= {star.upper(): tuple(RAW + slot for slot in slots) for star, slots in SLOTS.items()}

Layout = tuple[tuple[tuple[int, ...], ...], ...]
"""channels x rows along frequency x panel numbers along time."""


def parse_layout(notation: str) -> Layout:
    """Panel numbers for each channel and row of ``notation``.

    ``parse_layout("aaa,bcd")`` is ``(((0, 2, 4),), ((1, 3, 5),))``. Channels may differ in length
    (``aaa,bcd,abacad``): then only a resize can make one image of them. Raises ``InputError`` when a letter is not
    a, b, c or d, small or capital, or when the rows of a channel differ in length.
    """
    if unknown := sorted(set(notation) - set("abcdABCD,/")):
        raise InputError(
            f"layout {notation!r}: unknown letters {', '.join(unknown)}",
            remedy="use a, b, c and d for stars (capitals for cleaned panels), a comma per channel, a slash per row",
        )
    panels = {star: cycle(slots) for star, slots in SLOTS.items()}
    channels = tuple(
        tuple(tuple(next(panels[star]) for star in row) for row in channel.split("/")) for channel in notation.split(",")
    )
    for channel in channels:
        if len({len(row) for row in channel}) != 1 or not channel[0]:
            raise InputError(
                f"layout {notation!r}: the rows of a channel differ in length, or are empty",
                remedy="give every row of a channel the same number of panels",
            )
    return channels


def panels_shown(layout: Layout) -> frozenset[int]:
    """Numbers of the panels that ``layout`` shows: raw ones 0 to 5, cleaned ones 6 to 11."""
    return frozenset(panel for channel in layout for row in channel for panel in row)


def is_rectangular(layout: Layout) -> bool:
    """Whether all channels have the same size without a resize."""
    return len({(len(channel), len(channel[0])) for channel in layout}) == 1


def layout_words(notation: str) -> str:
    """What ``notation`` shows, in words: for whoever meets the notation for the first time."""
    channels = parse_layout(notation)
    kinds = tuple(sorted({panel < RAW for panel in panels_shown(channels)}))
    what = {(True,): "panels", (False,): "cleaned panels", (False, True): "panels and cleaned ones"}[kinds]
    count = quantity(len(channels), "channel")
    stars = "a: the star, b c d: its neighbours" + (
        "; capitals: cleaned of the sky that other files show" if kinds[0] is False else ""
    )
    return f"{what} {notation}, {count} ({stars})"
