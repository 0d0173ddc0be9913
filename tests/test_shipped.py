"""The detectors in the box: complete cards, monotone scores, the same bits every time, and every fault by its name."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from seti_utils.data.cadence import DF_HZ, DT_S, FREQ, ON, TIME
from seti_utils.errors import InputError
from seti_utils.nets.detector import Detector
from seti_utils.nets.shipped import FOLDER, NEEDED, body_of, load_detector, save_detector, shipped_names, straight_line
from seti_utils.overlap.clean import clean_panels
from seti_utils.sky.needles import Tracks, draw
from seti_utils.sky.profiles import plain_profiles
from seti_utils.views.normalising import normalise_panels

CARD = {*NEEDED, "what", "taught_on", "recipe", "seed", "measured", "response", "blind_spots", "versions", "sky_version"}
ROOT = Path(__file__).parents[1]
BOX = 1_500_000
"""Bytes of all detectors in the box."""

FALL = 0.3
"""Logit that a brighter needle loses at most, in the median over skies."""

BRIGHTEST = 300.0


@pytest.fixture(scope="module")
def raw():
    return load_detector("raw")


@pytest.fixture(scope="module")
def cleaned():
    return load_detector("cleaned")


def sky(count=2, seed=0, wide=FREQ):
    """Noise on a few smooth emitters, the same spectra in all panels."""
    g = torch.Generator().manual_seed(seed)
    at = torch.arange(wide) / FREQ
    spectra = torch.stack([torch.sin(6.283 * at * wave) for wave in (0.7, 2.0, 8.0)])
    course = torch.rand(count, 6, 1, 3, generator=g) * (1 + 0.1 * torch.randn(count, 6, TIME, 3, generator=g)) * 5
    return torch.randn(count, 6, TIME, wide, generator=g) + course @ spectra


def minus_sky(x, beside, shift):
    """Cadences cleaned by one neighbour each, whose window begins ``shift`` channels further on."""
    whole = torch.ones(1, 6, dtype=torch.bool)
    return torch.stack([clean_panels(one, other[None], [shift], whole)[0] for one, other in zip(x, beside, strict=True)]).half()


def with_needle(x, height, drift=8.0, width=0.72, panels=ON, share=None):
    """One straight needle of ``height`` sigma through channel 128 in the middle, in each of ``panels`` times its share.

    The brightest is drawn and dimmed: drawing leaves out what is fainter than 0.05 sigma, so a faint one would be narrower.
    """
    count = len(x)
    time = (torch.arange(6 * TIME) + 0.5) / TIME
    freq = (128 + drift * (time - 3)).view(1, 6, TIME).expand(count, -1, -1)
    gate = torch.zeros(count, 6, TIME)
    gate[:, list(panels)] = 1
    tracks = Tracks(freq, gate, torch.zeros(count, dtype=torch.long), torch.full((count,), drift), plain_profiles(count, width))
    peak = torch.full((count, 6), BRIGHTEST) * (torch.ones(6) if share is None else torch.tensor(share))
    light = draw(torch.zeros_like(x), tracks, peak, sigma=torch.ones(count, 6))
    return normalise_panels(x + light * (height / BRIGHTEST)).half()


def test_the_box_holds_two_detectors_and_is_small(raw, cleaned):
    assert shipped_names() == ["cleaned", "raw"] == sorted(path.stem for path in FOLDER.glob("*.safetensors"))
    assert raw.mark != cleaned.mark and cleaned.network.per_column and not raw.network.per_column
    assert sum(path.stat().st_size for path in FOLDER.glob("*.safetensors")) < BOX


@pytest.mark.parametrize("name", shipped_names())
def test_a_card_says_everything_that_a_user_must_know(name):
    card = load_detector(name).card
    assert CARD <= card.keys() and card["df_hz"] == DF_HZ and card["dt_s"] == DT_S
    assert card["measured"]["auc"][0] > 0.84 and card["measured"]["recall_at_false_alarms"].keys() == {"0.1%", "1.0%", "10.0%"}
    assert card["response"]["largest_fall"][1] <= FALL, "no needle loses much by being brighter"


STRAIGHT = pytest.mark.parametrize(
    "drift, width, panels",
    [(8.0, 0.72, ON), (0.2, 0.72, ON), (8.0, 6.0, ON), (30.0, 1.5, ON), (1.5, 1.5, (2,)), (0.2, 6.0, (2,))],
)


@STRAIGHT
def test_a_brighter_needle_scores_higher_or_as_high(raw, drift, width, panels):
    """What users of the older detector saw: 8 sigma, two channels wide, scored like empty sky. Up to 300 sigma now."""
    x = sky()
    empty = float(raw.score(normalise_panels(x).half()).logit.mean())
    logits = [float(raw.score(with_needle(x, height, drift, width, panels)).logit.mean()) for height in (2, 8, 30, 300)]
    assert logits[0] > empty + 1 and min(logits[1:]) > empty + 1.5
    highest = logits[0]
    for logit in logits[1:]:
        assert logit > highest - FALL, logits  # measured: it rises by 0.4 and more at every step, so no rounding decides
        highest = max(highest, logit)


@STRAIGHT
@pytest.mark.parametrize("shift", [17, 100])
def test_minus_its_sky_a_brighter_needle_scores_higher_or_as_high_too(cleaned, drift, width, panels, shift):
    """In columns that a neighbour shows, and where it crosses into columns that none does, from a tenth of the noise of a pixel on."""
    heights = (0.1, 0.5, 2, 8, 30, 100, BRIGHTEST)
    wide = sky(seed=1, wide=FREQ + shift)
    x, beside = wide[..., :FREQ], normalise_panels(wide[..., shift:])
    shown = [normalise_panels(x), *(with_needle(x, height, drift, width, panels) for height in heights)]
    logits = cleaned.score(torch.cat([minus_sky(one, beside, shift) for one in shown])).logit.view(-1, len(x)).mean(1)
    empty, *logits = logits.tolist()
    assert logits[0] > empty + 2, (empty, logits)
    assert all(after > max(logits[: place + 1]) - FALL for place, after in enumerate(logits[1:])), logits


def test_minus_its_sky_a_blinding_needle_is_where_it_is(cleaned):
    """Tracks that only cross a needle of 300 sigma had as much evidence as its own: drifts of 4 and 16 channels were told for 30."""
    wide = sky(seed=1, wide=FREQ + 17)
    x, beside = wide[..., :FREQ], normalise_panels(wide[..., 17:])
    for drift in (8.0, 30.0):
        found = cleaned.score(minus_sky(with_needle(x, BRIGHTEST, drift, 1.5), beside, 17))
        assert (found.drift - drift).abs().max() < 3 and (found.panel[:, list(ON)] > 0).all()


def test_a_needle_is_found_where_it_is_and_an_echo_is_rejected(raw):
    x = sky(seed=3)
    found = raw.score(with_needle(x, 1.5))
    assert (found.freq - (128 - 3 * 8)).abs().max() < 4 and (found.drift - 8).abs().max() < 1
    assert (found.panel[:, list(ON)] > 0).all()
    echo = raw.score(with_needle(x, 1.5, panels=range(6), share=[1, 0.6, 1, 0.6, 1, 0.6]))
    assert (echo.logit < found.logit - 2).all()
    heat = raw.heat(found)
    assert (
        heat.shape == (2, 6, 48, FREQ) and float(heat[0, 2, 24, 124:133].max()) > 0.5 and float(heat[0, 2, 24, :100].max()) < 1e-3
    )


def test_scores_are_equal_bit_for_bit_and_know_nothing_of_their_neighbours(raw):
    x = with_needle(sky(5), 1.0)
    once, again = raw.score(x), raw.score(x)
    assert all(torch.equal(one, other) for one, other in zip(once, again, strict=True))
    alone = raw.score(x[3:4])
    torch.testing.assert_close(alone.logit, once.logit[3:4], atol=1e-4, rtol=1e-4)
    assert raw.score(x[:0]).channel.shape == (0, 6, 48)


def test_a_straight_line_through_the_panels_that_have_the_needle():
    time = (torch.arange(6 * 4) + 0.5).view(1, 6, 4) / 4
    channel = 20 + 3 * time
    channel[:, 4] = 500.0  # a panel without it, where the track is a guess
    freq, drift = straight_line(channel, torch.tensor([[2.0, 9.0, 1.0, 9.0, -3.0, 9.0]]))
    torch.testing.assert_close(torch.stack([freq, drift]), torch.tensor([[20.0], [3.0]]), atol=1e-3, rtol=1e-4)
    freq, drift = straight_line(channel, torch.tensor([[-5.0, 9.0, -1.0, 9.0, -3.0, 9.0]]))
    torch.testing.assert_close(torch.stack([freq, drift]), torch.tensor([[20.0], [3.0]]), atol=1e-3, rtol=1e-4)


def test_other_shapes_and_resolutions_are_refused_by_name(raw):
    with pytest.raises(InputError, match=r"\(6, 100, 256\)"):
        raw.score(torch.zeros(1, 6, 100, 256))
    raw.refuse_other(-DF_HZ, DT_S, "x.fil")
    with pytest.raises(InputError, match="2.79 Hz per channel"):
        raw.refuse_other(2.79, DT_S, "x.fil")
    with pytest.raises(InputError, match="18.25 s per row"):
        raw.refuse_other(DF_HZ, 18.25, "x.fil")


def test_faults_of_files_are_one_line_with_a_remedy(tmp_path):
    with pytest.raises(InputError, match="raw"):
        load_detector("nobody")
    file = tmp_path / "mine.safetensors"
    shutil.copy(FOLDER / "raw.safetensors", file)
    with pytest.raises(InputError, match="card beside"):
        load_detector(file)
    card = json.loads((FOLDER / "raw.json").read_text(encoding="utf-8"))
    file.with_suffix(".json").write_text(json.dumps(card), encoding="utf-8")
    assert load_detector(file).mark == load_detector("raw").mark
    file.with_suffix(".json").write_text(json.dumps(card | {"backbone": "needle_net"}), encoding="utf-8")
    with pytest.raises(InputError, match="do not fit"):
        load_detector(file)
    del card["dt_s"]
    file.with_suffix(".json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(InputError, match="does not say dt_s"):
        load_detector(file)
    file.with_suffix(".json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="not valid JSON"):
        load_detector(file)
    file.with_suffix(".json").write_text(json.dumps(card | {"dt_s": DT_S}), encoding="utf-8")
    file.write_bytes(b"x" * 20)
    with pytest.raises(InputError, match="cannot be read"):
        load_detector(file)
    file.unlink()
    for path in (file, file.with_suffix(".json")):
        with pytest.raises(InputError, match="mine.safetensors: there is no such file"):
            load_detector(path)


@pytest.mark.slow
def test_a_shipped_detector_and_the_search_need_no_timm():
    """Importing it takes seconds and 200 MB, of every process of a search."""
    code = "import sys; from seti_utils.nets.shipped import load_detector; import seti_utils.telescope.search; load_detector()\n"
    code += "print('timm' in sys.modules, 'torchvision' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    assert ended.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("backbone", ["track_net", "test_efficientnet"])
def test_a_detector_that_is_saved_is_loaded_again_whatever_looks_at_its_strips(tmp_path, raw, backbone):
    torch.manual_seed(0)
    network = Detector(body_of(backbone), per_column=raw.card["per_column"])
    for name in ("one", "two"):
        save_detector(network, raw.card | {"backbone": backbone}, tmp_path / f"{name}.safetensors")
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    again = load_detector(tmp_path / "one.safetensors")
    assert again.name == "one" and again.card["backbone"] == backbone
    state = again.network.state_dict()
    assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())
    with pytest.raises(InputError, match="two.json: the card does not say backbone; fetch the card again"):
        save_detector(network, {key: value for key, value in raw.card.items() if key != "backbone"}, tmp_path / "two.safetensors")
