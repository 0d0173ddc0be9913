"""The reference filters: what they see in white noise, and what they make of echoes and of a cadence without the needle."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

from seti_utils.data.cadence import FREQ, ON, PANELS, TIME
from seti_utils.errors import InputError
from seti_utils.sky import make_sky
from seti_utils.sky.cadences import truth_columns
from seti_utils.sky.dedrift import straight_tracks
from seti_utils.sky.folder import needles_of
from seti_utils.sky.needles import draw
from seti_utils.sky.profiles import plain_profiles
from seti_utils.sky.reference import along_track, contrast, drift_search, track_score

BATCH, SNR = 6, 25.0


def noise(seed):
    return torch.randn(BATCH, PANELS, TIME, FREQ, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def needle():
    """Tracks on in ON panels, and the same noise with and without the needle, and with an echo of it."""
    tracks = straight_tracks(torch.full((BATCH,), 90.0), torch.full((BATCH,), 7.5))
    everywhere = straight_tracks(torch.full((BATCH,), 90.0), torch.full((BATCH,), 7.5), panels=range(PANELS))
    amplitude = torch.full((BATCH,), SNR / TIME**0.5)
    echo = torch.tensor([1.0, 0.5] * 3) * amplitude[:, None]
    one = torch.ones(BATCH, PANELS)
    return tracks, noise(1), draw(noise(1), tracks, amplitude, sigma=one), draw(noise(1), everywhere, echo, sigma=one)


def scored(x, tracks):
    z, energy = along_track(contrast(x), tracks)
    return z, track_score(z, energy, (tracks.gate > 0).any(2))


def test_the_true_track_shows_the_needle_and_nothing_without_it(needle):
    tracks, empty, drawn, _ = needle
    z, score = scored(drawn, tracks)
    # 0.74 of the SNR is what a matched filter sees; the level's own noise and the weights cost some.
    assert 0.55 * SNR < z[:, list(ON)].mean() < 0.78 * SNR
    assert (score > z[:, list(ON)].amax(1)).all(), "three panels together say more than one"
    quiet, nothing = scored(empty, tracks)
    assert quiet.abs().max() < 5 and nothing.abs().max() < 5


def test_an_echo_is_rejected_along_the_track(needle):
    tracks, _, drawn, echo = needle
    echoes, candidates = scored(echo, tracks)[1], scored(drawn, tracks)[1]
    assert (echoes < 0.3 * candidates).all() and (candidates > 20).all()


def test_a_wide_needle_is_seen_through_the_high_pass():
    tracks = straight_tracks(torch.full((BATCH,), 90.0), torch.full((BATCH,), 7.5))
    tracks = replace(tracks, profile=plain_profiles(BATCH, fwhm=4.0))
    x = draw(noise(2), tracks, torch.full((BATCH,), SNR / TIME**0.5), sigma=torch.ones(BATCH, PANELS))
    assert scored(x, tracks)[0][:, list(ON)].mean() > 0.3 * SNR


@pytest.mark.parametrize("height", [30.0, 100.0, 300.0])
def test_a_blinding_needle_is_not_lost_in_its_own_light(height):
    """Beside a track at 300 sigma everything glares, and the level that is taken off casts a shadow: no panel said anything."""
    tracks = straight_tracks(torch.full((BATCH,), 90.0), torch.full((BATCH,), 2.0))
    tracks = replace(tracks, profile=plain_profiles(BATCH, fwhm=0.72))
    x = draw(noise(3), tracks, torch.full((BATCH,), height), sigma=torch.ones(BATCH, PANELS))
    z, score = scored(x, tracks)
    assert (score > 20).all() and (z[:, list(ON)] > 15).all()


def test_the_drift_search_finds_what_is_in_on_alone(needle):
    _, empty, drawn, echo = needle
    found, nothing = drift_search(drawn), drift_search(empty)
    assert nothing.max() < 6 < found.min()
    assert (drift_search(echo) < found).all()


def test_a_skys_needles_are_drawn_anew_as_they_were(tmp_path):
    sky = make_sky(tmp_path / "sky", train=30, test=20, seed=4, workers=1)
    truth = pd.read_csv(sky / "truth.csv", dtype={"id": str}).set_index("id")
    seen = []
    for ids, content in needles_of(sky, "test"):
        again = pd.DataFrame(truth_columns(content), index=ids)
        for name in ("snr", "drift", "channel", "snr_drawn", "terrestrial_snr", "fwhm"):
            pd.testing.assert_series_equal(again[name], truth.loc[ids, name], check_names=False, atol=2e-3)
        seen += ids
    assert sorted(seen) == sorted(truth.index[truth["split"] == "test"])
    with pytest.raises(InputError, match="not a finished synthetic sky"):
        next(needles_of(tmp_path, "test"))
    (about,) = sky.glob("*.json")
    text = about.read_text(encoding="utf-8")
    about.write_text(text.replace('"version": ', '"version": 10'), encoding="utf-8")
    with pytest.raises(InputError, match="is a sky of version 10., and needles are drawn as in version .; make the sky again"):
        next(needles_of(sky, "test"))
