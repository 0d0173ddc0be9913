"""Sums along tracks are the sums along tracks, the best path is the best path, and needles are found where they were drawn."""

import itertools

import pytest
import torch

from seti_utils.data.cadence import ON, PANELS
from seti_utils.errors import InputError
from seti_utils.nets import track_search
from seti_utils.nets.track_search import (
    SEGMENTS,
    TURN,
    TURNS,
    Grid,
    as_high,
    best_paths,
    evidence_of,
    find_tracks,
    grid_of,
    highest_nearby,
    shifted,
    track_sums,
    turned,
)


def noise(batch=2, time=48, freq=256, seed=0):
    return torch.randn(batch, PANELS, time, freq, generator=torch.Generator().manual_seed(seed))


def test_a_sum_follows_its_drift():
    grid, rows = grid_of(64), 6
    x = torch.zeros(1, PANELS, SEGMENTS * rows, 64)
    for row in range(rows):  # in the second span of panel 3: 4 channels in 6 rows, from channel 20 on
        x[0, 3, rows + row, 20 + round(4 * (row + 0.5) / rows)] = 1.0
    sums = track_sums(x, grid)
    assert sums.shape == (1, 24, grid.drifts, grid.size)
    best = int(sums[0, 3 * SEGMENTS + 1].argmax())
    drift, start = best // grid.size - grid.steepest, best % grid.size - grid.margin
    assert (drift, start) == (4, 20) and float(sums.max()) > 0.8 * rows**0.5
    others = torch.cat([sums[0, : 3 * SEGMENTS + 1], sums[0, 3 * SEGMENTS + 2 :]])
    assert float(others.abs().max()) < 1e-4, "nothing leaks from span to span"


def test_sums_of_noise_are_in_sigma_and_whole_shifts_are_exact():
    grid = grid_of(64)
    x = noise(2, 16, 64)
    sums = track_sums(x, grid)
    inside = sums[..., grid.margin + 6 : -grid.margin - 6]
    assert abs(float(inside.std()) - 1) < 0.05
    still = x.unflatten(2, (SEGMENTS, 4)).sum(3).flatten(1, 2) / 2
    torch.testing.assert_close(sums[:, :, grid.steepest, grid.margin : -grid.margin], still, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(track_sums(x, grid, slice(2, 5)), sums[:, :, 2:5])


def test_shifts_move_every_row_by_its_drift():
    x = torch.arange(2 * 5 * 7.0).view(2, 5, 7) + 1
    for sign in (1, -1):
        moved = shifted(x, sign)
        for drift in range(5):
            for at in range(7):
                come = at - sign * (drift - 2)
                assert float(moved[1, drift, at]) == (float(x[1, drift, come]) if 0 <= come < 7 else 0)


def test_a_turn_costs_what_it_turns():
    x = torch.full((1, 9, 3), -100.0)
    x[0, 2, 1] = 5.0
    turns = turned(x.clone())[0, :, 1]
    torch.testing.assert_close(turns, torch.tensor([5 - TURN * abs(drift - 2) for drift in range(9)]))


def test_the_best_path_is_the_best_of_all_paths():
    grid = Grid(9, 2, 1)
    g = torch.Generator().manual_seed(4)
    evidence = torch.randn(1, 3, 3, 9, generator=g) * 3
    upto, after = best_paths(evidence.clone(), 0, 2)
    best = {}
    for start in range(9):
        for drifts in itertools.product(range(3), repeat=3):
            at, worth, states = start, 0.0, []
            for span, drift in enumerate(drifts):
                if not 0 <= at < 9:
                    break
                worth += float(evidence[0, span, drift, at]) - (TURN * abs(drift - drifts[span - 1]) if span else 0)
                states.append((span, drift, at))
                at += drift - 1
            else:
                for state in states:
                    best[state] = max(best.get(state, -1e9), worth)
    middle = [state for state in best if 3 <= state[2] <= 5]
    for state in middle:
        assert float(upto[0][state] + after[0][state]) == pytest.approx(best[state], abs=1e-4), (state, grid)
    assert sum(TURNS) > 2, "so every turn of this grid is allowed"


PATHS = {
    "line": lambda t: 90 + 0.2 * t,
    "drift": lambda t: 60 + 25.0 * t,
    "chirp": lambda t: 40 + 5.0 * t * t,
    "S-shape": lambda t: 128 + 30 * torch.sin(2 * torch.pi * t / 4),
}


@pytest.mark.parametrize("name", PATHS)
def test_needles_are_found_where_they_were_drawn(name):
    x = noise(2, seed=3)
    t = (torch.arange(PANELS * 48) + 0.5) / 48
    path = PATHS[name](t).view(PANELS, 48)
    for panel in ON:
        for row in range(48):
            x[0, panel, row, int(path[panel, row].round())] += 3.0
    found = find_tracks(x)
    assert found.channel.shape == (2, 3 * track_search.EACH, PANELS, 48) and found.nearby.shape == (
        2,
        3 * track_search.EACH,
        PANELS,
        4,
    )
    away = (found.channel - path)[:, :, list(ON)].abs().mean((2, 3)).amin(1)
    assert float(away[0]) < 1.5, "every one of 144 rows within a channel or so"
    assert float(away[1]) > 3, "where nothing was drawn nothing is found there"


def test_an_echo_draws_its_track_through_the_off_panels():
    """An S-shape that OFF panels show too: what ON panels alone would guess of it in between is not enough."""
    x = noise(1, seed=5)
    t = (torch.arange(PANELS * 48) + 0.5) / 48
    path = (128 + 30 * torch.sin(2 * torch.pi * t / 3)).view(PANELS, 48)
    for panel in range(PANELS):
        for row in range(48):
            x[0, panel, row, int(path[panel, row].round())] += 3.0
    away = (find_tracks(x).channel - path).abs().mean(3)
    assert float(away.amax(2).amin()) < 2.5


def test_what_stands_still_is_taken_from_where_it_remains():
    plain, still = noise(1, seed=7), noise(1, seed=8)
    for panel in ON:
        still[0, panel, :, 100] += 4.0
    away = (find_tracks(plain, still).channel - 100)[:, :, list(ON)].abs().mean((2, 3))
    assert float(away.amin()) < 0.5
    assert float((find_tracks(plain).channel - 100)[:, :, list(ON)].abs().mean((2, 3)).amin()) > 2


def test_evidence_has_bounds_and_off_panels_count_less():
    sums = torch.tensor([-5.0, 1.0, 3.0, 500.0]).view(1, 1, 1, 4).expand(1, 24, 1, 4).clone()
    evidence = evidence_of(sums).view(PANELS, SEGMENTS, 4)
    assert evidence[0, 0].tolist() == [-1.0, 0.0, 4.0, 60.0] and evidence[1, 0].tolist() == [-0.5, 0.0, 2.0, 30.0]


def test_nearby_is_the_highest_within_reach():
    height = torch.zeros(1, PANELS, 100)
    height[0, 1, 50] = 7.0
    start = torch.tensor([50, 53, 60, 85]).view(1, 4, 1).expand(1, 4, PANELS)
    assert highest_nearby(height, start)[0, :, 1].tolist() == [[7, 7, 7, 7], [0, 7, 7, 7], [0, 0, 7, 7], [0, 0, 0, 7]]


def test_as_high_counts_other_channels_with_half_the_evidence():
    height = torch.zeros(1, PANELS, 100)
    height[0, 1, 50], height[0, 1, 70:80], height[0, 1, 55] = 10.0, 6.0, 9.0
    start, mine = torch.full((1, 1, PANELS), 50), height[..., 50][:, None]
    assert as_high(height, start, mine)[0, 0].tolist() == pytest.approx([0, 0.1, 0, 0, 0, 0]), "noise is as high as nothing"


def test_other_shapes_are_refused_with_the_remedy():
    for x in (torch.zeros(1, 6, 47, 64), torch.zeros(1, 3, 48, 64)):
        with pytest.raises(InputError, match="multiple of 4"):
            find_tracks(x)
