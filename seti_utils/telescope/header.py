"""What a telescope file says of itself, checked: what is missing or impossible is named with the option that replaces it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seti_utils.errors import InputError
from seti_utils.wording import quantity

FIELDS = {
    "fch1": "MHZ (centre of the first channel)",
    "foff": "MHZ (channel width, negative when frequencies descend)",
    "tsamp": "SECONDS (length of a row)",
    "tstart": "MJD (start of the file)",
    "source_name": "NAME",
    "src_raj": "HHMMSS.S",
    "src_dej": "DDMMSS.S",
}
"""Header fields that ``--header`` replaces, and what its value is."""


@dataclass(frozen=True)
class Header:
    """A file's axes and names. ``fch1`` and ``foff`` in MHz as stored, ``tsamp`` in s, ``tstart`` in MJD (NaN: unknown).

    ``rows`` and ``channels`` are those of the content, ``planes`` counts polarisations, ``bits`` those of a value.
    ``ra`` and ``dec`` are SIGPROC's hhmmss.s and ddmmss.s, NaN when unknown. ``notes``: what a person should know.
    """

    path: str
    source: str
    fch1: float
    foff: float
    tsamp: float
    tstart: float
    rows: int
    channels: int
    planes: int
    bits: int
    ra: float = math.nan
    dec: float = math.nan
    notes: tuple[str, ...] = ()

    @property
    def lowest(self) -> float:
        """Centre of the channel with the lowest frequency, MHz."""
        return self.fch1 + min(self.foff, 0.0) * (self.channels - 1)

    @property
    def width(self) -> float:
        """Width of a channel, MHz, positive."""
        return abs(self.foff)

    @property
    def seconds(self) -> float:
        """Length of the observation."""
        return self.rows * self.tsamp


def make_header(
    path: str,
    raw: Mapping[str, object],
    given: Mapping[str, object],
    *,
    rows: int,
    channels: int,
    planes: int,
    bits: int,
    notes: tuple[str, ...] = (),
) -> Header:
    """The checked header of ``path``: fields of ``raw``, replaced by those ``given`` by the user.

    ``fch1``, ``foff`` and ``tsamp`` have to be there; ``tstart`` and ``source_name`` may be unknown until a cadence needs
    them. Raises ``InputError`` naming the field, its value and the option.
    """
    merged = {**raw, **given}
    axes = {name: _number(path, name, merged.get(name)) for name in ("fch1", "foff", "tsamp")}
    if not 0 < axes["tsamp"] < 1e6:
        raise unusable(path, "tsamp", axes["tsamp"])
    if not 1e-12 < abs(axes["foff"]) < 1e6:
        raise unusable(path, "foff", axes["foff"])
    header = Header(
        path,
        text_of(merged.get("source_name")),
        **axes,
        tstart=_optional(merged.get("tstart")),
        rows=rows,
        channels=channels,
        planes=planes,
        bits=bits,
        ra=_optional(merged.get("src_raj")),
        dec=_optional(merged.get("src_dej")),
        notes=notes,
    )
    highest = header.lowest + header.width * (channels - 1)
    if not (0 < header.lowest and highest < 1e9):
        raise InputError(
            f"fch1 {header.fch1:g} and foff {header.foff:g} over {quantity(channels, 'channel')} give frequencies from "
            f"{header.lowest:g} to {highest:g} MHz",
            where=path,
            remedy="give the right ones: --header fch1=MHZ --header foff=MHZ",
        )
    return header


def unusable(path: str, name: str, value: object) -> InputError:
    """The refusal of one header field."""
    problem = f"the header has no {name}" if value is None else f"the header's {name} is {value}"
    return InputError(problem, where=path, remedy=f"give the right one: --header {name}={FIELDS[name]}")


def _number(path: str, name: str, value: object) -> float:
    number = _optional(value)
    if value is None or not math.isfinite(number) or number == 0:
        raise unusable(path, name, value if value is None or not math.isnan(number) else "not a number")
    return number


def _optional(value: object) -> float:
    """``value`` as a float; NaN for what is missing or not a number, one-element arrays are taken apart."""
    if value is None or isinstance(value, bool):
        return math.nan
    try:
        number = value.item() if isinstance(value, (np.ndarray, np.generic)) else value
        return float(number) if isinstance(number, (int, float, str, bytes)) else math.nan
    except (TypeError, ValueError, OverflowError):
        return math.nan


def text_of(value: object) -> str:
    """A name that may come as bytes, padded or not; unknown is empty. Control characters are left out."""
    if isinstance(value, (np.ndarray, np.generic)) and value.size == 1:
        value = value.item()
    if value is None:
        return ""
    words = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return "".join(letter for letter in words if letter.isprintable()).strip()


def parse_replacements(options: list[str], files: int) -> list[dict[str, object]]:
    """``["tsamp=1.07", "tstart=57563.80,57563.81,…"]`` as one dictionary per file.

    A value holds for every file; as many values as files, separated by commas, hold for one each, in the order in which
    the files were given. Raises ``InputError`` for an unknown field, a value that is not a number, and another count.
    """
    replaced: list[dict[str, object]] = [{} for _ in range(files)]
    for option in options:
        name, equals, text = option.partition("=")
        values = text.split(",") if equals else []
        if name not in FIELDS or not all(value.strip() for value in values) or len(values) not in (1, files):
            raise InputError(
                f"--header {option}",
                remedy=f"write FIELD=VALUE, or {files} values separated by commas; fields: {', '.join(FIELDS)}",
            )
        for place in range(files):
            value = values[place % len(values)].strip()
            if name != "source_name" and math.isnan(number := _optional(value)):
                raise InputError(f"--header {option}: {value!r} is not a number", remedy=f"{name}={FIELDS[name]}")
            replaced[place][name] = value if name == "source_name" else number
    return replaced
