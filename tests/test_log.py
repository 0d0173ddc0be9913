"""The registry refuses mistakes where they are made, and the log says what facts/experiments.md says."""

import pytest

from seti_utils.errors import InputError
from seti_utils.log.book import experiments_markdown, lineage_text, log_table
from seti_utils.log.config import Config, fingerprint
from seti_utils.log.overrides import parse_overrides
from seti_utils.log.pages import LOG
from seti_utils.log.registry import Log, edit
from seti_utils.log.specs import AUCMargin, Flip, Mixup, OffMedian, Pseudo, Resize


@pytest.fixture
def log():
    log = Log()
    log.base("one", "first")
    log.exp("two", "one", "mixup", mixup=Mixup())
    return log


@pytest.mark.parametrize(
    ("name", "parent", "changes", "said"),
    [
        ("three", "two", {"mixupp": None}, "did you mean mixup"),
        ("three", "two", {"lr": 1e-3}, "already"),
        ("three", "tow", {"lr": 1e-4}, "did you mean two"),
        ("two", "one", {"lr": 1e-4}, "already in the log"),
        ("three", "two", {"lr": 1e-4, "batch": 4}, "2 changes at once"),
        ("three", "two", {}, "changes nothing"),
        ("three", "two", {"flip": edit(p=0.1)}, "off"),
        ("three", "two", {"mixup": edit(untill=0.8)}, "did you mean until"),
        ("three", "two", {"mixup": edit(alpha=1.0)}, "already"),
        ("three", "two", {"mixup": True}, "expected"),
        ("three", "two", {"batch": 2.5}, "expected a whole number of at least 1"),
        ("three", "two", {"layout": "abacae"}, "unknown letters e"),
        ("three", "two", {"layout": "aaa,bcd,abacad"}, "switch on resize"),
        ("three", "two", {"init_from": "four"}, "unknown experiment"),
        ("three", "two", {"pseudo": Pseudo("four")}, "unknown experiment"),
        ("three", "two", {"tta": ("identity", "sideways")}, "each 'identity'"),
    ],
)
def test_a_mistake_is_refused_where_it_is_written(log, name, parent, changes, said):
    with pytest.raises(InputError, match=said):
        log.exp(name, parent, "a mistake", **changes)
    assert list(log.experiments) == ["one", "two"]


def test_several_changes_are_one_idea_when_somebody_says_why(log):
    step = log.exp("three", "two", "regularise", drop_rate=0.2, drop_path_rate=0.2, because="one idea")
    assert step.config.drop_rate == step.config.drop_path_rate == 0.2


def test_edit_keeps_the_rest_of_the_parents_spec(log):
    log.exp("three", "two", "other labels", mixup=edit(label="max"))
    assert log.exp("four", "three", "off at the end", mixup=edit(until=0.8)).config.mixup == Mixup(label="max", until=0.8)


def test_fingerprint_sees_departures_only_and_changes_upstream(log):
    assert fingerprint(Config()) == fingerprint(Config(mixup=None, lr=1e-3)) != fingerprint(Config(lr=1e-4))
    log.exp("student", "one", "pseudo labels", pseudo=Pseudo("two"))
    other = Log()
    other.base("one", "first")
    other.exp("two", "one", "mixup", mixup=Mixup(alpha=2.0))
    other.exp("student", "one", "pseudo labels", pseudo=Pseudo("two"))
    assert log.config("student") == other.config("student")
    assert log.fingerprint("student") != other.fingerprint("student")


def test_overrides_reach_the_sources_and_show_in_the_fingerprint():
    overrides = parse_overrides(["epochs=2", "resize.freq=64", "backbone=resnet10t"])
    config = LOG.config("exp0019", overrides)
    assert (config.epochs, config.resize, config.backbone) == (2, Resize(64, 512), "resnet10t")
    assert LOG.fingerprint("exp0019", overrides) != LOG.fingerprint("exp0019")


def test_the_log_is_complete():
    old = [f"exp{n:04}" for n in range(1, 24)]
    new = [f"exp{n:03}" for n in range(18)] + ["exp014_w", "exp015_w", "exp016_w"]
    solution = ["pseudo_tune", "noisy_student1", "noisy_student2", "taller", "v2m_student", "v2m_taller"]
    new.remove("exp015"), new.remove("exp016")  # the log has them with warm-up only
    assert set(old + new + solution) <= set(LOG.experiments)
    assert LOG.find("teacher") is LOG.find("exp011")


@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("exp0001", {"backbone": "efficientnet_b0", "lr": 1e-3, "epochs": 30, "batch": 8, "resize": None, "layout": "abacad"}),
        ("exp0002", {"flip": Flip(0.5, ("freq", "time", "both"))}),
        ("exp0005", {"drop_rate": 0.2, "drop_path_rate": 0.2, "mixup": Mixup(), "distort": None}),
        ("exp0010", {"resize": Resize(768, 768)}),
        ("exp0011", {"clean": (OffMedian(),), "layout": "abacad"}),
        ("exp0012", {"layout": "aaa,bcd", "resize": Resize(512, 512, "bicubic", True)}),
        ("exp0013", {"loss": AUCMargin(imratio=0.1), "optimiser": "pesg", "lr": 0.1}),
        ("exp0019", {"pseudo": Pseudo("exp0012", above=0.95, below=0.02)}),
        ("exp0022", {"mixup": Mixup(until=0.8), "layout": "aaa,bcd"}),
        ("exp0023", {"mixup": Mixup(until=0.8), "layout": "abacad", "flip": Flip(0.5, ("freq",))}),
        ("exp011", {"backbone": "tf_efficientnet_b5_ns", "batch": 36, "stages": 2, "epochs": 20, "optimiser": "radam"}),
        ("exp016_w", {"layout": "aaa,bcd,abacad", "optimiser": "radam", "drop_rate": 0.4}),
        ("taller", {"resize": Resize(freq=768, time=512), "epochs": 10, "drop_rate": 0.5, "drop_path_rate": 0.3}),
    ],
)
def test_experiments_are_what_the_facts_say(name, knobs):
    config = LOG.find(name).config
    assert {knob: getattr(config, knob) for knob in knobs} == knobs


def test_every_line_but_one_idea_changes_one_knob():
    for experiment in LOG.experiments.values():
        assert len(experiment.changes) == 1 or experiment.because or not experiment.parent, experiment.name


def test_the_chain_of_the_solution_is_resolved_in_order():
    assert LOG.needs("taller") == ["exp011", "pseudo_tune", "noisy_student1", "noisy_student2"]


def test_the_table_names_every_entry_and_the_lineage_every_step():
    table = log_table(LOG)
    assert all(name in table for name in (*LOG.experiments, *LOG.blends))
    text = lineage_text(LOG, "exp0022")
    steps = ["exp0001", "exp0002", "exp0003", "exp0005", "exp0007", "exp0012", "exp0022"]
    assert [text.index(f"{step}  ") for step in steps] == sorted(text.index(f"{step}  ") for step in steps)
    assert "mixup = edit(until=0.8)" in text


def test_an_unknown_experiment_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match="exp0012"):
        LOG.find("exp0O12")


def test_a_lineage_names_network_and_panels_even_where_they_are_the_defaults():
    """Whoever looks for pretrained weights needs the backbone; whoever meets a layout first, what its letters mean."""
    said = lineage_text(LOG, "exp0023")
    assert "network: efficientnet_b0, starting from pretrained weights (--weights FOLDER)" in said
    assert "image: panels abacad, 1 channel (a: the star, b c d: its neighbours)" in said
    said = lineage_text(LOG, "idea_cleaned", parse_overrides(["pretrained=False"]))
    assert "starting from random weights" in said and "capitals: cleaned of the sky that other files show" in said
    assert "logit mean of rung_rising" in lineage_text(LOG, "rung_top")


def test_a_setting_that_was_switched_off_is_said():
    assert "Whiten(freq=15, limit=None, cut=6.0)" in lineage_text(LOG, "rung_rising")
    assert "clean = (Whiten(freq=15, limit=6.0),)" in lineage_text(LOG, "rung_plain"), "what is off from the start is not"


def test_experiments_md_says_nothing_where_there_is_nothing_to_say():
    assert "None*" not in experiments_markdown(LOG)
