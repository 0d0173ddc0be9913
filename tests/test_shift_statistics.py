"""Statistics see what they are named after; effect sizes and intervals know of rows that belong together; leaks are found."""

import os

import numpy as np
import pandas as pd
import pytest
import torch

from seti_utils.data.cadence import ON
from seti_utils.errors import InputError
from seti_utils.shift.effects import effect_sizes
from seti_utils.shift.leaks import check_leaks, leak_sentence, leak_signs
from seti_utils.shift.sample import Sample
from seti_utils.shift.statistics import MEANINGS, cadence_features, definitions, panel_statistics
from seti_utils.shift.study import statistics_section
from seti_utils.stats.auc import auc
from seti_utils.stats.intervals import auc_error, auc_interval

F = torch.arange(256).float()


def noise(rows=2, seed=0):
    return torch.randn(rows, 6, 273, 256, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("name", "plant"),
    [
        ("slope", lambda x: x + 5 * F / 256),
        ("bend", lambda x: x + 8 * (F / 256 - 0.5) ** 2),
        ("ripple", lambda x: x + torch.cos(2 * np.pi * F / 28)),
        ("long waves", lambda x: x + torch.cos(2 * np.pi * F / 128)),
        ("spike", lambda x: x + 30 * (F == 128)),
        ("spikes", lambda x: x + 30 * (F % 64 == 3)),
        ("burst", lambda x: x + 6 * (torch.arange(273)[:, None] == 40)),
        ("burst rows", lambda x: x + (torch.arange(273)[:, None] < 90)),
        ("bright", lambda x: x + 20 * (torch.rand(x.shape, generator=torch.Generator().manual_seed(5)) < 1e-3)),
        ("kurtosis", lambda x: x * x.abs()),
        ("skew", lambda x: x + 0.5 * x.square()),
        ("track", lambda x: x + 9 * ((F - torch.arange(273)[:, None] * 0.4 - 20).abs() < 0.7)),
        ("σ", lambda x: x * 3),
        ("mean", lambda x: x + 1),
    ],
)
def test_a_statistic_sees_what_it_is_named_after(name, plant):
    plain, planted = panel_statistics(noise())[name], panel_statistics(plant(noise()))[name]
    assert planted.min() > plain.max() + 3 * plain.std()


def test_features_tell_on_from_off_and_do_not_know_the_order_of_panels():
    x = noise()
    x[:, ON] += 4 * F / 256
    features = cadence_features(x)
    assert features["slope, ON − OFF"].min() > 1 and features["slope, spread"].min() > 0.5
    again = cadence_features(x[:, [2, 5, 4, 1, 0, 3]])
    for name, value in features.items():
        torch.testing.assert_close(again[name], value, rtol=1e-4, atol=1e-5, msg=name)


def test_constant_panels_and_half_precision_are_finite():
    x = noise(3).half()
    x[1] = 0
    x[2, 3] = 7
    assert all(value.isfinite().all() for value in cadence_features(x).values())


def test_the_error_in_closed_form_is_the_bootstraps():
    generator = np.random.default_rng(0)
    target = (np.arange(500) % 3 == 0).astype(float)
    score = generator.normal(size=500) + target
    value, error = auc_error(target, score)
    _, low, high = auc_interval(target, score, draws=1000)
    assert value == auc(target, score) and error == pytest.approx((high - low) / 3.92, rel=0.12)


def test_a_row_that_stands_there_twice_is_not_a_second_witness():
    generator = np.random.default_rng(1)
    target = (np.arange(200) % 2).astype(float)
    score, name = generator.normal(size=200) + 0.5 * target, np.arange(200)
    twice = [np.tile(values, 2) for values in (target, score, name)]
    once = auc_error(target, score)[1]
    assert auc_error(*twice)[1] == pytest.approx(once, rel=0.02)
    assert auc_error(*twice[:2])[1] == pytest.approx(once / 2**0.5, rel=0.02)
    value, low, high = auc_interval(*twice, draws=500)
    assert (high - low) / 3.92 == pytest.approx(once, rel=0.15) and low < value < high


def test_effects_are_sorted_signed_and_sure_only_beyond_chance():
    generator = np.random.default_rng(2)
    target = (np.arange(400) % 2).astype(float)
    table = pd.DataFrame({f"n{i}": generator.normal(size=400) for i in range(20)})
    table["up"], table["down"], table["flat"] = table["n0"] + target, table["n1"] - 3 * target, 1.0
    effects = effect_sizes(table, target)
    assert effects["feature"][:2].tolist() == ["down", "up"] and effects["delta"][0] < 0 < effects["delta"][1]
    assert set(effects.loc[effects["sure"], "feature"]) == {"up", "down"}
    assert effects.set_index("feature").loc["flat", "delta"] == 0
    with pytest.raises(InputError, match="one target per row"):
        effect_sizes(table, target[1:])


def leaky(tmp_path, order):
    """Twenty files whose modification times follow ``order``; statistics of normalised panels."""
    paths = []
    for row, place in enumerate(order):
        paths.append(tmp_path / f"{row}.npy")
        paths[-1].write_bytes(b"x")
        os.utime(paths[-1], (1e9 + place, 1e9 + place))
    generator = np.random.default_rng(0)
    features = pd.DataFrame({"mean": generator.normal(size=len(order)) * 1e-5, "σ": 1 + generator.normal(size=len(order)) * 1e-4})
    return features, paths


def test_both_known_leaks_are_found_and_clean_data_are_called_clean(tmp_path):
    target = np.repeat([0.0, 1.0], 20)
    shuffled = np.random.default_rng(3).permutation(40)
    features, paths = leaky(tmp_path, shuffled)
    places = np.random.default_rng(4).permutation(40)
    clean = check_leaks(target, leak_signs(features, paths, places))
    assert not clean["leak"].any() and "none of the known" in leak_sentence(clean)
    features, paths = leaky(tmp_path, np.arange(40))
    features["σ"] += 0.05 * target
    found = check_leaks(target, leak_signs(features, paths, places)).set_index("sign")
    assert found["leak"].to_dict() == {"panel mean": False, "panel σ": True, "file time": True, "place in the table": False}
    said = leak_sentence(found.reset_index())
    assert "file time tells the label (AUC 1.000)" in said and "Normalise every panel again" in said and "keep them out" in said
    for sign, cure in (("file time", "File times are not in the arrays"), ("place in the table", "Shuffle the rows before")):
        only = leak_sentence(found.assign(leak=found.index == sign).reset_index())
        assert cure in only and "Normalise" not in only


def test_every_statistic_is_defined_in_the_report():
    names = list(cadence_features(torch.zeros(1, 6, 273, 256)))
    table = definitions(names)
    assert {name.partition(",")[0] for name in names} <= set(table["name"]) and (table["meaning"].str.len() > 10).all()
    assert set(MEANINGS) == {name.partition(",")[0] for name in names}
    few = definitions(["rows, spread", "bright"])
    assert few["name"].tolist()[:2] == ["rows", "bright"] and "scatter over the six panels" in few["meaning"].iloc[-1]


def test_rounding_is_not_a_leak_and_few_rows_say_nothing():
    target = np.repeat([0.0, 1.0], 20)
    rounding = check_leaks(target, {"panel mean": target * 1e-6})
    assert not rounding["leak"][0] and "rounding" in rounding["verdict"][0]
    few = check_leaks(target[15:25], {"panel mean": target[15:25]})
    assert few["leak"][0] is None and "too few rows" in leak_sentence(few)


def test_where_nothing_differs_beyond_doubt_the_report_names_the_largest():
    generator = np.random.default_rng(3)
    table = pd.DataFrame({"id": [f"r{row}" for row in range(120)], "split": ["train", "test"] * 60})
    features = pd.DataFrame({name: generator.normal(size=120) for name in ("ON slope", "ON spike")})
    section, effects = statistics_section(Sample(table, features, torch.zeros(120, 0)), None)
    assert section.verdict.startswith("Statistics: none of 2 differs between train and test beyond doubt; the largest is ON s")
    assert not effects["sure"].any()
