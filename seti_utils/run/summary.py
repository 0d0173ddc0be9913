"""What a trained experiment is worth, in a few lines that a person can read out."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike

from seti_utils.data.batches import batches
from seti_utils.data.competition import sky_parameters
from seti_utils.data.tables import read_targets
from seti_utils.learn.distributed import choose_device
from seti_utils.learn.predicting import predict
from seti_utils.run.compose import bare_network, view_of
from seti_utils.run.identity import Run
from seti_utils.run.infer import out_of_fold, predict_test
from seti_utils.run.runtime import Runtime
from seti_utils.stats.intervals import auc_interval
from seti_utils.stats.seeds import seed_of
from seti_utils.wording import quantity


def worded(target: ArrayLike, score: ArrayLike) -> str:
    """``0.8123 [0.7900, 0.8340]``: the AUC with its 95 % bootstrap interval."""
    value, low, high = auc_interval(target, score)
    return f"{value:.4f} [{low:.4f}, {high:.4f}]"


def gap(first: tuple[ArrayLike, ArrayLike], second: tuple[ArrayLike, ArrayLike]) -> tuple[float, float, float]:
    """(difference, low, high): the AUC of the first (targets, scores) minus that of the second, and a 95 % interval.

    The interval joins the two AUCs' own bootstrap intervals as for independent rows (Zou & Donner 2008).
    """
    (a, a_low, a_high), (b, b_low, b_high) = auc_interval(*first), auc_interval(*second)
    return a - b, a - b - math.hypot(a - a_low, b_high - b), a - b + math.hypot(a_high - a, b - b_low)


def shift_of(root: Path) -> str:
    """What is known of the difference between a synthetic sky's train and test."""
    parameters = sky_parameters(root)
    if "shift" not in parameters:
        return "train and test as they are"
    if parameters["shift"]:
        return "the test is shifted on purpose; sky --no-shift draws one like train"
    return "train and test are drawn alike (--no-shift)"


def hidden_labels(root: Path) -> pd.DataFrame | None:
    """``test_labels.csv`` of a synthetic sky; None for a real competition, which does not tell."""
    path = root / "test_labels.csv"
    return read_targets(path) if path.exists() else None


def targets_for(scores: pd.DataFrame, labels: pd.DataFrame) -> np.ndarray:
    """The targets of a score table's ids, in its order."""
    return labels.set_index("id").loc[scores["id"], "target"].to_numpy(np.float64)


def untrained_scores(name: str, seed: int, runtime: Runtime) -> tuple[np.ndarray, np.ndarray]:
    """(rows, logits) of the test cadences by the experiment's network with its random weights: the floor to beat."""
    run = Run(name, 0, seed, runtime)
    config, device, source = run.config, choose_device(runtime.device), run.cadences("test")
    torch.manual_seed(seed_of(seed, 0, "weights"))
    model = bare_network(config).to(device)
    stream = batches(source, None, range(len(source)), config.batch, workers=runtime.workers)
    logit, rows = predict(model, stream, view_of(config), tta=("identity",), device=device)
    return rows, logit


def summary(name: str, folds: Sequence[int], seeds: Sequence[int], runtime: Runtime) -> str:
    """Out-of-fold AUC; where test labels are known also the test's, the gap, and the untrained network's; and the files."""
    competition = runtime.competition
    oof = out_of_fold(name, folds, seeds, runtime)
    test, path = predict_test(name, folds, seeds, runtime, say=lambda line: None)
    lines = [
        f"{name} (fingerprint {oof['fingerprint'].iloc[0]}), folds {list(folds)}, seeds {list(seeds)}, data {competition.name}",
        f"  out-of-fold AUC   {worded(oof['target'], oof['score'])}   {quantity(len(oof), 'cadence')}, 95 % bootstrap interval",
    ]
    if (labels := hidden_labels(competition.root)) is not None:
        target = targets_for(test, labels)
        rows, logit = untrained_scores(name, seeds[0], runtime)
        ids = competition.test["id"].to_numpy()[rows]
        untrained = worded(targets_for(pd.DataFrame({"id": ids}), labels), logit)
        lines.append(f"  hidden test AUC   {worded(target, test['score'])}   {quantity(len(test), 'cadence')} of the sky's test")
        between = gap((oof["target"], oof["score"]), (target, test["score"]))
        lines.append("  CV minus test    {:+.4f} [{:+.4f}, {:+.4f}]   ".format(*between) + shift_of(competition.root))
        lines.append(f"  same net, untrained {untrained}")
    lines += ["", f"  submission   {path}"]
    lines += [
        f"  {label:12} {place}"
        for label, place in (
            ("notebooks", ", ".join(str(p) for p in sorted(runtime.out.glob("*.ipynb")))),
            ("pictures", runtime.out / "pictures"),
            ("weights", runtime.out / name),
        )
        if str(place)
    ]
    return "\n".join(lines)
