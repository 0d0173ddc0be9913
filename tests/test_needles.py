"""Needles: tracks, gates, drawing and measuring, against formulas, scipy and the real needle."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import signal

from seti_utils.data.cadence import FREQ, OFF, ON, PANELS, TIME
from seti_utils.data.noise import local_sigma
from seti_utils.errors import InputError
from seti_utils.sky.carriers import mostly_all
from seti_utils.sky.dedrift import dedrift, find_drift, measure, straight_tracks
from seti_utils.sky.needles import (
    ALIASES,
    DRIFT,
    EDGE,
    FAMILIES,
    Tracks,
    chirp_frequency,
    draw,
    random_tracks,
)
from seti_utils.sky.profiles import PROFILE_SIGMA

REAL = Path(__file__).parents[2] / "shared/real"


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(batch: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, PANELS, TIME, FREQ, generator=seeded(seed))


@pytest.mark.parametrize("method", ["linear", "quadratic", "exponential", "hyperbolic"])
@pytest.mark.parametrize(("f0", "f1"), [(20.0, 220.0), (200.0, 40.0)])
def test_chirps_follow_scipy(method, f0, f1):
    t1, step = 6.0, 1e-4
    t = np.arange(0, t1, step)
    scipys = {"exponential": "logarithmic"}.get(method, method)
    wave = signal.chirp(t, f0, t1, f1, method=scipys, complex=True)
    turned = np.angle(wave[1:] * wave[:-1].conj()) / (2 * np.pi * step)  # cycles per unit of time
    middle = torch.from_numpy((t[1:] + t[:-1]) / 2)
    ours = chirp_frequency(method, torch.tensor(f0).double(), torch.tensor(f1).double(), middle, t1)
    np.testing.assert_allclose(ours.numpy(), np.abs(turned), rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_visible_in_on_and_never_off(family):
    tracks = random_tracks((family,), 64, generator=seeded(1))
    assert tracks.freq.shape == tracks.gate.shape == (64, PANELS, TIME)
    assert tracks.freq.isfinite().all()
    assert (tracks.gate[:, list(OFF)] == 0).all()
    assert (tracks.family == FAMILIES.index(family)).all()
    rows = tracks.visible().sum((1, 2))
    assert (rows >= 20).float().mean() > 0.95, rows
    if family == "one_panel":
        assert (tracks.gate.amax(2).sum(1) == 1).all()
    if family == "partial":
        assert (tracks.gate.sum((1, 2)) % TIME != 0).all()


def test_tracks_repeat_with_the_generator_and_aliases_expand():
    first, second = (random_tracks(("chirp", "sine"), 200, generator=seeded(3)) for _ in range(2))
    assert torch.equal(first.freq, second.freq) and torch.equal(first.gate, second.gate)
    names = {FAMILIES[i] for i in first.family.tolist()}
    assert names == {*ALIASES["chirp"], "sine"}
    other = random_tracks(("chirp", "sine"), 200, generator=seeded(4))
    assert not torch.equal(first.freq, other.freq)


def test_unknown_family_is_named():
    with pytest.raises(InputError, match="wobble.*choose from"):
        random_tracks(("line", "wobble"), 2, generator=seeded(0))
    with pytest.raises(InputError, match="no needle family"):
        random_tracks((), 2, generator=seeded(0))


def test_straight_families_have_their_drift_and_pass_the_window():
    tracks = random_tracks(("drift",), 300, generator=seeded(5))
    rows = torch.arange(PANELS * TIME).double()
    flat = tracks.freq.flatten(1).double()
    slope = ((flat - flat.mean(1, keepdim=True)) * (rows - rows.mean())).sum(1) / (rows - rows.mean()).square().sum()
    torch.testing.assert_close(slope * TIME, tracks.drift.double(), atol=1e-2, rtol=1e-3)
    assert (tracks.drift.abs() >= DRIFT[0] * 0.99).all() and (tracks.drift.abs() <= DRIFT[1] * 1.01).all()
    assert tracks.drift.min() < -5 and tracks.drift.max() > 5
    lit = torch.where(tracks.gate > 0, tracks.freq, torch.nan)
    inside = (lit > EDGE - 1) & (lit < FREQ - EDGE + 1)
    assert inside.flatten(1).any(1).all()


def test_sine_is_s_shaped():
    tracks = random_tracks(("sine",), 100, generator=seeded(6))
    flat = tracks.freq.flatten(1)
    bend = flat[:, 2:] - 2 * flat[:, 1:-1] + flat[:, :-2]
    assert ((bend[:, ::50] > 0).any(1) & (bend[:, ::50] < 0).any(1)).float().mean() > 0.9


def test_carriers():
    carriers = mostly_all(2000, generator=seeded(7))
    assert not carriers[:, list(OFF)].any() and carriers.any(1).all()
    count = carriers.sum(1)
    assert abs((count == 3).float().mean() - 0.7) < 0.05
    assert (count == 1).any() and (count == 2).any()
    assert mostly_all(50, generator=seeded(8), panels=OFF)[:, list(ON)].sum() == 0


def test_profile_is_one_channel_wide():
    start = torch.linspace(99.5, 100.5, 101)
    drawn = draw(torch.zeros(101, 6, TIME, FREQ), straight_tracks(start, torch.zeros(101)), torch.ones(101) * 10,
                 sigma=torch.ones(101, 6))  # fmt: skip
    row = drawn[:, 0, 0]
    peak = row.argmax(1)
    assert ((peak - start.round()).abs() <= 1).all()
    top = row.gather(1, peak[:, None])[:, 0]
    side = (row.gather(1, peak[:, None] + 1) + row.gather(1, peak[:, None] - 1))[:, 0] / 2
    assert 0.045 < float(side.mean() / top.mean()) < 0.07
    assert float(row[50].max()) == pytest.approx(10.0)
    assert (row > 0).sum(1).max() <= 3


def test_drawing_is_additive_out_of_place_and_touches_little():
    x = noise(2)
    tracks = straight_tracks(torch.tensor([100.0, 50.0]), torch.tensor([7.5, -3.0]))
    before = x.clone()
    drawn = draw(x, tracks, torch.tensor([5.0, 0.0]))
    assert torch.equal(x, before) and torch.equal(drawn[1], x[1])
    assert torch.equal(drawn[0, list(OFF)], x[0, list(OFF)])
    assert 0 < ((drawn - x)[0] != 0).sum() <= 3 * 3 * TIME
    assert draw(x, tracks, torch.tensor([5.0, 0.0]), inplace=True) is x
    assert torch.equal(x, drawn)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_drawing_keeps_the_dtype_and_on_only_stores_work(dtype):
    x = noise(2).to(dtype)
    tracks = straight_tracks(torch.tensor([100.0, 50.0]), torch.tensor([7.5, -3.0]))
    whole = draw(x, tracks, torch.tensor([8.0, 4.0]))
    some = draw(x[:, list(ON)], tracks, torch.tensor([8.0, 4.0]), panels=ON)
    assert whole.dtype == dtype and torch.equal(whole[:, list(ON)], some)


def test_tracks_outside_the_window_draw_nothing_there():
    x = torch.zeros(3, 6, TIME, FREQ)
    tracks = straight_tracks(torch.tensor([-0.9, 255.9, 1e6]), torch.tensor([0.0, 0.0, 1e9]))
    drawn = draw(x, tracks, torch.ones(3) * 10, sigma=torch.ones(3, 6))
    assert drawn.isfinite().all() and drawn[2].abs().sum() == 0
    assert drawn[0, 0, :, 1:].abs().sum() == 0 and drawn[1, 0, :, :-1].abs().sum() == 0


def test_local_sigma_ignores_structure():
    x = noise(2) * torch.tensor([1.0, 0.2]).view(2, 1, 1, 1)
    x += 3 * torch.sin(torch.arange(FREQ) / 30)  # slope and ripple
    x[..., 70] += 100
    x[:, :, 30:34] += 20
    torch.testing.assert_close(local_sigma(x)[:, 0], torch.tensor([1.0, 0.2]), atol=0.03, rtol=0.15)
    assert (local_sigma(torch.ones(1, 6, TIME, FREQ)) == 0).all()


@pytest.mark.parametrize("drift", [0.0, 7.5, -22.0])
def test_injected_snr_is_recovered_by_dedrifting(drift):
    batch, snr = 24, 30.0
    start = torch.full((batch,), 128.0) - 3 * drift + torch.rand(batch, generator=seeded(2))
    tracks = straight_tracks(start, torch.full((batch,), drift))
    x = draw(noise(batch), tracks, torch.full((batch,), snr / math.sqrt(TIME)), sigma=torch.ones(batch, 6))
    found = measure(x, tracks)
    on = found.snr_integrated[:, list(ON)]
    assert float(on.mean()) == pytest.approx(snr, abs=1.0)
    assert float(on.std()) < 3.0  # unit noise, over the share of the profile's energy
    # Fitted against empty panels the same track gives nothing.
    quiet = measure(noise(batch, seed=9), tracks).snr_integrated[:, list(ON)]
    assert abs(float(quiet.mean())) < 1.0
    assert (found.snr_integrated[:, list(OFF)] == 0).all()
    ratio = found.significance[:, 0] / found.snr_integrated[:, 0]
    if drift:  # one that stands still may sit between two channels for good
        assert float(ratio.mean()) == pytest.approx(math.sqrt(PROFILE_SIGMA * math.sqrt(math.pi)), abs=0.02)


def test_drift_is_found_blindly():
    drifts = torch.tensor([7.5, -12.0, 3.0])
    start = torch.tensor([80.0, 200.0, 30.0])
    tracks = straight_tracks(start, drifts)
    x = draw(noise(3), tracks, torch.full((3,), 25 / math.sqrt(TIME)))
    found = find_drift(x, torch.arange(-15, 15.1, 0.5))
    torch.testing.assert_close(found.drift, drifts, atol=0.51, rtol=0)
    torch.testing.assert_close(found.start, start, atol=2.0, rtol=0)
    # The sum takes the nearest channel only, so it sees a share of the peak.
    assert (found.snr > 15).all() and (find_drift(noise(3), torch.arange(-3, 3.1, 0.5)).snr < 8).all()


def test_dedrift_straightens_and_marks_the_outside():
    tracks = straight_tracks(torch.tensor([250.0]), torch.tensor([1.0]))
    drawn = draw(torch.zeros(1, 6, TIME, FREQ), tracks, torch.ones(1) * 5, sigma=torch.ones(1, 6))
    straight = dedrift(drawn, tracks.freq)
    assert straight.shape == (1, 6, TIME, 17)
    assert (straight[0, 0, 20:200, 8] > 0.9).all()
    assert straight[0, 0, :, -1].isnan().all()


def test_the_real_needle_is_measured():
    file = REAL / "train/0/0028a35de92941d.npy"
    if not file.exists():
        pytest.skip(f"{REAL} is not here: no real cadences to measure")
    x = torch.from_numpy(np.load(file)).float()[None]
    tracks = straight_tracks(torch.tensor([152.0]), torch.tensor([7.5]))
    tracks.gate[0, 0, :192] = 0
    found = measure(x, tracks)
    assert (found.snr_bin[0, list(ON)] - 15.7).abs().max() < 1.2, found.snr_bin
    blind = find_drift(x, torch.arange(4, 12.1, 0.5), panels=(2, 4))
    assert float(blind.drift) == pytest.approx(7.5, abs=0.51) and float(blind.start) == pytest.approx(152, abs=3)


def test_tracks_are_a_plain_value():
    tracks = straight_tracks(torch.tensor([10.0]), torch.tensor([0.0]))
    assert isinstance(tracks, Tracks) and tracks.visible().sum() == 3 * TIME
