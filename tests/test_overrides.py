"""Knobs as they are typed: any value that the log can write, any feature switched on, and a mistake named."""

import dataclasses

import pytest

from seti_utils.commands.options import run_of
from seti_utils.commands.parsing import make_parser
from seti_utils.errors import InputError
from seti_utils.learn.survival import CURES
from seti_utils.log import specs
from seti_utils.log.book import spelled
from seti_utils.log.overrides import parse_overrides, split_overrides
from seti_utils.log.pages import LOG
from seti_utils.run.identity import REMEDIES


def config_of(*pairs, name="exp0001"):
    return LOG.config(name, parse_overrides(pairs))


@pytest.mark.parametrize(
    ("pair", "knob", "value"),
    [
        ("epochs=2", "epochs", 2),
        ("lr=1e-4", "lr", 1e-4),
        ("layout=aaa,bcd", "layout", "aaa,bcd"),
        ("backbone=resnet10t", "backbone", "resnet10t"),
        ("cutout=None", "cutout", None),
        ("mixup=Mixup()", "mixup", specs.Mixup()),
        ("mixup = Mixup(alpha=5, label='max')", "mixup", specs.Mixup(alpha=5, label="max")),
        ("resize=Resize(64,64)", "resize", specs.Resize(64, 64)),
        ("head_first.epochs=1", "head_first", specs.HeadFirst(1)),
        ("mixup.alpha=5", "mixup", specs.Mixup(alpha=5)),
        ("clean=(OffMedian(), Clip(2.0))", "clean", (specs.OffMedian(), specs.Clip(2.0))),
        ("tta=['identity','time']", "tta", ("identity", "time")),
    ],
)
def test_any_knob_can_be_turned_and_any_feature_switched_on(pair, knob, value):
    assert getattr(config_of(pair), knob) == value


def test_a_dotted_name_keeps_the_other_settings_of_a_feature_that_is_on():
    before = LOG.config("exp0023").resize
    assert config_of("resize.freq=128", name="exp0023").resize == dataclasses.replace(before, freq=128)
    assert config_of("mixup.alpha=5", "mixup.p=0.5").mixup == specs.Mixup(alpha=5, p=0.5)


@pytest.mark.parametrize("name", list(LOG.experiments))
def test_every_line_of_the_log_can_be_typed(name):
    """Whatever EXPERIMENTS.md prints of a recipe is a value that ``--set`` takes."""
    config = LOG.config(name)
    typed = [f"{knob}={spelled(value)}" for knob, value in config.departures().items()]
    assert config_of(*typed) == config
    assert split_overrides(" ".join(typed)) == typed


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (["epochs"], "'epochs' is not a valid override; write knob=value"),
        (["=3"], "is not a valid override"),
        (["mixup=Mxup()"], "unknown feature 'Mxup'; did you mean Mixup"),
        (["mixup=Mixup(alfa=3)"], "Mixup has no setting 'alfa'; did you mean alpha"),
        (["mixup.alfa=3"], "Mixup has no setting 'alfa'; did you mean alpha"),
        (["mixup=Mixup("], "cannot read"),
        (["mixup=__import__('os').system('true')"], "cannot read"),
        (["mixup=open('x')"], "unknown feature 'open'"),
        (["mixup=Cutmix()"], "expected Mixup or None"),
        (["pseudo=Pseudo()"], r"missing 1 required .* 'source'; write it as Pseudo\(source, above"),
        (["pool.p=2"], r"pool is off; switch it on as a whole: pool=GeM\(p\) or PanelPool\(time\)"),
        (["pseudo.top=5"], r"pseudo is off; .*pseudo=Pseudo\(source"),
        (["epochs.x=3"], "has no settings"),
        (["epochs=0"], "exp0001: epochs=0; expected a whole number of at least 1"),
        (["flip=Flip(p=3)"], "Flip: p=3; expected a number from 0 to 1"),
        (["flip.p=3"], "exp0001: flip: p=3; expected a number from 0 to 1"),
        (["loss=Focal(gamma=-0.5)"], "Focal: gamma=-0.5; expected a number of at least 0"),
        (["init_from.x=1"], "has no settings"),
        (["resize=Resize()", "resize.freq=3"], "both resize and resize.freq were given"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(pairs, said):
    with pytest.raises(InputError, match=said) as caught:
        config_of(*pairs)
    assert caught.value.remedy or "expected" in said


def test_a_notebooks_overrides_are_split_at_spaces_outside_brackets_and_quotes():
    assert split_overrides(" epochs=2  resize=Resize(64, 64)\n") == ["epochs=2", "resize=Resize(64, 64)"]
    assert split_overrides("tta=('identity', \"time\") a='b c'") == ["tta=('identity', \"time\")", "a='b c'"]
    assert split_overrides("") == []
    for text in ("resize=Resize(64, 64", "a='b", "tta=['identity'"):
        with pytest.raises(InputError, match="is missing"):
            split_overrides(text)


def test_the_remedy_of_a_dead_run_can_be_typed():
    """What the message asks for is what --retry does."""
    for knob, words in CURES.items():
        if "…" not in words and "--set" in words:
            pair = words.partition("--set ")[2].partition(")")[0]
            assert getattr(config_of(pair), knob) == REMEDIES[knob](config_of())
    assert all("--set" in words for words in CURES.values())


def test_weights_none_starts_from_random_weights_and_says_so_in_the_fingerprint():
    def run(*words):
        return run_of(make_parser().parse_args(["train", "exp0001", *words]))[2]

    runtime = run("--weights", "none", "--set", "epochs=2")
    assert runtime.weights is None and runtime.overrides == {"pretrained": False, "epochs": 2}
    assert not LOG.config("exp0001", runtime.overrides).pretrained
    assert LOG.fingerprint("exp0001", run("--weights", "none").overrides) != LOG.fingerprint("exp0001")
    assert run("--weights", "./none").weights.name == "none" and run("--weights", "w").overrides == {}
