"""The data of an experiment, opened: its cadences with the panels that it looks at, and the folds of its training rows."""

import numpy as np

from seti_utils.data.folds import fingerprint, settled_folds
from seti_utils.data.packed import open_cadences
from seti_utils.data.sources import BesideCadences, CleanedPanels, Source
from seti_utils.log.config import Config
from seti_utils.log.layouts import RAW
from seti_utils.overlap.folder import finished_search, groups_of
from seti_utils.overlap.panels import cleaned_stores
from seti_utils.run.compose import panels_of
from seti_utils.run.runtime import Runtime


def cadences(config: Config, split: str, runtime: Runtime) -> Source:
    """The cadences of ``split`` with the panels that ``config`` looks at: raw, cleaned, or the one beside the other.

    Raises ``InputError`` with the command to run where cleaned panels are wanted and not there.
    """
    competition, panels = runtime.competition, panels_of(config)
    raw, clean = [panel for panel in panels if panel < RAW], [panel - RAW for panel in panels if panel >= RAW]
    parts = [open_cadences(competition, split, runtime.packed, raw)] if raw else []
    if clean:
        parts.append(CleanedPanels(open_cadences(competition, split, cleaned_stores(runtime.overlap, competition), clean)))
    return parts[0] if len(parts) == 1 else BesideCadences(*parts)


def folds_of(config: Config, runtime: Runtime) -> tuple[np.ndarray, str]:
    """The fold of every training row, written once below ``out``, and the fingerprint of the split.

    With ``fold_groups="overlap"`` all rows that share sky are in one fold, also those that only a test row links.
    """
    path = runtime.out / f"folds_{config.folds}_{config.fold_seed}{'_' + config.fold_groups if config.fold_groups else ''}.csv"
    competition = runtime.competition
    ids, targets = competition.train["id"], competition.train["target"]
    groups = groups_of(finished_search(runtime.overlap, competition), ids) if config.fold_groups else None
    fold = settled_folds(path, ids, targets, folds=config.folds, seed=config.fold_seed, groups=groups)
    return fold, fingerprint(ids, fold)
