"""Kernel folders: reproducible, small, complete, and checked before they are pushed."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from local_kaggle.fixtures import DEMO, ROOT, built, kernel, notebook, repository  # noqa: F401 - fixtures

from seti_utils.errors import InputError
from seti_utils.kaggle.build import build
from seti_utils.kaggle.check import check_kernel, check_metadata, require_good
from seti_utils.kaggle.embed import detectors_used, package_archive, package_of, stamp, uses_telescope
from seti_utils.kaggle.errors import BadKernel
from seti_utils.kaggle.metadata import derive, kernel_of, read_metadata, slug_of, title_of
from seti_utils.nets.shipped import FOLDER
from seti_utils.session.device import require_devices
from seti_utils.session.parameters import check_parameters, parse_parameters, read_parameters


def test_the_top_level_metadata_are_good_but_for_the_placeholder():
    problems = [finding.problem for finding in check_kernel(ROOT)]
    assert problems == ["the owner is the placeholder your-username"]


def test_a_built_kernel_is_good(built):
    assert check_kernel(built.folder, "tester") == []
    metadata = require_good(built.folder, "tester")
    assert metadata["id"] == built.kernel == "tester/seti-train-sky-demo-fold0-seed2021"
    assert metadata["machine_shape"] == "NvidiaTeslaT4" and metadata["enable_internet"] is False
    assert metadata["competition_sources"] == ["seti-breakthrough-listen"]


def test_the_same_sources_make_the_same_bytes(built, repository, tmp_path):
    again = build("train", **DEMO, root=repository, out=tmp_path)
    for name in ("notebook.ipynb", "kernel-metadata.json"):
        assert (again.folder / name).read_bytes() == (built.folder / name).read_bytes()
    assert again.package_sha256 == built.package_sha256


def test_a_kernel_stays_small(built):
    assert built.size < 400_000


def test_the_laptops_side_stays_here():
    with zipfile.ZipFile(io.BytesIO(package_archive())) as archive:
        names = archive.namelist()
    assert "seti_utils/session/runfile.py" in names and "seti_utils/commands/train.py" in names
    assert not [name for name in names if name.startswith(("seti_utils/kaggle/", "seti_utils/commands/kaggle/"))]
    assert not {"seti_utils/run/play.py", "seti_utils/run/costs.py", "seti_utils/commands/play.py"} & set(names)


@pytest.mark.parametrize(
    ("code", "carried"),
    [
        ("from seti_utils.run.notebooks.session import session", ()),
        ("# %% [markdown]\n# load_detector is told of here only", ()),
        ("from seti_utils.nets.shipped import load_detector", ("cleaned", "raw")),
        ("!python -m seti_utils score /kaggle/input --out scores.csv", ("cleaned", "raw")),
        ('run_chain("sky_stack", [0], [2021], runtime)', ("cleaned", "raw")),
        ("!seti search CADENCE -o found", ("raw",)),
        ("!seti search CADENCE --network cleaned -o found", ("cleaned", "raw")),
        ("from seti_utils.run.notebooks.telescope import telescope_search\nnetwork = 'cleaned'", ("cleaned", "raw")),
    ],
)
def test_a_kernel_carries_the_detectors_that_it_uses(code, carried):
    kind = "markdown" if "[markdown]" in code else "code"
    notebook = {"cells": [{"cell_type": kind, "source": code.splitlines(keepends=True)}]}
    assert detectors_used(notebook) == carried
    with zipfile.ZipFile(io.BytesIO(package_archive(detectors=carried))) as archive:
        shipped = {name for name in archive.namelist() if name.startswith("seti_utils/nets/shipped/")}
    assert shipped == {f"seti_utils/nets/shipped/{path.name}" for path in FOLDER.iterdir() if path.stem in carried}


@pytest.mark.parametrize(
    ("code", "carried"),
    [
        ("from seti_utils.run.notebooks.session import session", False),
        ("from seti_utils.run.notebooks.telescope import telescope_search", True),
        ("!seti search CADENCE -o found", True),
    ],
)
def test_a_kernel_carries_the_search_of_telescope_files_only_where_it_searches(code, carried):
    assert uses_telescope({"cells": [{"cell_type": "code", "source": [code]}]}) == carried
    with zipfile.ZipFile(io.BytesIO(package_archive(telescope=carried))) as archive:
        callers = [name for name in archive.namelist() if b"seti_utils.telescope" in archive.read(name)]
        assert ("seti_utils/telescope/search.py" in archive.namelist()) == bool(callers) == carried


def test_the_projects_own_notebooks_carry_none_but_the_search(repository):
    for path in (repository / "notebooks").glob("*.ipynb"):
        carried = ("raw",) if path.stem == "search" else ()
        assert detectors_used(json.loads(path.read_text(encoding="utf-8"))) == carried, path.name


def test_another_package_makes_another_archive(tmp_path):
    package = tmp_path / "seti_utils"
    package.mkdir()
    (package / "__init__.py").write_text("x = 1\n", encoding="utf-8")
    first = package_archive(package)
    os.utime(package / "__init__.py", (0, 0))
    (package / "__pycache__").mkdir()
    assert package_archive(package) == first
    (package / "__init__.py").write_text("x = 2\n", encoding="utf-8")
    assert package_archive(package) != first


def first_source(folder) -> str:
    return json.loads((folder / "notebook.ipynb").read_text(encoding="utf-8"))["cells"][0]["source"]


def run_cell(source: str, tmp_path, after: str) -> subprocess.CompletedProcess:
    environment = {
        "PATH": os.environ["PATH"],
        "TMPDIR": str(tmp_path),
        "SETI_INPUT": str(tmp_path / "input"),
        "SETI_MACHINE": "",
    }
    return subprocess.run(
        [sys.executable, "-I", "-"],
        input=f"{source}\n{after}",
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )


AFTER = """import seti_utils.session.runfile as r
print(r.__file__, os.environ["SETI_KERNEL"], os.environ["PYTHONPATH"] == home)"""


def test_the_first_cell_brings_the_package(built, tmp_path):
    done = run_cell(first_source(built.folder), tmp_path, AFTER)
    assert done.returncode == 0, done.stderr
    assert built.package_sha256 in done.stdout and "run unstamped" in done.stdout
    assert str(tmp_path / "seti_utils-") in done.stdout and f"{built.kernel} True" in done.stdout


def test_a_damaged_package_is_refused(built, tmp_path):
    source = first_source(built.folder).replace(built.package_sha256, "0" * 64)
    assert "not the package that the kernel was built with" in run_cell(source, tmp_path, "").stderr


def test_a_session_without_its_gpu_ends_at_once(built, monkeypatch):
    import torch

    assert 'os.environ.setdefault("SETI_MACHINE", "NvidiaTeslaT4")' in first_source(built.folder)
    assert require_devices("") == require_devices("TpuV5E8") == "no GPU was asked for"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(RuntimeError, match="No CUDA GPUs are available, but the kernel asks for NvidiaTeslaT4"):
        require_devices("NvidiaTeslaT4")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: "Tesla T4")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda number: (7, 5))
    assert require_devices("NvidiaTeslaT4") == "2 GPU: Tesla T4, Tesla T4"
    assert require_devices("NvidiaL4") == "2 GPU: Tesla T4, Tesla T4; L4x4 was asked for, which has 4 x L4"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda number: (6, 0))
    with pytest.raises(RuntimeError, match="too old"):
        require_devices("NvidiaTeslaT4")


@pytest.mark.slow
def test_the_package_can_come_from_a_dataset(repository, tmp_path):
    made = build(
        "train",
        **DEMO,
        root=repository,
        out=tmp_path / "b",
        transport="dataset",
    )
    assert made.size < 20_000 and read_metadata(made.folder)["dataset_sources"] == ["tester/seti-utils-package"]
    assert "is not mounted" in run_cell(first_source(made.folder), tmp_path, "").stderr
    for mount in ("datasets/tester/seti-utils-package", "seti-utils-package"):
        shutil.copytree(made.package_folder, tmp_path / "input" / mount)
        done = run_cell(first_source(made.folder), tmp_path, AFTER)
        assert done.returncode == 0 and made.package_sha256 in done.stdout
        shutil.rmtree(tmp_path / "input")


def test_a_stamp_names_the_run(built):
    text = (built.folder / "notebook.ipynb").read_text(encoding="utf-8")
    stamped = stamp(text, "0123456789abcdef")
    assert stamped != text and len(stamped) == len(text) + 7
    assert 'RUN_ID, KERNEL = "0123456789abcdef", ' in json.loads(stamped)["cells"][0]["source"]
    assert package_of(stamped) == built.package_sha256


def test_parameters_are_injected_and_nothing_of_papermill_stays(built):
    text = (built.folder / "notebook.ipynb").read_text(encoding="utf-8")
    sources = [cell["source"] for cell in json.loads(text)["cells"]]
    assert any('folds = "0"' in "".join(source) and 'stop_after = "11h15m"' in "".join(source) for source in sources[2:])
    assert "start_time" not in text and '"papermill"' not in text


def test_an_infer_kernel_mounts_the_train_kernels(repository, tmp_path):
    made = build("infer", owner="tester", experiment="sky_demo", folds=[0, 1], seeds=[2021], root=repository, out=tmp_path)
    assert read_metadata(made.folder)["kernel_sources"] == [
        kernel_of("tester", "train", "sky_demo", [fold], [2021]) for fold in (0, 1)
    ]
    assert check_kernel(made.folder, "tester") == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"fold": "0"}, "did you mean folds"),
        ({"folds": 0}, "give a str"),
        ({"rate": "fast"}, "give a float"),
        ({"rate": True}, "give a float"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(repository, tmp_path, given, message):
    with pytest.raises(InputError, match=message):
        build(
            "train",
            **DEMO,
            root=repository,
            out=tmp_path,
            parameters=given,
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("experiment", "fold", "rest", "message"),
    [
        ("exp9999", 0, {}, "exp9999"),
        ("sky_demo", 5, {}, "there is no fold 5; it has folds 0 to 4"),
        ("sky_demo", 0, {"parameters": {"overrides": "epoch=1"}}, "epoch"),
        ("exp0023", 0, {}, "exp0023: starts from pretrained .*kaggle weights exp0023.*--dataset"),
    ],
)
def test_what_the_run_would_stumble_over_is_refused(tmp_path, experiment, fold, rest, message):
    made = {"owner": "tester", "folds": [fold], "seeds": [1], "root": ROOT, "out": tmp_path}
    with pytest.raises(InputError, match=message):
        build("train", experiment=experiment, **made, **rest)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ({"budget": "abc"}, "abc.*11h30m"),
        ({"budget": "12h"}, "not below the 12h of a session"),
        ({"parameters": {"stop_after": "soon"}}, "soon.*11h30m"),
        ({"machine": "T4x3"}, "T4x3 is not a known machine; did you mean T4x2\\?"),
        ({"machine": "NvidiaTeslaP100"}, "the P100 is retired; use T4x2"),
        ({"machine": "TpuV5E8"}, "silently gets an image without it; use T4x2"),
        ({"dataset_sources": ["datasets/me/weights"]}, "write owner/slug"),
        ({"kernel_sources": ["me"]}, "kernel_sources holds 'me'"),
        ({"model_sources": ["me/net/pyTorch/default"]}, "owner/model/framework/variation/version"),
    ],
)
def test_what_the_site_would_take_in_silence_is_refused_before_the_push(repository, tmp_path, rest, message):
    made = {"owner": "tester", "experiment": "sky_demo", "folds": [0], "seeds": [1], "root": repository, "out": tmp_path}
    with pytest.raises(InputError, match=message):
        build("train", **made, **rest)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("machine", "shape"),
    [("T4x2", "NvidiaTeslaT4"), ("t4 × 2", "NvidiaTeslaT4"), ("L4x4", "NvidiaL4"), ("L4", "NvidiaL4X1"), ("none", "")]
    + [("NvidiaL4", "NvidiaL4"), ("RTX Pro 6000", "NvidiaRtxPro6000"), ("", "")],
)
def test_a_machine_goes_by_its_name_and_the_site_gets_its_own(repository, tmp_path, machine, shape):
    made = {"owner": "tester", "experiment": "sky_demo", "folds": [0], "seeds": [1], "root": repository, "out": tmp_path}
    metadata = read_metadata(build("train", **made, machine=machine).folder)
    assert metadata.get("machine_shape", "") == shape and metadata["enable_gpu"] is bool(shape)
    assert not check_metadata(metadata, "tester")


def test_weights_can_be_mounted_or_done_without(tmp_path):
    made = {"owner": "tester", "experiment": "exp0023", "folds": [0], "seeds": [1], "root": ROOT, "out": tmp_path}
    for rest in (
        {"dataset_sources": ["tester/seti-pretrained-weights"]},
        {"model_sources": ["timm/tf-efficientnet/pyTorch/tf-efficientnet-b5/1"]},
        {"parameters": {"overrides": "pretrained=False"}},
    ):
        assert build("train", **made, **rest).size < 400_000


def test_parameters_of_the_command_line(repository):
    train = repository / "notebooks/train.ipynb"
    assert parse_parameters(train, ["rate=1", "folds=3"]) == {"rate": 1, "folds": "3"}
    assert check_parameters(train, {"rate": 2}) == {"rate": 2}
    with pytest.raises(InputError, match="write name=value"):
        parse_parameters(train, ["rate"])


def test_papermill_knows_no_further_parameter():
    import papermill

    for name in ("train", "infer", "look"):
        path = ROOT / f"notebooks/{name}.ipynb"
        # papermill's own parser misses a line with an equals sign in its value or comment.
        assert set(read_parameters(path)) >= set(papermill.inspect_notebook(str(path))) >= {"data"}


def test_a_notebook_without_parameters_is_refused(tmp_path):
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps({**notebook("x = 1"), "cells": []}), encoding="utf-8")
    with pytest.raises(InputError, match="0 cells are tagged"):
        read_parameters(path)
    path.write_text(json.dumps(notebook("x = print(1)")), encoding="utf-8")
    with pytest.raises(InputError, match="not a plain literal"):
        read_parameters(path)


def test_titles_and_slugs_come_back():
    slugify = pytest.importorskip("slugify").slugify
    for stage, experiment, folds, seeds in (
        ("train", "exp0008_w", [0], [2021]),
        ("infer", "sky_demo", [0, 1, 2, 3, 4], [2021, 2022, 2023]),
    ):
        title = title_of(stage, experiment, folds, seeds)
        assert 5 <= len(title) <= 50 and slug_of(title) == slugify(title) and slug_of(title).replace("-", " ") == title
    assert title_of("train", "a" * 40, [0], [1]) != title_of("train", "a" * 40, [0], [2])


def test_an_image_can_be_pinned_and_a_machine_chosen():
    base = read_metadata(ROOT)
    made = derive(
        base, owner="o", title="seti train x", code_file="n.ipynb", docker_image="gcr.io/i@sha256:1", machine="NvidiaL4"
    )
    assert made["docker_image_pinning_type"] == "original" and made["enable_gpu"] and made["machine_shape"] == "NvidiaL4"
    assert "machine_shape" not in derive(base, owner="o", title="seti train x", code_file="n.ipynb", machine="")


def spoil(folder, **changes):
    metadata = read_metadata(folder)
    metadata.update(changes)
    (folder / "kernel-metadata.json").write_text(
        json.dumps({key: value for key, value in metadata.items() if value is not None}), encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"enable_gpus": True}, "unknown key 'enable_gpus'"),
        ({"enable_internet": None}, "enable_internet is missing"),
        ({"enable_gpu": "true"}, "enable_gpu is 'true'"),
        ({"id": "other/seti-train-sky-demo-fold0-seed2021"}, "but tester is logged in"),
        ({"title": "seti"}, "4 characters"),
        ({"title": "seti train something"}, "the title becomes"),
        ({"enable_internet": True}, "internet is on"),
        ({"machine_shape": "NvidiaTeslaP100"}, "retired"),
        ({"machine_shape": "TpuV5E8"}, "nothing here computes on a TPU"),
        ({"machine_shape": "NvidiaTeslaT4Highmem"}, "NvidiaTeslaT4Highmem is not a known machine"),
        ({"machine_shape": "NvidiaT4"}, "NvidiaT4 is not a known machine"),
        ({"machine_shape": "T4x2"}, "machine_shape is 'T4x2'"),
        ({"enable_gpu": False}, "enable_gpu is False"),
        ({"enable_gpu": False, "machine_shape": None, "enable_tpu": True}, "a TPU is asked for"),
        ({"dataset_sources": ["datasets/me/weights"]}, "dataset_sources holds 'datasets/me/weights'"),
        ({"dataset_sources": ["datasets/weights"]}, "without the first word of its address"),
        ({"kernel_sources": ["code/me/kernel"]}, "kernel_sources holds"),
        ({"competition_sources": ["competitions/seti-breakthrough-listen"]}, "competition_sources holds"),
        ({"model_sources": ["models/me/net/pyTorch/default"]}, "model_sources holds"),
        ({"model_sources": ["timm/tf-efficientnet"]}, "model_sources holds"),
        ({"competition_sources": ["a/b"]}, "competition_sources holds"),
        ({"kernel_sources": [3]}, "kernel_sources holds 3"),
        ({"kernel_type": "script"}, "not a Python notebook"),
        ({"docker_image_pinning_type": "newest"}, "docker_image_pinning_type"),
        ({"code_file": "nothing.ipynb"}, "is missing"),
        ({"code_file": 3}, "code_file is 3; write text in quotes"),
        ({"id_no": "7"}, "write a whole number"),
    ],
)
def test_each_mistake_is_found_with_its_remedy(kernel, changes, problem):
    spoil(kernel, **changes)
    found = check_kernel(kernel, "tester")
    assert any(problem in str(finding) for finding in found), found
    assert all(finding.remedy for finding in found)


def edit_notebook(folder, change):
    made = json.loads((folder / "notebook.ipynb").read_text(encoding="utf-8"))
    change(made)
    (folder / "notebook.ipynb").write_text(json.dumps(made), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda made: made["metadata"]["kernelspec"].update(name="conda"), "kernelspec is 'conda'"),
        (
            lambda made: made["cells"][1].update(outputs=[{"output_type": "stream", "name": "stdout", "text": "x"}]),
            "have outputs",
        ),
        (lambda made: made["cells"][1].update(source='api_key = "0123456789abcdef0123"'), "cell 1 holds"),
        (lambda made: made["cells"][1].update(source="# KGAT_0123456789abcdef0123456789abcdef"), "cell 1 holds"),
        (lambda made: made["cells"][1].update(source="x" * 1_000_000), "the site takes less"),
        (lambda made: made.pop("cells"), "is not a notebook"),
    ],
)
def test_each_flaw_of_a_notebook_is_found(kernel, change, problem):
    edit_notebook(kernel, change)
    assert any(problem in finding.problem for finding in check_kernel(kernel, "tester"))


def test_this_users_own_key_is_found(kernel, monkeypatch):
    monkeypatch.setenv("KAGGLE_KEY", "plainwords")
    edit_notebook(kernel, lambda made: made["cells"][1].update(source="print('plainwords')"))
    with pytest.raises(BadKernel) as raised:
        require_good(kernel, "tester")
    assert "credential" in str(raised.value) and "plainwords" not in str(raised.value)


def test_the_committed_notebooks_hold_no_secret_and_no_output():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r'"outputs": \[\s*\{', text), path
