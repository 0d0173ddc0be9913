"""The real client pushes this repository's own kernel, as it is, to a local server."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from local_kaggle import LocalKaggle
from local_kaggle.execute import Execution

from seti_utils.kaggle.status import likely_cause

ROOT = Path(__file__).parent.parent
CLIENT = Path(sys.executable).with_name("kaggle")
pytestmark = pytest.mark.skipif(not CLIENT.exists(), reason="the kaggle client is not installed beside this Python")


@pytest.fixture(scope="module")
def arrived(tmp_path_factory):
    """What the server received, and what the client printed, of one push from the repository's root."""
    home = tmp_path_factory.mktemp("home")
    metadata = json.loads((ROOT / "kernel-metadata.json").read_text(encoding="utf-8"))
    with LocalKaggle(home, user=metadata["id"].split("/")[0]) as site:
        environment = {"PATH": os.environ["PATH"], **site.environment(home)}
        answer = subprocess.run(
            [CLIENT, "kernels", "push"], cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=600
        )
        requests = [request for method, request in site.calls if method == "SaveKernel"]
    return answer, requests, metadata


def test_the_client_reports_success(arrived):
    answer, requests, _ = arrived
    assert answer.returncode == 0, answer.stderr
    assert "successfully pushed" in answer.stdout
    assert "not valid" not in answer.stdout and "does not resolve" not in answer.stdout
    assert len(requests) == 1


def test_the_train_notebook_arrives_for_two_t4_without_internet(arrived):
    request = arrived[1][0]
    assert request["slug"] == "your-username/seti-train" and request["newTitle"] == "seti train"
    assert request["machineShape"] == "NvidiaTeslaT4" and request["enableGpu"] is True
    assert request["enableInternet"] is False and request["isPrivate"] is True
    assert request["competitionDataSources"] == ["seti-breakthrough-listen"]
    assert request["language"] == "python" and request["kernelType"] == "notebook"


def test_what_arrives_is_the_committed_notebook(arrived):
    request, metadata = arrived[1][0], arrived[2]
    assert metadata["code_file"] == "notebooks/train.ipynb"
    sent, committed = json.loads(request["text"]), json.loads((ROOT / metadata["code_file"]).read_text(encoding="utf-8"))
    source = [cell["source"] for cell in sent["cells"]]
    assert source == ["".join(cell["source"]) for cell in committed["cells"]]
    assert sent["metadata"]["kernelspec"]["name"] == "python3"
    assert len(request["text"]) < 400_000


def last_words(folder, mounts) -> str:
    """The end of the log of the committed train notebook, run in a clean session."""
    notebook = json.loads((ROOT / "notebooks/train.ipynb").read_text(encoding="utf-8"))
    session = Execution(folder, notebook, "new", mounts, {}, threading.Semaphore(1))
    session.thread.join(600)
    assert session.status == "ERROR"
    text = (folder / "log.txt").read_text(encoding="utf-8")
    return text[text.rindex("Exception encountered") :]


def test_without_the_package_it_ends_in_one_sentence(tmp_path):
    said = last_words(tmp_path / "session", {})
    assert "SystemExit: seti_utils is not here: mount a dataset that holds it, or push with `python -m seti_utils kaggle" in said
    assert "Traceback" not in said and len(said.splitlines()) < 8
    assert likely_cause(said).startswith("the package did not come along")


@pytest.mark.slow
def test_a_mounted_dataset_with_the_package_is_found(tmp_path):
    """It gets as far as looking for the competition, which nobody mounted here."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package/seti_utils").symlink_to(ROOT / "seti_utils", target_is_directory=True)
    said = last_words(tmp_path / "session", {"datasets/me/my-package": tmp_path / "package"})
    assert "InputError: no competition data found" in said
