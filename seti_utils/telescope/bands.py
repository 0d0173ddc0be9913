"""Bands of frequencies that are masked, or known to hold interference."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seti_utils.errors import InputError

COLUMNS = ("low", "high", "name")

GREEN_BANK = "gbt"
NOTCHES = {"L-band notch": (1200.0, 1340.0), "S-band notch": (2300.0, 2360.0)}
"""The notch filters of Green Bank's receivers, MHz."""


@dataclass(frozen=True)
class Band:
    """From ``low`` to ``high`` MHz, and what it is called."""

    low: float
    high: float
    name: str


def parse_bands(text: str) -> tuple[Band, ...]:
    """``"1200-1340,2300-2360"`` or ``"gbt"`` (Green Bank's notch filters) as bands. Raises ``InputError``."""
    bands: list[Band] = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        if word.lower() == GREEN_BANK:
            bands += [Band(low, high, name) for name, (low, high) in NOTCHES.items()]
            continue
        low, dash, high = word.partition("-")
        try:
            band = Band(float(low), float(high), word)
        except ValueError:
            band = Band(1, 0, word)
        if not dash or not 0 <= band.low < band.high:
            raise InputError(f"--mask {word!r}", remedy=f"write LOW-HIGH in MHz, e.g. 1200-1340, or {GREEN_BANK}")
        bands.append(band)
    return tuple(bands)


def read_bands(path: str | Path) -> tuple[Band, ...]:
    """The bands of a table with columns low, high (MHz) and name. Raises ``InputError`` naming the line."""
    from seti_utils.data.tables import ignore_columns, read_table, require_columns

    table = read_table(path, f"give a table with the columns {', '.join(COLUMNS)}")
    require_columns(table, COLUMNS, path)
    ignore_columns(table, COLUMNS, path)
    bands = []
    for line, row in zip(table.index, table.to_dict("records"), strict=True):
        try:
            band = Band(float(row["low"]), float(row["high"]), row["name"].strip())
        except ValueError:
            band = Band(1, 0, "")
        if not 0 <= band.low < band.high:
            problem = f"{row['low']!r} to {row['high']!r} is not a band"
            raise InputError(problem, where=path, line=int(line), remedy="write low and high in MHz, low first")
        bands.append(band)
    return tuple(bands)


def named_by(bands: Sequence[Band], frequency: np.ndarray) -> list[str]:
    """Names of the bands that hold each frequency (MHz), separated by semicolons; empty for none."""
    return ["; ".join(band.name for band in bands if band.low <= value <= band.high) for value in frequency]


def masked_share(bands: Sequence[Band], low: float, high: float) -> float:
    """Share of ``low`` to ``high`` MHz that the bands cover."""
    covered, reached = 0.0, low
    for band in sorted(bands, key=lambda band: band.low):
        begin, end = max(band.low, reached), min(band.high, high)
        if begin < end:
            covered += end - begin
            reached = end
    return covered / (high - low)
