"""On a GPU the views give the CPU's pixels, and the augmentations keep their promises."""

import pytest
import torch

from seti_utils.log import specs
from seti_utils.run.compose import PANEL_KNOBS
from seti_utils.views.normalising import normalise_panels
from seti_utils.views.rendering import render

if not torch.cuda.is_available():
    pytest.skip("the views' GPU tests need a GPU", allow_module_level=True)

SPECS = {
    "inject": specs.Injection(p=0.6, families=("line", "chirp", "sine")),
    "replace_on": specs.ReplaceOn(p=0.5),
    "reverse_time": specs.ReverseTime(p=0.5),
    "panel_flip": specs.PanelFlip(),
    "shuffle_cons": specs.ShuffleCons(),
    "shuffle_inv": specs.ShuffleInv(p=0.5),
    "freq_roll": specs.FreqRoll(),
    "noise": specs.Noise("chi2", 0.1, 3.1, p=0.5),
    "flip": specs.Flip(axes=("freq", "time", "both")),
    "distort": specs.GridDistortion(),
    "cutout": specs.Cutout(),
    "cutmix": specs.Cutmix(),
    "mixup": specs.Mixup(p=0.5, renormalise=True),
}


@pytest.fixture(scope="module")
def x():
    return torch.randn(12, 6, 273, 256, generator=torch.Generator().manual_seed(0)).half()


@pytest.mark.parametrize("layout", ["abacad", "aaa,bcd,abacad", "aaa/bcd"])
@pytest.mark.parametrize("kernel", ["bicubic", "lanczos", "area", "max", "meanmax"])
@pytest.mark.parametrize("size", [(512, 512), (320, 128)])
def test_render_equals_the_cpus_and_ignores_autocast(x, layout, kernel, size):
    how = {"freq": size[0], "time": size[1], "kernel": kernel}
    wanted = render(x, layout=layout, resize=how)
    image = render(x.cuda(), layout=layout, resize=how)
    assert image.dtype == torch.float32 and torch.allclose(image.cpu(), wanted, atol=1e-5)
    assert torch.equal(image, render(x.cuda(), layout=layout, resize=how))
    with torch.autocast("cuda", dtype=torch.float16):
        assert torch.equal(image, render(x.cuda(), layout=layout, resize=how))
    for dtype, tolerance in ((torch.float16, 2e-2), (torch.bfloat16, 1e-1)):
        low = render(x.cuda(), layout=layout, resize=how, dtype=dtype)
        assert low.dtype == dtype and (low.float().cpu() - wanted).abs().max() < tolerance


CLEANING = {step.__name__: step.worker() for step in specs.features_of(specs.CleanStep)}


@pytest.mark.parametrize("name", CLEANING)
def test_cleaning_equals_the_cpus(x, name):
    wanted = CLEANING[name](x[:3].float())
    cleaned = CLEANING[name](x[:3].float().cuda())
    assert torch.allclose(cleaned.cpu(), wanted, atol=1e-3)
    assert torch.equal(cleaned, CLEANING[name](x[:3].float().cuda()))


def test_normalised_panels_equal_the_cpus_at_the_edges(x):
    x = x[:2].clone()
    x[0, 0] = 7
    x[0, 1] = float("nan")
    x[0, 2, 5, 5] = float("inf")
    assert torch.allclose(normalise_panels(x.cuda()).cpu().float(), normalise_panels(x).float(), atol=1e-3)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_augmentations_keep_dtype_input_and_seed(x, name, dtype):
    x = (x if name in PANEL_KNOBS else render(x, layout="aaa,bcd")).cuda().to(dtype)
    y = torch.tensor([0.0, 1.0, 0.3] * 4, device="cuda")
    before, labels = x.clone(), y.clone()
    runs = []
    for seed in (1, 1, 2):
        generator = torch.Generator("cuda").manual_seed(seed)
        runs.append(SPECS[name].worker()(x, y, generator=generator, **SPECS[name].arguments()))
    (out, label), (again, label_again), (other, _) = runs
    assert out.dtype == dtype and out.shape == x.shape and out.isfinite().all()
    assert torch.equal(x, before) and torch.equal(y, labels)
    # Overlapping contributions of a needle are added in any order on a GPU, so the last bit may differ.
    assert torch.allclose(out.float(), again.float(), atol=1e-2 if name == "inject" else 0)
    assert torch.equal(label, label_again) and not torch.equal(out, other)
    assert label.min() >= 0 and label.max() <= 1
