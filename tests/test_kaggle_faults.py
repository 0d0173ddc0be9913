"""Every fault in every step: the right typed error, nothing half-written, nothing pushed or submitted twice."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from local_kaggle import Fault, Script
from local_kaggle.fixtures import built, kaggle, kaggle_process, kernel, repository, site  # noqa: F401 - fixtures

from seti_utils.kaggle import data, errors
from seti_utils.kaggle.cancel import cancel
from seti_utils.kaggle.datasets import upload_dataset, write_dataset_metadata
from seti_utils.kaggle.fetch import fetch
from seti_utils.kaggle.push import push
from seti_utils.kaggle.quota import quota
from seti_utils.kaggle.status import status
from seti_utils.kaggle.submit import submissions, submit
from seti_utils.session.errors import KaggleError, Unverified

KERNEL = "tester/seti-train-sky-demo-fold0-seed2021"
FAULTS = {
    "401 json": (Fault("", 401, "json", "Unauthenticated"), errors.Unauthorized),
    "401 html": (Fault("", 401, "html", "Unauthorized"), errors.Unauthorized),
    "403 json": (Fault("", 403, "json", "Permission 'x.get' was denied"), errors.Forbidden),
    "403 html": (Fault("", 403, "html", "Forbidden"), errors.Forbidden),
    "404 json": (Fault("", 404, "json", "Not found"), errors.NotFound),
    "404 html": (Fault("", 404, "html", "Not Found"), errors.NotFound),
    "409 json": (Fault("", 409, "json", "Conflict"), errors.Conflict),
    "409 html": (Fault("", 409, "html", "Conflict"), errors.Conflict),
    "429 json": (Fault("", 429, "json", "Too many requests"), errors.Throttled),
    "429 html": (Fault("", 429, "html", "Too Many Requests"), errors.Throttled),
    "500 json": (Fault("", 500, "json", "Internal error"), errors.ServerTrouble),
    "500 html": (Fault("", 500, "html", "Internal Server Error"), errors.ServerTrouble),
    "502 html": (Fault("", 502, "html", "Bad Gateway"), errors.ServerTrouble),
    "503 json": (Fault("", 503, "json", "Service Unavailable"), errors.ServerTrouble),
    "503 html": (Fault("", 503, "html", "Service Unavailable"), errors.ServerTrouble),
    "cut": (Fault("", body="cut"), errors.ConnectionLost),
}


@dataclass
class Step:
    """A step of the toolkit, the remote call that fails in it, and HTTP errors that mean something else there."""

    call: str
    do: Callable[[Path], object]
    otherwise: dict[str, type | None]


def send(place: Path) -> object:
    return submit(place / "s.csv", "m", sample=place / "s.csv", wait=0, sleep=[].append)


def upload(place: Path) -> object:
    return upload_dataset(place / "weights", timeout=0, sleep=[].append)


def get_data(place: Path) -> object:
    return data.download(place / "data", archive_bytes=10**6, unpacked_bytes=10**6)


def push_once(place: Path) -> object:
    return push(place / "kernel", owner="tester", tries=1)


ABSENT = {"403": None, "404": None}
"""Not there yet: the step goes on."""
STEPS = {
    "status": Step("GetKernelSessionStatus", lambda place: status(KERNEL), {}),
    "quota": Step("GetAcceleratorQuotaStatistics", lambda place: quota(), {}),
    "fetch, listing": Step("ListKernelFiles", lambda place: fetch(KERNEL, place / "out"), {}),
    "fetch, output": Step("ListKernelSessionOutput", lambda place: fetch(KERNEL, place / "out"), {}),
    "submissions": Step("ListSubmissions", lambda place: list(submissions()), {}),
    "submit, before": Step("ListSubmissions", send, {}),
    "submit, upload": Step("StartSubmissionUpload", send, {}),
    "submit": Step("CreateSubmission", send, {}),
    "data": Step("DownloadDataFiles", get_data, {}),
    "dataset, asking": Step("GetDatasetStatus", upload, ABSENT),
    "dataset, upload": Step("StartBlobUpload", upload, {}),
    "dataset": Step("CreateDataset", upload, {}),
    "push, asking": Step("GetKernelSessionStatus", push_once, ABSENT),
    "push": Step("SaveKernel", push_once, {}),
    "cancel": Step("DeleteKernel", lambda place: cancel(KERNEL, delete=True), {}),
}


@pytest.fixture
def world(kaggle, kernel, tmp_path, monkeypatch):
    """A finished kernel, a submission, a dataset folder; pauses of the client take no time."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    kaggle.kernels.SaveKernel({"slug": KERNEL, "newTitle": KERNEL.split("/")[1].replace("-", " "), "text": "{}"})
    kaggle.kernels.versions[KERNEL][-1].script = Script(files={"a.txt": b"a"})
    (tmp_path / "s.csv").write_text(
        "id,target\n" + "".join(f"{number},{number / 20}\n" for number in range(20)), encoding="utf-8"
    )
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/net.safetensors").write_bytes(b"w" * 100)
    write_dataset_metadata(tmp_path / "weights", "tester", "seti pretrained weights")
    return kaggle


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", STEPS)
def test_a_fault_is_told_by_its_name_and_leaves_nothing(world, tmp_path, step, fault):
    step, (kind, expected) = STEPS[step], FAULTS[fault]
    if step.call == "DeleteKernel":
        world.kernels.versions[KERNEL][-1].script = Script(("RUNNING",))
    before = sorted(tmp_path.rglob("*"))
    expected = step.otherwise.get(fault[:3], expected)
    world.faults.append(Fault(**{**vars(kind), "method": step.call, "times": 99 if expected else 1}))
    if expected is None:
        step.do(tmp_path)
        return
    with pytest.raises(KaggleError) as raised:
        step.do(tmp_path)
    assert type(raised.value) is expected, f"{type(raised.value).__name__}: {raised.value}"
    assert raised.value.remedy
    left = [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*")) if path not in before]
    assert [name for name in left if not name.startswith("home") and name != "data"] == []
    assert len(world.kernels.versions[KERNEL]) == 1 and world.competitions.submissions == [] and not world.datasets.known


@pytest.mark.parametrize("body", ["html", "cut"])
@pytest.mark.parametrize("step", ["submit", "dataset"])
def test_an_upload_that_breaks_is_told(world, tmp_path, step, body):
    """Client 2.2.4 makes a dataset without the file that was lost, and ends with exit code 0; 2.2.5 gives up."""
    world.faults.append(Fault("PUT", 503, body, times=99))
    with pytest.raises((errors.ConnectionLost, errors.ServerTrouble) if step == "dataset" else KaggleError) as raised:
        STEPS[step].do(tmp_path)
    if world.datasets.known:
        assert "net.safetensors did not arrive, and the dataset was made without" in str(raised.value)
    assert world.competitions.submissions == []


def test_a_card_that_lists_nonsense_is_refused(world, tmp_path):
    world.kernels.versions[KERNEL][-1].script = Script(files={"run.json": json.dumps({"schema": "x"}).encode()})
    with pytest.raises(Unverified, match="no valid"):
        fetch(KERNEL, tmp_path / "out")
    assert not (tmp_path / "out").exists()
