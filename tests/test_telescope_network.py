"""The network in a search: it looks where the sums along tracks show something, and what both see is one event."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from telescope_files import DF_MHZ, DT_S, draw, noise, write_cadence

from seti_utils.telescope.blocks import joined, search_block
from seti_utils.telescope.cadences import open_cadence
from seti_utils.telescope.calibration import arrangements
from seti_utils.telescope.classical import ON_ALONE
from seti_utils.telescope.jobs import prepare
from seti_utils.telescope.limits import Limits
from seti_utils.telescope.network import WINDOW, standing, windows_to_score
from seti_utils.telescope.search import search_cadences
from seti_utils.telescope.tracks import NETWORK, TRACK, told_apart


def panels_with(*needles, rows, tsamp, channels):
    """Six panels of noise with needles: dictionaries for ``telescope_files.draw``."""
    panels = [noise(rows, channels, number) for number in range(6)]
    for needle in needles:
        draw(panels, tsamp=tsamp, **needle)
    return panels


class Eye:
    """A detector that looks at one channel: the brighter it is in ON panels than in OFF panels, the higher."""

    card = {"df_hz": DF_MHZ * 1e6, "dt_s": DT_S}

    def shrunk(self, panel):
        return panel

    def score_shrunk(self, x):
        light = x.mean(2).amax(2)
        place = x[:, 0].mean(1).argmax(1)
        logit = light[:, ::2].amin(1) * 20 - light[:, 1::2].amax(1) * 20
        return SimpleNamespace(track=logit, panel=light, freq=place.float(), drift=torch.zeros(len(x)))


@pytest.fixture(scope="module")
def like_the_competitions(tmp_path_factory):
    """Files of the competition's product with a needle that stands still."""
    folder = tmp_path_factory.mktemp("product")
    needle = {"channel": 340.0, "drift_hz_s": 0.2, "snr": 60.0}
    return write_cadence(folder, panels_with(needle, rows=279, tsamp=DT_S, channels=700))


def test_the_network_looks_at_half_overlapped_windows_and_its_events_are_merged(like_the_competitions, tmp_path):
    job = prepare(open_cadence(like_the_competitions), Limits(100.0, false_alarms=5.0), detector=Eye())
    assert job.search.cadence.windows(0, 700) == [0, 128, 256, 384, 444]
    found = search_cadences([job], tmp_path, options={}, processes=1, pictures=0)
    assert len(found) == 1 and found.loc[0, "score_network"] > 1 and found.loc[0, "score_classical"] > 5
    stages = json.loads((tmp_path / "search.json").read_text(encoding="utf-8"))["stages"]
    scored = "in which ON panels show what no OFF panel does, scored by the network"
    assert {"stage": scored, "count": 2, "of": "windows"} in stages, "those that hold the needle"
    assert "merged: tracks that meet in an ON panel are one" in [stage["stage"] for stage in stages]


def test_a_band_in_which_there_is_nothing_to_look_at_has_no_events(tmp_path):
    paths = write_cadence(tmp_path / "files", panels_with(rows=279, tsamp=DT_S, channels=700))
    job = prepare(open_cadence(paths), Limits(100.0), detector=Eye())
    assert search_cadences([job], tmp_path / "found", options={}, processes=1, pictures=0).empty


def test_every_window_is_whole_and_says_the_same_however_small_the_blocks(like_the_competitions, monkeypatch):
    job = prepare(open_cadence(like_the_competitions), Limits(2.0), detector=Eye())
    whole = joined([search_block(job.search, *block) for block in job.blocks]).windows
    monkeypatch.setattr("seti_utils.telescope.blocks.BLOCK_BYTES", 1 << 20)
    small = prepare(open_cadence(like_the_competitions), Limits(2.0), detector=Eye())
    parts = joined([search_block(small.search, *block) for block in small.blocks]).windows
    assert len(small.blocks) > len(job.blocks)
    names = ["arrangement", "start", "score", "channel", "drift"]
    said, said_in_parts = ({tuple(row) for row in windows[names]} for windows in (whole, parts))
    assert len(said_in_parts) == len(parts) and said <= said_in_parts
    assert sorted(whole["start"][whole["arrangement"] == 0]) == [128, 256]


def test_windows_are_looked_at_where_something_is_as_bright_as_an_event_or_stands_still_and_no_off_panel_shows_it():
    known, arranged = np.zeros(5, TRACK), arrangements((0, 2, 4), (1, 3, 5))
    known["arrangement"], known["channel"] = (0, 0, 1, 1, 0), (700, 1100, 1200, 1500, 300)
    known["trust"], known["snr"][:] = (1, 1, 1, 1, 0.9), np.array([10.1, 9.9, 50, 9.9, 50])[:, None] / 3**0.5
    still = np.array([5, 1412]), np.array([], int)
    rows = windows_to_score(range(-256, 2256, 128), arranged, known, still, 10.0, (0, 2000))
    beyond = [1792, 1920]
    assert rows["start"][rows["arrangement"] == 0].tolist() == [512, 640, 1280, *beyond], "the first is in a window before"
    assert rows["start"][rows["arrangement"] == 1].tolist() == [1024, 1152, *beyond]
    panels = [torch.randn(91, 700, generator=torch.Generator().manual_seed(number)) for number in range(6)]
    for place, light in ((100, [1, 0, 1, 0, 1, 0]), (300, [0, 1, 0, 1, 0, 1]), (500, [1, 0, 1, 0.8, 1, 0])):
        for panel, much in zip(panels, light):
            panel[:, place] += much
    assert standing(panels, arranged[0], [(0, 700)], 10.0).tolist() == [100]
    assert standing(panels, arranged[1], [(0, 700)], 10.0).tolist() == [300]


def test_a_track_that_both_see_is_one_and_has_the_networks_score(like_the_competitions):
    job = prepare(open_cadence(like_the_competitions), Limits(2.0), detector=Eye())
    grid, arranged = job.search.grid, job.search.arrangements
    tracks, windows = np.zeros(5, TRACK), np.zeros(3, WINDOW)
    tracks["channel"], tracks["bright"], tracks["kind"] = (300, 303, 300, 300, 301), (9, 12, 99, 99, 7), (0, 2, ON_ALONE, 1, 0)
    tracks["arrangement"], tracks["width"] = (0, 0, 0, 1, 0), (1, 1, 1, 1, 4)
    windows["channel"], windows["score"], windows["drift"] = (302, 302, 320), (3, 2, 1), (0, 0.1, 0)
    same, new = told_apart(windows, tracks, grid, arranged)
    near = [(303, 12, NETWORK, 3), (301, 7, NETWORK, 3)]
    assert same[["channel", "bright", "kind", "score"]].tolist() == near, "the brightest candidate of every width near by"
    assert new["score"].tolist() == [2, 1], "another drift, and too far away"


def test_what_the_network_alone_sees_in_a_window_is_measured(like_the_competitions, tmp_path, monkeypatch):
    every = np.zeros(5, WINDOW)
    every["start"] = (0, 128, 256, 384, 444)
    monkeypatch.setattr("seti_utils.telescope.tracks.MEASURED", 1e9)
    monkeypatch.setattr("seti_utils.telescope.blocks.windows_to_score", lambda *_: every)
    job = prepare(open_cadence(like_the_competitions), Limits(100.0, false_alarms=5.0), detector=Eye())
    found = search_cadences([job], tmp_path, options={}, processes=1, pictures=0)
    assert (
        len(found) == 1 and np.isnan(found.loc[0, "score_classical"]) and abs(found.loc[0, "f_mid"] - 1478 - 340 * DF_MHZ) < 0.01
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"foff": 2 * DF_MHZ}, "channels are"),
        ({"tsamp": 2 * DT_S}, "rows are"),
        ({"rows": 111}, "111 rows"),
        ({"channels": 200}, "200 channels"),
    ],
)
def test_a_product_that_the_detector_was_not_taught_leaves_it_out_and_says_why(tmp_path, change, why):
    shape = {"rows": 279, "tsamp": DT_S, "channels": 512} | {key: change[key] for key in change if key != "foff"}
    header = {key: change[key] for key in change if key == "foff"}
    paths = write_cadence(tmp_path / "a", panels_with(**shape), tsamp=shape["tsamp"], **header)
    job = prepare(open_cadence(paths), Limits(50.0), detector=Eye())
    assert job.search.detector is None and any("network: left out" in line and why in line for line in job.said)


def test_another_order_of_pointings_leaves_the_network_out(tmp_path):
    paths = write_cadence(tmp_path / "a", panels_with(rows=279, tsamp=DT_S, channels=512), tsamp=DT_S)
    job = prepare(open_cadence(paths, order="BACADA"), Limits(50.0), detector=Eye())
    assert job.search.detector is None and any("the order is BACADA, it was taught on A B A C A D" in line for line in job.said)
