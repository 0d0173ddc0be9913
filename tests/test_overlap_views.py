"""Cleaned panels on their way to a network: what is read for which layout, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from seti_utils.data.competition import read_competition
from seti_utils.data.packed import PackedCadences, open_cadences
from seti_utils.errors import InputError
from seti_utils.log.pages import LOG
from seti_utils.log.registry import Log
from seti_utils.log.specs import Clip, Distill, SkyFirst
from seti_utils.nets.models import build_model
from seti_utils.nets.panel_encoder import PanelEncoder
from seti_utils.overlap.panels import clean
from seti_utils.overlap.search import search
from seti_utils.run.compose import PANEL_KNOBS, augments, panels_of, view_of
from seti_utils.run.opening import cadences
from seti_utils.run.runtime import Runtime
from seti_utils.sky import make_sky


@pytest.fixture(scope="module")
def competition(tmp_path_factory):
    return read_competition(make_sky(tmp_path_factory.mktemp("sky") / "sky", train=12, test=4, seed=1, workers=1))


@pytest.fixture(scope="module")
def overlap(competition, tmp_path_factory):
    folder = search(competition, tmp_path_factory.mktemp("found") / "overlap", quiet=True)
    clean(competition, folder, quiet=True)
    return folder


def read(source, rows=(3, 0)):
    x = torch.empty(len(rows), len(source.panels), 273, 256, dtype=torch.float16)
    source.read_into(list(rows), x)
    return x


def test_only_what_the_layout_shows_is_read(competition, overlap):
    runtime = Runtime(data=competition.root, overlap=overlap)
    raw = read(open_cadences(competition, "train"))
    cleaned = read(PackedCadences(overlap / "cleaned" / "train"))
    for name, layout, wanted in (
        ("exp011", "abacad", raw),
        ("exp011", "aaa", raw[:, ::2]),
        ("exp011", "aaa,AAA", torch.cat([raw, cleaned], 1)),
        ("exp011", "ABACAD", cleaned),
        ("exp011", "AAA", cleaned[:, ::2]),
        ("sky_demo", "A,A,A", cleaned),
    ):
        config = LOG.config(name, {"layout": layout, "panels": None})
        source = cadences(config, "train", runtime)
        assert torch.equal(read(source), wanted), layout
        assert source.panels == panels_of(config)
        assert len(source) == 12 and np.array_equal(source.ids, competition.train["id"])
    assert panels_of(LOG.config("sky_cleaned_beside")) == tuple(range(12))


@pytest.mark.parametrize("name", ["sky_cleaned", "sky_cleaned_beside"])
def test_augmented_panels_become_an_image_that_the_encoder_takes(competition, overlap, name):
    config = LOG.config(name)
    x = read(cadences(config, "train", Runtime(data=competition.root, overlap=overlap)), range(12)).float()
    y, generator = torch.zeros(12), torch.Generator().manual_seed(0)
    for step in augments(config, PANEL_KNOBS):
        x, y = step(x, y, 0.0, generator, panels=panels_of(config))
    assert y.sum() > 0
    image = view_of(config)(x, panels=panels_of(config))
    channels = len(config.layout.split(","))
    assert image.shape == (12, channels, 256, 39)
    model = build_model("test_efficientnet", channels, panels=lambda width: PanelEncoder(width, "attention"))
    assert model(image[:2]).shape == (2,)


@pytest.mark.parametrize("name", ["rung_cleaned", "full_cleaned", "full_student", "mle_cleaned", "idea_cleaned", "sky_cleaned"])
def test_classifiers_see_cleaned_panels_up_to_8_sigma_as_ever(competition, overlap, name):
    """Bit for bit what they saw when cleaning itself clipped them."""
    x = read(PackedCadences(overlap / "cleaned" / "train"))
    x[0, :, ::9, ::7] *= 50
    assert x.abs().max() > 100 and LOG.config(name).clean.count(Clip(8.0)) == 1
    config = LOG.config(name)
    before = replace(config, clean=tuple(step for step in config.clean if step != Clip(8.0)) or None)
    panels = panels_of(config)
    assert torch.equal(view_of(config)(x, panels=panels), view_of(before)(x.clamp(-8, 8), panels=panels))
    assert not torch.equal(view_of(before)(x, panels=panels), view_of(config)(x, panels=panels))


def test_an_encoder_sees_raw_and_cleaned_of_one_panel_together():
    image = torch.arange(12.0).view(1, 12, 1, 1).expand(2, 12, 3, 4)
    split = PanelEncoder(8).split(image)
    assert split.shape == (12, 2, 3, 4)
    assert split[:6, :, 0, 0].tolist() == [[panel, panel + 6] for panel in range(6)]
    alone = PanelEncoder(8).split(image[:, :6])
    assert torch.equal(alone, image[:, :6].flatten(0, 1).unsqueeze(1))


def test_missing_cleaned_panels_name_the_command(competition, tmp_path):
    config = LOG.config("idea_cleaned")
    with pytest.raises(InputError, match="none was given; make one: python -m seti_utils overlap search"):
        cadences(config, "train", Runtime(data=competition.root))
    folder = search(competition, tmp_path / "overlap", quiet=True)
    with pytest.raises(InputError, match=f"no cleaned panels; make them: python -m seti_utils overlap clean .* {folder}"):
        cadences(config, "train", Runtime(data=competition.root, overlap=folder))


def test_what_cannot_be_shown_is_refused_where_it_is_written():
    log = Log()
    log.base("raw", "raw panels")
    log.base("cleaned", "cleaned panels", layout="ABACAD")
    with pytest.raises(InputError, match="an endless sky has no cleaned panels"):
        log.exp("both", "cleaned", "a sky first", sky_first=SkyFirst())
    with pytest.raises(InputError, match="its teacher raw looks at raw panels, it does not"):
        log.exp("student", "cleaned", "a teacher of another kind", distill=Distill("raw"))
    assert log.exp("fine", "cleaned", "a teacher of its own kind", distill=Distill("cleaned"))
