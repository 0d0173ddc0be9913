"""Checkpoints: complete or absent, verified, harmless."""

import json
import os
import pickle

import numpy as np
import pytest
import safetensors
import safetensors.torch
import timm
import tiny_training
import torch

from seti_utils.errors import InputError
from seti_utils.learn import checkpoint
from seti_utils.learn.fit import Position
from seti_utils.run.artifacts import run_folder

META = checkpoint.describe(experiment="exp0001", fold=0, seed=2021, fingerprint="f00d", folds="beef", score=0.9)


def net(seed=0):
    torch.manual_seed(seed)
    return tiny_training.Net()


def test_weights_come_back_bit_for_bit_with_their_provenance(tmp_path):
    model = net()
    checkpoint.save_weights(tmp_path / "best.pt", model, META)
    state, meta = checkpoint.load(tmp_path / "best.pt", fingerprint="f00d", folds="beef")
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    assert state.keys() == model.state_dict().keys()
    assert meta == META
    provenance = {"experiment", "fold", "seed", "fingerprint", "folds", "df_hz", "dt_s", "normalisation", "versions"}
    assert provenance <= meta.keys()
    assert torch.load(tmp_path / "best.pt", weights_only=True)["meta"]["score"] == 0.9


def test_other_peoples_tools_read_the_weights_and_their_provenance(tmp_path):
    model = net().to(memory_format=torch.channels_last)
    checkpoint.save_weights(tmp_path / "best.safetensors", model, META)
    with safetensors.safe_open(tmp_path / "best.safetensors", "pt") as file:
        assert json.loads(file.metadata()["meta"])["fingerprint"] == "f00d"
    for read in (safetensors.torch.load_file, timm.models.load_state_dict):
        found = read(str(tmp_path / "best.safetensors"))
        assert all(torch.equal(found[name], value) for name, value in model.state_dict().items())
    state, meta = checkpoint.load(tmp_path / "best.safetensors", fingerprint="f00d")
    assert meta == META and state.keys() == model.state_dict().keys()
    fresh = net(1)
    fresh.load_state_dict(state)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in fresh.state_dict().items())


def test_equal_weights_are_equal_files(tmp_path):
    """Whatever order safetensors leaves its notes in; a file that a share is made of is known by its bytes."""
    for at in range(20):
        checkpoint.save_weights(tmp_path / f"{at}.safetensors", net(), META | {"said": "µ – “café”"})
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_weights_of_earlier_versions_are_found_until_newer_ones_take_their_place(tmp_path):
    checkpoint.save_weights(tmp_path / "best.pt", net(0), META)
    checkpoint.save_weights(tmp_path / "best.pt", net(1), META)
    path = tmp_path / "best.safetensors"
    assert checkpoint.exists(path)
    assert torch.equal(checkpoint.load(path)[0]["layers.0.weight"], net(1).state_dict()["layers.0.weight"])
    checkpoint.save_weights(path, net(2), META)
    assert [entry.name for entry in tmp_path.iterdir()] == ["best.safetensors"]
    assert torch.equal(checkpoint.load(path)[0]["layers.0.weight"], net(2).state_dict()["layers.0.weight"])


def test_other_peoples_safetensors_are_told_apart_from_damaged_ones(tmp_path):
    safetensors.torch.save_file(net().state_dict(), tmp_path / "best.safetensors")
    with pytest.raises(InputError, match="not written by this project"):
        checkpoint.load(tmp_path / "best.safetensors")
    with pytest.raises(TypeError, match="float64"):
        checkpoint.save_weights(tmp_path / "last.safetensors", net(), {"score": np.float64(0.5)})
    assert not (tmp_path / "last.safetensors").exists()


@pytest.mark.parametrize(("name", "remedy"), [("fingerprint", "another experiment"), ("folds", "another split")])
def test_weights_of_another_experiment_or_split_are_refused(tmp_path, name, remedy):
    checkpoint.save_weights(tmp_path / "best.pt", net(), META)
    with pytest.raises(InputError, match=remedy) as refused:
        checkpoint.load(tmp_path / "best.pt", **{name: "0ther"})
    assert str(tmp_path / "best.pt") in str(refused.value)
    assert name in str(refused.value)


class Hostile:
    """Pickled, it asks whoever loads it to create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize(
    "writer",
    [lambda content, path: torch.save(content, path), lambda content, path: path.write_bytes(pickle.dumps(content, protocol=2))],
)
def test_a_hostile_checkpoint_cannot_run_code(tmp_path, writer):
    proof, path = tmp_path / "proof", tmp_path / "best.pt"
    writer({"format": 1, "meta": {}, "content": Hostile(proof), "digest": ""}, path)
    with pytest.raises(InputError, match="nothing in it was run"):
        checkpoint.load(path)
    assert not proof.exists()
    torch.load(path, weights_only=False) if path.read_bytes()[:2] == b"PK" else pickle.loads(path.read_bytes())
    assert proof.exists(), "the file was not hostile, so the test proved nothing"


def test_what_load_could_not_read_without_running_code_is_not_saved(tmp_path):
    with pytest.raises(TypeError, match="float64 at checkpoint\\[0\\].score"):
        checkpoint.save(tmp_path / "best.pt", {}, {"score": np.float64(0.5)})
    assert not list(tmp_path.iterdir())


def damaged(path, how):
    content = bytearray(path.read_bytes())
    if how == "truncated":
        del content[len(content) // 2 :]
    elif how == "empty":
        content.clear()
    elif how == "a flipped bit":
        weight = net(1).state_dict()["layers.0.weight"].numpy().tobytes()
        content[bytes(content).index(weight) + 10] ^= 4
    else:
        content[:] = b"no zip at all" * 100
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["resume.pt", "best.safetensors"])
@pytest.mark.parametrize("how", ["truncated", "empty", "a flipped bit", "text"])
def test_damage_is_noticed_and_the_previous_file_takes_over(tmp_path, how, name):
    path = tmp_path / name
    checkpoint.save_weights(path, net(0), META)
    checkpoint.save_weights(path, net(1), META)
    damaged(path, how)
    with pytest.warns(UserWarning, match=f"went back to {name}.previous"):
        state, _ = checkpoint.load(path)
    assert torch.equal(state["layers.0.weight"], net(0).state_dict()["layers.0.weight"])
    checkpoint.previous(path).unlink()
    with pytest.raises(InputError, match="damaged|not a checkpoint"):
        checkpoint.load(path)


def test_a_crash_between_the_two_renames_loses_nothing(tmp_path):
    path = tmp_path / "resume.pt"
    assert not checkpoint.exists(path)
    checkpoint.save_weights(path, net(0), META)
    path.rename(checkpoint.previous(path))
    assert checkpoint.exists(path)
    with pytest.warns(UserWarning, match="went back"):
        assert checkpoint.load(path)[1] == META


def test_a_missing_and_a_foreign_file_are_told_apart(tmp_path):
    with pytest.raises(InputError, match="no such checkpoint"):
        checkpoint.load(tmp_path / "best.pt")
    torch.save(net().state_dict(), tmp_path / "best.pt")
    with pytest.raises(InputError, match="not written by this project"):
        checkpoint.load(tmp_path / "best.pt")


def test_a_full_disk_leaves_the_earlier_checkpoint_and_says_so(tmp_path):
    path = tmp_path / "best.pt"
    checkpoint.save_weights(path, net(0), META)
    # A write to /dev/full fails as on a full disk; the temporary name of `replacing` is led there.
    (tmp_path / f".best.pt.{os.getpid()}.part").symlink_to("/dev/full")
    with pytest.raises(InputError, match="No space left on device.*free some space.*intact") as refused:
        checkpoint.save_weights(path, net(1), META)
    assert str(path) in str(refused.value)
    state, _ = checkpoint.load(path)
    assert torch.equal(state["layers.0.weight"], net(0).state_dict()["layers.0.weight"])
    assert [entry.name for entry in tmp_path.iterdir()] == ["best.pt"]


def test_folds_and_seeds_share_no_path(tmp_path):
    folders = {
        run_folder(tmp_path, name, fold, seed) for name in ("exp0001", "exp0002") for fold in range(5) for seed in (2021, 5656)
    }
    assert len(folders) == 20


def test_a_resume_state_needs_every_part_it_was_made_of(tmp_path):
    made = tiny_training.parts()
    position = Position(1, 2, 3, 0.7, 1.5, 3, [{"loss": 0.5}])
    checkpoint.save_resume(tmp_path / "resume.pt", position, META, **made)
    found, states, meta = checkpoint.load_resume(tmp_path / "resume.pt", fingerprint="f00d")
    assert found == position and meta == META
    checkpoint.restore(states, **made)
    made.pop("average")
    with pytest.raises(InputError, match="average"):
        checkpoint.restore(states, **made)
