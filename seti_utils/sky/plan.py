"""Which cadence is cut from which band, and where: decided before a single pixel is drawn."""

import hashlib

import pandas as pd
import torch

from seti_utils.data.cadence import FREQ
from seti_utils.sky.ranges import (
    BAND_FREQ,
    CROWDED_WINDOWS,
    HOME_SHARE,
    POSITIVE_TEST,
    POSITIVE_TRAIN,
    SHIFTED_MIX,
    SPARSE_WINDOWS,
    TRAIN_MIX,
)

OLD_DIGITS = 12
"""Digits of an old id; those of the current era have fifteen."""


def seeded(*parts: object, device: str | torch.device = "cpu") -> torch.Generator:
    """A generator whose stream depends on ``parts`` (seed, purpose, number ...) and on nothing else."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "little") >> 1)


def plan_rows(train: int, test: int, *, seed: int, shift: bool, overlap: float, mark: str = "", old: int = 0) -> pd.DataFrame:
    """One row per cadence: ``id`` (15 hex digits), ``split``, ``target``, ``band``, ``offset`` (channels), ``kind``.

    ``mark`` is everything that shapes the arrays, in words: it goes into every id, so that no two skies share one.
    ``kind`` is the band's index into ``ranges.KINDS``. Bands come one after another; each has a home split, whose
    background mix it follows, and a share of windows of the other split. A crowded band's windows overlap, a sparse
    one's do not. Targets are exact in number: 10 % of train; of test 25 % with ``shift``, else 10 %.

    ``old`` further windows of the same bands, strewn among the others, are of the splits ``train_old`` and ``test_old``: ids of
    12 digits, 10 % positive.
    """
    generator = seeded(seed, "plan")
    rows = {"train": split_rows("train", train, POSITIVE_TRAIN, seed, mark)}
    rows["test"] = split_rows("test", test, POSITIVE_TEST if shift else POSITIVE_TRAIN, seed, mark)
    left, earlier = {"train": train, "test": test}, old_counts(old)
    for split, count in earlier.items():
        rows[split] = [(row_id[:OLD_DIGITS], target) for row_id, target in split_rows(split, count, POSITIVE_TRAIN, seed, mark)]
    mixes = {"train": torch.tensor(TRAIN_MIX), "test": torch.tensor(SHIFTED_MIX if shift else TRAIN_MIX)}
    plan, band, crowded_rows, total = [], 0, 0, 0
    while total_left := sum(left.values()) + sum(earlier.values()):
        home, away = ("train", "test") if chance(generator) * sum(left.values()) < left["train"] else ("test", "train")
        kind = int(torch.multinomial(mixes[home], 1, generator=generator))
        crowded = crowded_rows < overlap * (total + SPARSE_WINDOWS)
        offsets = crowded_offsets(generator) if crowded else sparse_offsets()
        offsets = offsets[:total_left]
        for offset in offsets:
            there = left
            if old and chance(generator) * sum((*left.values(), *earlier.values())) < sum(earlier.values()):
                there, split = earlier, max(earlier, key=lambda name: earlier[name])
            else:
                split = home if chance(generator) < HOME_SHARE else away
                split = split if left[split] else {"train": "test", "test": "train"}[split]
            there[split] -= 1
            row_id, target = rows[split][there[split]]
            plan.append((row_id, split, target, band, offset, kind))
        total += len(offsets)
        crowded_rows += len(offsets) * crowded
        band += 1
    return pd.DataFrame(plan, columns=["id", "split", "target", "band", "offset", "kind"])


def old_counts(old: int) -> dict[str, int]:
    """How many of ``old`` cadences are in either split of the old era: seven of twelve in train, as in the competition."""
    train = -(-old * 7 // 12)
    return {"train_old": train, "test_old": old - train}


def chance(generator: torch.Generator) -> float:
    """One uniform number in [0, 1)."""
    return float(torch.rand((), generator=generator))


def split_rows(split: str, count: int, positive: float, seed: int, mark: str) -> list[tuple[str, int]]:
    """Ids and targets of one split: ids look like the competition's, and say nothing about the target."""
    ids = [hashlib.blake2b(f"{mark}/{seed}/{split}/{i}".encode(), digest_size=8).hexdigest()[:15] for i in range(count)]
    order = torch.randperm(count, generator=seeded(seed, split, "targets")).tolist()
    positives = set(order[: round(positive * count)])
    return [(row_id, int(i in positives)) for i, row_id in enumerate(ids)]


def crowded_offsets(generator: torch.Generator) -> list[int]:
    """Offsets of windows spread over a band with some disorder: each shares at least 120 columns with a neighbour."""
    step = (BAND_FREQ - FREQ) / (CROWDED_WINDOWS - 1)
    shake = (torch.rand(CROWDED_WINDOWS, generator=generator) - 0.5) * step * 0.5
    offsets = (torch.arange(CROWDED_WINDOWS) * step + shake).round().clamp(0, BAND_FREQ - FREQ).long()
    # In order of place, so that the first few of a band that is not filled still overlap.
    return offsets.tolist()


def sparse_offsets() -> list[int]:
    """Offsets of windows side by side."""
    return [i * FREQ for i in range(SPARSE_WINDOWS)]
