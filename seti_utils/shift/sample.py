"""One pass over a sample of both splits: statistics for the study, small panels for its network."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike

from seti_utils.data.batches import batches, on_device
from seti_utils.data.cadence import FREQ, PANELS, TIME
from seti_utils.data.noise import local_sigma
from seti_utils.data.sources import Source
from seti_utils.errors import InputError
from seti_utils.progress import progress
from seti_utils.shift.statistics import cadence_features
from seti_utils.views.whitening import LEAST

THUMBNAIL = (39, 64)
"""Time bins and channels of the small panels: seven rows, four channels averaged into one."""

RANGE = (-4.0, 12.0)
"""Small panels are clipped here, in units of their own noise above their median level."""


@dataclass(frozen=True)
class Sample:
    """Rows of both splits. ``table``: id, split, row (in its source), and ``target`` where it is known (else NaN);
    training rows first. ``features``: a column per statistic (``cadence_features``), a row per row of the table.
    ``panels``: float16 (N, 6, 39, 64), see ``small_panels``.
    """

    table: pd.DataFrame
    features: pd.DataFrame
    panels: torch.Tensor

    @property
    def is_test(self) -> np.ndarray:
        """1.0 for rows of the test, float64 (N,)."""
        return (self.table["split"] == "test").to_numpy(np.float64)

    def rows(self, split: str) -> np.ndarray:
        """Places of a split's rows in the table."""
        return np.flatnonzero(self.table["split"] == split)


def read_sample(
    train: Source,
    test: Source,
    targets: ArrayLike,
    *,
    most: int | None = 1000,
    seed: int = 0,
    batch: int = 16,
    workers: int | None = None,
    device: str | torch.device = "cpu",
) -> Sample:
    """Read up to ``most`` random rows of each split (None: all) once, and keep what the study needs of them.

    ``targets`` are those of all training rows. Both sources need all six panels. Rows are drawn by ``seed`` and read
    in the order of their files. Raises ``InputError`` as the sources do.
    """
    parts = []
    for split, source in (("train", train), ("test", test)):
        if tuple(source.panels) != tuple(range(PANELS)):
            raise InputError(
                f"the {split} source holds panels {tuple(source.panels)}",
                where="shift study",
                remedy="give the files, or a store packed with --panels all",
            )
        draw = np.random.default_rng([seed, split == "test"]).permutation(len(source))[:most]
        rows = np.sort(draw)
        known = np.asarray(targets, np.float64)[rows] if split == "train" else np.full(len(rows), np.nan)
        parts.append((source, pd.DataFrame({"id": source.ids[rows].astype(str), "split": split, "row": rows, "target": known})))
    features, small = [], []
    for source, table in (part for part in parts if len(part[1])):
        name = f"statistics of {table['split'].iloc[0]}" if len(table) else ""
        stream = on_device(
            batches(source, None, table["row"].to_list(), batch, workers=workers, pin=torch.device(device).type == "cuda"), device
        )
        for x, *_ in progress(stream, -(-len(table) // batch), name, "batch"):
            features.append({name: value.cpu() for name, value in cadence_features(x).items()})
            small.append(small_panels(x).cpu())
    columns = {name: torch.cat([part[name] for part in features]).numpy() for name in features[0]} if features else {}
    table = pd.concat([table for _, table in parts], ignore_index=True)
    return Sample(table, pd.DataFrame(columns), torch.cat(small) if small else torch.empty(0, PANELS, *THUMBNAIL))


def small_panels(x_BPTF: torch.Tensor) -> torch.Tensor:
    """Panels (B, 6, 273, 256) -> float16 (B, 6, 39, 64): above the median, in local noise, averaged, clipped, as asinh.

    The background stays (this is what a shift may lie in); asinh keeps one spike from outshining it.
    """
    x = x_BPTF.float()
    level = x[:, :, ::8].flatten(2).median(2).values[..., None, None]
    x = (x - level) / local_sigma(x).clamp(min=LEAST)[..., None, None]
    time, freq = THUMBNAIL
    x = x.view(*x.shape[:2], time, TIME // time, freq, FREQ // freq).mean((3, 5))
    return x.clamp_(*RANGE).asinh_().half()
