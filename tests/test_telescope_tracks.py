"""Sums along tracks, what panels become before they are summed, and measuring: against plain arithmetic and known needles."""

import numpy as np
import pytest
import torch

from seti_utils.telescope.classical import Arrangement, all_sums, on_scores, quietness, search_alone, search_scale
from seti_utils.telescope.grid import Scale, astray, make_grid
from seti_utils.telescope.measuring import interpolated_sums, measure, patches, significance
from seti_utils.telescope.merging import Light, merge
from seti_utils.telescope.normalising import (
    added_up,
    boxcar,
    calmed,
    column_medians,
    flattened,
    in_own_scatter,
    in_sigma,
    local_noise,
    pooled,
)
from seti_utils.telescope.panels import averaged, levelled
from seti_utils.telescope.tracks import TRACK, in_channels
from seti_utils.telescope.tree import drift_sums, rounded

DF, DT, ROWS = 2861.022949, 1.073741824, 273


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 16, 91, 93])
def test_the_tree_sums_every_row_once_within_a_channel_and_a_half_of_the_track(rows):
    drifts = [-20, -7, -1, 0, 1, 4, 16]
    size, steps = 128, max(rows - 1, 1)
    for row in range(rows):  # one lit pixel: it has to be in the sum of the track that passes it, and in no sum twice
        x = torch.zeros(rows, size)
        x[row, 64] = 1
        sums = drift_sums(x, drifts)
        assert sums.shape == (len(drifts), size) and (sums.sum(1) == 1).all()
        for drift, line in zip(drifts, sums):
            begin = 64 - drift * row / steps if rows > 1 else 64
            assert abs(float(line.argmax()) - begin) <= 1.5


def test_the_tree_is_exact_where_tracks_need_no_rounding():
    x = random(16, 200)
    for drift, shift in ((0, 0), (15, 1), (-15, -1), (30, 2)):
        wanted = sum(torch.roll(x[row], -shift * row) for row in range(16))
        assert torch.allclose(drift_sums(x, [drift])[0, 50:150], wanted[50:150], atol=1e-5)


def test_both_signs_of_drift_are_treated_alike():
    x = random(33, 150)
    drifts = list(range(-9, 10))
    mirrored = drift_sums(x.flip(1), [-drift for drift in drifts]).flip(1)
    assert torch.allclose(drift_sums(x, drifts), mirrored, atol=1e-5)
    assert [rounded(n, 2) for n in (-3, -1, 1, 3)] == [-2, -1, 1, 2] and rounded(5, 0) == 0


def test_beyond_the_edges_is_nothing():
    sums = drift_sums(torch.ones(8, 10), [0, 7, -7, 100])
    assert sums[0].tolist() == [8] * 10 and sums[1, -1] < 8 and sums[2, 0] < 8 and sums[3].max() <= 8


def test_local_noise_does_not_see_slopes_lines_and_bursts():
    x = 3 * random(64, 1000) + torch.linspace(0, 500, 1000)
    x[:, 300] += 1000
    x[20] += 400
    assert (local_noise(x) / 3 - 1).abs().max() < 0.1
    assert in_sigma(torch.full((8, 64), 5.0)).abs().max() == 0


def test_boxcars_are_sums_around_each_channel():
    x = random(3, 50)
    assert torch.equal(boxcar(x, 1), x)
    for width in (2, 4, 8):
        summed = boxcar(x, width)
        assert summed.shape == x.shape and torch.allclose(summed[:, 20], x[:, 20 - width // 2 : 20 - width // 2 + width].sum(1))


def test_flattening_takes_off_what_is_broad_and_keeps_unit_noise():
    x = random(64, 2000) + 20 * torch.sin(torch.arange(2000) / 60)
    for width in (1, 2, 4):
        flat = flattened(x, width)[:, 100:-100]
        assert abs(float(flat.std()) - 1) < 0.12 and abs(float(flat.mean())) < 0.05


def test_calming_divides_by_unrest_and_leaves_quiet_noise_alone():
    x = random(66, 1024)
    assert (calmed(x, 1) / x).median() > 0.9
    x[20:40, 400:500] *= 10
    assert calmed(x, 1)[25:35, 420:480].std() < 2.5
    needle = random(66, 1024, seed=1)
    needle[:, 512] += 5
    assert calmed(needle, 1)[:, 512].mean() > 5 / 1.6


def test_where_channels_begin_changes_no_pixel_within():
    """What is measured in neighbourhoods was measured in others, wherever a block began or ended elsewhere."""
    x = random(91, 1536)
    x[:, 700:900] *= torch.linspace(1, 6, 200)
    x[30:50, 300:420] *= 4
    part, inner, same = x[:, 256:1280], slice(512, 1024), slice(256, 768)
    assert torch.equal(local_noise(x)[512:896], local_noise(part)[256:640]), "the part's last 256 channels lack a neighbour"
    assert torch.allclose(calmed(x, 1)[:, inner], calmed(part, 1)[:, same], rtol=1e-5)
    assert torch.equal(in_own_scatter(x, 1)[:, inner], in_own_scatter(part, 1)[:, same])


@pytest.mark.parametrize("at", [(8, 24), (44, 304), (80, 992)])
def test_unrest_stands_where_it_was_measured(at):
    """It had stood up to half a window beside it, towards the ends of a panel."""
    x = torch.zeros(91, 1024)
    x[at[0] : at[0] + 4, at[1] : at[1] + 8] = 1
    wide = pooled(x, 8, 16)
    for size, weight, place in ((91, wide.sum(1), at[0] + 1.5), (1024, wide.sum(0), at[1] + 3.5)):
        assert abs(float((weight * torch.arange(size)).sum() / weight.sum()) - place) < 0.1


def test_column_medians_and_scatter():
    x = random(5, 300)
    assert torch.equal(column_medians(x), x.median(0).values)
    sums = torch.cat([random(4, 512) * 40, random(4, 512) * 4], 1)
    scaled = in_own_scatter(sums, 16)
    assert abs(float(scaled[:, 30:480].std()) - 1) < 0.1 and abs(float(scaled[:, 560:].std()) - 1) < 0.1


@pytest.mark.parametrize(
    ("on", "every", "some"),
    [
        ((10, 10, 10), 17.3, 14.1),
        ((100, 0, 0), 2.3, 100),
        ((50, 60, 0), 4.6, 77.8),
        ((-3, -2, -4), 0, 0),
        ((100, 50, 80), 91.2, 127.3),
    ],
)
def test_scores_of_on_panels(on, every, some):
    found = on_scores([torch.tensor([float(value)]) for value in on])
    assert [round(float(value), 1) for value in found] == pytest.approx([every, some], abs=0.1)


def test_off_panels_silence_what_they_show_beside_the_track_too():
    off = torch.zeros(3, 11)
    off[1, 4] = 8
    off[2, 9] = 5.5
    trust = quietness(list(off), 1)
    assert trust.tolist() == [1, 1, 0, 0, 0, 1, 1, 0.5, 0.5]


@pytest.mark.parametrize("core", [(128, 576), (0, 700), (100, 331)])
def test_the_best_track_of_every_cell_is_found_without_scoring_all(core):
    grid = make_grid([16] * 6, [number * 310.0 for number in range(6)], 18.25, 2.7939677, 0.3)
    panels, on, off = [random(16, 700, seed=seed) for seed in range(6)], (0, 2, 4), (1, 3, 5)
    for scale in (scale.coarser() for scale in grid.scales):
        (few, seen), (every, seen_too) = (
            search_scale(panels, torch.zeros(700), grid, scale, Arrangement(on, off), 1, core, least) for least in (3.0, 1e-6)
        )
        assert seen == seen_too > 0 and len(few) < len(every)
        assert few.tobytes() == every[every["score"] >= 3.0].tobytes()
        few, every = (search_alone(panels, grid, scale, core, least) for least in (3.5, 1e-6))
        assert few.tobytes() == every[every["score"] >= 3.5].tobytes()


def test_a_tracks_score_is_that_of_the_sums_along_it():
    grid = make_grid([16] * 6, [number * 310.0 for number in range(6)], 18.25, 2.7939677, 0.3)
    panels, on, off = [random(16, 700, seed=seed) for seed in range(6)], (0, 2, 4), (1, 3, 5)
    scale, doubt, core = grid.scales[1], torch.zeros(700), (192, 448)
    best = {}
    for drift, still in zip(np.array(scale.drifts), grid.standing(scale)):
        rows, margin = [], astray(scale.width)
        for panel, sums in enumerate(all_sums(panels, doubt, grid, scale, Arrangement(on, off))):
            mine = sums.standing if still else sums.moving
            displacement = grid.displacement(panel, scale.width, drift)
            begin = core[0] + int(grid.offset(panel, displacement, drift)) - margin
            row = mine.values[list(mine.displacements).index(displacement), mine.place]
            rows.append(row[begin : begin + core[1] - core[0] + 2 * margin])
        inner = slice(margin, -margin)
        trust = quietness([rows[panel] for panel in off], margin)
        for kind, score in enumerate(on_scores([rows[panel][inner] for panel in on])):
            for cell, value in enumerate((score * trust).unflatten(0, (-1, 64)).amax(1).tolist()):
                key = (kind + 2 * (not still), cell)
                best[key] = max(best.get(key, 0), value)
    hits, _ = search_scale(panels, doubt, grid, scale, Arrangement(on, off), 0, core, 1e-6)
    found = {(int(hit["kind"]), int(hit["channel"] - core[0]) // 64): float(hit["score"]) for hit in hits if hit["kind"] < 4}
    assert found == {key: value for key, value in best.items() if value >= 1e-6}


def test_a_doubled_drift_limit_keeps_rows_and_widths_that_were_there():
    starts = [number * 313.0 for number in range(6)]
    small, large = (make_grid([ROWS] * 6, starts, DT, DF, limit) for limit in (195.0, 390.0))
    assert small.average == large.average == 3 and small.rows == (91,) * 6
    assert set(small.scales[0].drifts) < set(large.scales[0].drifts)
    fine = make_grid([16] * 6, [number * 310.0 for number in range(6)], 18.25, 2.7939677, 4.0)
    assert fine.average == 1 and [scale.width for scale in fine.scales] == [1, 2, 4, 8, 16, 32]
    assert max(fine.scales[-1].drifts) * 2.7939677 > 3.9 and max(fine.scales[0].drifts) * 18.25 <= 1
    assert make_grid([860_000] * 6, starts, 349e-6, 366_210.9, 10.0).rows[0] < 200


def cadence_with(tracks, snr, seed=0, channels=768, on=(0, 2, 4), fwhm=0.72, width=1):
    """Panels of unit noise with needles (channel at the middle, channels per panel), summed over ``width``, and their grid. Needles
    of every ``fwhm`` have the same energy."""
    grid = make_grid([ROWS] * 6, [number * (ROWS * DT + 20) for number in range(6)], DT, DF, 390)
    rng = np.random.default_rng(seed)
    panels = [rng.standard_normal((ROWS, channels)).astype(np.float32) for _ in range(6)]
    for channel, drift in tracks:
        for panel in on:
            start = panel * (ROWS * DT + 20)
            place = channel + drift / (ROWS * DT) * (start + (np.arange(ROWS) + 0.5) * DT - grid.middle)
            for step in range(-8, 9):
                at = np.round(place).astype(int) + step
                shape = np.exp(-4 * np.log(2) * ((at - place) / fwhm) ** 2)
                panels[panel][np.arange(ROWS), at] += snr / ROWS**0.5 * (0.72 / fwhm) ** 0.5 * shape
    return grid, [flattened(in_sigma(averaged(torch.from_numpy(panel), grid.average)), width) for panel in panels]


@pytest.mark.parametrize(("snr", "within"), [(25, 0.5), (100, 0.2)])
def test_drift_is_measured_to_half_a_hertz_per_second_with_an_error_that_holds(snr, within):
    tracks = [(200.0 + 30 * number + 0.3 * number, drift) for number, drift in enumerate((-19.3, -7.7, -2.2, 3.1, 9.8, 14.4))]
    grid, flat = cadence_with(tracks, snr)
    truth = np.array(tracks)
    rng = np.random.default_rng(1)
    channel, drift = truth[:, 0] + rng.uniform(-1, 1, 6), (truth[:, 1] + rng.uniform(-0.12, 0.12, 6)) / grid.panel
    found = measure(flat, grid, 1, torch.from_numpy(channel), torch.from_numpy(drift), (0, 2, 4))
    wrong = (found.drift.numpy() - truth[:, 1] / grid.panel) * DF
    assert np.abs(wrong).max() < within and (np.abs(wrong) < 3.5 * found.error.numpy() * DF).all()
    assert np.abs(found.channel.numpy() - truth[:, 0]).max() < 0.3
    assert (found.snr[:, [0, 2, 4]] > 0.5 * snr).all() and (found.snr[:, [1, 3, 5]] < 5).all()


@pytest.mark.parametrize(("width", "beside", "shown"), [(4, 0, True), (4, 2, True), (4, 5, False), (2, 3, False), (1, 1, True)])
def test_an_off_panel_shows_a_track_within_half_its_width_and_not_what_lies_a_width_beside(width, beside, shown):
    """Emission a width beside a needle had been a veto of it; echoes lie on the track."""
    grid, _ = cadence_with([], 0)
    channel, drift = torch.tensor([300.0], dtype=torch.float64), torch.tensor([4.0], dtype=torch.float64) / grid.panel
    panels = [random(91, 768, seed=number) for number in range(6)]
    for panel in (0, 2, 3, 4):
        time = (np.arange(91) - 45) * grid.row + grid.middles[panel] - grid.middle
        place = np.rint(300 + float(drift) * time + beside * (panel == 3)).astype(int)
        for step in range(width) if panel != 3 else (width // 2,):
            panels[panel][np.arange(91), place - width // 2 + step] += 2.0
    flat = [flattened(panel, width) for panel in panels]
    found = measure(flat, grid, width, channel, drift, (0, 2, 4))
    seen = significance(flat, grid, width, found.channel, found.drift, (0, 2, 4))
    assert (found.snr[0, [0, 2, 4]] > 10).all()
    assert (found.snr[0, 3] > 5) == (seen[0, 3] > 3.5) == shown


@pytest.mark.parametrize(("fwhm", "width", "within"), [(2.0, 2, 0.25), (5.0, 4, 0.6)])
def test_the_drift_of_wide_tracks_has_an_error_that_holds_too(fwhm, width, within):
    """It was said to be two and a half times what it is: as if nothing were known of a place inside a whole width."""
    tracks = [(100.0 + 60.3 * number, drift) for number, drift in enumerate(np.linspace(-6, 6, 10))]
    truth, wrong, error = np.array(tracks), [], []
    for seed in range(4):
        grid, flat = cadence_with(tracks, 25, seed, fwhm=fwhm, width=width)
        channel, rate = torch.from_numpy(truth[:, 0] + 0.5 * (width > 1)), torch.from_numpy(truth[:, 1] / grid.panel)
        found = measure(flat, grid, width, channel, rate, (0, 2, 4))
        wrong.append((found.drift - rate).abs().numpy() * DF)
        error.append(found.error.numpy() * DF)
    usual = np.quantile(np.concatenate(wrong), 0.68)
    assert usual < within and 0.5 < np.quantile(np.concatenate(wrong) / np.concatenate(error), 0.68) < 1.3


@pytest.mark.parametrize("snr", [20, 60])
@pytest.mark.parametrize("on", [(0,), (2,), (4,), (0, 2), (2, 4), (0, 4)])
def test_a_track_in_some_on_panels_is_refined_about_their_middle(on, snr):
    """About the cadence's, another drift would leave it: errors then were 3.5 times what they were said to be."""
    tracks = [(200.0 + 60.3 * number, drift) for number, drift in enumerate((-19.3, -7.7, -3.2, 4.1, 9.8, 14.4))]
    for seed in range(2):
        grid, flat = cadence_with(tracks, snr, seed, on=on)
        middle = np.mean([grid.middles[panel] for panel in on]) - grid.middle
        truth, rate = np.array(tracks)[:, 0], np.array(tracks)[:, 1] / grid.panel
        rng = np.random.default_rng(seed + 1)
        drift = rate + rng.uniform(-0.6, 0.6, 6) / grid.panel / (1 + on[-1] - on[0])
        channel = truth + rate * middle + rng.uniform(-0.7, 0.7, 6) - drift * middle
        found = measure(flat, grid, 1, torch.from_numpy(channel), torch.from_numpy(drift), (0, 2, 4))
        wrong, error = np.abs(found.drift.numpy() - rate), found.error.numpy()
        assert (wrong < 2 * error).all()
        apart = found.channel.numpy() + found.drift.numpy() * middle - truth - rate * middle
        assert np.abs(apart).max() < 0.15, "in the middle of the panels that show it"
        shown = found.snr[:, list(on)].numpy()
        assert (shown > 0.47 * snr).all() and np.median(shown) > 0.53 * snr
        assert (found.snr[:, [panel for panel in range(6) if panel not in on]] < 5).all()


def test_a_track_that_was_guessed_in_one_panel_and_passes_through_all_has_the_lever_arm_of_all():
    """Its guess leaves the track in the other panels; what the first panel says of its drift is not enough."""
    tracks = [(200.0 + 60.3 * number, drift) for number, drift in enumerate((-19.3, -7.7, -3.2, 4.1, 9.8, 14.4))]
    grid, flat = cadence_with(tracks, 60)
    truth, rate = np.array(tracks)[:, 0], np.array(tracks)[:, 1] / grid.panel
    first = grid.middles[0] - grid.middle
    drift = rate + 1.2 / grid.panel
    channel = truth + (rate - drift) * first
    found = measure(flat, grid, 1, torch.from_numpy(channel), torch.from_numpy(drift), (0, 2, 4))
    assert (np.abs(found.drift.numpy() - rate) * DF < 0.3).all() and (found.error.numpy() * DF < 0.3).all()


@pytest.mark.parametrize("span", [0.1, 0.4, 1.5, 6.0])
@pytest.mark.parametrize("width", [1, 2, 4])
def test_sums_beside_a_track_are_those_of_interpolated_rows(span, width):
    y = random(17, 64)
    where = 2.0 + torch.rand(5, 3, 17, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 50
    shifts = torch.linspace(-span, span, 9, dtype=torch.float64) * width
    sums = interpolated_sums(y, where, shifts)
    channels = np.arange(-40, 104)
    wide = np.pad(y.numpy(), ((0, 0), (40, 40)))
    for place, sum_S in zip(where.reshape(-1, 17).numpy(), sums.reshape(-1, 9), strict=True):
        for shift, value in zip(shifts.tolist(), sum_S.tolist(), strict=True):
            wanted = sum(np.interp(at + shift, channels, row) for at, row in zip(place, wide, strict=True))
            assert value == pytest.approx(wanted, abs=1e-4)


def test_patches_of_rows_are_zero_beyond_the_edges():
    y = torch.arange(1.0, 11).view(2, 5)
    assert patches(y, torch.tensor([[0, 1]]), 2).tolist() == [[[1, 2], [7, 8]]]
    assert patches(y, torch.tensor([[-1, 4]]), 2).tolist() == [[[0, 1], [10, 0]]]
    assert patches(y, torch.tensor([[-90, 90]]), 3).tolist() == [[[0, 0, 0], [0, 0, 0]]]


def test_a_wide_width_is_searched_in_channels_added_up_and_found_where_it_is():
    scale = Scale(16, (-0.8, 0.8)).coarser()
    assert (scale.width, scale.added, scale.drifts) == (4, 4, (-0.2, 0.2)) and Scale(4, (1.0,)).coarser() == Scale(4, (1.0,))
    assert added_up(torch.tensor([[1.0, 3, 5, 7, 9]]), 4).tolist() == [[8]]
    panel = torch.zeros(8, 1024)
    panel[:, 500:516] = 2.0  # its middle is channel 507.5
    flat, calm = levelled([panel], scale, [(0, 1024)])
    assert flat[0].shape == calm[0].shape == (8, 256)
    track = np.zeros(1, TRACK)
    track["channel"], track["width"], track["drift"] = int(flat[0].sum(0).argmax()), 4, 0.2
    track = in_channels(track, scale, 3000)
    assert (track["channel"][0], track["width"][0]) == (3507.5, 16) and track["drift"][0] == pytest.approx(0.8)


def test_measuring_no_track_gives_none():
    grid, flat = cadence_with([], 0, channels=600)
    empty = torch.zeros(0, dtype=torch.float64)
    assert measure(flat, grid, 1, empty, empty, (0, 2, 4)).snr.shape == (0, 6)


def test_tracks_that_meet_in_an_on_panel_are_one_event():
    grid, _ = cadence_with([], 0, channels=600)
    unit = 1 / grid.panel
    channel = np.array([100.0, 104.0, 130.0, 100.0, 300.0])
    drift = np.array([0.0, 0.0, 0.0, 15.0, 0.0]) * unit
    labels = merge(channel, drift, np.ones(5, int), grid, (0, 2, 4))
    assert labels.tolist() == [0, 0, 2, 0, 4], "near, far, crossing in panel 3, far"
    assert merge(channel[[0, 3]], drift[[0, 3]] + 0, np.ones(2, int), grid, (0,)).tolist() == [0, 1], (
        "they cross where nobody looks"
    )
    assert merge(np.zeros(0), np.zeros(0), np.zeros(0, int), grid, (0, 2, 4)).tolist() == []


def test_a_signal_that_crosses_interference_is_no_piece_of_it():
    grid, _ = cadence_with([], 0, channels=600)
    channel = np.full(5, 100.0)
    drift = np.array([0.0, 20.0, 20.0, 20.0, 0.5]) / grid.panel  # all but the last cross the first in panel 3 alone
    light = np.array([[50, 60, 40], [20, 20, 20], [3, 20, 3], [20, 20, 0], [20, 20, 20]], float)

    def labels(shown: list[bool]) -> list[int]:
        return merge(channel, drift, np.ones(5, int), grid, (0, 2, 4), light=Light(light, np.array(shown), 10.0)).tolist()

    assert labels([True, False, False, False, False]) == [0, 1, 0, 0, 0], "only the second shows in two panels elsewhere"
    assert labels([True, True, False, False, False])[1] == 0, "what OFF panels show as well is interference too"
    assert labels([False] * 5) == [0] * 5, "tracks of one signal are one event"
