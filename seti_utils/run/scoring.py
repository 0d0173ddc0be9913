"""Cadences from anywhere, scored by a detector that needs no training: files, folders, or a competition."""

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from seti_utils.data.cadence import DF_HZ, DT_S, FREQ, HZ_PER_S_PER_CHANNEL_PER_PANEL, ON, PANELS, RESOLUTION, TIME
from seti_utils.data.competition import read_competition
from seti_utils.data.packed import open_cadences
from seti_utils.data.sources import FileCadences, JoinedCadences, Source
from seti_utils.errors import InputError
from seti_utils.machine import cores
from seti_utils.nets.shipped import TOGETHER, Scores, ShippedDetector
from seti_utils.overlap.panels import cleaned_stores
from seti_utils.pictures.style import save_picture
from seti_utils.pictures.waterfall import draw_cadence
from seti_utils.progress import progress
from seti_utils.scores.tables import MANY, made_by
from seti_utils.stats.logistic import sigmoid
from seti_utils.threads import one_thread

SCORED = tuple(f"{'on' if panel in ON else 'off'}_{panel // 2 + 1}" for panel in range(PANELS))
"""Columns of the panels' scores: on_1 off_1 on_2 off_2 on_3 off_3, in the order of observation."""


def open_files(paths: Sequence[Path]) -> Source:
    """The cadences of ``.npy`` files, and of all that lie in folders and below them, in the order of their names.

    The id of a cadence is its file's name without the ending. Raises ``InputError`` for a path that does not exist, a
    folder without any, and two files of one name.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            below = sorted(path.rglob("*.npy"))
            if not below:
                raise InputError(
                    "holds no .npy file", where=path, remedy="give files, a folder of them, or a competition's folder"
                )
            files += below
        elif path.is_file():
            files.append(path)
        else:
            raise InputError("there is no such file or folder", where=path, remedy="give a .npy cadence or a folder of them")
    first: dict[str, Path] = {}
    for file in files:
        if file.stem in first:
            raise InputError(f"has the same id as {first[file.stem]}", where=file, remedy="score them one after the other")
        first[file.stem] = file
    return FileCadences([*first], [*first.values()])


def open_split(folder: Path, split: str, overlap: Path | None, era: str = "current") -> Source:
    """The cadences of a competition folder: ``split`` train, test or all; cleaned ones where ``overlap`` is given."""
    competition = read_competition(folder, era)
    wanted = [one for one in ("train", "test") if split in (one, "all") and len(competition.split(one))]
    if not wanted:
        raise InputError(f"has no {split} cadences", where=folder, remedy="choose another --split")
    stores = cleaned_stores(overlap, competition) if overlap else None
    parts = [open_cadences(competition, one, stores, tuple(range(PANELS))) for one in wanted]
    return parts[0] if len(parts) == 1 else JoinedCadences(parts)


def score_source(
    source: Source, detector: ShippedDetector, workers: int | None = None, rows: Sequence[int] | None = None
) -> Scores:
    """The scores of every cadence of ``source``, or of ``rows``, in that order; ``workers`` threads read and look, one per
    core."""
    rows = range(len(source)) if rows is None else rows
    jobs = [rows[at : at + TOGETHER] for at in range(0, len(rows), TOGETHER)]

    def score(rows: Sequence[int]) -> Scores:
        x_BPTF = torch.empty(len(rows), PANELS, TIME, FREQ, dtype=torch.float16)
        source.read_into(rows, x_BPTF)
        return detector.score(x_BPTF)

    parts = list(progress(in_order(score, jobs, workers or cores()), len(jobs), "scoring", "batch"))
    return Scores(*(torch.cat(values) for values in zip(*parts, strict=True)))


def score_covered(
    raw: Source, cleaned: Source, covered: np.ndarray, detectors: Sequence[ShippedDetector], workers: int | None = None
) -> Scores:
    """The scores of the cadences that ``raw`` and ``cleaned`` hold both: those of ``detectors``, of raw and of cleaned panels.

    ``covered`` (N,): share of each cadence's columns that neighbours show. Where it is 0 there is nothing to clean by, and the
    raw panels are looked at.
    """
    parts, places = [], []
    for source, detector, rows in zip(
        (raw, cleaned), detectors, (np.flatnonzero(covered == 0), np.flatnonzero(covered)), strict=True
    ):
        if len(rows):
            parts.append(score_source(source, detector, workers, rows.tolist()))
            places.append(rows)
    order = torch.from_numpy(np.argsort(np.concatenate(places)))
    return Scores(*(torch.cat(values)[order] for values in zip(*parts, strict=True)))


def in_order(function, jobs: Sequence, workers: int) -> Iterator:
    """``function`` of every job, in their order, by threads that each use one core: many small steps gain nothing by more."""
    with one_thread():
        pool = ThreadPoolExecutor(workers, "scoring", initializer=torch.set_num_threads, initargs=(1,))
        try:
            yield from pool.map(function, jobs)
        finally:
            pool.shutdown(cancel_futures=True)


def score_table(
    ids: Collection[str], scores: Scores, detectors: Sequence[ShippedDetector], data: str = "", covered: np.ndarray | None = None
) -> pd.DataFrame:
    """One row per cadence: ``id``, ``score`` in [0, 1], ``logit``, the panels' scores, ``channel`` at the cadence's start and
    ``drift`` (channels per panel) and ``drift_hz_s`` of the best track, with ``covered`` the share of its columns that neighbours
    show, and the columns by which the command blend knows where a score comes from."""
    numbers = {
        "score": sigmoid(scores.logit.double().numpy()),
        "logit": scores.logit.double().numpy().round(5),
        **dict(zip(SCORED, sigmoid(scores.panel.double().numpy()).round(5).T, strict=True)),
        "channel": scores.freq.double().numpy().round(2),
        "drift": scores.drift.double().numpy().round(3),
        "drift_hz_s": (scores.drift.double().numpy() * HZ_PER_S_PER_CHANNEL_PER_PANEL).round(2),
    }
    if covered is not None:
        numbers["covered"] = covered.round(6)
    mark = made_by([pd.DataFrame({"weights": [detector.mark]}) for detector in detectors])
    origin = {
        "fold": MANY,
        "experiment": f"detector {' and '.join(detector.name for detector in detectors)}",
        "seed": MANY,
        "fingerprint": mark,
        "data": data,
        "weights": mark,
    }
    return pd.DataFrame({"id": np.asarray(ids, dtype=object), **numbers, **origin})


def assumed(detector: ShippedDetector) -> str:
    """What nobody can tell from a ``.npy`` file, and is taken for granted."""
    detector.refuse_other(DF_HZ, DT_S, "cadences of the competition")
    return f"assumed: {RESOLUTION}; a .npy file does not say"


def draw_best(
    raw: Source, scores: Scores, detector: ShippedDetector, count: int, folder: Path, cleaned: Source | None = None
) -> list[Path]:
    """Pictures of the ``count`` highest-scoring cadences, best first: as they are, minus their neighbours' sky where ``cleaned``
    holds that, and with their best track drawn in. A track is as bright as its panel is sure.
    """
    best = torch.argsort(scores.logit, descending=True, stable=True)[:count].tolist()
    paths = []
    for rank, row in enumerate(best, 1):
        heat = detector.heat(Scores(*(value[row : row + 1] for value in scores)))[0].numpy()
        title = (
            f"{rank}. {raw.ids[row]} · score {float(scores.logit[row].sigmoid()):.3f} · "
            f"channel {float(scores.freq[row]):.0f}, {float(scores.drift[row]):+.1f} channels per panel"
        )
        less_sky = None if cleaned is None else read_row(cleaned, row).float().numpy()
        views = ("raw", "heat") if less_sky is None else ("raw", "less sky", "heat")
        figure = draw_cadence(read_row(raw, row).numpy(), title=title, views=views, mark=False, heat=heat, less_sky=less_sky)
        paths.append(save_picture(figure, folder / f"{rank:03d}_{raw.ids[row]}.png"))
    return paths


def read_row(source: Source, row: int) -> torch.Tensor:
    """One cadence of ``source``: float16 (6, 273, 256)."""
    x_BPTF = torch.empty(1, PANELS, TIME, FREQ, dtype=torch.float16)
    source.read_into([row], x_BPTF)
    return x_BPTF[0]
