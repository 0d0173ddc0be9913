"""Cadences of a competition, laid side by side, are searched like a telescope's band, and see nothing of each other."""

import json

import numpy as np
import pandas as pd
import pytest

from seti_utils.__main__ import main
from seti_utils.data.cadence import DF_HZ, DT_S, FREQ, PANELS, TIME
from seti_utils.run.scoring import open_files
from seti_utils.telescope.arrays import STRIDE, array_cadences


def cadence(seed, needle=None, on=(0, 2, 4)):
    """Noise, and a needle (channel at the start, channels per panel) of SNR 40 per panel; every panel at mean 0, std 1."""
    x = np.random.default_rng(seed).standard_normal((PANELS, TIME, FREQ)).astype(np.float32)
    if needle:
        for panel in on:
            place = needle[0] + needle[1] * (panel + (np.arange(TIME) + 0.5) / TIME)
            inside = (place > 0) & (place < FREQ - 1)
            x[panel, np.flatnonzero(inside), place[inside].round().astype(int)] += 40 / TIME**0.5
    x -= x.mean((1, 2), keepdims=True)
    return (x / x.std((1, 2), keepdims=True)).astype(np.float16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("arrays") / "cadences"
    place.mkdir()
    np.save(place / "a.npy", cadence(0))
    np.save(place / "b.npy", cadence(1, (200.0, 18.0)))  # leaves the window to the right in its last panels
    np.save(place / "c.npy", cadence(2, (90.0, -6.0), on=range(6)))
    np.save(place / "d.npy", cadence(3, (60.0, 5.0)))
    return place


def test_a_band_of_cadences_reads_each_in_its_place_and_nothing_between(folder):
    band = array_cadences(open_files([folder]), folder)
    assert band.channels == 3 * STRIDE + FREQ and band.windows(0, band.channels) == [0, STRIDE, 2 * STRIDE, 3 * STRIDE]
    panels = band.read(0, band.channels)
    for number, name in enumerate("abcd"):
        x = np.load(folder / f"{name}.npy").astype(np.float32)
        assert np.array_equal(np.stack(panels)[..., number * STRIDE : number * STRIDE + FREQ], x)
        assert band.name_at(number * STRIDE + 30.5) == name
    assert all(panel[:, FREQ:STRIDE].any() == False for panel in panels)  # noqa: E712
    assert np.array_equal(band.read(300, 900)[2], panels[2][:, 300:900])
    assert np.allclose(band.read(0, 200, 3)[1], panels[1][:, :200].reshape(91, 3, 200).mean(1), atol=1e-6)
    assert band.segments(300, 900) == [(STRIDE - 300, STRIDE + FREQ - 300)] and np.isclose(
        band.frequency(STRIDE + 10.0), 10 * DF_HZ / 1e6
    )


def test_the_command_finds_the_needles_by_their_cadence(folder, tmp_path, capsys):
    words = ["search", str(folder), "-o", str(tmp_path / "found"), "--network", "none", "--pictures", "1", "--processes", "1"]
    assert main([*words, "--false-alarms", "1"]) == 0
    found = pd.read_csv(tmp_path / "found" / "events.csv").set_index("cadence")
    assert sorted(found.index) == ["b", "d"]
    for name, channel, speed in (("b", 200 + 3 * 18, 18), ("d", 60 + 3 * 5, 5)):
        assert abs(found.loc[name, "f_mid"] * 1e6 / DF_HZ - channel) < 1.5
        assert abs(found.loc[name, "drift"] - speed * DF_HZ / (TIME * DT_S)) < 2
    assert (tmp_path / "found" / "events.html").exists() and not list((tmp_path / "found").glob("*.dat"))
    stages = json.loads((tmp_path / "found" / "search.json").read_text(encoding="utf-8"))["stages"]
    assert stages[0] == {"stage": "in all files", "count": 4 * FREQ, "of": "channels"}
    assert "as in the competition, and no gaps" in capsys.readouterr().out


def test_sensitivity_needs_a_telescopes_files(folder, tmp_path, capsys):
    assert main(["sensitivity", str(folder), "-o", str(tmp_path / "a"), "--network", "none"]) == 2
    assert "give the six files of a telescope" in capsys.readouterr().err
