"""Chains: declared, fanned out, resumed from their journal, continued past the time budget, stopped by failures."""

import hashlib
import json
import re

import pytest
from local_kaggle import Fault, Script
from local_kaggle.fixtures import kaggle, kaggle_process, repository, site  # noqa: F401 - fixtures

from seti_utils.errors import InputError
from seti_utils.kaggle import chain, errors
from seti_utils.kaggle.chain import describe, run_chain
from seti_utils.kaggle.plan import expand, read_plan

PLAN = """
at_once: 2
sessions: 3
stages:
  train: {experiments: [sky_demo], folds: [0, 1, 2], fetch: false}
  infer: {experiments: [sky_demo], folds: [0, 1, 2], each: experiment, after: [train]}
"""
TRAIN = "tester/seti-train-sky-demo-fold{}-seed2021"
INFER = "tester/seti-infer-sky-demo-fold0-1-2-seed2021"


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "second_place.yaml"
    path.write_text(PLAN)
    return read_plan(path)


@pytest.fixture(autouse=True)
def quick_build(monkeypatch):
    """Kernels are built without papermill, whose part test_kaggle_build.py looks at."""
    monkeypatch.setattr("seti_utils.kaggle.build.prepare", simple)


def simple(notebook, parameters):
    """The notebook as papermill would prepare it, without papermill's second of loading."""
    made = json.loads(notebook.read_text())
    made["cells"].insert(
        1, {**made["cells"][0], "source": "\n".join(f"{name} = {value!r}" for name, value in parameters.items())}
    )
    return made


@pytest.fixture
def world(kaggle, monkeypatch):
    """The site, where every pushed kernel's run leaves a right run.json; ``unfinished`` counts sessions to go."""
    save = kaggle.kernels.SaveKernel
    kaggle.unfinished, kaggle.failing, kaggle.most = {}, set(), 0

    def save_and_play(request):
        slug = request["slug"]
        cell = json.loads(request["text"])["cells"][0]["source"]
        run_id, sha = re.search(r'RUN_ID, KERNEL = "(\w+)"', cell)[1], re.search(r'SHA256 = "(\w+)"', cell)[1]
        left = kaggle.unfinished.get(slug, 0)
        kaggle.unfinished[slug] = left - 1
        body = slug.encode()
        stage, folds = ("infer", [0, 1, 2]) if "infer" in slug else ("train", [int(re.search(r"fold(\d)", slug)[1])])
        run = {
            "schema": 1,
            "stage": stage,
            "run_id": run_id,
            "kernel": slug,
            "package_sha256": sha,
            "experiment": "sky_demo",
            "fingerprint": "f",
            "folds": folds,
            "seeds": [2021],
            "finished": left <= 0,
            "created": "",
            "extra": {},
            "reason": "done" if left <= 0 else "time budget",
            "files": {"out.txt": {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}},
        }
        script = Script(
            ("ERROR",) if slug in kaggle.failing else ("RUNNING", "COMPLETE"),
            {"out.txt": body, "run.json": json.dumps(run).encode()},
            failure="broken",
        )
        kaggle.kernels.scripts[slug] = [script]
        answer = save(request)
        kaggle.most = max(
            kaggle.most, sum(version.active() for versions in kaggle.kernels.versions.values() for version in versions)
        )
        return answer

    monkeypatch.setattr(kaggle.kernels, "SaveKernel", save_and_play, raising=False)
    return kaggle


@pytest.fixture
def play(world, plan, repository, tmp_path):
    """Runs the plan; keyword arguments go to run_chain."""
    said = []

    def run(**rest):
        return run_chain(
            plan,
            out=tmp_path / "out",
            root=repository,
            builds=tmp_path / "build",
            sleep=rest.pop("sleep", lambda _: None),
            say=said.append,
            **rest,
        )

    run.said, run.home = said, tmp_path / "out/second_place"
    return run


def pushed(site) -> list[str]:
    return [request["slug"] for method, request in site.calls if method == "SaveKernel"]


def test_a_plan_fans_out(plan):
    tasks = expand(plan, "tester")
    assert [task.kernel for task in tasks] == [*(TRAIN.format(fold) for fold in range(3)), INFER]
    assert tasks[-1].needs == [TRAIN.format(fold) for fold in range(3)] and tasks[-1].folds == [0, 1, 2]
    assert describe(plan, "tester").splitlines()[0] == "4 kernels, at most 2 at once"


def test_a_plan_may_be_python(tmp_path):
    path = tmp_path / "p.py"
    path.write_text(
        "PLAN = {'name': 'mine', 'stages': {'train': {'experiments': ['a', 'b'], 'folds': [0], 'seeds': [1, 2]}}}"
    )
    assert len(expand(read_plan(path), "tester")) == 4 and read_plan(path).name == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages: [a]", "no stages"),
        ("a: [", "not YAML"),
        ("stages: {train: {experiment: [a]}}", "unknown 'experiment'"),
        ("stages: {train: {folds: [0]}}", "missing"),
        ("stages: {train: {experiments: a}}", "list of str"),
        ("stages: {train: {experiments: [a], folds: ['0']}}", "list of int"),
        ("at_twice: 1\nstages: {}", "unknown 'at_twice'"),
        ("stages: {infer: {experiments: [a], after: [train]}}", "not all before it"),
        ("stages: {train: {experiments: [a], each: night}}", "fold or experiment"),
        ("stages: {train: {experiments: [a, a]}}", "appears twice"),
    ],
)
def test_mistakes_in_a_plan(tmp_path, text, message):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        expand(read_plan(path), "tester")


def test_a_chain_runs_to_its_end(world, play):
    entries = play()
    assert {entry["state"] for entry in entries.values()} == {"done"} and len(entries) == 4
    assert pushed(world) == [*(TRAIN.format(fold) for fold in range(3)), INFER] and world.most == 2
    infer = next(request for method, request in world.calls if method == "SaveKernel" and "infer" in request["slug"])
    assert infer["kernelDataSources"] == [TRAIN.format(fold) for fold in range(3)]
    assert (play.home / INFER.split("/")[1] / "out.txt").read_text() == INFER
    assert not (play.home / TRAIN.format(0).split("/")[1]).exists()
    play()
    assert len(pushed(world)) == 4


def test_a_closed_laptop_loses_nothing(world, play):
    def close(_seconds):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play(sleep=close)
    assert len(pushed(world)) == 2
    play()
    assert sorted(pushed(world)) == sorted([*(TRAIN.format(fold) for fold in range(3)), INFER])


@pytest.mark.parametrize("happened", [True, False])
def test_a_stop_in_the_middle_of_a_push(world, play, monkeypatch, happened):
    def stopped(folder, **rest):
        if happened:
            real(folder, **rest)
        raise KeyboardInterrupt

    real = chain.push
    monkeypatch.setattr(chain, "push", stopped)
    with pytest.raises(KeyboardInterrupt):
        play()
    monkeypatch.setattr(chain, "push", real)
    entries = play()
    assert len(pushed(world)) == 4 and entries[TRAIN.format(0)]["pushes"] == 1


def test_the_time_budget_continues_with_its_own_output(world, play):
    world.unfinished[TRAIN.format(1)] = 2
    entries = play()
    requests = [
        request for method, request in world.calls if method == "SaveKernel" and request["slug"] == TRAIN.format(1)
    ]
    assert entries[TRAIN.format(1)]["pushes"] == len(requests) == 3
    assert [request.get("kernelDataSources", []) for request in requests] == [[], [TRAIN.format(1)], [TRAIN.format(1)]]
    assert any("time budget, to be continued" in text for text in play.said)


def test_sessions_have_an_end(world, play):
    world.unfinished[TRAIN.format(1)] = 99
    with pytest.raises(errors.RunFailed, match="not finished after 3 sessions"):
        play()
    assert pushed(world).count(TRAIN.format(1)) == 3 and INFER not in pushed(world)


def test_a_failure_stops_only_what_needs_it(world, play):
    world.failing.add(TRAIN.format(0))
    with pytest.raises(errors.RunFailed, match="1 failed, 1 not started"):
        play()
    assert TRAIN.format(2) in pushed(world) and INFER not in pushed(world)
    world.failing.clear()
    entries = play(retry_failed=True)
    assert {entry["state"] for entry in entries.values()} == {"done"} and pushed(world).count(TRAIN.format(0)) == 2


def test_a_lost_answer_and_a_full_site(world, play):
    world.faults += [
        Fault("SaveKernel", body="cut", after=True),
        Fault("SaveKernel", body="answer", answer={"error": "Maximum batch GPU session count of 2 reached."}, skip=1),
    ]
    world.kernels.sessions = 1
    try:
        play()
    finally:
        world.kernels.sessions = 2
    assert len({version.request["slug"] for versions in world.kernels.versions.values() for version in versions}) == 4
    assert sum(map(len, world.kernels.versions.values())) == 4


def test_a_site_that_stays_away_ends_the_chain_and_loses_nothing(world, play, monkeypatch):
    monkeypatch.setattr(chain, "PATIENCE", 4)
    world.faults.append(Fault("GetKernelSessionStatus", 503, "html", times=4, skip=2))
    with pytest.raises(errors.ServerTrouble):
        play()
    assert {entry["state"] for entry in play().values()} == {"done"} and len(pushed(world)) == 4


def test_dropped_sources_are_a_failure_not_a_second_push(world, play):
    world.faults.append(Fault("SaveKernel", body="answer", answer={"invalidCompetitionSources": ["x"]}))
    with pytest.raises(errors.RunFailed, match="pushed without competition sources"):
        play()
    assert pushed(world).count(TRAIN.format(0)) == 1
