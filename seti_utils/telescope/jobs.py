"""A search as a list of blocks whose results are kept as they come: stopped at any time, it resumes from there."""

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seti_utils.claims import Claim
from seti_utils.data.cadence import FREQ
from seti_utils.files import replacing
from seti_utils.telescope.bandpass import Bandpass, survey
from seti_utils.telescope.blocks import Found, Search, joined, plan_blocks
from seti_utils.telescope.cadences import Cadence
from seti_utils.telescope.calibration import arrangements
from seti_utils.telescope.classical import Arrangement
from seti_utils.telescope.grid import make_grid
from seti_utils.telescope.limits import Limits
from seti_utils.telescope.network import ShippedDetector, misfit
from seti_utils.wording import quantity

SEARCH = Claim("telescope search", "search.json", "search.unfinished.json")
"""A search's folder."""

WORK = ".work"
"""Where in it the blocks' results are kept."""

MID_RESOLUTION = (1.0, 100.0)
"""Hz/s of a channel per panel between which a product is the detector's kind: there searches go to its largest drift."""

CHANNELS_PER_PANEL = 40.0
"""The largest drift that the detector was taught, channels per panel."""

HIGHEST = 10.0
"""The largest drift otherwise, Hz/s: as turboSETI's."""


@dataclass(frozen=True, eq=False)
class Job:
    """A cadence to be searched: ``blocks`` of it, what is asked for, and ``said``: lines for the person who asked."""

    search: Search
    cadence: Cadence
    limits: Limits
    blocks: tuple[tuple[int, int], ...]
    said: tuple[str, ...]

    @property
    def calibrated(self) -> bool:
        """Whether there are OFF panels to count false alarms on."""
        return len(self.search.arrangements) > 1


def usual_max_drift(cadence: Cadence) -> float:
    """The largest drift in Hz/s when none is asked for."""
    panel = cadence.width * 1e6 / (max(cadence.rows) * cadence.tsamp)
    low, high = MID_RESOLUTION
    return max(HIGHEST, CHANNELS_PER_PANEL * panel) if low <= panel <= high else HIGHEST


def prepare(
    cadence: Cadence,
    limits: Limits,
    *,
    detector: ShippedDetector | None = None,
    without: str = "",
    coarse: int | None = None,
    device: str = "cpu",
) -> Job:
    """Plan the search of ``cadence``. ``without``: why it goes without a detector.

    Looks at a few rows of the band (:func:`bandpass.survey`). Raises ``InputError`` when there is nothing to search.
    """
    bandpass = survey(cadence, coarse) if cadence.files else Bandpass(0, (), 0, cadence.channels, ())
    grid = make_grid(cadence.rows, cadence.starts, cadence.tsamp, cadence.width * 1e6, limits.max_drift)
    if detector is not None and (why := misfit(cadence, detector.card)):
        detector, without = None, why
    arranged: tuple[Arrangement, ...] = ()
    if cadence.off:
        arranged = arrangements(cadence.on, cadence.off)
    search = Search(cadence, grid, bandpass, cadence.on, arranged, limits.snr, detector, device)
    blocks = tuple(plan_blocks(cadence, grid))
    return Job(search, cadence, limits, blocks, said_of(search, cadence, limits, without))


def said_of(search: Search, cadence: Cadence, limits: Limits, without: str) -> tuple[str, ...]:
    """What a person should know before the search begins."""
    grid, bandpass = search.grid, search.bandpass
    low, high = cadence.frequency(0), cadence.frequency(cadence.channels - 1)
    panel = cadence.width * 1e6 / grid.panel
    widths = ", ".join(str(scale.width) for scale in grid.scales)
    lines = [
        *(
            [f"band: {low:.6f} to {high:.6f} MHz, {quantity(cadence.channels, 'channel')} of {cadence.width * 1e6:.6g} Hz"]
            if cadence.files
            else []
        ),
        f"drifts up to {limits.max_drift:g} Hz/s; a channel per panel is {panel:.3g} Hz/s; widths of {widths} channels",
        *bandpass.notes,
    ]
    if grid.average > 1:
        lines.append(f"the classical search sums over {grid.average} rows averaged into one")
    if cadence.off:
        used = f"left out, {without}" if without else f"yes, in half-overlapped windows of {FREQ} channels"
        lines.append(f"network: {used}")
        lines.append("calibration: the same search with ON and OFF exchanged")
    else:
        lines.append("one file: its hits, without ON and OFF, network or calibration")
    return tuple(lines)


def path_of(folder: Path, block: tuple[int, int]) -> Path:
    """Where a block's result is kept."""
    return folder / f"block_{block[0]:09d}.npz"


def keep(folder: Path, block: tuple[int, int], found: Found) -> None:
    """Keep a block's result."""
    with replacing(path_of(folder, block)) as temporary, open(temporary, "wb") as file:
        np.savez(file, allow_pickle=False, **found.arrays())


def kept(folder: Path, block: tuple[int, int]) -> Found | None:
    """A block's result, if it was kept whole."""
    try:
        # Opened here: np.load leaves a damaged archive open.
        with open(path_of(folder, block), "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return Found(**{name: arrays[name] for name in arrays.files})
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def waiting(folder: Path, job: Job) -> list[tuple[int, int]]:
    """The blocks of ``job`` that are still to be searched."""
    return [block for block in job.blocks if kept(folder, block) is None]


def gathered(folder: Path, job: Job) -> Found:
    """The results of all blocks, in the order of their channels."""
    parts: Iterable[Found | None] = (kept(folder, block) for block in job.blocks)
    return joined([part for part in parts if part is not None])


def identity(cadence: Cadence, limits: Limits, more: Mapping[str, object]) -> dict[str, object]:
    """What a search's result depends on, for its folder: files, limits and options."""
    bands = {name: [[band.low, band.high, band.name] for band in getattr(limits, name)] for name in ("notches", "known")}
    plain = {name: getattr(limits, name) for name in ("max_drift", "min_drift", "snr", "false_alarms", "zero_drift")}
    return {"files": cadence.marks(), "order": cadence.letters, **plain, **bands, **more}


def names_of(jobs: Sequence[Job]) -> list[str]:
    """A folder name per job, all different."""
    names: list[str] = []
    for job in jobs:
        name, number = job.cadence.name, 2
        while name in names:
            name, number = f"{job.cadence.name}_{number}", number + 1
        names.append(name)
    return names
