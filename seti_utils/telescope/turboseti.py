"""Hits and events in turboSETI's formats, so that everything made for those reads ours: a .dat per file, find_event's table."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from seti_utils.files import replacing
from seti_utils.telescope.blocks import Search
from seti_utils.telescope.cadences import Cadence
from seti_utils.telescope.header import Header
from seti_utils.telescope.merging import CLOSE, merge

DASHES = "# -------------------------- o --------------------------"
LINE = "# --------------------------"
HIT_COLUMNS = (
    *("Top_Hit_#", "Drift_Rate", "SNR", "Uncorrected_Frequency", "Corrected_Frequency", "Index", "freq_start", "freq_end"),
    *("SEFD", "SEFD_freq", "Coarse_Channel_Number", "Full_number_of_hits"),
)
EVENT_COLUMNS = (
    *("TopHitNum", "DriftRate", "SNR", "Freq", "ChanIndx", "FreqStart", "FreqEnd", "CoarseChanNum", "FullNumHitsInRange"),
    *("FileID", "Source", "MJD", "RA", "DEC", "DELTAT", "DELTAF", "max_drift_rate", "obs_length", "Hit_ID", "status"),
    *("in_n_ons", "RFI_in_range", "delta_t"),
)
AROUND = 10
"""Channels on each side of a hit that freq_start and freq_end enclose."""


def file_hits(files: np.ndarray, search: Search, panel: int) -> tuple[np.ndarray, np.ndarray]:
    """The hits of one file, merged: one per signal, in order of frequency, and how many each stands for."""
    hits = files[files["panel"] == panel]
    hits = hits[np.lexsort((hits["drift"], hits["channel"], -hits["snr"]))]
    lead = search.grid.middle - search.grid.middles[panel]
    labels = merge(hits["channel"] + hits["drift"] * lead, hits["drift"], hits["width"], search.grid, (panel,), CLOSE)
    first, count = np.unique(labels, return_counts=True)
    order = np.argsort(hits["channel"][first], kind="stable")
    return hits[first[order]], count[order]


def place_of(search: Search, cadence: Cadence, panel: int, middle: np.ndarray, drift: np.ndarray) -> dict[str, np.ndarray]:
    """Where tracks enter a file, as turboSETI counts: MHz, the index within the coarse channel, its number.

    Coarse channels and indices are counted in the order in which the file stores its frequencies.
    """
    header = cadence.headers[panel]
    entry = middle - drift * search.grid.rows[panel] * search.grid.row / 2
    nearest = np.clip(np.round(entry).astype(np.int64) + cadence.skip[panel], 0, header.channels - 1)
    stored = header.channels - 1 - nearest if header.foff < 0 else nearest
    coarse = search.bandpass.coarse or header.channels
    return {"mhz": np.asarray(cadence.frequency(entry)), "index": stored % coarse, "coarse": stored // coarse}


def write_dat(path: Path, search: Search, cadence: Cadence, files: np.ndarray, panel: int, max_drift: float) -> pd.DataFrame:
    """Write the hits of one file as turboSETI's ``.dat``; returns them as a table (:data:`HIT_COLUMNS`)."""
    header = cadence.headers[panel]
    hits, counts = file_hits(files, search, panel)
    place = place_of(search, cadence, panel, hits["channel"], hits["drift"])
    edge = AROUND * cadence.width * math.copysign(1, header.foff)
    lines = [
        DASHES,
        f"# File ID: {Path(header.path).stem}.h5 ",
        DASHES,
        f"# Source:{header.source}",
        f"# MJD: {header.tstart:18.12f}\tRA: {angle(header.ra, 'hms')}\tDEC: {angle(header.dec, 'dms')}",
        f"# DELTAT: {header.tsamp:10.6f}\tDELTAF(Hz): {header.foff * 1e6:10.6f}\tmax_drift_rate: {max_drift:10.6f}\t"
        f"obs_length: {header.seconds:10.6f}",
        LINE,
        "# " + "".join(f"{name} \t" for name in HIT_COLUMNS),
        LINE,
    ]
    rows = []
    for number, (hit, count) in enumerate(zip(hits, counts, strict=True)):
        mhz = place["mhz"][number]
        rows.append(
            (
                f"{number + 1:06d}", f"{hit['drift'] * cadence.width * 1e6:10.6f}", f"{hit['snr']:10.6f}",
                f"{mhz:14.6f}", f"{mhz:14.6f}", f"{place['index'][number]:d}", f"{mhz - edge:14.6f}", f"{mhz + edge:14.6f}",
                "0.0", f"{0:14.6f}", f"{place['coarse'][number]:d}", f"{count:d}",
            )
        )  # fmt: skip
    lines += ["".join(f"{value}\t" for value in row) for row in rows]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return pd.DataFrame(rows, columns=list(HIT_COLUMNS))


def angle(value: float, kind: str) -> str:
    """SIGPROC's hhmmss.s or ddmmss.s as 17h47m15.0s or -28d22m59.2s; unknown as 0."""
    value = 0.0 if math.isnan(value) else value
    size = abs(value)
    first, second, third = int(size // 10000), int(size % 10000 // 100), size % 100
    return f"{'-' if value < 0 else ''}{first:d}{kind[0]}{second:02d}{kind[1]}{third:07.4f}{kind[2]}"


def write_find_event(path: Path, search: Search, cadence: Cadence, events: pd.DataFrame, max_drift: float, seen: float) -> None:
    """Write the events as find_event's table: one row per event and ON panel that shows it, at where it enters the panel."""
    on = cadence.on
    rows = []
    for event in events.to_dict("records"):
        shown = [panel for panel in on if event[f"snr_{panel + 1}"] >= seen] or [max(on, key=lambda p: event[f"snr_{p + 1}"])]
        rate = event["drift"] / (cadence.width * 1e6)
        middle = (event["f_mid"] - cadence.lowest) / cadence.width
        for panel in shown:
            at = np.array([middle + rate * (search.grid.middles[panel] - search.grid.middle)])
            place = place_of(search, cadence, panel, at, np.array([rate]))
            rows.append(event_row(event, cadence, panel, place, max_drift))
    table = pd.DataFrame(rows, columns=list(EVENT_COLUMNS))
    with replacing(path) as temporary:
        table.to_csv(temporary, lineterminator="\n")


def event_row(event: dict, cadence: Cadence, panel: int, place: dict[str, np.ndarray], max_drift: float) -> tuple:
    """One row of find_event's table."""
    header: Header = cadence.headers[panel]
    mhz = float(place["mhz"][0])
    edge = AROUND * cadence.width * math.copysign(1, header.foff)
    return (
        event["rank"], event["drift"], event[f"snr_{panel + 1}"], round(mhz, 6), int(place["index"][0]), round(mhz - edge, 6),
        round(mhz + edge, 6), int(place["coarse"][0]), 1, f"{Path(header.path).stem}.h5", header.source.upper(),
        f"{header.tstart:18.12f}".strip(), angle(header.ra, "hms"), angle(header.dec, "dms"), f"{header.tsamp:10.6f}".strip(),
        f"{header.foff * 1e6:10.6f}".strip(), f"{max_drift:10.6f}".strip(), f"{header.seconds:10.6f}".strip(),
        f"{header.source.upper()}_{event['rank']}", f"on_table_{cadence.on.index(panel) + 1}", event["n_on"], event["n_off"],
        cadence.starts[panel],
    )  # fmt: skip


def dat_paths(folder: Path, cadence: Cadence) -> Sequence[Path]:
    """Where each file's ``.dat`` goes: its own name; a number where two files have the same."""
    stems = [Path(header.path).stem for header in cadence.headers]
    return [folder / f"{stem if stems.count(stem) == 1 else f'{stem}_{number}'}.dat" for number, stem in enumerate(stems, 1)]
