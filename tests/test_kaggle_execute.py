"""Pushed kernels run as on the site: in a clean folder, from their own package, inputs mounted in both layouts."""

import contextlib
import json
import threading
import time
from pathlib import Path

import pytest
from local_kaggle import LocalKaggle, execute
from local_kaggle.execute import Execution
from local_kaggle.fixtures import DEMO, ROOT, kaggle, kaggle_process, notebook, repository  # noqa: F401 - fixtures

from seti_utils.errors import InputError
from seti_utils.kaggle import errors
from seti_utils.kaggle.build import build
from seti_utils.kaggle.datasets import upload_dataset
from seti_utils.kaggle.fetch import fetch_pushed
from seti_utils.kaggle.push import push
from seti_utils.kaggle.status import status
from seti_utils.kaggle.wait import wait
from seti_utils.session import mounts
from seti_utils.session.runfile import write_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["new", "old"])
def site(request, tmp_path_factory):
    """A local Kaggle that executes what is pushed, with one of the two mount layouts."""
    with LocalKaggle(tmp_path_factory.mktemp(f"site-{request.param}"), execute=True, layout=request.param) as server:
        yield server


def quietly(_text: str) -> None:
    """Show no table."""


def test_train_infer_and_fetch(kaggle, repository, tmp_path):
    """The infer kernel's package comes as a dataset, as that of a notebook beyond 900 kB does."""
    made = {"owner": "tester", "experiment": "sky_demo", "seeds": [2021], "root": repository, "out": tmp_path / "build"}
    trained = build("train", folds=[0], **made)
    pushed = push(trained.folder)
    wait([trained.kernel], every=0.2, show=quietly)
    inferred = build("infer", folds=[0], transport="dataset", **made)
    assert upload_dataset(inferred.package_folder) == "tester/seti-utils-package" and inferred.size < 20_000
    push(inferred.folder)
    wait([inferred.kernel], every=0.2, show=quietly)
    run = fetch_pushed(inferred.folder, tmp_path / "out")
    assert (tmp_path / "out/submission.csv").read_text(encoding="utf-8") == "fold,score\n0,0.5\n"
    assert run["package_sha256"] == inferred.package_sha256 and run["kernel"] == inferred.kernel
    log = (tmp_path / "out" / f"{inferred.kernel.split('/')[1]}.log").read_text(encoding="utf-8")
    assert run["package_sha256"] in log and str(ROOT) not in log
    assert fetch_pushed(trained.folder, tmp_path / "train")["run_id"] == pushed.run_id


def test_a_failing_notebook_is_told_with_its_traceback(kaggle, repository, tmp_path):
    infer = build(
        "infer",
        **DEMO,
        kernel_sources=[],
        root=repository,
        out=tmp_path,
    )
    push(infer.folder)
    with pytest.raises(errors.RunFailed) as raised:
        wait([infer.kernel], every=0.2, show=quietly)
    assert "likely cause: an input is not mounted" in str(raised.value) and "no output of a train run" in str(raised.value)


def test_a_session_that_is_stopped(kaggle, repository, tmp_path):
    train = build("train", **DEMO, root=repository, out=tmp_path)
    text = json.loads((train.folder / "notebook.ipynb").read_text(encoding="utf-8"))
    text["cells"][-1]["source"] = "import time\ntime.sleep(3600)"
    (train.folder / "notebook.ipynb").write_text(json.dumps(text), encoding="utf-8")
    push(train.folder)
    deadline = time.monotonic() + 600
    while status(train.kernel).state != "RUNNING" and time.monotonic() < deadline:
        time.sleep(0.1)
    (version,) = kaggle.kernels.versions[train.kernel]
    kaggle.kernels.stop()
    with pytest.raises(errors.RunFailed, match="cancelled"):
        wait([train.kernel], every=0.2, show=quietly)
    assert gone(version.execution.folder)


NEVER = "import time\ntime.sleep(3600)"


def session_of(folder, source: str, **limits: float) -> Execution:
    """A session of a notebook with one cell, its limits in seconds."""
    kind = type("Limited", (Execution,), limits)
    return kind(folder, notebook("a = 1", source), "new", {}, {}, threading.Semaphore(1))


def gone(folder) -> bool:
    """Whether, within seconds, no process names ``folder`` in its command line: a kernel notices that papermill is dead."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if not any(str(folder).encode() in path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")):
                return True
        time.sleep(0.2)
    return False


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_a_session_without_end_is_ended_with_all_its_processes(tmp_path):
    session = session_of(tmp_path / "s", NEVER, longest=6)
    session.thread.join(600)
    assert session.status == "ERROR" and "exceeded the max allowed execution duration" in session.failure
    assert gone(tmp_path / "s")


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_a_papermill_that_lingers_after_its_last_cell_does_not_hold_the_site(tmp_path, monkeypatch):
    """Whatever keeps it (a thread, a socket), the notebook is written: its verdict counts."""
    linger = "import atexit, sys, time\nif 'papermill' in ' '.join(sys.orig_argv):\n    atexit.register(time.sleep, 3600)\n"
    guard = f"{execute.GUARD}\n{linger}"
    monkeypatch.setattr(execute, "GUARD", guard)
    session = session_of(tmp_path / "s", "print('done')", patience=1, longest=600)
    session.thread.join(600)
    assert session.status == "COMPLETE" and session.lingered and gone(tmp_path / "s")


def test_mounted_runs_in_both_layouts(tmp_path, monkeypatch):
    monkeypatch.setenv("SETI_INPUT", str(tmp_path / "input"))
    with pytest.raises(InputError, match="mounted: nothing"):
        mounts.find_runs()
    said = {"experiment": "e", "fingerprint": "f", "seeds": [1]}
    for place, fold in (
        ("notebooks/me/seti-train-e-fold0", 0),
        ("seti-train-e-fold1", 1),
        ("notebooks/me/seti-infer-e", 2),
    ):
        (tmp_path / "input" / place).mkdir(parents=True)
        monkeypatch.setenv("SETI_KERNEL", f"me/{place.split('/')[-1]}")
        write_run(tmp_path / "input" / place, stage="infer" if fold == 2 else "train", folds=[fold], **said)
    assert [path.name for path in mounts.find_runs()] == ["seti-train-e-fold0", "seti-train-e-fold1"]
    assert [path.name for path in mounts.find_runs(stage="infer")] == ["seti-infer-e"]
    monkeypatch.setenv("SETI_KERNEL", "me/seti-train-e-fold1")
    assert mounts.find_previous("e", [1], [1], "f").name == "seti-train-e-fold1"
    assert mounts.find_previous("e", [0], [1], "f") is None and mounts.find_previous("e", [1], [1], "g") is None
    with pytest.raises(InputError, match="mounted: notebooks, notebooks/me, seti-train-e-fold1"):
        mounts.find_runs(tmp_path / "nothing")
