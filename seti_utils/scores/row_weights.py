"""Training rows weighted by how much they look like the test: read, checked, and turned into how often each is drawn."""

from pathlib import Path

import numpy as np

from seti_utils.data.tables import as_numbers, read_table, refuse
from seti_utils.errors import InputError
from seti_utils.stats.seeds import seed_of

COMMAND = "python -m seti_utils shift DATA --out FOLDER --rows all"
"""What writes the table."""


def row_weights(path: str | Path | None, ids: np.ndarray, power: float = 1.0) -> np.ndarray:
    """The weights (N,) of ``ids`` in the table ``id,weight`` at ``path``, to the ``power``, with mean 1.

    Other columns, and rows of other ids (the test's), are left out. Raises ``InputError`` without a table, and for ids
    that it lacks or names twice, weights that are negative or not numbers, and no weight above zero.
    """
    remedy = f"make one: {COMMAND}, then give its adversarial.csv as --adversarial"
    if path is None or not Path(path).exists():
        raise InputError("reweight needs a table of adversarial weights", where=path, remedy=remedy)
    table = read_table(path)
    if not {"id", "weight"} <= set(table.columns):
        raise InputError(f"has the columns {', '.join(map(str, table))}, not id, weight", where=path, line=1, remedy=remedy)
    table = table[table["id"].isin(ids)]
    refuse(table["id"].duplicated(), table["id"], "appear twice", path, remedy)
    missing = ~np.isin(ids.astype(str), table["id"].to_numpy(str))
    refuse(missing, ids, "have no weight", path, "weigh all training rows of this data")
    weight = as_numbers(table["weight"], np.float64, table["id"], path)
    refuse(weight < 0, table["id"], "have a negative weight", path, remedy)
    weight = dict(zip(table["id"], weight**power, strict=True))
    found = np.array([weight[name] for name in ids])
    if not found.sum() > 0:
        raise InputError("no training row has a weight above zero", where=path, remedy=remedy)
    return found / found.mean()


def drawn_times(weights: np.ndarray, repeat: np.ndarray | None, seed: int, epoch: int) -> np.ndarray:
    """How often (int64) each row comes in ``epoch``: its weight on average, and as many rows in all as without weights.

    Systematic sampling (Madow 1949): one random number per epoch, so a row comes floor(w) or ceil(w) times. ``repeat``
    (N,) multiplies the weights first, as oversampling does.
    """
    share = weights if repeat is None else weights * repeat
    total = len(weights) if repeat is None else int(repeat.sum())
    edges = np.cumsum(share) / share.sum() * total
    start = np.random.default_rng(seed_of(seed, "reweight", epoch)).random()
    upto = np.clip(np.ceil(edges - start), 0, total).astype(np.int64)
    upto[-1] = total
    return np.diff(upto, prepend=0)
