"""Chains: played to their end, resumed from their journal, continued past the time budget, stopped by failures."""

import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from local_kaggle import Fault, Script
from local_kaggle.fixtures import ROOT, kaggle, kaggle_process, repository, site  # noqa: F401 - fixtures
from local_kaggle.plans import INFER, TRAIN, plan  # noqa: F401 - fixtures

from seti_utils.errors import InputError
from seti_utils.kaggle import chain, errors
from seti_utils.kaggle.chain import run_chain
from seti_utils.kaggle.embed import package_archive
from seti_utils.session.machines import find_machine


@pytest.fixture(autouse=True)
def quick_build(monkeypatch):
    """Kernels are built without papermill, whose part test_kaggle_build.py looks at, and from sources that do not change."""
    archive = package_archive()
    monkeypatch.setattr("seti_utils.kaggle.build.package_archive", lambda **options: archive)
    monkeypatch.setattr("seti_utils.kaggle.build.prepare", simple)


def simple(notebook, parameters):
    """The notebook as papermill would prepare it, without papermill's second of loading."""
    made = json.loads(notebook.read_text(encoding="utf-8"))
    made["cells"].insert(
        1, {**made["cells"][0], "source": "\n".join(f"{name} = {value!r}" for name, value in parameters.items())}
    )
    return made


@pytest.fixture
def world(kaggle, monkeypatch):
    """The site, where every pushed kernel's run leaves a right run.json; ``unfinished`` counts sessions to go."""
    save = kaggle.kernels.SaveKernel
    kaggle.unfinished, kaggle.failing, kaggle.wrong, kaggle.most = {}, set(), set(), 0

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
            "run_id": "another" if slug in kaggle.wrong else run_id,
            "kernel": slug,
            "package_sha256": sha,
            "experiment": "sky_demo",
            "fingerprint": "f",
            "folds": folds,
            "seeds": [2021],
            "finished": left <= 0,
            "created": "",
            "extra": {"session_seconds": 360},
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


def test_a_chain_runs_to_its_end(world, play):
    entries = play()
    assert {entry["state"] for entry in entries.values()} == {"done"} and len(entries) == 4
    assert pushed(world) == [*(TRAIN.format(fold) for fold in range(3)), INFER] and world.most == 2
    infer = next(request for method, request in world.calls if method == "SaveKernel" and "infer" in request["slug"])
    assert infer["kernelDataSources"] == [TRAIN.format(fold) for fold in range(3)]
    assert (play.home / INFER.split("/")[1] / "out.txt").read_text(encoding="utf-8") == INFER
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
    requests = [request for method, request in world.calls if method == "SaveKernel" and request["slug"] == TRAIN.format(1)]
    assert entries[TRAIN.format(1)]["pushes"] == len(requests) == 3
    assert [request.get("kernelDataSources", []) for request in requests] == [[], [TRAIN.format(1)], [TRAIN.format(1)]]
    assert any("time budget; the next session continues it" in text for text in play.said)


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


def test_a_cap_that_stays_full_is_waited_for(world, play):
    """A run is COMPLETE, and the site still counts it as a session for a few rounds: one push in the end, and no failure."""
    full = {"error": "Maximum batch GPU session count of 2 reached."}
    world.faults.append(Fault("SaveKernel", body="answer", answer=full, skip=2, times=5))
    assert {entry["state"] for entry in play().values()} == {"done"}
    assert (
        pushed(world).count(TRAIN.format(2)) == 1
        and play.said.count(f"{TRAIN.format(2)}: later (the site said: {full['error']})") == 5
    )


def test_an_hour_that_the_site_asks_for_is_waited(world, play):
    pauses = []
    world.faults.append(Fault("SaveKernel", 429, message="Too many requests", headers={"Retry-After": "3600"}))
    assert {entry["state"] for entry in play(sleep=pauses.append).values()} == {"done"} and 3600 in pauses


def test_nothing_is_pushed_where_a_later_kernel_could_not_be_built(world, play, plan):
    plan.stages[1].parameters["overrides"] = "epoch=1"
    with pytest.raises(InputError, match="second_place, stage infer.*unknown parameter 'overrides'"):
        play()
    assert pushed(world) == [] and "stage infer" not in "".join(play.said)


def test_a_dry_run_tells_the_cost(world, plan, repository, tmp_path):
    told = chain.describe(plan, "tester", repository, tmp_path).splitlines()
    assert len(told) == 6 and told[-1].startswith("about 48.0 of 29.0 GPU hours left are needed: NOT enough")
    plan.stages[0], plan.stages[1] = replace(plan.stages[0], machine="none"), replace(plan.stages[1], machine="L4x4")
    told = chain.describe(plan, "tester", repository, tmp_path)
    assert f"about {12 * find_machine('L4x4').price:.1f} of 29.0 GPU hours left are needed" in told, "a CPU costs none"


def test_a_site_that_stays_away_ends_the_chain_and_loses_nothing(world, play, monkeypatch):
    monkeypatch.setattr(chain, "PATIENCE", 2)
    world.faults.append(Fault("GetKernelSessionStatus", 503, "html", times=4, skip=2))
    with pytest.raises(errors.ServerTrouble):
        play()
    assert {entry["state"] for entry in play().values()} == {"done"} and len(pushed(world)) == 4


def test_an_error_page_in_place_of_the_card_is_looked_at_again(world, play):
    """Client 2.2.4 saves an error's body as the file; a push would cost twelve hours, a second look nothing."""
    world.faults.append(Fault("GET", 503, "html", times=2))
    assert {entry["state"] for entry in play().values()} == {"done"} and len(pushed(world)) == 4


def test_an_output_that_stays_wrong_is_a_failure(world, play):
    world.wrong.add(TRAIN.format(1))
    with pytest.raises(errors.RunFailed, match="run_id is 'another'"):
        play()
    assert pushed(world).count(TRAIN.format(1)) == 1 and INFER not in pushed(world)


def test_a_kernel_that_was_deleted_stops_only_what_needs_it(world, play):
    def delete(_seconds):
        world.kernels.versions.pop(TRAIN.format(0), None)

    with pytest.raises(errors.RunFailed, match="1 failed, 1 not started"):
        play(sleep=delete)
    assert TRAIN.format(2) in pushed(world)


def test_a_chain_is_played_by_one_process(world, play):
    def second(_seconds):
        with pytest.raises(errors.RunActive, match="has been at work here since"):
            play()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play(sleep=second)
    assert len(pushed(world)) == 2
    play()
    assert len(pushed(world)) == 4


def test_the_quota_is_shown_first_and_later_by_measured_rates(world, play):
    play()
    assert play.said[0].startswith("about 48.0 of 29.0 GPU hours left are needed: NOT enough")
    world.faults.append(Fault("GetAcceleratorQuotaStatistics", 503, "html"))
    (play.home / "journal.json").unlink()
    play()
    assert any(text.startswith("the quota is not known") for text in play.said)
    (play.home / "journal.json").unlink()
    play()
    assert "about 0.4 of 29.0 GPU hours left are needed: enough" in "".join(play.said), "six minutes a run, four runs"


def test_a_package_that_is_too_large_to_embed_is_uploaded_once(world, play, monkeypatch):
    monkeypatch.setattr("seti_utils.kaggle.build.LARGEST_EMBEDDED", 1000)
    play()
    assert world.count("CreateDataset") == 1 and world.count("CreateDatasetVersion") == 0 and len(pushed(world)) == 4
    sent = [request["datasetDataSources"] for method, request in world.calls if method == "SaveKernel"]
    assert sent == [["tester/seti-utils-package"]] * 4


def test_a_journal_that_is_damaged(world, play):
    play.home.mkdir(parents=True)
    (play.home / "journal.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="look at the kernels' pages"):
        play()
    assert not pushed(world)


@pytest.mark.slow
def test_a_killed_chain_resumes(world, repository, tmp_path):
    """`python -m seti_utils kaggle chain` as a process, killed between its pushes; the next one ends the story."""
    (tmp_path / "plan.yaml").write_text(
        "at_once: 1\nstages:\n  train: {experiments: [sky_demo], folds: [0], fetch: false}\n"
        "  infer: {experiments: [sky_demo], folds: [0, 1, 2], each: experiment, after: [train]}\n",
        encoding="utf-8",
    )
    words = [sys.executable, "-m", "seti_utils", "kaggle", "chain", tmp_path / "plan.yaml", "--every", "0.1"]
    words += ["--out", tmp_path / "o"]
    run = {"cwd": repository, "env": os.environ | {"PYTHONPATH": str(ROOT)}, "stderr": subprocess.PIPE, "text": True}
    first = subprocess.Popen(words, **run)
    for line in first.stderr:
        if "pushed, session 1" in line:
            first.kill()
            break
    first.wait()
    first.stderr.close()
    assert pushed(world) == [TRAIN.format(0)]
    done = subprocess.run(words, timeout=600, **run)
    assert done.returncode == 0, done.stderr
    assert pushed(world) == [TRAIN.format(0), INFER]
    assert (tmp_path / "o/plan" / INFER.split("/")[1] / "out.txt").read_text(encoding="utf-8") == INFER


def test_a_push_that_nobody_can_look_up_is_settled_in_a_later_round(world, play):
    world.faults += [Fault("SaveKernel", body="cut", after=True), Fault("GetKernel", 503, "html", times=2)]
    assert {entry["state"] for entry in play().values()} == {"done"} and pushed(world).count(TRAIN.format(0)) == 1
    assert f"{TRAIN.format(0)}: not known whether it was pushed" in "".join(play.said)
    assert f"{TRAIN.format(0)}: no answer, will ask again" in "".join(play.said)


def test_dropped_sources_are_a_failure_not_a_second_push(world, play):
    world.faults.append(Fault("SaveKernel", body="answer", answer={"invalidCompetitionSources": ["x"]}))
    with pytest.raises(errors.RunFailed, match="pushed without competition sources"):
        play()
    assert pushed(world).count(TRAIN.format(0)) == 1
