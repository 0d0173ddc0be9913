"""Overlap cleaning: needles gain what theory says, neighbours' needles are never the row's own, the rest is honest."""

import json
import math
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import beta, norm

from seti_utils.__main__ import main
from seti_utils.data.cadence import CLEANED_LIMIT, FREQ, TIME
from seti_utils.data.competition import read_competition
from seti_utils.data.noise import local_sigma
from seti_utils.data.packed import PackedCadences, open_cadences
from seti_utils.data.reading import renormalise_panels
from seti_utils.data.sources import JoinedCadences
from seti_utils.errors import InputError
from seti_utils.overlap import panels as overlap_panels
from seti_utils.overlap.clean import aligned_to, clean_panels, fit_scale, lower_median, segments
from seti_utils.overlap.folder import read_pairs
from seti_utils.overlap.panels import CleanedCadences, clean, cleaned_stores
from seti_utils.overlap.search import search
from seti_utils.sky import make_sky
from seti_utils.sky.needles import Tracks, draw
from seti_utils.views.cleaning import clip
from seti_utils.views.whitening import whiten

AGREE = torch.ones(8, 6, dtype=torch.bool)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def band(seed=0, wide=512):
    """Noise of sigma 1 on a slope, with bursts and a spike column: (6, T, wide)."""
    sky = torch.randn(6, TIME, wide, generator=seeded(seed)) + torch.linspace(0, 12, wide)
    sky[:, ::50] += 25
    sky[..., wide // 2] += 120
    return sky


def file_of(window):
    """What the competition makes of a window: every panel normalised, then float16."""
    x = window.clone()
    renormalise_panels(x)
    return x.half()


def needle(amplitude, channel, drift=6.0, panels=(0, 2, 4)):
    """(function that draws it into (6, T, F) of sigma 1, bool (6, T, F) of its brightest pixels)."""
    row = torch.arange(6 * TIME).view(6, TIME)
    freq = (channel + drift * row / TIME)[None]
    gate = torch.zeros(1, 6, TIME)
    gate[:, list(panels)] = 1.0
    tracks = Tracks(freq, gate, torch.zeros(1, dtype=torch.long), torch.zeros(1))

    def add(x):
        return draw(x[None], tracks, torch.tensor([amplitude]), sigma=torch.ones(1, 6))[0]

    return add, (add(torch.zeros(6, TIME, FREQ)) > 0.5 * amplitude)


def lower_median_variance(count):
    """Variance of the lower median of ``count`` normal numbers, from the density of that order statistic."""
    rank = (count + 1) // 2
    share = (np.arange(200_000) + 0.5) / 200_000
    weight, value = beta(rank, count - rank + 1).pdf(share), norm.ppf(share)
    mean = (weight * value).mean()
    return (weight * (value - mean) ** 2).mean()


def snr(panels, place):
    """Mean along the needle over what the mean of as many pixels without one scatters."""
    rest = panels[~place]
    return float((panels[place].mean() - rest.mean()) / rest.std() * math.sqrt(place.sum()))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_an_injected_needle_gains_what_theory_says(count):
    """K neighbours, each with noise of its own of 0.1 sigma: noise sqrt(1 + 0.01) becomes 0.1 sqrt(1 + v(K))."""
    extra, sky = 0.1, torch.randn(6, TIME, FREQ, generator=seeded())
    own, *others = (sky + extra * torch.randn(sky.shape, generator=seeded(10 + k)) for k in range(count + 1))
    add, place = needle(2.0, 60.0)
    cleaned, covered = clean_panels(file_of(add(own)), torch.stack([file_of(x) for x in others]), [0] * count, AGREE[:count])
    assert covered.all()
    theory = math.sqrt(1 + extra**2) / (extra * math.sqrt(1 + lower_median_variance(count)))
    on = [0, 2, 4]
    gain = snr(cleaned[on], place[on]) / snr(add(own)[on], place[on])
    assert gain == pytest.approx(theory, rel=0.05) and theory > 7


def test_with_exact_sharing_rounding_is_all_that_is_left():
    sky = band()
    own, other = file_of(sky[..., :FREQ]), file_of(sky[..., 40 : 40 + FREQ])
    cleaned, covered = clean_panels(own, other[None], [40], AGREE[:1])
    sigma = local_sigma(own[None])[0]
    scale, _ = fit_scale(own[..., 40:].float(), other[..., : FREQ - 40].float())
    mine, theirs = (
        torch.from_numpy(np.spacing(x.half().abs().numpy())).float() for x in (own[..., 40:], other[..., : FREQ - 40])
    )
    theory = ((mine.square().mean((1, 2)) + (scale[:, None, None] * theirs).square().mean((1, 2))) / 12).sqrt() / sigma
    assert covered[:, 40:].all() and not covered[:, :40].any()
    assert torch.allclose(cleaned[..., 40:].std((1, 2)), theory, rtol=0.1) and (theory < 0.01).all()


def test_a_needle_keeps_its_amplitude_in_sigma():
    sky = band()
    add, place = needle(3.0, 120.0)
    own = file_of(add(sky[..., :FREQ]))
    cleaned, _ = clean_panels(own, torch.stack([file_of(sky[..., s : s + FREQ]) for s in (20, 60)]), [20, 60], AGREE[:2])
    assert cleaned[place].max() == pytest.approx(3.0, rel=0.05)
    assert cleaned[:, :, 60:][~place[:, :, 60:]].abs().quantile(0.99) < 1.6, "what is left are the needle's own flanks"
    assert cleaned[[1, 3, 5]][..., 60:].abs().max() < 0.1
    strong, _ = needle(30.0, 120.0)
    far, _ = clean_panels(file_of(strong(sky[..., :FREQ])), file_of(sky[..., 20 : 20 + FREQ])[None], [20], AGREE[:1])
    assert far.max() == pytest.approx(30.0, rel=0.05), "nothing is clipped"


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_neighbours_needle_is_never_taken_for_the_rows_own(count):
    sky, shifts = band(), [30, 10, 50, 20][:count]
    add, place = needle(5.0, 100.0)  # on channel 130 of the row, for a neighbour that begins 30 channels later
    others = [file_of(sky[..., s : s + FREQ]) for s in shifts]
    others[0] = file_of(add(sky[..., 30 : 30 + FREQ]))
    cleaned, covered = clean_panels(file_of(sky[..., :FREQ]), torch.stack(others), shifts, AGREE[:count])
    seen = torch.zeros_like(place)
    seen[..., 30:] = place[..., : FREQ - 30]
    assert cleaned[:, :, 50:].max() < 0.1, "nothing positive anywhere that a neighbour covers"
    if count == 1:
        assert (cleaned[seen] < -2).all(), "the shadow is negative, and where the neighbour's needle is"
    else:
        assert cleaned[:, :, 50:].abs().max() < 0.1, "two neighbours and more leave no shadow"


def test_crossing_needles_leave_the_rows_own():
    sky = band()
    mine, place = needle(4.0, 100.0)
    other, _ = needle(4.0, 140.0, drift=-6.0)
    others = torch.stack([file_of(other(sky[..., :FREQ])), file_of(sky[..., 5 : 5 + FREQ])])
    cleaned, _ = clean_panels(file_of(mine(sky[..., :FREQ])), others, [0, 5], AGREE[:2])
    assert (cleaned[place] > 1.8).all()


def test_what_no_neighbour_covers_is_whitened_in_the_same_unit():
    sky = band()
    own = file_of(sky[..., :FREQ])
    agree = torch.tensor([[True, True, True, False, True, True]])
    cleaned, covered = clean_panels(own, file_of(sky[..., 100 : 100 + FREQ])[None], [100], agree)
    white = whiten(own.float()[None], limit=CLEANED_LIMIT)[0]
    assert white.abs().max() > 3 and torch.equal(clip(white, 8.0), whiten(own.float()[None], limit=8.0)[0])
    assert torch.equal(cleaned[:, :, :100], white[:, :, :100]) and torch.equal(cleaned[3], white[3])
    assert covered.sum() == 5 * 156 and covered[[0, 1, 2, 4, 5], 100:].all()
    alone, none = clean_panels(own, own.new_zeros(0, 6, TIME, FREQ), [], AGREE[:0])
    assert torch.equal(alone, white) and not none.any()
    dead = torch.zeros(6, TIME, FREQ)
    assert not clean_panels(dead, dead[None], [0], AGREE[:1])[0].any()


def test_scale_and_offset_do_not_feel_needles_and_spikes():
    y = torch.randn(6, TIME, FREQ, generator=seeded()) + torch.linspace(0, 5, FREQ)
    truth = torch.linspace(0.5, 2, 6)
    x = truth[:, None, None] * y + 3
    for add, _ in (needle(20.0, 30.0), needle(20.0, 200.0, drift=0.0)):
        x = add(x)
    scale, offset = fit_scale(x, add(y))
    assert torch.allclose(scale, truth, rtol=1e-3) and torch.allclose(offset, torch.full((6,), 3.0), atol=5e-3)


def test_small_parts():
    for count in range(1, 7):
        x = torch.randn(count, 50, generator=seeded(count))
        assert torch.equal(lower_median(list(x)), x.median(0).values)
    assert segments([]) == [(0, 256)] and segments([100, -56]) == [(0, 100), (100, 200), (200, 256)]
    y = torch.randn(6, TIME, FREQ, generator=seeded())
    moved = aligned_to(y, y.roll(-7, 2), 7)
    assert torch.allclose(moved[..., 7:], y[..., 7:], atol=1e-5) and not moved[..., :7].any()


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    return make_sky(tmp_path_factory.mktemp("sky") / "sky", train=26, test=14, seed=3, workers=1)


@pytest.fixture(scope="module")
def folder(sky, tmp_path_factory):
    folder = search(read_competition(sky), tmp_path_factory.mktemp("found") / "overlap", quiet=True)
    clean(read_competition(sky), folder, quiet=True)
    return folder


def test_positives_of_the_sky_stand_out(sky, folder):
    """Covered cadences: what is half a sigma and brighter is a needle of the truth; bright neighbours leave less than that."""
    truth = pd.read_csv(sky / "truth.csv", dtype={"id": str}).set_index("id")
    covered = pd.read_csv(folder / "covered.csv", dtype={"id": str}).set_index("id")
    assert set(covered.index) == set(truth.index) and covered["covered"].between(0, 1).all()
    whole = covered.index[(covered["covered"] == 1) & (covered["neighbours"] > 2)]
    assert len(whole) > 10
    for name in whole:
        split = truth.loc[name, "split"]
        store = PackedCadences(cleaned_stores(folder) / split, ids=[name])
        x = torch.empty(1, 6, TIME, FREQ, dtype=torch.float16)
        store.read_into([0], x)
        lit = [panel for panel in range(6) if (x[0, panel].float() > 0.5).sum() > 20]
        words = " ".join(str(truth.loc[name, column]) for column in ("panels", "terrestrial_panels")).split()
        needles = {int(word) for word in words if word.isdigit()}
        assert set(lit) <= needles


def test_the_store_holds_what_the_source_makes(sky, folder):
    competition = read_competition(sky)
    source = JoinedCadences([open_cadences(competition, split) for split in ("train", "test")])
    row_of = pd.Series(np.arange(len(source)), index=source.ids)
    pairs = read_pairs(folder)
    pairs = pairs.assign(a=row_of[pairs["a"]].to_numpy(), b=row_of[pairs["b"]].to_numpy())
    cleaned = CleanedCadences(source, range(len(source)), pairs)
    covered = pd.read_csv(folder / "covered.csv", dtype={"id": str})
    row = int(covered["neighbours"].idxmax())
    x, y = (torch.empty(2, 6, TIME, FREQ, dtype=torch.float16) for _ in range(2))
    cleaned.read_into([row, 1], x)
    for place, one in enumerate((row, 1)):
        split, number = ("train", one) if one < 26 else ("test", one - 26)
        PackedCadences(cleaned_stores(folder) / split).read_into([number], y[place : place + 1])
    assert torch.equal(x, y)
    others, shifts, agree = cleaned.of(row)
    assert len(others) == covered["neighbours"].max() and cleaned.covered(row) == pytest.approx(covered["covered"][row], abs=1e-6)


def test_a_killed_cleaning_resumes(sky, folder, tmp_path, monkeypatch):
    competition = read_competition(sky)
    out = search(competition, tmp_path / "overlap", quiet=True)
    with pytest.raises(InputError, match="there are no cleaned panels; make them: python -m seti_utils overlap clean DATA"):
        cleaned_stores(out)
    real, calls = overlap_panels.clean_panels, []

    def dies(*arguments):
        calls.append(1)
        if len(calls) == 35:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(overlap_panels, "clean_panels", dies)
    with pytest.raises(KeyboardInterrupt):
        clean(competition, out, workers=1, quiet=True)
    with pytest.raises(InputError, match="not finished"):
        cleaned_stores(out)
    clean(competition, out, workers=1, quiet=True)
    assert len(calls) < 60, "the finished split was cleaned again"
    for split in ("train", "test"):
        name = f"cleaned/{split}/cadences.npy"
        assert (out / name).read_bytes() == (folder / name).read_bytes()
    assert (out / "covered.csv").read_bytes() == (folder / "covered.csv").read_bytes()


def test_panels_that_an_earlier_version_clipped_are_refused_with_one_remedy(sky, folder, tmp_path):
    old = tmp_path / "overlap"
    shutil.copytree(folder, old)
    for split in ("train", "test"):
        about = json.loads((old / "cleaned" / split / "store.json").read_text(encoding="utf-8"))
        (old / "cleaned" / split / "store.json").write_text(json.dumps(about | {"cleaning": [2, 8.0, 5]}), encoding="utf-8")
    for use in (cleaned_stores, clean):
        with pytest.raises(
            InputError, match="may have clipped them at 8 sigma; delete this folder and make them anew: python -m"
        ):
            use(*((old, read_competition(sky)) if use is cleaned_stores else (read_competition(sky), old)))
    shutil.rmtree(old / "cleaned")
    clean(read_competition(sky), old, quiet=True)
    assert cleaned_stores(old) == old / "cleaned"


def test_command_line_on_real_cadences(real_folder, tmp_path, capsys):
    out = str(tmp_path / "overlap")
    assert main(["overlap", "clean", str(real_folder), out, "--device", "cpu"]) == 2
    assert f"python -m seti_utils overlap search {real_folder} {out}" in capsys.readouterr().err
    assert main(["overlap", "search", str(real_folder), out, "--device", "cpu"]) == 0
    assert main(["overlap", "clean", str(real_folder), out, "--device", "cpu"]) == 0
    assert "5 cadences cleaned, 0% of their columns" in capsys.readouterr().out
    store = PackedCadences(tmp_path / "overlap" / "cleaned" / "train")
    assert np.isfinite(store.array).all() and np.abs(store.array).max() <= CLEANED_LIMIT
