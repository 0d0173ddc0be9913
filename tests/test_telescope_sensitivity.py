"""Needles in a person's own OFF panels: as bright as asked, where the table says, and found as often as they can be."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from telescope_files import DF_MHZ, DT_S, noise, write_cadence

from seti_utils.__main__ import main
from seti_utils.errors import InputError
from seti_utils.telescope.cadences import open_cadence
from seti_utils.telescope.injecting import SLOT, Recipe, inject
from seti_utils.telescope.jobs import prepare
from seti_utils.telescope.limits import Limits
from seti_utils.telescope.sensitivity import BOTH, CLASSICAL, NETWORK_ALONE, measure_sensitivity

ROWS, TSAMP, CHANNELS = 64, 293.13 / 64, 4096
OFF = (1, 3, 5)
RECIPE = Recipe((6.0, 40.0), ("line", "drift"), (0.72, 0.73), 300.0)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    panels = [noise(ROWS, CHANNELS, number) for number in range(6)]
    return write_cadence(tmp_path_factory.mktemp("quiet"), panels, tsamp=TSAMP)


def test_needles_are_as_bright_as_the_table_says_and_where_it_says(files):
    cadence = open_cadence(files)
    injected, truth = inject(cadence, OFF, replace(RECIPE, fwhm=(2.0, 2.01)), 0)
    plain, lit = cadence.read(0, CHANNELS), list(injected.panel_by_panel(0, CHANNELS))
    light = [after - before for before, after in zip(plain, lit, strict=True)]
    assert len(truth) == 4 and (truth["fwhm"] >= 2).any() and all(np.abs(light[panel]).max() == 0 for panel in (0, 2, 4))
    for row in truth.to_dict("records"):
        for panel in OFF:
            around = int(row[f"channel_{panel + 1}"]) + np.arange(-40, 41)
            profile = light[panel][ROWS // 2, around]
            centre = (profile * around).sum() / profile.sum()
            assert abs(centre - row[f"channel_{panel + 1}"]) < 0.5
        rate = (row["channel_6"] - row["channel_2"]) * DF_MHZ * 1e6 / (cadence.starts[5] - cadence.starts[1])
        assert np.isclose(rate, row["drift"], atol=0.05), "gaps between panels included"
        if row["fwhm"] < 2:  # the real needle's profile, which a quarter have, may lie between two channels
            continue
        wide = slice(int(row["channel_4"]) - 60, int(row["channel_4"]) + 61)
        seen = np.square(light[3][:, wide]).sum() ** 0.5 / 1.8  # by a filter that knows it; telescope_files.noise has sigma 1.8
        assert np.isclose(seen, row["snr"], rtol=0.05)


def test_a_needle_in_some_panels_has_no_place_in_the_others(files):
    cadence = open_cadence(files)
    recipe = replace(RECIPE, families=("line",), nature=("width", "scintillation"), every=0.0, snrs=(40.0,))
    injected, truth = inject(cadence, OFF, recipe, 3)
    light = [
        after - before for before, after in zip(cadence.read(0, CHANNELS), injected.panel_by_panel(0, CHANNELS), strict=True)
    ]
    places = truth[[f"channel_{panel + 1}" for panel in range(6)]].to_numpy()
    assert len(truth) == 4 and (np.isfinite(places).sum(1) <= 2).all() and np.isnan(places[:, [0, 2, 4]]).all()
    for row, number in np.ndindex(places.shape):
        slot = slice(2 * row * SLOT, (2 * row + 1) * SLOT)  # every needle stays in its own slot here
        assert np.isnan(places[row, number]) == (np.abs(light[number][:, slot]).max() == 0)


def test_blocks_and_averaged_rows_hold_the_same_light(files):
    cadence = open_cadence(files)
    injected, _ = inject(cadence, OFF, RECIPE, 0)
    whole = list(injected.panel_by_panel(0, CHANNELS))[3]
    assert np.array_equal(list(injected.panel_by_panel(700, 1900))[3], whole[:, 700:1900])
    assert np.allclose(list(injected.panel_by_panel(0, CHANNELS, 4))[3], whole.reshape(16, 4, -1).mean(1), atol=1e-3)


@pytest.mark.slow
def test_bright_needles_are_found_and_faint_ones_are_not_and_processes_change_nothing(files):
    before = [path.read_bytes() for path in files]
    job = prepare(open_cadence(files), Limits(300.0))
    one = measure_sensitivity(job, RECIPE, needles=12, rate=0.5, bright=40.0, processes=1)
    two = measure_sensitivity(job, RECIPE, needles=12, rate=0.5, bright=40.0, processes=2)
    pd.testing.assert_frame_equal(one.table, two.table)
    by_snr = one.table[one.table["by"] == "snr"].set_index("group")
    assert by_snr.loc[40.0, "found"] >= by_snr.loc[40.0, "of"] - 1 and by_snr.loc[6.0, "found"] <= 1
    assert (
        by_snr["of"].sum() == len(one.needles) >= 12
        and ((by_snr["low"] <= by_snr["recall"]) & (by_snr["recall"] <= by_snr["high"])).all()
    )
    assert set(one.table["by"]) == {"snr", "drift", "fwhm", "family"} and set(one.table["way"]) == {CLASSICAL}
    assert [path.read_bytes() for path in files] == before


class Eye:
    """A detector that sees needles in panels that stand where ON panels do, and nothing of where they drift."""

    card = {"df_hz": DF_MHZ * 1e6, "dt_s": DT_S}

    def shrunk(self, panel):
        return panel

    def score_shrunk(self, x):
        light = x.mean(2).amax(2)
        place = x[:, ::2].mean((1, 2)).argmax(1).float()
        logit = light[:, ::2].amin(1) * 40 - light[:, 1::2].amax(1) * 40
        return SimpleNamespace(track=logit, panel=light, freq=place, drift=torch.zeros(len(x)))


def test_network_classical_and_both_are_told_apart(tmp_path):
    files = write_cadence(tmp_path, [noise(279, 2048, number) for number in range(6)])
    job = prepare(open_cadence(files), Limits(100.0), detector=Eye())
    recipe = Recipe((60.0,), ("line",), (0.72, 0.73), 100.0)
    result = measure_sensitivity(job, recipe, needles=4, rate=1.0, bright=40.0, processes=1)
    found = result.table[result.table["by"] == "snr"].set_index("way")["found"]
    assert (
        set(found.index) == {BOTH, NETWORK_ALONE, CLASSICAL}
        and found[BOTH] >= found[CLASSICAL] >= 3
        and found[NETWORK_ALONE] >= 2
    )


def test_the_command_writes_tables_and_picture(files, tmp_path, capsys):
    words = ["sensitivity", *map(str, files), "-o", str(tmp_path / "a"), "-M", "200", "--processes", "1", "--needles", "6"]
    assert main([*words, "--snrs", "20,60", "--network", "none", "--false-alarms", "0.5"]) == 0
    table = pd.read_csv(tmp_path / "a" / "sensitivity.csv")
    assert table.columns.tolist() == ["way", "by", "group", "found", "of", "recall", "low", "high"]
    assert len(pd.read_csv(tmp_path / "a" / "needles.csv")) >= 6 and (tmp_path / "a" / "sensitivity.png").stat().st_size > 5000
    assert "classical: recall at 0.5 false events per MHz and hour" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--false-alarms", "any"], "recall is measured at a rate"),
        (["--snrs", "10,8"], "--snrs 10,8"),
        (["--snrs", "10,many"], "--snrs 10,many; write at least 1 rising numbers above 0"),
        (["--widths", "3"], "at least 2 rising numbers"),
        (["--families", "drifting"], "unknown needle family 'drifting'"),
        (["-M", "0"], "choose a larger -M"),
    ],
)
def test_mistakes_are_one_line(files, tmp_path, capsys, words, said):
    assert main(["sensitivity", *map(str, files), "-o", str(tmp_path / "a"), "--network", "none", *words]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "a").exists()


def test_one_file_has_no_off_panels(files, tmp_path, capsys):
    assert main(["sensitivity", str(files[0]), "-o", str(tmp_path / "a"), "--network", "none"]) == 2
    assert "give the six files of a cadence" in capsys.readouterr().err


def test_one_cadence_at_a_time(files, tmp_path, capsys):
    (tmp_path / "list.txt").write_text("\n".join(map(str, files * 2)), encoding="utf-8")
    assert main(["sensitivity", str(tmp_path / "list.txt"), "-o", str(tmp_path / "a"), "--network", "none"]) == 2
    assert "2 cadences; give one at a time" in capsys.readouterr().err


def test_a_narrow_band_is_drawn_into_until_a_needle_is_slow_enough(tmp_path):
    """A thousand channels hold one needle a pass, which may drift faster than the search looks."""
    panels = [noise(ROWS, 1024, number) for number in range(6)]
    job = prepare(open_cadence(write_cadence(tmp_path / "files", panels, tsamp=TSAMP)), Limits(60.0))
    with pytest.raises(InputError, match="no needle fits 1,024 channels and 60 Hz/s"):
        inject(job.cadence, OFF, replace(RECIPE, max_drift=60.0), 1)
    found = measure_sensitivity(job, replace(RECIPE, max_drift=60.0), needles=3, rate=0.5, bright=40.0, processes=1)
    assert len(found.needles) >= 3 and (found.needles["drift"].abs() <= 60).all()
