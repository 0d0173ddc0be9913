"""Published weights: timm makes the same network of them, ``--weights`` takes them wherever they lie, and nothing is lost."""

import json
import shutil

import pytest
import timm
import torch
from local_kaggle.fixtures import kaggle, kaggle_process, site  # noqa: F401 - fixtures
from safetensors.torch import load_file

from seti_utils.__main__ import main
from seti_utils.errors import InputError
from seti_utils.learn.checkpoint import describe, save_weights
from seti_utils.log.overrides import parse_overrides
from seti_utils.log.pages import LOG
from seti_utils.nets.weights import find_weights
from seti_utils.run.artifacts import run_folder
from seti_utils.run.compose import bare_network, network_of
from seti_utils.run.publish import image_size, publish
from seti_utils.run.runtime import Runtime

TINY = ["backbone=test_efficientnet", "resize.freq=64", "resize.time=32"]


def runtime(out, *pairs: str) -> Runtime:
    return Runtime(out=out, overrides=parse_overrides([*TINY, *pairs]))


def trained(name: str, out, *pairs: str, fold: int = 0):
    """A run of ``name`` with random weights, as training leaves it; returns its network."""
    where = runtime(out, *pairs)
    torch.manual_seed(fold)
    model = bare_network(LOG.config(name, where.overrides))
    meta = describe(
        experiment=name,
        fold=fold,
        seed=1,
        fingerprint=LOG.fingerprint(name, where.overrides),
        folds="f",
        backbone="test_efficientnet",
        auc=0.8125,
    )
    folder = run_folder(out, name, fold, 1)
    save_weights(folder / "best.pt", model, meta)
    (folder / "meta.json").write_text(json.dumps(meta | {"finished": True}), encoding="utf-8")
    return model.eval()


def same(model, network, image) -> bool:
    with torch.inference_mode():
        return torch.allclose(model.forward_raw(image).reshape(-1), network.eval()(image).reshape(-1), atol=1e-5)


@pytest.mark.parametrize("pairs", [(), ("head=TwoClass()",)], ids=["one logit", "two classes"])
def test_a_plain_network_is_timm_s_own(tmp_path, pairs):
    model = trained("exp0001", tmp_path / "runs", *pairs)
    where = runtime(tmp_path / "runs", *pairs)
    assert publish("exp0001", 0, 1, where, tmp_path / "out") is True
    network = timm.create_model(f"local-dir:{tmp_path / 'out'}", pretrained=True)
    assert same(model, network, torch.randn(2, *image_size(LOG.config("exp0001", where.overrides))))
    said = json.loads((tmp_path / "out/config.json").read_text(encoding="utf-8"))
    assert said["seti"]["fingerprint"] == LOG.fingerprint("exp0001", where.overrides) and said["seti"]["auc"] == 0.8125
    card = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert "AUC 0.8125" in card and "exp0001, fold 0, seed 1" in card and card.startswith("---\n")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["README.md", "config.json", "model.safetensors"]


@pytest.mark.parametrize(
    ("name", "pairs"),
    [
        ("exp0001", ("pool=GeM()",)),
        ("exp0001", ("head=L2Head()",)),
        ("exp0001", ("stem_stride=1",)),
        ("rung_detector", ("layout='a,b,a,c,a,d'",)),
    ],
    ids=["GeM", "L2", "stem", "detector"],
)
def test_what_timm_has_no_place_for_lies_beside_the_backbone(tmp_path, name, pairs):
    model = trained(name, tmp_path / "runs", *pairs)
    assert publish(name, 0, 1, runtime(tmp_path / "runs", *pairs), tmp_path / "out") is False
    backbone = timm.create_model(f"local-dir:{tmp_path / 'out'}", pretrained=True)
    theirs, ours = backbone.state_dict(), model.body.state_dict()
    assert all(torch.equal(value, ours[name]) for name, value in theirs.items()) and len(theirs) > 10
    parts = load_file(tmp_path / "out/parts.safetensors")
    whole = {f"body.{name}": value for name, value in load_file(tmp_path / "out/model.safetensors").items()} | parts
    model.load_state_dict(whole)


@pytest.mark.parametrize(
    "place",
    [
        "published",
        "input/datasets/me/seti-exp0001",
        "input/models/me/seti-exp0001/pytorch/default/1",
        "hub/models--me--seti/snapshots/0123456789abcdef",
    ],
)
def test_weights_are_found_wherever_they_lie(tmp_path, place):
    """A folder, a mounted dataset, a mounted model, a snapshot of the hub; beside weights of other networks."""
    model = trained("exp0001", tmp_path / "runs")
    publish("exp0001", 0, 1, runtime(tmp_path / "runs"), tmp_path / place)
    root = tmp_path / place.split("/")[0]
    (root / "other").mkdir()
    (root / "other/resnet18.safetensors").write_bytes(b"not read")
    shutil.copy(tmp_path / place / "config.json", root / "other")
    config = LOG.config("exp0001", parse_overrides([*TINY, "pretrained=True"]))
    started = network_of(config, root)
    assert find_weights(root, "test_efficientnet") == tmp_path / place / "model.safetensors"
    assert all(torch.equal(started.body.state_dict()[name], value) for name, value in model.body.state_dict().items())


@pytest.mark.parametrize("kind", ["dataset", "model"])
def test_weights_travel_by_kaggle(kaggle, tmp_path, kind):
    """Published, sent with the real client, fetched and taken: the same numbers."""
    model = trained("exp0001", tmp_path / "runs")
    publish("exp0001", 0, 1, runtime(tmp_path / "runs"), tmp_path / "out")
    title = "--title" if kind == "dataset" else "--model"
    assert main(["kaggle", "upload", str(tmp_path / "out"), title, "seti exp0001"]) == 0
    name = "tester/seti-exp0001" if kind == "dataset" else "tester/seti-exp0001/pyTorch/default"
    assert main(["kaggle", "download", name, str(tmp_path / "back")]) == 0
    config = LOG.config("exp0001", parse_overrides([*TINY, "pretrained=True"]))
    body = network_of(config, tmp_path / "back").body.state_dict()
    assert all(torch.equal(body[name], value) for name, value in model.body.state_dict().items())


def test_a_named_file_goes_before_a_published_one(tmp_path):
    trained("exp0001", tmp_path / "runs")
    publish("exp0001", 0, 1, runtime(tmp_path / "runs"), tmp_path / "all/published")
    shutil.copy(tmp_path / "all/published/model.safetensors", tmp_path / "all/test_efficientnet.safetensors")
    assert find_weights(tmp_path / "all", "test_efficientnet").name == "test_efficientnet.safetensors"


def test_the_command_publishes_every_fold(tmp_path, capsys):
    for fold in (0, 1):
        trained("exp0001", tmp_path / "runs", fold=fold)
    words = ["publish", "exp0001", tmp_path / "out", "--folds", "0,1", "--seeds", 1, "--out", tmp_path / "runs"]
    assert main([*map(str, words), *(word for pair in TINY for word in ("--set", pair))]) == 0
    assert capsys.readouterr().out.count("the whole network for timm") == 2
    assert (tmp_path / "out/fold1_seed1/config.json").is_file()


def test_what_cannot_be_published(tmp_path, capsys):
    words = ["publish", "exp0001", str(tmp_path / "out"), "--folds", "0", "--out", str(tmp_path / "runs")]
    assert main(words) == 2 and "was not trained" in capsys.readouterr().err and not (tmp_path / "out").exists()
    trained("exp0001", tmp_path / "runs")
    with pytest.raises(InputError, match="fingerprint"):
        publish("exp0001", 0, 1, runtime(tmp_path / "runs", "epochs=3"), tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="holds other files"):
        publish("exp0001", 0, 1, runtime(tmp_path / "runs"), tmp_path / "out")
