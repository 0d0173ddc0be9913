"""What holds for every augmentation: dtypes, purity, seeds, shares, soft labels; specs fit functions."""

import pytest
import torch

from seti_utils.log import specs
from seti_utils.run.compose import IMAGE_KNOBS, PANEL_KNOBS

SPECS = {
    "inject": specs.Injection(p=0.6, families=("line", "sine")),
    "replace_on": specs.ReplaceOn(p=0.5),
    "reverse_time": specs.ReverseTime(p=0.5),
    "panel_flip": specs.PanelFlip(),
    "shuffle_cons": specs.ShuffleCons(),
    "shuffle_inv": specs.ShuffleInv(p=0.5),
    "freq_roll": specs.FreqRoll(),
    "noise": specs.Noise(p=0.5),
    "noise chi2": specs.Noise("chi2", 0.1, 3.1, p=0.5),
    "flip": specs.Flip(axes=("freq", "time", "both")),
    "distort": specs.GridDistortion(),
    "cutout": specs.Cutout(),
    "cutmix": specs.Cutmix(),
    "mixup": specs.Mixup(p=0.5),
    "mixup renormalised": specs.Mixup(p=0.5, label="linear", renormalise=True),
}
SOFT = torch.tensor([0.0, 1.0, 0.3, 0.97, 0.0, 0.5, 0.02, 1.0, 0.0, 0.0, 0.7, 0.0])


def run(name, dtype=torch.float32, seed=0, p=None, y=SOFT):
    """The augmentation of ``name`` on twelve cadences; also asserts that nothing given is touched."""
    knob = name.split()[0]
    panels = knob in PANEL_KNOBS
    x = torch.randn((len(y), 6, 100, 64) if panels else (len(y), 2, 60, 50), generator=torch.Generator().manual_seed(5)).to(dtype)
    kept_x, kept_y = x.clone(), y.clone()
    fields = SPECS[name].arguments()
    if p is not None:
        fields["p"] = p
    state = torch.get_rng_state()
    out, label = SPECS[name].worker()(x, y, generator=torch.Generator().manual_seed(seed), **fields)
    assert torch.equal(torch.get_rng_state(), state), "the global generator was used"
    assert torch.equal(x, kept_x) and torch.equal(y, kept_y)
    assert out.data_ptr() != x.data_ptr() and label.data_ptr() != y.data_ptr()
    return x, out, label


def test_no_augmentation_is_left_out_here():
    assert {name.split()[0] for name in SPECS} == {*PANEL_KNOBS, *IMAGE_KNOBS}


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_dtype_shape_and_label_range(name, dtype):
    x, out, label = run(name, dtype)
    assert out.dtype == dtype and out.shape == x.shape and out.isfinite().all()
    assert label.dtype == SOFT.dtype and label.shape == SOFT.shape
    assert label.min() >= 0 and label.max() <= 1


@pytest.mark.parametrize("name", SPECS)
def test_half_precision_augments_the_same_cadences(name):
    _, wide, label = run(name)
    _, low, low_label = run(name, torch.bfloat16)
    assert torch.equal(label, low_label)
    assert (wide - low.float()).abs().mean() < 0.02


@pytest.mark.parametrize("name", SPECS)
def test_the_seed_decides(name):
    _, first, label = run(name, seed=1)
    _, again, label_again = run(name, seed=1)
    assert torch.equal(first, again) and torch.equal(label, label_again)
    assert not torch.equal(first, run(name, seed=2)[1])


@pytest.mark.parametrize("name", SPECS)
def test_p_0_changes_nothing_and_p_1_every_cadence(name):
    x, out, label = run(name, p=0.0)
    assert torch.equal(out, x) and torch.equal(label, SOFT)
    x, out, label = run(name, p=1.0, y=torch.zeros(12))
    changed = (out != x).flatten(1).any(1)
    # A shuffle or a roll may be the identity.
    assert changed.sum() >= (10 if name in ("shuffle_cons", "freq_roll") else 12)


@pytest.mark.parametrize("name", SPECS)
def test_a_cadence_that_is_not_drawn_keeps_pixels_and_label(name):
    x, out, label = run(name, p=0.5)
    same = (out == x).flatten(1).all(1)
    assert same.any() and not same.all()
    assert torch.equal(label[same], SOFT[same])


@pytest.mark.parametrize("name", [name for name in SPECS if not name.startswith("inject")])
def test_the_share_p_of_cadences_is_drawn(name):
    knob = name.split()[0]
    count = 1500
    shape = (count, 6, 8, 10) if knob in PANEL_KNOBS else (count, 1, 20, 20)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(6))
    fields = SPECS[name].arguments() | {"p": 0.3}
    out, _ = SPECS[name].worker()(x, torch.zeros(count), generator=torch.Generator().manual_seed(7), **fields)
    share = (out != x).flatten(1).any(1).float().mean()
    # One of 36 shuffles and, on 10 channels, 7 of 65 rolls change nothing; a patch may be empty.
    lost = {"shuffle_cons": 1 / 36, "freq_roll": 7 / 65, "cutmix": 0.1}.get(knob, 0.0)
    assert 0.3 * (1 - lost) - 0.05 < share < 0.35


@pytest.mark.parametrize("name", [name for name in SPECS if name.split()[0] in ("mixup", "cutmix")])
def test_a_batch_of_one_is_mixed_with_nobody(name):
    x, out, label = run(name, p=1.0, y=torch.tensor([0.4]))
    assert torch.equal(out, x) and torch.equal(label, torch.tensor([0.4]))
