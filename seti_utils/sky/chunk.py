"""One chunk of a sky: a few bands drawn, cut, filled with needles and written. Runs in any process, same bytes."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from seti_utils.data.cadence import SHAPE
from seti_utils.data.reading import EXPECTED_HEADER
from seti_utils.sky.background import random_bands
from seti_utils.sky.cadences import Content, cut, finish, random_content, truth_columns
from seti_utils.sky.plan import seeded
from seti_utils.sky.ranges import (
    BAND_FREQ,
    CROWDED_WINDOWS,
    KINDS,
    SHIFTED_FAMILIES,
    SHIFTED_SNR,
    SNR,
    SPARSE_WINDOWS,
    TRAIN_FAMILIES,
)
from seti_utils.sky.receiver import other_passband

CHUNK_BANDS = 8
SPLITS = {"train": "train", "test": "test", "train_old": "old_leaky_data/train_old", "test_old": "old_leaky_data/test_old"}
"""The folder of each split's arrays. What lies in the old data's was normalised before its needles were drawn."""


@dataclass(frozen=True)
class Task:
    """What a worker needs: the sky's folder and parameters, the chunk's number and its rows of the plan.

    ``receiver``: the test's windows carry another receiver's passband.
    """

    out: str
    number: int
    seed: int
    shift: bool
    era: str
    rows: pd.DataFrame
    receiver: bool = False


def split_needles(split: str, shift: bool) -> dict[str, tuple]:
    """``families`` and ``snr`` of a split's needles: with ``shift`` the test has S-shapes and fainter ones, else both are
    alike."""
    shifted = shift and split == "test"
    return {"families": SHIFTED_FAMILIES if shifted else TRAIN_FAMILIES, "snr": SHIFTED_SNR if shifted else SNR}


def split_content(task: Task, split: str) -> Content:
    """The needles of the chunk's cadences of one split, in the plan's order: drawn anew, and always the same."""
    target = torch.tensor(task.rows.loc[task.rows["split"] == split, "target"].to_numpy(dtype=bool))
    generator = seeded(task.seed, "needles", split, task.number)
    return random_content(target, **split_needles(split, task.shift), generator=generator)


def write_chunk(task: Task) -> pd.DataFrame:
    """Write the chunk's arrays and return its truth, one row per cadence in the plan's order."""
    rows, truths = task.rows.reset_index(drop=True), []
    contents: dict[str, tuple[Content, dict[int, int]]] = {}
    for split in SPLITS:
        mine = rows.index[rows["split"] == split]
        content = split_content(task, split)
        contents[split] = content, {row: place for place, row in enumerate(mine)}
        if len(mine):
            truths.append(pd.DataFrame(truth_columns(content), index=mine))
    # Room for one band, its windows and their float16 copies: fresh memory each time would cost a third in page faults.
    most = max(CROWDED_WINDOWS, SPARSE_WINDOWS)
    rooms = torch.empty(2, 1, *SHAPE[:2], BAND_FREQ), torch.empty(most, *SHAPE), torch.empty(most, *SHAPE).half()
    for _, group in rows.groupby("band"):
        kinds = torch.tensor([group["kind"].iloc[0]])
        sky = random_bands(kinds, generator=seeded(task.seed, "band", int(group["band"].iloc[0])), room=rooms[0])
        for split, part in group.groupby("split"):
            content, places = contents[str(split)]
            x_BPTF = cut(sky, [0] * len(part), part["offset"].tolist(), room=rooms[1])
            if task.receiver and split == "test":
                other_passband(x_BPTF, part["offset"].tolist())
            era = "old" if str(split).endswith("_old") else task.era
            finish(x_BPTF, content.light(places[part.index[0]], len(part)), era)
            folder = Path(task.out) / SPLITS[str(split)]
            halves = rooms[2][: len(part)].copy_(x_BPTF).numpy()
            for row_id, x_PTF in zip(part["id"], halves, strict=True):
                write_array(folder / row_id[0] / f"{row_id}.npy", x_PTF)
    named = rows.assign(kind=[KINDS[kind] for kind in rows["kind"]])
    return named.join(pd.concat(truths))


def write_array(path: Path, x_PTF: np.ndarray) -> None:
    """Write one float16 cadence as ``np.save`` would, in one call, without waiting for the disk."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        done = os.writev(handle, [EXPECTED_HEADER, x_PTF.data])
        if done != len(EXPECTED_HEADER) + x_PTF.nbytes:
            raise OSError(f"{path}: only {done} bytes written")
    finally:
        os.close(handle)
