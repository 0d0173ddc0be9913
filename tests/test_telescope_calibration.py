"""False events: those of the same cadence with ON and OFF exchanged; what OFF panels show is taken off; levels do not ring."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from telescope_files import DT_S, draw, noise, write_cadence

from seti_utils.telescope.bandpass import edge_seen
from seti_utils.telescope.blocks import joined, search_block
from seti_utils.telescope.cadences import open_cadence
from seti_utils.telescope.calibration import FARTHEST, Calibration, arrangements, group
from seti_utils.telescope.events import selected
from seti_utils.telescope.grid import make_grid
from seti_utils.telescope.jobs import prepare
from seti_utils.telescope.limits import Funnel, Limits
from seti_utils.telescope.network import WINDOW, score_windows
from seti_utils.telescope.normalising import flattened
from seti_utils.telescope.odds import FEATURES, WEIGHTS, features, log_odds
from seti_utils.telescope.outputs import rank
from seti_utils.telescope.panels import usable
from seti_utils.telescope.shared import less_shared
from seti_utils.telescope.tracks import NETWORK, TRACK

ROWS, TSAMP, CHANNELS = 64, 293.13 / 64, 1024
ON, OFF = (0, 2, 4), (1, 3, 5)


def searched(folder, needles, **limits):
    """Events, calibration's stages and everything found in six panels with needles."""
    panels = [noise(ROWS, CHANNELS, number) for number in range(6)]
    for needle in needles:
        draw(panels, tsamp=TSAMP, **needle)
    job = prepare(open_cadence(write_cadence(folder, panels, tsamp=TSAMP)), Limits(60.0, false_alarms=None, **limits))
    found = joined([search_block(job.search, *block) for block in job.blocks])
    events, funnel = rank(job, found)
    return events, dict((name.partition(",")[0], count) for name, count, _ in funnel.stages), found


def test_interference_that_drifts_through_all_panels_is_not_a_false_event_either(tmp_path):
    """Panels that change places would put it on one line in the ON panels, and on another in the OFF panels."""
    drifting = [
        {"channel": 200.0 * n, "drift_hz_s": drift, "snr": 60.0, "on": range(6)} for n, drift in ((1, 31), (2, -18), (4, 9))
    ]
    events, stages, found = searched(tmp_path, drifting)
    assert len(events) == 0 and stages["false events to calibrate on"] == 0
    assert len(found.tracks) > 0, "their tracks were measured, and rejected"


def test_what_off_panels_alone_show_is_a_false_event(tmp_path):
    events, stages, _ = searched(tmp_path, [{"channel": 500.0, "drift_hz_s": 25.0, "snr": 50.0, "on": OFF}])
    assert len(events) == 0 and stages["false events to calibrate on"] == 1


def test_what_an_off_panel_shows_a_little_is_no_event_and_counts_as_one_that_it_did_not_show(tmp_path):
    """An echo: bright in the ON panels, and faint on the same track in an OFF panel."""
    echo = {"channel": 500.0, "drift_hz_s": 25.0}
    events, stages, found = searched(tmp_path, [{**echo, "snr": 50.0, "on": ON}, {**echo, "snr": 10.0, "on": (3,)}])
    usual = found.tracks[found.tracks["arrangement"] == 0]
    assert 0 < usual["trust"][usual["bright"].argmax()] < 1, "the panel shows it, and not so much as to be sure"
    assert len(events) == 0 and stages["false events to calibrate on"] == 1
    events, stages, _ = searched(tmp_path / "bright", [{**echo, "snr": 50.0, "on": ON}, {**echo, "snr": 25.0, "on": (3,)}])
    assert len(events) == 0 and stages["false events to calibrate on"] == 0, (
        "what is surely there tells nothing of what is hidden"
    )


def test_where_the_rate_leaves_nothing_the_stage_says_what_the_likeliest_event_has():
    events = pd.DataFrame({"drift": [3.0, 4.0], "width": 1, "false_alarms": [0.7, 0.25], "f_mid": 1.0})
    funnel, cadence = Funnel(), SimpleNamespace(width=1e-6, span=100.0)
    assert selected(events, Limits(60.0, false_alarms=0.1), funnel, cadence).empty
    assert funnel.stages[-1][0] == "at most 0.1 false alarms per MHz and hour (the likeliest event has 0.25)"
    assert len(selected(events, Limits(60.0, false_alarms=0.5), funnel, cadence)) == 1
    assert funnel.stages[-1][0] == "at most 0.5 false alarms per MHz and hour"


def test_the_network_speaks_of_its_own_track_and_of_no_other_in_the_window():
    tracks, windows = np.zeros(3, TRACK), np.zeros(3, WINDOW)
    tracks["channel"], tracks["width"], tracks["bright"], tracks["trust"], tracks["snr"] = (100.0, 900.0, 5000.0), 1, 12.0, 1, 7.0
    windows["start"], windows["channel"], windows["score"] = (0, 0, 800), (103.0, 101.0, 1000.0), (-2.0, 1.0, 3.0)
    grid = make_grid([ROWS] * 6, [number * 313.0 for number in range(6)], TSAMP, 2861.0, 60.0)
    near, another, unseen = sorted(group(tracks, windows, grid, ON, True, 10.0), key=lambda one: one.tracks["channel"][0])
    assert near.network == 1.0 and np.isnan(another.network) and np.isnan(unseen.network)
    assert near.odds > another.odds == unseen.odds
    windows["score"] = -3.0
    denied = group(tracks[:1], windows, grid, ON, True, 10.0)[0]
    assert denied.network == -3.0 and denied.odds < near.odds
    tracks["kind"][1], tracks["score"][1] = NETWORK, 2.0  # a bent track, where the straight one in the window is not
    assert group(tracks[1:2], windows, grid, ON, True, 10.0)[0].network == 2.0
    assert group(tracks, windows, grid, ON, False, 10.0)[0].odds == group(tracks, windows[:0], grid, ON, False, 10.0)[0].odds


def test_odds_fall_with_unevenness_and_unrest_and_rise_with_brightness_and_drift():
    grid = make_grid([ROWS] * 6, [number * 313.0 for number in range(6)], TSAMP, 2861.0, 60.0)
    assert all(len(weights) == len(FEATURES) for weights in WEIGHTS.values())

    def odds(network=False, bright=14.0, drift=0.05, snr=(8.0, 0.0, 8.0, 0.0, 8.0, 0.0)):
        track = np.zeros(1, TRACK)[0]
        track["width"], track["bright"], track["drift"], track["snr"] = 1, bright, drift, snr
        return log_odds(track, ON, grid, 2.0 if network else np.nan, network)

    for network in (False, True):
        assert odds(network, snr=(13.9, 0, 1.0, 0, 1.0, 0)) < odds(network) < odds(network, bright=20.0)
        assert odds(network, drift=0.0) < odds(network) and odds(network, drift=-0.05) == odds(network)


def test_features_tell_a_needle_in_one_panel_from_a_spot_that_others_hardly_show():
    grid = make_grid([ROWS] * 6, [number * 313.0 for number in range(6)], TSAMP, 2861.0, 60.0)

    def seen(*snr, bright=12.0, width=1):
        track = np.zeros(1, TRACK)[0]
        track["width"], track["bright"], track["snr"] = width, bright, snr
        return dict(zip(FEATURES, features(track, ON, grid, np.nan), strict=True))

    needle, spot, pair = seen(12, 0, 0.4, 0, -2, 0), seen(12, 0, 3.2, 0, 4, 0), seen(12, 0, 1.4, 0, 6, 0)
    assert needle["among"] == 0 and np.isclose(spot["among"], np.log(3.2 / 12)) and np.isclose(pair["among"], np.log(0.5))
    assert np.isclose(needle["even"], np.log(1 / 12)) and needle["elsewhere"] == 1 and needle["logit"] == 0
    assert needle["calm"] == 0 and np.isclose(seen(12, 0, 0, 0, 0, 0, bright=4.0, width=2)["calm"], np.log(4 / 12))
    assert seen(1, 0, 1, 0.5, 1, 0)["off"] == 0 and np.isclose(seen(9, 2, 9, 1, 9, 1)["off"], np.log(2))
    assert seen(9, 4, 9, 0, 9, 0)["off"] == seen(9, 6, 9, 0, 9, 0)["off"], (
        "calibration counts both for what is fainter than a veto"
    )


def test_rates_are_counted_and_beyond_the_highest_extrapolated_within_limits():
    calibration = Calibration(np.array([2.0, 1.0, -1.0]), 10.0, False)
    rates = calibration.false_alarms(np.array([-5.0, -1.0, 1.5, 2.0, 3.0, 50.0]))
    assert np.allclose(rates, np.array([3, 3, 1, 1, np.exp(-1), 1 / FARTHEST]) / 10)
    assert np.allclose(Calibration(np.zeros(0), 10.0, False).false_alarms(np.array([-4.0, 1.0])), [0.1, np.exp(-1) / 10])


def test_exchanged_for_the_network_is_the_cadence_backwards_in_time():
    """What OFF panels hold stands at the ON places, on the same track with the other sign of drift."""

    class Eye:
        card: dict = {}

        def shrunk(self, panel):
            return panel

        def score_shrunk(self, x):
            place = x.mean(2).argmax(2).float()  # the brightest channel of every panel
            drift = (place[:, 4] - place[:, 0]) / 4
            return SimpleNamespace(
                track=x.mean(2).amax(2)[:, ::2].amin(1), panel=x.mean(2).amax(2), freq=place[:, 0] - drift / 2, drift=drift
            )

    panels = [torch.randn(273, 600, generator=torch.Generator().manual_seed(number)) * 0.01 for number in range(6)]
    for panel in OFF:
        panels[panel][:, 300 + 6 * panel] += 5
    starts = tuple(293.13 * number for number in range(6))
    middles = tuple(start + 293.13 / 2 for start in starts)
    grid = SimpleNamespace(middles=middles, middle=(starts[-1] + 293.13) / 2)
    rows = np.zeros(2, WINDOW)
    rows["arrangement"], rows["start"] = (0, 1), 256
    score_windows(Eye(), panels, 0, rows, arrangements(ON, OFF), grid)
    usual, exchanged = rows[rows["arrangement"] == 0][0], rows[rows["arrangement"] == 1][0]
    assert exchanged["score"] > 5 > usual["score"]
    assert np.isclose(exchanged["drift"], 6 / 293.13) and abs(exchanged["channel"] - (300 + 6 * 2.5)) < 0.01
    assert (exchanged["panels"][list(OFF)] > 5).all() and (exchanged["panels"][list(ON)] < 5).all()


def emission(course):
    """A blob of channels whose brightness has the given course in time (T,)."""
    return course[:, None] * torch.exp(-(((torch.arange(700) - 340) / 4) ** 2))


def test_emission_that_off_panels_show_is_taken_off_whatever_its_course():
    generator = torch.Generator().manual_seed(0)
    courses = [30 * torch.rand(91, generator=generator) for _ in range(6)]
    noisy = [torch.randn(91, 700, generator=generator) for _ in range(6)]
    needle = torch.zeros(91, 700)
    needle[torch.arange(91), 330 + torch.arange(91) // 5] = 1.5  # across the blob, fainter than it by far
    panels = [dark + emission(course) + needle * (number % 2 == 0) for number, (dark, course) in enumerate(zip(noisy, courses))]
    left = less_shared(panels, ON, OFF)
    for number, (panel, dark) in enumerate(zip(left, noisy)):
        rest = panel - dark
        along = rest[torch.arange(91), 330 + torch.arange(91) // 5].mean()
        assert abs(float(along) - (1.5 if number % 2 == 0 else 0.0)) < 0.5
        assert rest[:, 320:360].std() < 0.6 and rest[:, :250].abs().max() < 0.5, "elsewhere next to nothing changes"


def test_emission_of_on_panels_alone_and_lines_that_drift_in_off_panels_stay():
    generator = torch.Generator().manual_seed(0)
    panels = [torch.randn(91, 700, generator=generator) for _ in range(6)]
    for number in ON:
        panels[number] += emission(torch.full((91,), 20.0))
    for number in range(6):  # a terrestrial line: in every panel somewhere else, as the detector of OFF panels has to see it
        panels[number][torch.arange(91), 500 + 20 * number + torch.arange(91) * 20 // 91] += 40
    left = less_shared(panels, ON, OFF)
    for number, (after, before) in enumerate(zip(left, panels)):
        line = after[torch.arange(91), 500 + 20 * number + torch.arange(91) * 20 // 91].mean()
        assert line > 30
        assert number % 2 or (after - before)[:, 300:380].abs().max() < 1


def test_blocks_that_begin_elsewhere_take_off_the_same():
    generator = torch.Generator().manual_seed(3)
    panels = [torch.randn(91, 1500, generator=generator) for _ in range(6)]
    for panel in panels:
        panel[:, 400:460] += 25 * torch.rand(91, 1, generator=generator)
    whole = less_shared(panels, ON, OFF)
    part = less_shared([panel[:, 200:] for panel in panels], ON, OFF, 200)
    for one, other in zip(whole, part):
        assert torch.allclose(one[:, 500:1200], other[:, 300:1000], atol=1e-4)


def test_a_bright_line_has_no_copy_beside_it():
    x = torch.zeros(8, 400)
    x[:, 200] = 30
    for width in (1, 2, 4):
        assert flattened(x, width).sum(0)[torch.cat([torch.arange(100, 196), torch.arange(206, 300)])].max() <= 0


def test_decimal_hours_of_an_h5_file_are_told_as_hours(tmp_path):
    panels = [np.ones((8, 64), np.float32) * np.arange(8)[:, None] for _ in range(6)]
    header = open_cadence(write_cadence(tmp_path, panels, tsamp=DT_S, src_raj=7.2667, src_dej=-20.25)).headers[0]
    assert np.isclose(header.ra, 71600.12) and np.isclose(header.dec, -201500)


def test_a_band_without_a_middle_has_no_edges_and_spikes_become_their_neighbours_level():
    assert edge_seen(np.zeros(32)) == 0 and edge_seen(np.r_[0.1, np.ones(30), 0.1]) == 1
    values = np.tile(np.arange(8.0, dtype=np.float32), (3, 1))
    values[:, 4], values[1, 6] = 900.0, np.nan
    bandpass = SimpleNamespace(spikes_between=lambda first, last: np.array([4]))
    panel, bad = usable(values, bandpass, 0, 8)
    assert (
        bad.tolist() == [0, 0, 0, 0, 0, 0, 1, 0] and torch.isfinite(panel).all() and (panel[:, 4] == 4).all() and panel[0, 6] == 6
    )
