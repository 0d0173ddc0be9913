"""What a search leaves: events.csv, events.html, pictures, turboSETI's formats, and search.json, which says what it was."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from seti_utils.files import replacing, write_table
from seti_utils.machine import versions
from seti_utils.pictures.style import png_bytes
from seti_utils.telescope.bands import masked_share
from seti_utils.telescope.blocks import COUNTS, Found
from seti_utils.telescope.calibration import calibrate
from seti_utils.telescope.drawing import drawn_here
from seti_utils.telescope.events import COLUMNS, SEEN, find_events, hits_as_events
from seti_utils.telescope.jobs import SEARCH, WORK, Job
from seti_utils.telescope.limits import Funnel
from seti_utils.telescope.pictures import draw_band
from seti_utils.telescope.report import Picture, write_report
from seti_utils.telescope.turboseti import dat_paths, file_hits, write_dat, write_find_event

EVENTS, PAGE, FIND_EVENT = "events.csv", "events.html", "find_event.csv"


def rank(job: Job, found: Found) -> tuple[pd.DataFrame, Funnel]:
    """The ranked events of a job from what its blocks found, and how many were left after every stage.

    Raises ``InputError`` where a stage saw nothing.
    """
    cadence, limits, search = job.cadence, job.limits, job.search
    counts = dict(zip(COUNTS, found.counts.tolist(), strict=True))
    funnel = Funnel()
    funnel.add("in all files", sum(end - begin for begin, end in cadence.segments(0, cadence.channels)), "channels")
    funnel.add("in which anything varies", counts["channels"], "channels", "check the files: every channel is constant")
    if bad := counts["unusable pixels"]:
        funnel.add("are not finite and were replaced by the level around them", bad, "pixels")
    if limits.notches:
        share = masked_share(limits.notches, cadence.lowest, cadence.frequency(cadence.channels))
        funnel.add("outside the masked bands", round(counts["channels"] * (1 - share)), "channels", "choose a smaller --mask")
    funnel.add("tried, of every width and drift", counts["tracks"], "tracks", "choose a larger -M")
    if search.detector is not None:
        real = (found.windows["arrangement"] == 0).sum()
        funnel.add("in which ON panels show what no OFF panel does, scored by the network", int(real), "windows")
    if not job.calibrated:
        hits, _ = file_hits(found.files, search, 0)
        funnel.add(f"of SNR {limits.snr:g} or more, merged", len(hits), "hits")
        return hits_as_events(search, cadence, hits, limits, funnel), funnel
    funnel.add(
        "of 64 channels in which ON panels show anything, of every width, as it is and with ON and OFF exchanged",
        counts["cells"],
        "cells",
        "the data hold no noise at all",
    )
    exposure = counts["channels"] * cadence.width * cadence.hours
    calibration = calibrate(found, search.grid, search.on, cadence.off, exposure, search.detector is not None, limits.snr)
    funnel.add(
        f"false events to calibrate on, in {calibration.exposure:.3g} MHz·h: with ON and OFF exchanged, or faint in OFF panels",
        len(calibration.false),
        "events",
    )
    return find_events(search, cadence, found, calibration, limits, funnel), funnel


def write_all(
    job: Job, found: Found, folder: Path, *, pictures: int, about: Mapping[str, object], processes: int | None = None
) -> tuple[pd.DataFrame, Funnel]:
    """Write everything that a finished search leaves in ``folder``; ``about`` is what ``search.json`` describes.

    ``processes`` draw the best ``pictures`` events, while this one writes the tables.
    """
    events, funnel = rank(job, found)
    search, cadence, limits = job.search, job.cadence, job.limits

    def tables_and_band() -> Picture | None:
        write_table(folder / EVENTS, events[list(COLUMNS)])
        for panel, path in enumerate(dat_paths(folder, cadence)):
            write_dat(path, search, cadence, found.files, panel, limits.max_drift)
        if job.calibrated and cadence.files:
            write_find_event(folder / FIND_EVENT, search, cadence, events, limits.max_drift, SEEN)
        if not len(events) or not cadence.files:
            return None
        band = draw_band(cadence, events, limits.notches)
        return png_bytes(band), band.get_figwidth()

    best = events.head(pictures).to_dict("records")
    titles = [f"{cadence.name}, {one['rank']}: {one['f_mid']:.6f} MHz, {one['drift']:+.2f} Hz/s" for one in best]
    pngs, band = drawn_here(search, best, titles, processes, meanwhile=tables_and_band)
    drawn = dict(zip((one["rank"] for one in best), pngs, strict=True))
    shutil.rmtree(folder / "pictures", ignore_errors=True)
    for rank_of, png in drawn.items():
        with replacing(folder / "pictures" / f"event_{rank_of:03d}.png") as temporary:
            temporary.write_bytes(png)
    said = [*cadence.describe(), *job.said]
    foot = ", ".join(f"{name} {number}" for name, number in versions().items())
    shown = events[list(COLUMNS)]
    write_report(folder / PAGE, f"Search of {cadence.name}", said, funnel.stages, shown, band, drawn, foot)
    shutil.rmtree(folder / WORK, ignore_errors=True)
    stages = [{"stage": name, "count": count, "of": what} for name, count, what in funnel.stages]
    SEARCH.finish(folder, {"parameters": about, "stages": stages, "said": said, "versions": versions()})
    return events, funnel


def joined_events(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The events of several cadences as one table, ranked within each."""
    return pd.concat(tables, ignore_index=True)


def read_events(folder: Path) -> pd.DataFrame:
    """The ``events.csv`` that :func:`write_all` left in ``folder``."""
    words = {"cadence": str, "interference": str}
    table = pd.read_csv(folder / EVENTS, dtype=words, keep_default_na=False, na_values=[""])
    return table.assign(interference=table["interference"].fillna(""))
