"""What the notebook ``look`` calls: cadences of any folder as pictures, raw and cleaned."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from seti_utils.data.cadence import SHAPE
from seti_utils.data.competition import Competition, find_data, read_competition
from seti_utils.data.sources import JoinedCadences
from seti_utils.errors import InputError
from seti_utils.run.notebooks.show import show

STRUCTURED = 0.2
"""Noise in units of a panel's standard deviation where the background is five times as strong: there is much to clean."""


def look(*, data: str, rows: int, ids: str, out: str) -> "Look":
    """The ``look`` notebook's parameters, checked. Cadences without a file are left out: nothing here needs all of them."""
    if rows < 1:
        raise InputError(f"rows={rows}", where="look", remedy="give the number of positives and of negatives to show, from 1 up")
    competition = read_competition(find_data(Path(data) if data else None), incomplete=True)
    known = set(competition.train["id"]) | set(competition.test["id"])
    wanted = ids.replace(",", " ").split()
    if missing := [one for one in wanted if one not in known]:
        raise InputError(
            f"no cadence {missing[0]!r}", where=competition.root, remedy="ids stand in train_labels.csv and sample_submission.csv"
        )
    return Look(competition, rows, wanted, Path(out) if out else None)


class Look:
    """Cadences to look at."""

    def __init__(self, competition: Competition, rows: int, ids: list[str], out: Path | None):
        self.competition, self.rows, self.ids, self.out = competition, rows, ids, out
        parts = [competition.open(split) for split in ("train", "test") if len(competition.split(split))]
        self.source = JoinedCadences(parts)

    def describe(self) -> None:
        """How many cadences there are."""
        train = self.competition.train
        print(
            f"{self.competition.name}: {len(train)} training cadences, {int(train['target'].sum())} positive; "
            f"{len(self.competition.test)} test cadences"
        )

    def positives(self) -> None:
        """Positive cadences; or the chosen ones; or, where there is only a test part, some of it."""
        self.draw(self.ids or self.labelled(1) or ([] if len(self.competition.train) else self.source.ids[: self.rows].tolist()))

    def negatives(self) -> None:
        """Negative cadences, unless particular ones were chosen."""
        self.draw([] if self.ids else self.labelled(0))

    def labelled(self, target: int) -> list[str]:
        """The first ids of one class."""
        train = self.competition.train
        return train.loc[train["target"] == target, "id"].head(self.rows).tolist()

    def draw(self, ids: Sequence[str]) -> None:
        """Raw and cleaned waterfalls."""
        from seti_utils.pictures.waterfall import draw_cadence

        targets = dict(zip(self.competition.train["id"], self.competition.train["target"], strict=True))
        for name in ids:
            label = {1: "positive", 0: "negative"}.get(targets.get(name, -1), "test")
            show(draw_cadence(self.read([name])[0], title=f"{name} ({label})"), self.out and self.out / f"{name}.png")

    def read(self, ids: Sequence[str]) -> np.ndarray:
        """Cadences by their ids, float16 (N, 6, 273, 256)."""
        out = torch.empty(len(ids), *SHAPE, dtype=torch.float16)
        self.source.read_into(pd.Index(self.source.ids).get_indexer(pd.Index(list(ids))).tolist(), out)
        return out.numpy()

    def cleaning(self) -> None:
        """One positive under every cleaning step: of the first dozen, one whose background stands well above its noise."""
        from seti_utils.data.noise import local_sigma
        from seti_utils.pictures.cleaning import draw_cleaning

        train = self.competition.train
        some = (self.ids or list(train.loc[train["target"] == 1, "id"]) or list(self.source.ids))[:12]
        cadences = self.read(some)
        noise = local_sigma(torch.from_numpy(cadences)).median(1).values
        place = int((noise.clamp(min=1e-3) / STRUCTURED).log().abs().argmin())
        show(draw_cleaning(cadences[place], title=some[place]), self.out and self.out / f"{some[place]}_cleaning.png")
