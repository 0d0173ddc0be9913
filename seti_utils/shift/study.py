"""The domain-shift study, part by part: each function takes plain values and gives a section of the report."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from seti_utils.data.sources import Source
from seti_utils.errors import InputError
from seti_utils.nets.models import Classifier
from seti_utils.pictures.gallery import draw_gallery
from seti_utils.shift import pictures
from seti_utils.shift.adversary import (
    ROWS_TO_TELL,
    Adversary,
    adversarial_folds,
    adversarial_table,
    boosted,
    effective_rows,
    mean_adversary,
)
from seti_utils.shift.effects import effect_sizes
from seti_utils.shift.leaks import check_leaks, leak_sentence, leak_signs
from seti_utils.shift.network import GradCAM, as_image, network_adversary
from seti_utils.shift.report import Section
from seti_utils.shift.sample import Sample
from seti_utils.shift.statistics import definitions
from seti_utils.wording import quantity, some_of


def statistics_section(sample: Sample, groups: np.ndarray | None) -> tuple[Section, pd.DataFrame | None]:
    """Which statistics of the panels differ between the splits, and the table of effect sizes."""
    section = Section("Statistics of the panels")
    fewer = min(len(sample.rows(split)) for split in ("train", "test"))
    if fewer < ROWS_TO_TELL:
        section.verdict = f"Statistics: too few rows to tell ({fewer} of one split, {ROWS_TO_TELL} needed)."
        return section, None
    effects = effect_sizes(sample.features, sample.is_test, groups).rename(
        columns={"median_0": "median_train", "median_1": "median_test"}
    )
    sure = effects[effects["sure"]]
    if sure.empty:
        section.verdict = (
            f"Statistics: none of {len(effects)} differs between train and test beyond doubt; the largest is "
            f"{effects['feature'][0]} (Cliff's delta {effects['delta'][0]:+.2f})."
        )
    else:
        named = ", ".join(f"{row.feature} ({row.delta:+.2f})" for row in sure.head(4).itertuples())
        section.verdict = (
            f"Statistics: {some_of(len(sure), len(effects), 'statistics', 'differ')} between train and test beyond doubt, "
            f"most of all {named} (Cliff's delta)."
        )
    section.sentences.append(
        "Every statistic is that of a panel, in units of its local noise; of the six panels the mean, ON minus OFF and the "
        "spread are "
        "kept. Delta is the chance that a test row has the higher value minus the chance that a training row has; 0 is no "
        "difference, "
        "±1 no overlap. Bars are 95 % intervals; coloured ones exclude 0 even over all statistics together (Bonferroni)."
    )
    section.sentences.append(group_sentence(groups))
    section.pictures = [
        ("The largest effects with 95 % intervals.", pictures.draw_effects(effects)),
        (
            "Distributions of the six largest effects; values beyond the ends are counted at the ends.",
            pictures.draw_distributions(sample.features, sample.is_test, effects["feature"].tolist()),
        ),
    ]
    section.tables.append(("The ten largest effects", effects.head(10)))
    section.tables.append(("What the statistics are", definitions(effects["feature"])))
    return section, effects


def group_sentence(groups: np.ndarray | None) -> str:
    """What the intervals and folds know about rows that share their sky."""
    if groups is None:
        return (
            "Rows are taken as independent here. Many windows are cut from the same band, so intervals are too narrow, and a "
            "model "
            "may recognise a band instead of a shift: give --overlap (the folder of the overlap search) for an honest answer."
        )
    return (
        "Rows of the same sky count as one group "
        f"({quantity(len(np.unique(groups)), 'group')} among {quantity(len(groups), 'row')}): "
        "intervals draw groups, and no group is in two folds."
    )


def leaks_section(sample: Sample, paths: Sequence[str], raw: pd.DataFrame | None = None) -> tuple[Section, pd.DataFrame]:
    """The known leaks of the training rows; ``paths`` of all training files, ``raw`` their mean and σ before any cure."""
    rows = sample.rows("train")
    table = sample.table.iloc[rows]
    features = (sample.features.iloc[rows] if raw is None else raw).reset_index(drop=True)
    leaks = check_leaks(table["target"], leak_signs(features, [paths[int(row)] for row in table["row"]], table["row"].to_numpy()))
    section = Section(
        "Leaks",
        leak_sentence(leaks),
        [
            "In the competition's first data set panels were normalised before the signal was drawn, so positives had a "
            "larger mean and σ, "
            "and files had been written class by class, so their modification times told the label. An unpacked archive may "
            "set new times: "
            "then they carry no information, whatever the original had."
        ],
        [("Does it tell the label?", leaks)],
    )
    return section, leaks


@dataclass
class Adversarial:
    """What adversarial validation found: the adversaries ``table`` (adversarial.csv of the sample), the last fold's network,
    and the best adversary."""

    section: Section
    table: pd.DataFrame
    adversaries: list[Adversary] = field(default_factory=list)
    network: Classifier | None = None
    best: Adversary | None = None

    @property
    def tells(self) -> bool:
        """Whether any model tells train from test."""
        return self.best is not None and self.best.tells

    def whole(self, every: pd.DataFrame) -> pd.DataFrame:
        """``adversarial.csv`` for all rows of the data (id, split), in their order."""
        return adversarial_table(self.table, self.best, every)


def adversarial_section(
    sample: Sample,
    source: Source,
    groups: np.ndarray | None,
    *,
    network: bool = True,
    epochs: int = 5,
    gallery: int = 8,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> Adversarial:
    """Train or test? By boosting on statistics and by a small net on panels: how well, by what, and which rows.

    ``source`` holds the cadences of every id of the sample (``JoinedCadences``), for the galleries.
    """
    section = Section("Adversarial validation: train or test?")
    is_test = sample.is_test
    try:
        folds = adversarial_folds(is_test, groups, folds=3, seed=seed)
    except InputError as problem:
        section.verdict = f"Adversarial validation: {problem.problem}; all weights are 1."
        return Adversarial(section, adversarial_table(sample.table, None))
    found = [boosted(sample.features, is_test, folds, groups=groups, seed=seed)]
    model = held = None
    if network:
        net, model, held = network_adversary(
            sample.panels, is_test, folds, groups=groups, epochs=epochs, seed=seed, device=device
        )
        found += [net, mean_adversary(found[0], net, is_test, folds, groups)]
    best = max(found, key=lambda one: one.low)
    table = adversarial_table(sample.table, best)
    section.verdict = adversarial_sentence(found, best)
    section.sentences = [group_sentence(groups)]
    if groups is not None:
        section.sentences.append(plain_sentence(sample, found[0], seed))
    section.sentences.append(weights_sentence(table, best))
    rows = [(one.name, one.auc, one.low, one.high, one.tells) for one in found]
    section.tables.append(("Adversaries", pd.DataFrame(rows, columns=["adversary", "AUC", "low", "high", "tells"])))
    section.pictures.append(
        ("How well train and test rows are told apart, and the scores by split.", pictures.draw_adversaries(found, is_test))
    )
    if found[0].importance is not None:
        words = "Loss of AUC in rows that the model did not see; whiskers: scatter over the folds."
        section.pictures.append((words, pictures.draw_importance(found[0].importance)))
    if model is not None and held is not None:
        section.pictures.append(heat_picture(sample, best, model, held, device))
    section.pictures += look_alikes(source, table.assign(target=sample.table["target"]), best, gallery)
    return Adversarial(section, table, found, model, best)


def plain_sentence(sample: Sample, grouped: Adversary, seed: int) -> str:
    """What boosting would have reached with the rows of one sky spread over the folds."""
    folds = adversarial_folds(sample.is_test, folds=3, seed=seed)
    plain = boosted(sample.features, sample.is_test, folds, repeats=0, seed=seed)
    return (
        f"With rows of one sky spread over the folds, boosting would have reached {plain.auc:.3f} [{plain.low:.3f}, "
        f"{plain.high:.3f}] instead of {grouped.auc:.3f}: the difference is bands that were recognised, not a shift."
    )


def look_alikes(source: Source, table: pd.DataFrame, best: Adversary, count: int) -> list[tuple[str, Figure]]:
    """The ``count`` rows of each split that look most like the other one; ``table``: id, split, score, target."""
    found = []
    for split, lowest, words in (
        ("test", True, "Test rows that look most like train"),
        ("train", False, "Training rows that look most like test"),
    ):
        rows = table[table["split"] == split]
        picture = draw_gallery(source, rows, count=count, lowest=lowest, view="raw", title=words, label="p(test)")
        found.append((f"{words}, by {best.name}, as the arrays are; p(test) is the calibrated probability of test.", picture))
    return found


def heat_picture(sample: Sample, best: Adversary, model: Classifier, held: np.ndarray, device: str | torch.device) -> tuple:
    """Grad-CAM of the small net on the most test-like rows that it did not train on, three of each split."""
    order = held[np.argsort(-best.score[held], kind="stable")]
    rows = np.concatenate([order[sample.is_test[order] == group][:3] for group in (1, 0)])
    panels = sample.panels[torch.as_tensor(rows)]
    heat = GradCAM(model, as_image)(panels.to(device)).cpu()
    titles = [f"{sample.table['id'][row]}\n{sample.table['split'][row]}, {best.score[row]:.2f}" for row in rows]
    return (
        "Where the small net looks (Grad-CAM, joint for the six panels): the most test-like rows of test and of train that it "
        "did not learn from, with the probability of test.",
        pictures.draw_heat(panels, heat, titles),
    )


def adversarial_sentence(found: Sequence[Adversary], best: Adversary) -> str:
    """The verdict in words."""
    figures = ", ".join(f"{one.name} {one.auc:.3f} [{one.low:.3f}, {one.high:.3f}]" for one in found)
    if not best.tells:
        return f"Adversarial validation: no model tells train from test (AUC with 95 % interval: {figures})."
    strength = "easily" if best.auc >= 0.95 else "well" if best.auc >= 0.8 else "a little better than chance"
    return f"Adversarial validation: test rows can be told from training rows {strength} (AUC with 95 % interval: {figures})."


def weights_sentence(table: pd.DataFrame, best: Adversary) -> str:
    """What the weights are worth."""
    weight = table.loc[table["split"] == "train", "weight"].to_numpy()
    if not best.tells:
        return "All training rows keep weight 1: where no shift is seen, weights would be noise."
    worth = effective_rows(weight)
    return (
        f"The training rows' weights (density ratio, mean 1, in adversarial.csv) run from {weight.min():.2g} to "
        f"{weight.max():.3g}; "
        f"weighted, the {len(weight):,} rows are worth {worth:,.0f}."
        + (
            " That is so few that re-weighting would waste most of the data: choose a test-like validation set instead "
            "(validation.csv)."
            if worth < 0.2 * len(weight)
            else ""
        )
    )
