"""Fixtures for tests that talk to the local site; import them into a test module."""

import contextlib
import io
import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from seti_utils.kaggle import child, client
from seti_utils.kaggle.build import build

from .server import LocalKaggle

ROOT = Path(__file__).parents[2]
DEMO = {"owner": "tester", "experiment": "sky_demo", "folds": [0], "seeds": [2021]}
"""A kernel of the local site's user, as the arguments of ``build``."""
TRAIN = """from pathlib import Path
from seti_utils.session.runfile import write_run
out = Path(".")
Path("scores.csv").write_text(f"fold,score\\n{folds},0.5\\n", encoding="utf-8")
write_run(out, stage="train", experiment=experiment, fingerprint="f" * 12, folds=[int(f) for f in folds.split(",")],
          seeds=[int(s) for s in seeds.split(",")], finished=not stop_after)
"""
INFER = """from pathlib import Path
from seti_utils.session.mounts import find_runs
from seti_utils.session.runfile import write_run
found = find_runs(runs)
Path("submission.csv").write_text("".join((run / "scores.csv").read_text(encoding="utf-8") for run in found))
write_run(".", stage="infer", experiment=experiment, fingerprint="f" * 12, folds=[0, 1], seeds=[2021])
"""


def notebook(parameters: str, *cells: str) -> dict:
    """A tiny notebook with tagged parameters."""

    def code(source: str, number: int, tags: list[str]) -> dict:
        return {
            "cell_type": "code",
            "id": f"c{number}",
            "metadata": {"tags": tags} if tags else {},
            "outputs": [],
            "execution_count": None,
            "source": source.splitlines(keepends=True),
        }

    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "cells": [
            code(parameters, 0, ["parameters"]),
            *(code(source, number, []) for number, source in enumerate(cells, 1)),
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """One local Kaggle for a test module, that plays scripts and executes nothing."""
    with LocalKaggle(tmp_path_factory.mktemp("site")) as server:
        yield server


@pytest.fixture
def kaggle_process(site, tmp_path, monkeypatch):
    """The site, fresh, and the environment that makes the client talk to it; every call starts the real client."""
    if not os.environ.get("SETI_KAGGLE_CLIENT") and find_spec("kaggle") is None:
        pytest.skip("the kaggle client is not installed")
    site.forget()
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "KAGGLE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in site.environment(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    (tmp_path / "home").mkdir()
    return site


@pytest.fixture
def kaggle(kaggle_process, monkeypatch):
    """The same with the real client's code called inside this process: starting it takes half a second per call.

    Where ``SETI_KAGGLE_CLIENT`` names another client, every call is a process of that one after all.
    """
    if not os.environ.get("SETI_KAGGLE_CLIENT"):
        monkeypatch.setattr(client, "lines_of", lines_inside)
    return kaggle_process


def lines_inside(request: dict, timeout: float | None, live: bool, started: object = None) -> list[dict]:
    """What :func:`seti_utils.kaggle.client.lines_of` yields, from the child's own code in this process."""
    before, clean = dict(os.environ), client.clean_environment()
    os.environ.clear()
    os.environ.update(clean)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            import kaggle

            kaggle.api._authenticated = False
            return list(child.replies(json.loads(json.dumps(request))))
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A tiny repository: the real top-level metadata with small train and infer notebooks."""
    root = tmp_path_factory.mktemp("repository")
    (root / "notebooks").mkdir()
    shutil.copy(ROOT / "kernel-metadata.json", root)
    train = notebook('experiment = "sky_demo"\nfolds = "0"\nseeds = "2021"\nstop_after = ""\nrate = 0.5\n', TRAIN)
    infer = notebook('experiment = "sky_demo"\nfolds = "0,1"\nseeds = "2021"\nruns = ""\n', INFER)
    (root / "notebooks/train.ipynb").write_text(json.dumps(train), encoding="utf-8")
    (root / "notebooks/infer.ipynb").write_text(json.dumps(infer), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def built(repository, tmp_path_factory):
    """A built train kernel of the local site's user; tests copy its folder."""
    return build(
        "train",
        **DEMO,
        root=repository,
        out=tmp_path_factory.mktemp("build"),
    )


@pytest.fixture
def kernel(built, tmp_path):
    """A kernel folder that the test may change."""
    return Path(shutil.copytree(built.folder, tmp_path / "kernel"))
