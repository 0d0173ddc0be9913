"""The real client pushes this repository's own kernel, as it is, to a local server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from local_kaggle import LocalKaggle

ROOT = Path(__file__).parent.parent
CLIENT = Path(sys.executable).with_name("kaggle")
pytestmark = pytest.mark.skipif(not CLIENT.exists(), reason="the kaggle client is not installed beside this Python")


@pytest.fixture(scope="module")
def arrived(tmp_path_factory):
    """What the server received, and what the client printed, of one push from the repository's root."""
    home = tmp_path_factory.mktemp("home")
    metadata = json.loads((ROOT / "kernel-metadata.json").read_text())
    with LocalKaggle(home, user=metadata["id"].split("/")[0]) as site:
        environment = {"PATH": os.environ["PATH"], **site.environment(home)}
        answer = subprocess.run(
            [CLIENT, "kernels", "push"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
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
    sent, committed = json.loads(request["text"]), json.loads((ROOT / metadata["code_file"]).read_text())
    source = [cell["source"] for cell in sent["cells"]]
    assert source == ["".join(cell["source"]) for cell in committed["cells"]]
    assert sent["metadata"]["kernelspec"]["name"] == "python3"
    assert len(request["text"]) < 400_000
