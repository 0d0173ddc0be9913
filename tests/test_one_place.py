"""Adding to the house touches few places: one of each is added in a temporary copy, and half of one is refused."""

import inspect
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seti_utils.log.book import spelled
from seti_utils.log.config import HINTS, SEED, Config, refuse_idle
from seti_utils.log.pages import LOG
from seti_utils.log.specs import SPECS, CleanStep, ImageAugmentation, Spec, settings_of
from seti_utils.session.parameters import read_parameters

PACKAGE = Path(__file__).parent.parent / "seti_utils"


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_features_settings_are_the_keywords_of_what_does_the_work(spec):
    work = spec.worker()
    taken = inspect.signature(work).parameters
    passed = {name: field.default for name, field in spec.__dataclass_fields__.items() if name not in spec.caller}
    assert passed.keys() <= taken.keys(), f"{spec.does} does not take {passed.keys() - taken.keys()}"
    if issubclass(spec, CleanStep | ImageAugmentation):
        assert all(taken[name].default == value for name, value in passed.items()), f"{spec.does} has other defaults"


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_feature_stands_in_an_experiment(spec):
    used = [value for entry in LOG.experiments.values() for value in vars(entry.config).values()]
    held = [one for value in used for one in (value if isinstance(value, tuple) else (value,))]
    assert any(type(one) is spec for one in held), (
        f"no experiment uses {spec.__name__}: give it a line in log/pages, or let it go"
    )


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_number_of_a_feature_has_a_range(spec):
    for name, hint in settings_of(spec).items():
        assert hint not in (int, float, str), f"{spec.__name__}.{name}: say which values make sense"


def test_every_number_of_an_experiment_has_a_range():
    free = {knob for knob, hint in HINTS.items() if hint in (int, float, str)}
    assert free == {"layout"}, "a layout is read by parse_layout"


def test_half_a_feature_is_refused(monkeypatch):
    with pytest.raises(TypeError, match="a feature says does="):
        type("Lost", (Spec,), {})
    with pytest.raises(TypeError, match="two features called Clip"):
        type("Clip", (CleanStep,), {}, does="seti_utils.views.cleaning:clip")
    monkeypatch.setattr("seti_utils.log.specs.base.SPECS", dict(SPECS))
    with pytest.raises(TypeError, match="caller names"):
        type("Odd", (CleanStep,), {}, does="seti_utils.views.cleaning:clip", caller=("p",))
    type("Idle", (ImageAugmentation,), {}, does="seti_utils.views.pixels:flip")
    with pytest.raises(TypeError, match="Idle: no knob of Config holds it"):
        refuse_idle(ImageAugmentation)


ADDED = {
    # a cleaning step: the function, and its spec
    "views/cleaning.py": """

def doubled(x_BPTF: Tensor, times: float = 2.0) -> Tensor:
    return x_BPTF * times
""",
    "log/specs/views.py": """

class Doubled(CleanStep, does="seti_utils.views.cleaning:doubled"):
    times: Positive = 2.0
""",
    # a loss: the function, and its spec
    "learn/losses.py": """

def absolute(output: Tensor, target: Tensor, power: float = 1.0) -> Tensor:
    return (as_logit(output).sigmoid() - target).abs().pow(power).mean()
""",
    "log/specs/training.py": """

class Absolute(Loss, does="seti_utils.learn.losses:absolute"):
    power: Positive = 1.0
""",
    # an augmentation: the function, its spec, and the knob that says when it acts
    "views/pixels.py": """

def darken(image_BCFT: Tensor, y: Tensor, *, generator: Generator, p: float = 0.5) -> Pair:
    hit = chosen(len(image_BCFT), p, generator)
    return torch.where(per_cadence(hit, image_BCFT), image_BCFT - 100, image_BCFT), y.clone()
""",
    "log/specs/images.py": """

class Darken(ImageAugmentation, does="seti_utils.views.pixels:darken"):
    p: Share = 0.5
""",
}
KNOB = ("    cutmix: specs.Cutmix | None = None\n", "    darken: specs.Darken | None = None\n")
USE = """
import torch
from seti_utils.log.overrides import parse_overrides
from seti_utils.log.pages import LOG
from seti_utils.run.compose import IMAGE_KNOBS, augments, loss_of, view_of

words = ["clean=(Doubled(times=3),)", "loss=Absolute(power=2)", "darken=Darken(p=1)", "cutout=None"]
config = LOG.config("exp0001", parse_overrides(words))
x = torch.ones(2, 6, 20, 16)
assert view_of(config)(x).eq(3).all()
loss, _ = loss_of(config)
assert loss(torch.zeros(4), torch.ones(4)) == 0.25
assert IMAGE_KNOBS.index("darken") == IMAGE_KNOBS.index("cutmix") + 1
(step,) = augments(config, IMAGE_KNOBS)
assert step(torch.zeros(2, 1, 8, 8), torch.zeros(2), 0.0, torch.Generator())[0].eq(-100).all()
"""


@pytest.mark.slow
def test_a_cleaning_step_and_a_loss_are_two_places_and_an_augmentation_three(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "seti_utils", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in ADDED.items():
        with open(tmp_path / "seti_utils" / name, "a", encoding="utf-8") as file:
            file.write(text)
    config = tmp_path / "seti_utils/log/config.py"
    source = config.read_text(encoding="utf-8")
    assert KNOB[0] in source
    config.write_text(source.replace(KNOB[0], "".join(KNOB)), encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", USE], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", list(LOG.experiments))
def test_an_experiment_is_one_line_that_says_all(name):
    config = LOG.config(name)
    named = {knob: value for knob, value in vars(config).items() if value != getattr(Config(), knob)}
    assert config.departures() == named and all(spelled(value) for value in named.values())


@pytest.mark.parametrize("name", ["train", "infer", "eda_domain_shift"])
def test_a_notebook_has_the_command_lines_seed(name):
    assert read_parameters(PACKAGE.parent / "notebooks" / f"{name}.ipynb")["seeds"] == str(SEED)
