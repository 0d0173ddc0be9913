"""Files of the old era as neighbours: found with their exact shifts, never rows, and cleaning costs no more with them."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from seti_utils.__main__ import main
from seti_utils.data.cadence import FREQ
from seti_utils.data.competition import read_competition
from seti_utils.errors import InputError
from seti_utils.overlap.clean import MOST
from seti_utils.overlap.folder import read_groups, read_pairs
from seti_utils.overlap.neighbours import covered_columns, joined
from seti_utils.overlap.panels import CleanedCadences, best, clean, read_covered
from seti_utils.overlap.search import search
from seti_utils.sky import make_sky

ALL = np.ones((1, 6), bool)


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """Both eras, cut from the same bands."""
    return make_sky(tmp_path_factory.mktemp("eras") / "sky", train=40, test=20, seed=5, workers=1, shift=False, old=60)


@pytest.fixture(scope="module")
def found(sky, tmp_path_factory):
    out = tmp_path_factory.mktemp("found") / "overlap"
    return search(read_competition(sky), out, old=read_competition(sky, "old"), quiet=True)


def true_pairs(sky):
    """(a, b, shift) of the truth from a current cadence to any other."""
    truth = pd.read_csv(sky / "truth.csv", dtype={"id": str})[["id", "split", "band", "offset"]]
    both = truth.merge(truth, on="band", suffixes=("_a", "_b"))
    both = both[(both["id_a"] != both["id_b"]) & ~both["split_a"].str.endswith("_old")]
    both = both.assign(shift=both["offset_b"] - both["offset_a"])
    both = both[FREQ - both["shift"].abs() >= 32]
    return both


def test_the_old_sky_is_stored_as_the_competition_has_it_and_leaks_until_it_is_normalised(sky):
    old = read_competition(sky, "old")
    assert (len(old.train), len(old.test)) == (35, 25) and "target" in old.test and old.renormalise
    assert all(len(name) == 12 for name in old.train["id"]) and all(len(name) == 15 for name in read_competition(sky).train["id"])
    truth = pd.read_csv(sky / "truth.csv", dtype={"id": str}, keep_default_na=False).set_index("id")
    bright = truth.loc[old.train["id"], "snr_drawn"].replace("", 0).astype(float).idxmax()
    raw = np.load(old.train.set_index("id")["path"][bright]).astype(np.float32)
    assert raw.std((1, 2)).max() > 1.01, "its needle came on top of a panel that was normalised before"
    out = torch.empty(1, 6, 273, FREQ, dtype=torch.float16)
    old.open("train", ids=[bright]).read_into([0], out)
    assert torch.allclose(out.float().std((2, 3)), torch.ones(1, 6), atol=2e-3)


def test_every_pair_with_an_old_file_is_found_with_its_exact_shift(sky, found):
    pairs, truth = read_pairs(found), true_pairs(sky)
    said = set(zip(pairs["a"], pairs["b"], pairs["shift"])) | set(zip(pairs["b"], pairs["a"], -pairs["shift"]))
    true = set(zip(truth["id_a"], truth["id_b"], truth["shift"]))
    assert true | {(b, a, -shift) for a, b, shift in true} == said
    assert truth["split_b"].str.endswith("_old").sum() > 30


def test_old_files_are_never_rows_and_what_they_join_is_one_group(sky, found):
    competition = read_competition(sky)
    groups = read_groups(found).set_index("id")
    assert groups.index.tolist() == [*competition.train["id"], *competition.test["id"]]
    assert set(groups["split"]) == {"train", "test"}
    pairs = read_pairs(found)
    old = ~pairs["b"].isin(groups.index)
    assert pairs["a"].isin(groups.index).all() and old.any()
    for _, near in pairs[old].groupby("b"):
        assert groups.loc[near["a"], "group"].nunique() == 1


def test_coverage_is_reported_with_the_old_files_and_without(sky, found, tmp_path, capsys):
    counts = json.loads((found / "overlap.json").read_text(encoding="utf-8"))["counts"]
    alone = search(read_competition(sky), tmp_path / "alone", quiet=True)
    bare = json.loads((alone / "overlap.json").read_text(encoding="utf-8"))["counts"]
    assert counts["coverage_without_old"] == bare["coverage"] < counts["coverage"] - 0.03
    clean(read_competition(sky), found, quiet=True)
    assert read_covered(found).mean() == pytest.approx(counts["coverage"], abs=1e-5)
    assert main(["overlap", "search", str(sky), str(found), "--with", "old", "--device", "cpu"]) == 0
    assert f"{counts['coverage']:.1%} with 60 old ones" in capsys.readouterr().out
    assert main(["overlap", "search", str(sky), str(found), "--device", "cpu"]) == 2
    assert "holds another overlap search: old=" in capsys.readouterr().err


def test_a_row_with_an_old_neighbour_alone_is_cleaned_to_its_needle(sky, found):
    """What is left of a cadence without needles, where only old files cover it, is rounding."""
    competition, old = read_competition(sky), read_competition(sky, "old")
    source = joined(competition, old)
    number = pd.Series(np.arange(len(source)), index=source.ids)
    pairs = read_pairs(found)
    pairs = pairs.assign(a=number[pairs["a"]].to_numpy(), b=number[pairs["b"]].to_numpy())
    truth = pd.read_csv(sky / "truth.csv", dtype={"id": str}, keep_default_na=False).set_index("id")
    bare = set(number[truth.index[(truth["family"] == "") & (truth["terrestrial"] == "")]])
    pairs = pairs[pairs["b"] >= 60]
    pairs = pairs[pairs["a"].isin(bare) & pairs["b"].isin(bare)]
    rows = pairs["a"].unique()
    cleaned = CleanedCadences(source, rows, pairs)
    out = torch.empty(len(rows), 6, 273, FREQ, dtype=torch.float16)
    cleaned.read_into(range(len(rows)), out)
    for place, row in enumerate(rows):
        _, shifts, agree = cleaned.of(int(row))
        seen = torch.from_numpy(covered_columns(shifts, agree.numpy()))
        left = out[place].float().permute(0, 2, 1)[seen]
        assert left.std() < 0.1, "a hundredth of a whitened column"
    assert len(rows) > 3


def test_five_neighbours_clean_a_row_however_many_it_has():
    """All where there are no more; of many the ones that cover most, then those that cover it again, and no others are read."""
    rng = np.random.default_rng(0)
    for count in (1, 4, 5):
        assert best(rng.integers(-200, 200, count), ALL.repeat(count, 0)).tolist() == list(range(count))
    shifts = rng.integers(-224, 225, 180)
    agree = ALL.repeat(180, 0)
    chosen = best(shifts, agree)
    assert len(chosen) == MOST and covered_columns(shifts[chosen], agree[chosen]).sum() == covered_columns(shifts, agree).sum()
    assert best(np.array([10, 200, 20, 30, 40, 50, -200]), ALL.repeat(7, 0)).tolist() == [0, 2, 3, 4, 6], "either end is covered"
    one_panel = ALL.repeat(9, 0)
    one_panel[:8, 3] = False
    assert 8 in best(np.arange(1, 10), one_panel), "the only one that shows panel 3"


def test_other_old_files_than_the_search_saw_are_refused(sky, found, tmp_path, capsys):
    import shutil

    twin = shutil.copytree(sky, tmp_path / "twin")
    path = read_competition(twin, "old").train["path"][0]
    np.save(path, np.load(path)[::-1])
    with pytest.raises(InputError, match="saw other old files"):
        clean(read_competition(twin), found, quiet=True)
    words = ["overlap", "search", str(sky), str(tmp_path / "o"), "--with", "old", "--era", "old", "--device", "cpu"]
    assert main(words) == 2 and "leave out one" in capsys.readouterr().err
