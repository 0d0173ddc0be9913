"""Folders become datasets and come back: whole, once, and with what is wrong told before the first byte."""

import json
from pathlib import Path

import pytest
from local_kaggle import Fault, LocalKaggle
from local_kaggle.fixtures import built, kaggle, kaggle_process, repository, site  # noqa: F401 - fixtures

from seti_utils.errors import InputError
from seti_utils.kaggle import errors
from seti_utils.kaggle.build import build
from seti_utils.kaggle.datasets import dataset_metadata, download_dataset, upload_dataset, write_dataset_metadata
from seti_utils.kaggle.push import push
from seti_utils.kaggle.status import status

WEIGHTS = dataset_metadata("tester", "seti pretrained weights")


@pytest.fixture
def folder(tmp_path):
    """A folder with files and a sub-folder."""
    (tmp_path / "weights/cleaned/train").mkdir(parents=True)
    (tmp_path / "weights/net.safetensors").write_bytes(b"w" * 100)
    (tmp_path / "weights/cleaned/train/store.json").write_text("{}", encoding="utf-8")
    (tmp_path / "weights/.work").mkdir()
    (tmp_path / "weights/.work/part").write_text("half", encoding="utf-8")
    return tmp_path / "weights"


def files(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_dataset_is_created_then_renewed_and_waited_for(kaggle, tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "net.safetensors").write_bytes(b"w" * 100)
    own = {"id": "tester/seti-own", "title": "seti own"}
    (folder / "dataset-metadata.json").write_text(json.dumps(own), encoding="utf-8")
    assert upload_dataset(folder, sleep=[].append) == "tester/seti-own", "a licence is the client's wish, not the user's"
    assert write_dataset_metadata(folder, "tester", "seti pretrained weights") == "tester/seti-pretrained-weights"
    kaggle.datasets.ready_after, pauses = 3, []
    assert upload_dataset(folder, sleep=pauses.append) == "tester/seti-pretrained-weights" and pauses == [10, 10]
    known = kaggle.datasets.known["tester/seti-pretrained-weights"]
    assert known["files"] == {"net.safetensors": b"w" * 100}
    upload_dataset(folder, sleep=pauses.append)
    assert kaggle.datasets.known["tester/seti-pretrained-weights"]["versions"] == 2
    kaggle.datasets.ready_after = 10**6
    with pytest.raises(errors.ServerTrouble, match="not ready after"):
        upload_dataset(folder, timeout=30, sleep=pauses.append)
    assert sorted(path.name for path in folder.iterdir()) == ["dataset-metadata.json", "net.safetensors"]


def test_a_title_that_somebody_else_takes_meanwhile(kaggle, folder):
    kaggle.faults.append(
        Fault(
            "CreateDataset",
            body="answer",
            answer={"error": "The requested title is already in use by a dataset.", "status": "error"},
        )
    )
    with pytest.raises(errors.Conflict, match="already in use"):
        upload_dataset(folder, WEIGHTS, sleep=[].append)


def test_sub_folders_travel_and_come_back(kaggle, folder, tmp_path):
    before = files(folder)
    assert upload_dataset(folder, WEIGHTS, sleep=[].append) == "tester/seti-pretrained-weights"
    assert files(folder) == before, "nothing is written into the folder that is sent"
    known = kaggle.datasets.known["tester/seti-pretrained-weights"]["files"]
    assert sorted(known) == ["cleaned/train/store.json", "net.safetensors"], "hidden work in progress stays here"
    (tmp_path / "back").mkdir()
    assert files(download_dataset("tester/seti-pretrained-weights", tmp_path / "back")) == known
    with pytest.raises(InputError, match="not empty"):
        download_dataset("tester/seti-pretrained-weights", tmp_path / "back")


def test_what_does_not_come_leaves_nothing(kaggle, tmp_path):
    with pytest.raises(errors.NotFound, match="tester/nothing"):
        download_dataset("tester/nothing", tmp_path / "back")
    assert not (tmp_path / "back").exists() and not list(tmp_path.glob(".back*"))


def test_a_taken_title_is_told_before_the_first_byte(kaggle, folder):
    upload_dataset(folder, dataset_metadata("tester", "seti pretrained weights of old"), sleep=[].append)
    upload_dataset(folder, {**WEIGHTS, "id": "tester/another-slug"}, sleep=[].append)
    sent = kaggle.count("StartBlobUpload")
    with pytest.raises(errors.Conflict, match="your dataset tester/another-slug has the title 'seti pretrained weights' already"):
        upload_dataset(folder, WEIGHTS, sleep=[].append)
    assert kaggle.count("StartBlobUpload") == sent


@pytest.mark.parametrize("state", ["FAILED", "DELETED"])
def test_a_dataset_that_the_site_could_not_process(kaggle, folder, state):
    kaggle.datasets.ready_after, kaggle.datasets.end, pauses = 2, state, []
    with pytest.raises(errors.RunFailed, match=rf"could not process it \({state}\); see https://.*, then send it again"):
        upload_dataset(folder, WEIGHTS, sleep=pauses.append)
    assert pauses == [10], "asked until it was known, and not for half an hour"


def test_a_dataset_that_stays_pending(kaggle, folder):
    kaggle.datasets.ready_after = 10**6
    with pytest.raises(errors.ServerTrouble, match="not ready after 30 min.*wait until https://"):
        upload_dataset(folder, WEIGHTS, sleep=[].append)


@pytest.mark.parametrize("title", ["seti", "s" * 51, "??????"])
def test_a_title_that_the_site_refuses(title):
    with pytest.raises(InputError, match="6 to 50"):
        dataset_metadata("tester", title)


def test_an_empty_folder(kaggle, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="is empty"):
        upload_dataset(tmp_path / "empty", WEIGHTS)
    with pytest.raises(InputError, match="give a title"):
        upload_dataset(tmp_path / "empty")
    (tmp_path / "empty/dataset-metadata.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="dataset-metadata.json: not the metadata of a dataset; delete it and give a title"):
        upload_dataset(tmp_path / "empty")


def test_where_links_are_not_allowed_copies_are_sent(kaggle, folder, monkeypatch):
    """As on Windows, where they want a right that few users have."""

    def refused(*_, **__):
        raise OSError("a required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refused)
    upload_dataset(folder, WEIGHTS, sleep=[].append)
    known = kaggle.datasets.known["tester/seti-pretrained-weights"]["files"]
    assert known == {name: body for name, body in files(folder).items() if not name.startswith(".")}


@pytest.mark.slow
def test_a_user_with_an_underscore(kaggle_process, repository, folder, tmp_path, monkeypatch):
    """The client, the kernel's address and the dataset's take the name as it is."""
    with LocalKaggle(tmp_path / "site", user="My_User") as other:
        for name, value in other.environment(tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        made = build("train", owner="My_User", experiment="sky_demo", folds=[0], seeds=[1], root=repository, out=tmp_path / "b")
        assert push(made.folder).kernel == made.kernel == "My_User/seti-train-sky-demo-fold0-seed1"
        assert status(made.kernel).state == "COMPLETE"
        assert upload_dataset(folder, dataset_metadata("My_User", "seti weights"), sleep=[].append) == "My_User/seti-weights"
