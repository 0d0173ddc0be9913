"""How a step is computed: chosen once, kept by its run, not part of what an experiment is."""

from functools import partial

import pytest
import torch

from seti_utils.errors import InputError
from seti_utils.learn import measuring
from seti_utils.learn.checkpoint import load
from seti_utils.learn.computing import Computing, asked_for, read_computing
from seti_utils.learn.distributed import Team
from seti_utils.learn.measuring import fastest, measured, pays, rates, ways
from seti_utils.learn.survival import Stopped
from seti_utils.log.registry import edit
from seti_utils.log.specs import EMA
from seti_utils.nets.models import build_model
from seti_utils.nets.shipped import load_detector
from seti_utils.run import computing
from seti_utils.run.artifacts import read_meta
from seti_utils.run.identity import Run
from seti_utils.run.infer import validation_scores
from seti_utils.run.runtime import Runtime
from seti_utils.run.train import train, train_fold
from seti_utils.scores.tables import read_scores
from seti_utils.sky import make_sky

CPU = torch.device("cpu")
LAST, PLAIN = Computing(), Computing("contiguous")
SMALL = {"pretrained": False, "epochs": 2, "batch": 8, "folds": 4, "resize": edit(freq=32, time=32)}


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    return make_sky(tmp_path_factory.mktemp("computing") / "sky", train=40, test=10, seed=8, workers=1)


def runtime(sky, out, way=None, backbone="test_efficientnet", **more):
    return Runtime(data=sky, out=out, workers=1, device="cpu", computing=way, overrides=SMALL | {"backbone": backbone} | more)


def trained(sky, out, way=None, backbone="test_efficientnet", say=lambda line: None, **more):
    """Weights and record of ``exp0022``, fold 0."""
    (folder,) = train("exp0022", [0], [2021], runtime(sky, out, way, backbone, **more), say=say)
    return load(folder / "last.safetensors")[0], read_meta(folder)


def equal(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


# --- words and the choice itself


def test_words_fix_what_they_name_and_leave_the_rest():
    usual = Computing("channels_last", "fp16")
    assert str(asked_for("contiguous", usual)) == "contiguous, fp16"
    assert asked_for("float32, compiled", usual) == Computing("channels_last", None, True)
    assert asked_for("eager", Computing(compiled=True)) == LAST
    assert read_computing(" contiguous , bf16") == "contiguous,bf16" and read_computing("measured") == "measured"
    assert Computing.recorded(Computing("contiguous", "bf16", True).record()) == Computing("contiguous", "bf16", True)
    assert Computing.recorded(None, "fp16") == usual, "earlier versions said nothing and computed channels_last"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fast", "'fast' is not a way to compute; write measured, or some of channels_last"),
        ("measured,bf16", "'measured' is not a way"),
        ("bf16,fp16", "both bf16 and fp16; write one of them"),
        ("compiled,eager", "both compiled and eager"),
    ],
)
def test_other_words_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        Runtime(computing=text)


def test_another_way_has_to_be_clearly_faster():
    assert fastest({LAST: 100.0, PLAIN: 104.0}, LAST) == LAST
    assert fastest({LAST: 100.0, PLAIN: 106.0}, LAST) == PLAIN
    assert fastest({PLAIN: 1.0}, LAST) == PLAIN, "the usual one does not work here"
    assert fastest({}, LAST) == LAST


@pytest.mark.usefixtures("cpu_with_bf16")
def test_float32_stays_float32_and_mixed_precision_may_become_it():
    assert ways(None, CPU, LAST) == [LAST, PLAIN]
    assert [str(way) for way in ways("fp16", CPU, LAST)] == [
        "channels_last, float32",
        "contiguous, float32",
        "channels_last, bf16",
        "contiguous, bf16",
    ]


def test_compiling_is_tried_where_a_fifth_of_the_training_is_more_than_it_costs():
    assert not pays(100.0, 1000) and pays(100.0, 100_000)


def test_measuring_leaves_no_trace(capsys, monkeypatch):
    """Neither in the network nor in the random numbers of the training; what does not work is missing, and a note says so."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="no such backend"))
    model = build_model("test_efficientnet", 1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    found = rates(model, (4, 1, 32, 32), [LAST, PLAIN, Computing(compiled=True)])
    assert set(found) == {LAST, PLAIN} and min(found.values()) > 0
    assert "channels_last, float32, compiled does not work here" in capsys.readouterr().err
    assert torch.equal(torch.get_rng_state(), state) and equal(dict(model.state_dict()), before)
    assert model.training and all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.usefixtures("cpu_with_bf16")
@pytest.mark.parametrize(("images", "compiled_s", "best"), [(0, 0.5, ""), (10**9, 0.5, ", compiled"), (10**9, 1.5, "")])
def test_the_fastest_is_taken_and_compiled_where_that_pays(images, compiled_s, best, monkeypatch):
    """By a clock of the test's: this machine's own would say something else every time."""
    slow = {LAST: 4.0, PLAIN: 2.0, Computing("channels_last", "bf16"): 3.0, Computing("contiguous", "bf16"): 1.0}
    slow |= {Computing("contiguous", "bf16", True): compiled_s} if images else {}
    monkeypatch.setattr(measuring.Rehearsal, "seconds", lambda self, way, steps, patience: [slow[way]] * steps)
    way, found = measured(build_model("test_efficientnet", 1), (4, 1, 32, 32), "bf16", LAST, images)
    assert str(way) == f"contiguous, bf16{best}" and found == {each: 4 / seconds for each, seconds in slow.items()}


def test_a_way_that_is_far_behind_is_measured_no_further(monkeypatch):
    slow, asked = {LAST: 1.0, PLAIN: 1.6, Computing(precision="bf16"): 1.4}, []
    monkeypatch.setattr(measuring.Rehearsal, "seconds", lambda self, way, *rest: asked.append(way) or [slow[way]])
    found = rates(build_model("test_efficientnet", 1), (4, 1, 32, 32), list(slow))
    assert found == {way: 4 / seconds for way, seconds in slow.items()}
    assert [asked.count(way) for way in slow] == [measuring.TURNS, 1, measuring.TURNS]


def test_a_slow_way_ends_when_patience_does():
    seconds = iter(range(100)).__next__  # a step takes one
    rehearsal = measuring.Rehearsal(build_model("test_efficientnet", 1), (4, 1, 32, 32), seconds)
    assert rehearsal.seconds(LAST, 20, patience=2.5) == [1, 1, 1]


# --- in a run


@pytest.mark.usefixtures("cpu_with_bf16")
@pytest.mark.parametrize("backbone", ["test_efficientnet", "test_nfnet"])
def test_its_own_way_gives_the_validation_scores_again_bit_for_bit(backbone, sky, tmp_path):
    """Of either layout and in bf16; the fingerprint is the same, and the layouts' scores are the same up to rounding."""
    found = {}
    for way in ("channels_last", "contiguous", "contiguous,bf16"):
        _, meta = trained(sky, tmp_path / way, way, backbone)
        layout, *precision = way.split(",")
        assert meta["computing"] == {"layout": layout, "precision": "bf16" if precision else None, "compiled": False}
        run = Run("exp0022", 0, 2021, runtime(sky, tmp_path / way, None, backbone)).found()
        kept = read_scores(run.folder / "oof.csv").set_index("id")["score"]
        assert validation_scores(run).set_index("id")["score"][kept.index].tolist() == kept.tolist()
        found[way] = (meta["fingerprint"], kept)
    (one, first), (other, second), (third, _) = found.values()
    assert one == other == third and abs(first - second).max() < 0.05


def test_a_cpu_is_not_measured_unless_asked(sky, tmp_path, monkeypatch):
    monkeypatch.setattr(computing, "measured", lambda *given: pytest.fail("measured"))
    _, meta = trained(sky, tmp_path)
    assert meta["computing"] == LAST.record() and not (tmp_path / "exp0022/computing.json").exists()


def test_a_resumed_run_keeps_its_choice_whatever_the_clock_says_now(sky, tmp_path, monkeypatch):
    """And ends bit for bit as one that did not stop; other folds of the experiment are computed alike."""
    clock = {"best": PLAIN}
    monkeypatch.setattr(computing, "measured", lambda *given: (clock["best"], {PLAIN: 20.0, LAST: 10.0}))
    said = []
    whole, _ = trained(sky, tmp_path / "whole", "contiguous")
    broken = Run("exp0022", 0, 2021, runtime(sky, tmp_path / "broken", "measured"))
    with pytest.raises(Stopped):
        train_fold(broken, stop=lambda: "enough", say=said.append)
    assert (
        "exp0022 fold 0 seed 2021: computed as contiguous, float32 "
        "(images/s of up to twenty steps each: contiguous, float32 20; channels_last, float32 10)" in said
    )
    clock["best"] = LAST
    (tmp_path / "broken/exp0022/computing.json").rename(tmp_path / "measured.json")
    found, meta = trained(sky, tmp_path / "broken", "measured")
    assert equal(found, whole) and meta["computing"] == PLAIN.record()
    (tmp_path / "measured.json").rename(tmp_path / "broken/exp0022/computing.json")
    (folder,) = train("exp0022", [1], [2021], runtime(sky, tmp_path / "broken", "measured"), say=lambda line: None)
    assert read_meta(folder)["computing"] == PLAIN.record()


def test_what_was_measured_before_may_be_damaged(tmp_path):
    """Then it is measured again."""
    for text, kept in (
        ("{", {}),
        ("[]", {}),
        ('{"a": {"computing": {}}, "b": {"computing": {}, "images_per_second": {}}}', {"b"}),
    ):
        (tmp_path / "computing.json").write_text(text, encoding="utf-8")
        assert set(computing.read_measured(tmp_path / "computing.json")) == set(kept)
    assert computing.read_measured(tmp_path / "none.json") == {}


def test_rank_0_decides_for_all(sky, tmp_path, monkeypatch):
    monkeypatch.setattr(computing, "shared", lambda value, team: value if team.leads else PLAIN)
    monkeypatch.setattr(computing, "chosen", lambda *given: LAST if given[2] == CPU else None)
    run, model = Run("exp0022", 0, 2021, runtime(sky, tmp_path)), build_model("test_efficientnet", 1)
    given = (model, Team(0, 2), (4, 1, 32, 32), 100, print)
    assert computing.computing_of(run, *given) == LAST
    monkeypatch.setattr(computing, "chosen", lambda *given: pytest.fail("rank 1 decides"))
    assert computing.computing_of(run, given[0], Team(1, 2), *given[2:]) == PLAIN


@pytest.mark.slow
def test_a_compiled_run_is_the_same_run(sky, tmp_path, monkeypatch):
    """By torch's ``eager`` backend, which traces as all backends do and computes as if nothing were compiled: same weights under the same names."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    plain, _ = trained(sky, tmp_path / "plain", average=EMA(0.9))
    found, meta = trained(sky, tmp_path / "compiled", "compiled", average=EMA(0.9))
    assert equal(found, plain) and meta["computing"]["compiled"]
    again = Run("exp0022", 0, 2021, runtime(sky, tmp_path / "compiled", average=EMA(0.9))).found()
    assert validation_scores(again)["score"].tolist() == read_scores(again.folder / "oof.csv")["score"].tolist()


def test_what_cannot_be_compiled_is_refused_before_the_first_step(sky, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="no such backend"))
    with pytest.raises(InputError, match="torch.compile does not work here .* leave out compiled"):
        trained(sky, tmp_path, "compiled")
    assert not (tmp_path / "exp0022/fold0_seed2021/last.safetensors").exists()


def test_another_way_may_be_asked_for_on_the_way_and_a_detector_is_not_compiled(sky, tmp_path, monkeypatch):
    said, run = [], Run("exp0022", 0, 2021, runtime(sky, tmp_path, "channels_last"))
    monkeypatch.setattr(computing, "begun_with", lambda folder, usual: PLAIN)
    model = build_model("test_efficientnet", 1)
    assert computing.chosen(run, model, CPU, (4, 1, 32, 32), 100, said.append) == LAST
    assert said[0] == f"begun as {PLAIN}, resumed as {LAST}"
    with pytest.raises(InputError, match="a detector's search for tracks is not compiled; leave out compiled"):
        computing.refuse_broken(load_detector("raw").network, Computing(compiled=True), (1, 6, 256, 39))
