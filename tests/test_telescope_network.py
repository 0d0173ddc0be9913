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
from seti_utils.telescope.events import Limits
from seti_utils.telescope.jobs import prepare
from seti_utils.telescope.network import WINDOW, windows_to_score
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

    def score(self, x):
        light = x.mean(2).amax(2)
        place = x[:, 0].mean(1).argmax(1)
        logit = light[:, ::2].amin(1) * 20 - light[:, 1::2].amax(1) * 20
        return SimpleNamespace(logit=logit, panel=light, freq=place.float(), drift=torch.zeros(len(x)))


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
    assert {"stage": "scored by the network", "count": 5, "of": "windows"} in stages
    assert "merged: tracks that meet in an ON panel are one" in [stage["stage"] for stage in stages]


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
    for windows in (whole, parts):
        assert sorted(windows["start"][windows["arrangement"] == 0]) == [0, 128, 256, 384, 444]
        assert (1 + windows["besides"][windows["arrangement"] == 1]).sum() == 5, "each stands for those that are left out"


def test_of_windows_that_only_count_false_alarms_those_with_a_bright_track_are_looked_at_and_a_quarter_of_the_others():
    known, arranged = np.zeros(4, TRACK), arrangements((0, 2, 4), (1, 3, 5))
    known["arrangement"], known["channel"], known["trust"] = (1, 1, 0, 1), (700, 1500, 1100, 1200), (1, 1, 1, 0.9)
    known["snr"][:, 3] = 10, 9.9, 50, 50
    rows = windows_to_score(range(0, 2000, 128), arranged, known, 10.0, 2000)
    assert rows["start"][rows["arrangement"] == 0].tolist() == list(range(0, 2000, 128)) and not rows["besides"][:16].any()
    left = rows[16:][["start", "besides"]].tolist()
    held, beyond = [(start, 0) for start in (512, 640)], [(start, 0) for start in (1792, 1920)]
    assert left == [(0, 3), *held, (768, 3), (1280, 3), *beyond] and sum(1 + besides for _, besides in left) == 16


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


def test_a_network_alone_finds_what_the_classical_search_is_not_sure_of(like_the_competitions, tmp_path, monkeypatch):
    monkeypatch.setattr("seti_utils.telescope.tracks.MEASURED", 1e9)
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
