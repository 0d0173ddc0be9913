"""Folders become Kaggle Models, come back, and are mounted; machines have names, prices and measured hours."""

import json

import pytest
from local_kaggle import Fault
from local_kaggle.fixtures import kaggle, kaggle_process, site  # noqa: F401 - fixtures

from seti_utils.commands.kaggle.naming import kernel_named
from seti_utils.errors import InputError
from seti_utils.kaggle import errors
from seti_utils.kaggle.models import download_model, upload_model
from seti_utils.kaggle.quota import measured_hours, need, projected_hours
from seti_utils.session.machines import MACHINES, find_machine, machine_table

KERNEL = "tester/seti-train-exp0011-fold0-seed2021"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "net/more").mkdir(parents=True)
    (tmp_path / "net/README.md").write_text("# What it is\n", encoding="utf-8")
    (tmp_path / "net/model.safetensors").write_bytes(b"w" * 100)
    (tmp_path / "net/more/fold1.txt").write_text("1", encoding="utf-8")
    return tmp_path / "net"


def files(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_model_goes_and_comes_back(kaggle, folder, tmp_path):
    assert upload_model(folder, "tester", "seti exp0023") == "tester/seti-exp0023/pyTorch/default/1"
    assert kaggle.models.known["tester/seti-exp0023"]["description"].strip() == "# What it is"
    assert files(download_model("tester/seti-exp0023/pyTorch/default", tmp_path / "back")) == files(folder)
    (folder / "model.safetensors").write_bytes(b"v" * 100)
    assert upload_model(folder, "tester", "seti exp0023") == "tester/seti-exp0023/pyTorch/default/2"
    assert upload_model(folder, "tester", "seti exp0023", "cleaned") == "tester/seti-exp0023/pyTorch/cleaned/1"
    first = download_model("tester/seti-exp0023/pyTorch/default/1", tmp_path / "first")
    assert (first / "model.safetensors").read_bytes() == b"w" * 100
    assert not (folder / "model-metadata.json").exists()


def test_what_a_model_may_not_be(kaggle, folder, tmp_path):
    with pytest.raises(errors.NotFound, match="tester/none"):
        download_model("tester/none/pyTorch/default", tmp_path / "back")
    with pytest.raises(InputError, match="owner/model/framework"):
        download_model("tester/none/pyTorch/default/newest", tmp_path / "back")
    with pytest.raises(errors.Forbidden):
        upload_model(folder, "somebody", "seti exp0023")
    with pytest.raises(InputError, match="not a name for a model"):
        upload_model(folder, "tester", "???")
    taken = {"error": "The requested title is already in use by a model.", "id": 0}
    kaggle.faults.append(Fault("CreateModel", body="answer", answer=taken))
    with pytest.raises(errors.Conflict, match="title is already in use by a model"):
        upload_model(folder, "tester", "seti exp0023")
    assert not (tmp_path / "back").exists()


def run_card(home, kernel: str, hours: float, **extra: object) -> None:
    home.mkdir(parents=True)
    run = {"kernel": kernel, "extra": {"session_seconds": 3600 * hours, **extra}}
    (home / "run.json").write_text(json.dumps(run), encoding="utf-8")


def test_hours_are_measured_by_machine_and_projected_to_the_others(tmp_path):
    assert set(projected_hours(KERNEL, tmp_path).values()) == {"not measured"}
    run_card(tmp_path / "a", KERNEL.replace("fold0", "fold3"), 6, machine="NvidiaTeslaT4")
    run_card(tmp_path / "b", KERNEL.replace("fold0", "fold1").replace("tester", "teammate"), 2, machine="NvidiaL4")
    run_card(tmp_path / "old", KERNEL.replace("fold0", "fold2"), 8)
    run_card(tmp_path / "other", KERNEL.replace("exp0011", "exp0012"), 1, machine="NvidiaTeslaT4")
    assert measured_hours(KERNEL, tmp_path, "NvidiaTeslaT4") == 7, "a card without a machine is from the time when all were T4"
    told = projected_hours(KERNEL, tmp_path)
    assert (told["T4x2"], told["L4x4"], told["L4"]) == ("7.0", "2.0", f"~{7 * 640 / 300:.1f}")
    table = machine_table(told)
    assert "7.0" in table and all(machine.name in table for machine in MACHINES)


def test_the_quota_counts_what_a_machine_costs(kaggle, tmp_path):
    run_card(tmp_path / "b", KERNEL, 3, machine="NvidiaL4")
    assert need({KERNEL: "NvidiaL4"}, tmp_path).startswith("about 6.0 of 29.0 GPU hours")
    assert "RTXPro6000 may cost more than its hours" in need({KERNEL: "NvidiaRtxPro6000"}, tmp_path)


@pytest.mark.parametrize(("text", "near"), [("T4", "T4x2"), ("L4x2", "L4x4"), ("rtx6000", "RTXPro6000"), ("A100", "known are")])
def test_an_unknown_machine_is_refused_with_the_nearest(text, near):
    with pytest.raises(InputError, match=f"{text} is not a known machine; .*{near}"):
        find_machine(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("build/seti-*", "build/seti-\\*: no kernel folder matches; build one with"),
        ("build/nothing", "build/nothing: there is no kernel-metadata.json"),
        ("one/two/three", "neither owner/slug"),
        ("https://www.kaggle.com/code/me/x", "neither owner/slug"),
    ],
)
def test_what_is_not_a_kernel_never_reaches_the_site(tmp_path, monkeypatch, text, message):
    """`make wait` with an empty build/ hands the pattern on as it is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build").mkdir()
    with pytest.raises(InputError, match=message):
        kernel_named(text)
