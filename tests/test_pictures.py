"""Pictures: the needle stands out in the drawn pixels, and curves show the numbers that they were given."""

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.collections import PolyCollection
from PIL import Image

from seti_utils.data.cadence import DT_S, ON, PANEL_S, SHAPE, TIME
from seti_utils.errors import InputError
from seti_utils.pictures.curves import GRID, draw_roc, draw_scores, draw_training
from seti_utils.pictures.emphasis import emphasise, flatten_panels, lone_lines, smooth_along
from seti_utils.pictures.gallery import draw_gallery
from seti_utils.pictures.style import new_picture, png_bytes, save_picture
from seti_utils.pictures.waterfall import ARROWS, draw_cadence, stack
from seti_utils.scores.tables import make_scores
from seti_utils.stats.auc import auc

REAL = Path(__file__).parents[2] / "shared/real/train/0/0028a35de92941d.npy"


def noise(seed=0):
    return np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)


def with_needle(panels, start, drift, amplitude, first_row=0):
    """A needle of one pixel per row in the ON panels, from ``first_row`` of the six contiguous panels on."""
    panels = panels.copy()
    for panel in ON:
        rows = np.arange(panel * TIME, (panel + 1) * TIME)
        rows = rows[rows >= first_row]
        panels[panel, rows % TIME, np.floor(start + drift * (rows + 0.5) / TIME).astype(int)] += amplitude
    return panels


def hard_sky():
    """Band slope, spike in all panels, bursts and a blob over noise: what hides a needle."""
    panels = noise() + np.linspace(6, 0, 256) ** 1.5
    panels[:, :, 128] += 20
    panels[:, 40:60] += 8
    panels[1, :, 60:90] += 5
    return panels


def stands_out(figure, column, channel_at, rows, panels):
    """Mean brightness of the drawn pixels along a track, and beside it (8 to 12 channels away), over ``panels``.

    The figure is drawn already."""
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(float).mean(-1)
    axes = figure.axes[: 6 * (len(figure.axes) // 6)]
    columns = 2 if any("cleaned" in place.get_title(loc="left") for place in axes) else 1
    track, beside = [], []
    for panel in panels:
        place = axes[panel * columns + column]
        for row in rows:
            for offset in (0, *range(-12, -7), *range(8, 13)):
                here = panel * TIME + row
                x, y = place.transData.transform((channel_at(here) + offset, (here + 0.5) * DT_S))
                around = pixels[pixels.shape[0] - 1 - int(y), int(x) - 2 : int(x) + 3]
                (beside if offset else track).append(around.max() if not offset else around.mean())
    return np.mean(track), np.mean(beside)


@pytest.mark.skipif(not REAL.exists(), reason="the real cadences are not in ../shared/real")
def test_the_real_needle_stands_out_where_it_is_and_nowhere_else():
    figure = draw_cadence(np.load(REAL))
    figure.canvas.draw()
    found = emphasise(np.load(REAL))
    assert found.sure and abs(found.drift - 7.5) <= 0.5 and abs(found.channel(TIME * 2.5) - 171) < 2

    def channel(row):
        return found.channel(row) + 0.5

    for column, factor in ((0, 1.3), (1, 3.0)):
        assert np.divide(*stands_out(figure, column, channel, range(5, 265, 10), (2, 4))) > factor
        assert np.divide(*stands_out(figure, column, channel, range(205, 265, 5), (0,))) > factor
    before, beside = stands_out(figure, 1, channel, range(10, 180, 10), (0,))
    off, beside_off = stands_out(figure, 1, channel, range(10, 265, 10), (1, 3, 5))
    on, _ = stands_out(figure, 1, channel, range(5, 265, 10), (2, 4))
    assert on > 4 * before and on > 4 * off


def test_a_faint_needle_is_drawn_in_on_panels_only():
    panels = with_needle(hard_sky(), 60, 12.0, 2.0, first_row=192)
    figure = draw_cadence(panels)
    figure.canvas.draw()

    def channel(row):
        return 60.5 + 12.0 * row / TIME

    on, beside = stands_out(figure, 1, channel, range(10, 265, 10), (2, 4))
    off, _ = stands_out(figure, 1, channel, range(10, 265, 10), (1, 3, 5))
    assert on > 3 * beside and on > 2 * off
    assert "along +12.0 channels" in "".join(place.get_title(loc="left") for place in figure.axes)


def test_track_is_found_to_a_channel_and_noise_has_none():
    panels = with_needle(hard_sky(), 200, -20.0, 1.5)
    found = emphasise(panels)
    assert found.sure and abs(found.drift + 20) <= 0.5 and abs(found.channel(3 * TIME) - 140) <= 1.5
    np.testing.assert_array_equal(found.panels, smooth_along(flatten_panels(panels), found.drift, 15))
    assert not emphasise(noise(1)).sure
    words = [[text.get_text() for text in draw_cadence(x, views=("raw",)).texts] for x in (panels, noise(1))]
    assert ARROWS in words[0] and ARROWS not in words[1], "the triangles are explained where there are any"


def test_smoothing_keeps_the_noise_and_raises_the_track_as_theory_says():
    before, drift = noise(2), 30.0
    panels = with_needle(before, 20, drift, 3.0)
    after, noise_after = smooth_along(panels, drift, 15), smooth_along(before, drift, 15)
    assert abs(noise_after.std() - 1) < 0.02
    rows = np.arange(20, 250)
    track = np.floor(20 + drift * (2 * TIME + rows + 0.5) / TIME).astype(int)
    gain = (after - noise_after)[2, rows, track].mean() / 3.0
    shift = drift * np.arange(-7, 8) / TIME
    kept = 1 - np.abs(shift - np.round(shift))  # share of the places at which whole channels meet the track
    assert gain == pytest.approx(np.sqrt(15) * kept.mean(), rel=0.05)
    np.testing.assert_array_equal(smooth_along(before, drift, 1), before)


def test_a_needle_without_drift_stays_and_a_spike_in_all_panels_goes():
    panels = with_needle(hard_sky(), 200, 0.0, 2.0)
    lines = lone_lines(panels)
    assert (lines[list(ON), 200] > 1.2).all() and (lines[1::2, 200] == 0).all() and (lines[:, 128] == 0).all()
    flat = flatten_panels(panels)
    assert (np.median(flat[list(ON), :, 200], 1) > 1.0).all() and (np.abs(np.median(flat[:, :, 128], 1)) < 0.3).all()
    assert abs(np.median(flat)) < 0.05 and 0.9 < 1.4826 * np.median(np.abs(flat)) < 1.15


def test_panels_are_in_the_order_of_observation_with_units():
    figure = draw_cadence(noise(), title="000c74cc71a1140", views=("raw",))
    places = figure.axes[:6]
    tags = [next(text.get_text() for text in place.texts if text.get_text() != "time [s]") for place in places]
    assert tags == ["A ON", "B OFF", "A ON", "C OFF", "A ON", "D OFF"]
    extents = [place.images[0].get_extent() for place in places]
    np.testing.assert_allclose([extent[3] for extent in extents], np.arange(6) * PANEL_S)
    np.testing.assert_allclose([extent[2] for extent in extents], np.arange(1, 7) * PANEL_S)
    assert all(extent[:2] == [0, 256] for extent in map(list, extents))
    assert "channels of 2.86 kHz" in places[-1].get_xlabel() and figure.get_suptitle() == "000c74cc71a1140"
    figure.draw_without_rendering()
    low, high = places[0].child_axes[0].get_xlim()
    assert high - low == pytest.approx(0.7324, abs=1e-3)  # MHz: 256 channels


def test_thumbnail_keeps_the_needle():
    small = stack(with_needle(hard_sky(), 60, 12.0, 2.5))
    rows = np.arange(39) + 2 * 39
    track = np.floor(60 + 12 * (rows + 0.5) / 39).astype(int)
    assert small.shape == (234, 256) and small.min() >= 0 and small.max() <= 1
    assert small[rows, track].mean() > 4 * small[rows, track + 10].mean()


def test_constant_and_odd_panels_do_not_break_the_drawing():
    flat = np.zeros(SHAPE, np.float16)
    assert np.isfinite(flatten_panels(flat)).all()
    png_bytes(draw_cadence(flat))
    with pytest.raises(InputError, match=r"\(3, 273, 256\)"):
        flatten_panels(np.zeros((3, 273, 256)))
    with pytest.raises(InputError, match="sideways"):
        draw_cadence(flat, views=("sideways",))


def test_pictures_are_saved_whole_small_and_without_a_time_stamp(tmp_path):
    figure = draw_cadence(noise(), views=("raw",))
    first = save_picture(figure, tmp_path / "a.png").read_bytes()
    assert first == save_picture(figure, tmp_path / "b.png").read_bytes() == figure._repr_png_()
    assert b"tIME" not in first and b"tEXt" not in first
    full = png_bytes(figure, colours=None)
    small, exact = (np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(float) for png in (first, full))
    assert len(first) < 0.6 * len(full) and np.abs(small - exact).mean() < 3
    assert (small[2, 2] == 255).all()
    broken = new_picture(2, 2)
    broken.savefig = None
    with pytest.raises(TypeError):
        save_picture(broken, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == first and len(list(tmp_path.iterdir())) == 2


def test_gallery_shows_the_best_first_with_ids_scores_and_targets():
    cadences = torch.from_numpy(np.stack([noise(seed) for seed in range(4)])).half()
    asked = []

    def read_into(rows, out):
        asked.extend(rows)
        out.copy_(cadences[rows])

    source = SimpleNamespace(ids=np.array(["a", "b", "c", "d"]), panels=(0, 1, 2, 3, 4, 5), read_into=read_into)
    table = make_scores(
        ["d", "c", "b", "a"],
        np.array([0.2, 0.9, 0.4, 0.7]),
        fold=0,
        experiment="e",
        seed=1,
        fingerprint="f" * 12,
        target=np.array([0, 1, 0, 1]),
    )
    figure = draw_gallery(source, table, count=3, columns=2, view="raw")
    assert asked == [2, 0, 1]
    shown = [place for place in figure.axes if place.images]
    assert [place.get_title(loc="left") for place in shown] == ["1. c", "2. a", "3. b"]
    assert [text.get_text() for text in shown[0].texts] == ["score 0.9000", "positive"]
    np.testing.assert_array_equal(shown[1].images[0].get_array(), stack(cadences[0].numpy(), "raw"))
    assert "as the arrays are" in figure.get_supxlabel()
    assert "whitened" in draw_gallery(source, table, count=1).get_supxlabel()
    assert draw_gallery(source, table, count=1, lowest=True, view="raw").axes[0].get_title(loc="left") == "1. d"
    with pytest.raises(InputError, match=r"not among the files \(z\)"):
        draw_gallery(source, table.assign(id=["z", "c", "b", "a"]))
    with pytest.raises(InputError, match=r"panels \(0, 2, 4\)"):
        draw_gallery(SimpleNamespace(ids=source.ids, panels=(0, 2, 4), read_into=read_into), table)


def test_training_curves_show_the_history():
    history = pd.DataFrame(
        [
            {"fold": fold, "phase": phase, "epoch": epoch, "loss": 1 / (1 + fold + 2 * phase + epoch), "auc": 0.6 + epoch / 10}
            for fold in (0, 2)
            for phase in (1, 0)
            for epoch in (1, 0)
        ]
    )
    loss, score = draw_training(history, title="exp011").axes
    np.testing.assert_allclose(loss.lines[0].get_ydata(), [1, 1 / 2, 1 / 3, 1 / 4])
    labels = [text.get_text() for text in score.get_legend().get_texts()]
    assert labels == ["fold 0: best 0.7000", "fold 2: best 0.7000"]
    assert len(draw_training(history.drop(columns="auc")).axes) == 1
    for table, message in ((history.drop(columns="loss"), "no column loss"), (history.iloc[:0], "no rows")):
        with pytest.raises(InputError, match=message):
            draw_training(table)


def test_roc_is_the_auc_and_lies_in_its_band():
    generator = np.random.default_rng(0)
    target = np.arange(400) % 4 == 0
    score = target + generator.normal(size=400)
    axes = draw_roc({"oof": (target, score)}, draws=50).axes[0]
    curve = axes.lines[1]
    np.testing.assert_allclose(np.trapezoid(curve.get_ydata(), curve.get_xdata()), auc(target, score))
    assert axes.get_legend().get_texts()[0].get_text().startswith(f"oof: {auc(target, score):.4f} [")
    (band,) = [drawn for drawn in axes.collections if isinstance(drawn, PolyCollection)]
    corners = band.get_paths()[0].vertices
    values = np.interp(GRID, curve.get_xdata(), curve.get_ydata())
    for place in range(10, 190, 20):
        low, high = (pick(corners[np.isclose(corners[:, 0], GRID[place]), 1]) for pick in (np.min, np.max))
        assert low <= values[place] <= high and 0 < high - low < 0.5


def test_histograms_are_shares_of_the_rows():
    table = make_scores(
        [str(n) for n in range(50)],
        np.linspace(0, 1, 50),
        fold=0,
        experiment="e",
        seed=1,
        fingerprint="f" * 12,
        target=np.arange(50) >= 40,
    )
    by_class, against = draw_scores(table, table.head(10)).axes
    for place, names in ((by_class, ("negative, 40", "positive, 10")), (against, ("out-of-fold, 50", "test, 10"))):
        assert all(patch.get_data().values.sum() == pytest.approx(1) for patch in place.patches)
        labels = [text.get_text() for text in place.get_legend().get_texts()]
        assert all(label.startswith(name) for label, name in zip(labels, names, strict=True))
        assert place.get_ylim()[1] == 1, "a share ends at 1"
    assert "37.5% above" not in labels[0] and "50.0% above 0.5" in labels[0] and "0.0% above 0.5" in labels[1]
    assert [axes.get_title(loc="left") for axes in draw_scores(table, table.head(10), by_class=False).axes] == [
        against.get_title(loc="left")
    ]
    with pytest.raises(InputError, match="no targets"):
        draw_scores(table.drop(columns="target"))
