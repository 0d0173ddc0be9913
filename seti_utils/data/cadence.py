"""What a cadence is: six five-minute observations A B A C A D, and the instrument's constants.

Mid-resolution product of the Green Bank Telescope (file suffix .0002) as stated by the competition's organisers;
one snippet is 293 s by 0.73 MHz per panel, all six panels of a cadence share the same frequencies.
"""

from collections.abc import Sequence

import numpy as np

PANELS, TIME, FREQ = 6, 273, 256
SHAPE = (PANELS, TIME, FREQ)
"""A cadence in a file: (panels, time bins, frequency channels), float16."""

POINTINGS = "ABACAD"
"""Where the telescope points, panel by panel: A is the target (ON), the others are its neighbours (OFF)."""

ON, OFF = (0, 2, 4), (1, 3, 5)
"""Panels with the telescope on the target A, and on its neighbours B, C, D."""

SIX = tuple(range(PANELS))
CLEANED_SIX = tuple(PANELS + panel for panel in SIX)
"""The numbers of a whole cadence's panels, and of the same panels cleaned of the sky that other files show."""

CLEANED_LIMIT = 30_000.0
"""Cleaned panels hold up to +-30,000 sigma: all there is, and float16, which ends at 65,504, cannot overflow."""

Panels = tuple[int, ...]
"""Which panels an array (B, P, T, F) holds, number by number along P."""

Rows = Sequence[int] | np.ndarray
"""Row numbers of a table or a source."""

DF_HZ = 2861.022949
DT_S = 1.073741824
PANEL_S = TIME * DT_S
RESOLUTION = f"{DF_HZ / 1e3:.3f} kHz per channel and {DT_S:.3f} s per row, as in the competition"
"""What is assumed of an array, in words: a ``.npy`` file does not say."""
HZ_PER_S_PER_CHANNEL_PER_PANEL = DF_HZ / PANEL_S
"""A drift of one channel per panel, in Hz/s (9.76)."""

PANEL_BYTES = TIME * FREQ * 2
HEADER_BYTES = 128
FILE_BYTES = HEADER_BYTES + PANELS * PANEL_BYTES
"""Bytes of a cadence's ``.npy`` file: NumPy's header and six float16 panels."""


def panel_numbers(panels: str | Sequence[int]) -> tuple[int, ...]:
    """Panel numbers for ``"all"`` (0..5), ``"on"`` (0, 2, 4), ``"off"`` (1, 3, 5), or the numbers given.

    Raises ``ValueError`` for any other word, a number outside 0..5, a repeated number, or none at all.
    """
    named = {"all": tuple(range(PANELS)), "on": ON, "off": OFF}
    if isinstance(panels, str):
        if panels not in named:
            raise ValueError(f"panels {panels!r}: write one of {', '.join(named)}, or the panel numbers")
        return named[panels]
    numbers = tuple(int(panel) for panel in panels)
    if not numbers or len(set(numbers)) != len(numbers) or not set(numbers) <= set(range(PANELS)):
        raise ValueError(f"panels {panels!r}: write different numbers between 0 and {PANELS - 1}, at least one")
    return numbers
