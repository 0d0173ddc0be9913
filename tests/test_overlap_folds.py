"""Overlap-aware folds: rows that share sky stay together, through the command line and back."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seti_utils.data.competition import read_competition
from seti_utils.errors import InputError
from seti_utils.log.config import Config
from seti_utils.log.pages import LOG
from seti_utils.log.registry import Log
from seti_utils.overlap.folder import groups_of
from seti_utils.overlap.search import search
from seti_utils.run.opening import folds_of
from seti_utils.run.runtime import Runtime
from seti_utils.sky import make_sky


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    return make_sky(tmp_path_factory.mktemp("sky") / "sky", train=60, test=10, seed=1, workers=1)


@pytest.fixture(scope="module")
def overlap(sky, tmp_path_factory):
    return search(read_competition(sky), tmp_path_factory.mktemp("found") / "overlap", quiet=True)


def test_no_group_is_torn(sky, overlap, tmp_path):
    competition, config = read_competition(sky), LOG.config("idea_overlap_folds")
    fold, mark = folds_of(config, Runtime(data=sky, out=tmp_path, overlap=overlap))
    table = pd.DataFrame({"fold": fold, "group": groups_of(overlap, competition.train["id"])})
    assert (table.groupby("group")["fold"].nunique() == 1).all() and (table.groupby("group").size() > 1).any()
    assert set(fold) == set(range(5))
    plain, other = folds_of(LOG.config("exp011"), Runtime(data=sky, out=tmp_path))
    assert other != mark and (table.assign(fold=plain).groupby("group")["fold"].nunique() > 1).any()
    assert {path.name for path in Path(tmp_path).iterdir()} == {"folds_5_2021.csv", "folds_5_2021_overlap.csv"}
    again, same = folds_of(config, Runtime(data=sky, out=tmp_path, overlap=overlap))
    assert np.array_equal(again, fold) and same == mark


def test_without_the_folder_one_line_names_the_command(sky, overlap, tmp_path):
    config = LOG.config("idea_overlap_folds")
    with pytest.raises(InputError, match=f"none was given; make one: python -m seti_utils overlap search {sky} OVERLAP"):
        folds_of(config, Runtime(data=sky, out=tmp_path))
    with pytest.raises(InputError, match=f"there is no overlap search; make one: .*{tmp_path / 'none'}"):
        folds_of(config, Runtime(data=sky, out=tmp_path, overlap=tmp_path / "none"))
    folds_of(config, Runtime(data=sky, out=tmp_path, overlap=overlap))


def test_folds_drawn_for_other_groups_are_refused(sky, overlap, tmp_path):
    config = LOG.config("idea_overlap_folds")
    plain, _ = folds_of(LOG.config("exp011"), Runtime(data=sky, out=tmp_path))
    (tmp_path / "folds_5_2021.csv").rename(tmp_path / "folds_5_2021_overlap.csv")
    with pytest.raises(InputError, match="drawn for other groups"):
        folds_of(config, Runtime(data=sky, out=tmp_path, overlap=overlap))


def test_the_knob_is_part_of_the_experiment():
    assert LOG.fingerprint("idea_overlap_folds") != LOG.fingerprint("exp011")
    with pytest.raises(ValueError, match="expected 'overlap'"):
        Config(fold_groups="sky")
    log = Log()
    log.base("plain", "plain folds")
    with pytest.raises(InputError, match="plain, which it builds on, has folds"):
        log.exp(
            "student",
            "plain",
            "weights that saw its validation rows",
            init_from="plain",
            fold_groups="overlap",
            because="two changes, to be refused",
        )
