"""Submissions are looked at, sent once and scored; data are downloaded, resumed and verified; datasets become ready."""

import json
import shutil
import sys

import numpy as np
import pytest
from local_kaggle import Fault, Script
from local_kaggle.fixtures import built, kaggle, kaggle_process, kernel, repository, site  # noqa: F401 - fixtures

from seti_utils.commands.parsing import make_parser
from seti_utils.errors import InputError
from seti_utils.files import sha256, write_json
from seti_utils.kaggle import errors
from seti_utils.kaggle.cancel import cancel
from seti_utils.kaggle.data import verify
from seti_utils.kaggle.push import push
from seti_utils.kaggle.quota import need, quota
from seti_utils.kaggle.submit import submissions, submit
from seti_utils.kaggle.weights import gather_weights
from seti_utils.session.errors import KaggleError, Unverified

KERNEL = "tester/seti-train-sky-demo-fold0-seed2021"
OTHER, T4 = KERNEL.replace("fold0", "fold1"), "NvidiaTeslaT4"
IDS = [f"{number:015x}" for number in range(40)]


def write(path, ids=IDS, scores=None) -> str:
    scores = np.linspace(0, 1, len(ids)) if scores is None else scores
    path.write_text(
        "id,target\n" + "".join(f"{name},{score}\n" for name, score in zip(ids, scores, strict=True)), encoding="utf-8"
    )
    return path


@pytest.fixture
def sample(tmp_path):
    return write(tmp_path / "sample_submission.csv", scores=[0.5] * 40)


def test_a_bad_submission_never_reaches_the_site(kaggle, tmp_path, sample):
    """The rules are those of ``scores.submission``, which its own tests hold."""
    with pytest.raises(InputError, match="has no row in"):
        submit(write(tmp_path / "s.csv", IDS[1:]), "m", sample=sample)
    assert kaggle.calls == []


@pytest.fixture
def solution(kaggle):
    kaggle.competitions.solution = {name: float(number >= 30) for number, name in enumerate(IDS)}
    return kaggle


def test_a_fault_in_a_downloaded_table_keeps_its_line(tiny_competition):
    table = tiny_competition / "train_labels.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(",1\n", ",2\n", 1), encoding="utf-8")
    with pytest.raises(Unverified, match=r"train_labels.csv, line 3: target '2' is neither 0 nor 1"):
        verify(tiny_competition)


def test_submitted_once_and_scored(solution, tmp_path, sample):
    path, pauses = write(tmp_path / "s.csv"), []
    row = submit(path, "first", sample=sample, sleep=pauses.append)
    assert row.public == "1.00000" and row.description.startswith("first [") and pauses == [20]
    with pytest.raises(errors.Conflict, match="--again"):
        submit(path, "first", sample=sample, sleep=pauses.append)
    assert len(list(submissions())) == 1
    assert submit(path, "first", sample=sample, again=True, sleep=pauses.append).ref != row.ref


def test_a_submission_of_unfinished_weights_is_sent_only_when_said(solution, tmp_path, sample):
    """What ``predict --partial`` makes says so beside it; a file that was changed since has another hash, and no origin."""
    path = write(tmp_path / "s.csv")
    origin = {"experiment": "exp0023", "partial": True, "sha256": sha256(path)}
    write_json(tmp_path / "s.origin.json", origin)
    with pytest.raises(InputError, match="weights of exp0023 whose training is not finished .*--partial"):
        submit(path, "m", sample=sample)
    assert solution.calls == []
    assert submit(path, "m", sample=sample, partial=True, sleep=[].append).public == "1.00000"
    for harmless in ({"partial": False}, {"sha256": "0" * 64}):
        write_json(tmp_path / "s.origin.json", origin | harmless)
        assert submit(path, "m", sample=sample, again=True, sleep=[].append).public == "1.00000"
    (tmp_path / "s.origin.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="s.origin.json: does not say where"):
        submit(path, "m", sample=sample, again=True)


@pytest.mark.parametrize("tells_more", [True, False], ids=["with tokens", "without"])
def test_a_submission_is_found_behind_many_newer_ones(solution, tmp_path, sample, tells_more):
    """The site serves twenty a page: the guard looks at all of them."""
    path = write(tmp_path / "s.csv")
    first = submit(path, "first", sample=sample, sleep=[].append)
    solution.competitions.tells_more = tells_more
    content = solution.competitions.submissions[0]["content"]
    for number in range(25):
        newer = {"ref": 2000 + number, "fileName": "s.csv", "date": "2026-02-01T00:00:00Z", "description": "newer"}
        solution.competitions.submissions.insert(0, {**newer, "content": content, "asked": 9})
    with pytest.raises(errors.Conflict, match=f"was submitted as {first.ref}"):
        submit(path, "again", sample=sample, sleep=[].append)
    assert solution.count("CreateSubmission") == 1 and len(list(submissions())) == 26


def test_a_score_is_found_behind_many_newer_ones(solution, tmp_path, sample):
    """Team mates submit while this one waits for its score."""
    competitions = solution.competitions
    competitions.pending = 10**6

    def crowd(_seconds):
        competitions.pending = 0
        for number in range(25):
            newer = {"ref": 2000 + number, "fileName": "s.csv", "date": "2026-02-01T00:00:00Z", "description": "newer"}
            competitions.submissions.insert(0, {**newer, "content": competitions.submissions[-1]["content"], "asked": 9})

    assert submit(write(tmp_path / "s.csv"), "m", sample=sample, sleep=crowd).public == "1.00000"


@pytest.mark.parametrize("status", [404, 403])
def test_a_mistyped_competition_is_repeated_and_corrected(solution, tmp_path, sample, status):
    fault = Fault("ListSubmissions", status, message="Permission 'competitions.get' was denied")
    solution.faults += [fault] if status == 403 else []
    with pytest.raises((errors.NotFound, errors.Forbidden), match="did you mean seti-breakthrough-listen") as raised:
        submit(write(tmp_path / "s.csv"), "m", sample=sample, competition="seti-braekthrough-listen")
    assert str(raised.value).startswith("seti-braekthrough-listen: the site said: ")
    solution.faults.append(Fault("ListCompetitions", 503, "html"))
    with pytest.raises(errors.NotFound, match="did you mean seti-breakthrough-listen"):
        submit(write(tmp_path / "s.csv"), "m", sample=sample, competition="seti-braekthrough-listen")


def test_rules_that_were_not_accepted(solution, tmp_path, sample):
    solution.competitions.accepted = False
    with pytest.raises(
        errors.Forbidden, match="accept the rules at https://www.kaggle.com/competitions/seti-breakthrough-listen"
    ):
        submit(write(tmp_path / "s.csv"), "m", sample=sample)


@pytest.mark.parametrize(
    "fault",
    [Fault("CreateSubmission", body="cut", after=True), Fault("CreateSubmission", 502, "html", after=True)],
    ids=["cut", "502"],
)
def test_a_lost_answer_is_looked_up(solution, tmp_path, sample, fault):
    solution.faults.append(fault)
    assert submit(write(tmp_path / "s.csv"), "m", sample=sample, sleep=[].append).status == "COMPLETE"
    assert solution.count("CreateSubmission") == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("CreateSubmission", body="cut"), errors.ConnectionLost),
        (Fault("PUT", 403, "html", times=99), KaggleError),
        (Fault("StartSubmissionUpload", 429, "html"), errors.Throttled),
    ],
)
def test_what_was_not_submitted_is_told(solution, tmp_path, sample, fault, kind):
    solution.faults.append(fault)
    with pytest.raises(kind):
        submit(write(tmp_path / "s.csv"), "m", sample=sample, sleep=[].append)
    assert solution.competitions.submissions == []


def test_a_rejected_submission(solution, tmp_path, sample):
    solution.competitions.solution = {"other": 1.0}
    with pytest.raises(errors.RunFailed, match="the site rejected submission 1000: ids do not match"):
        submit(write(tmp_path / "s.csv"), "m", sample=sample, sleep=[].append)


def test_a_score_that_does_not_come(solution, tmp_path, sample):
    solution.competitions.pending = 10**6
    with pytest.raises(errors.StillRunning, match="not scored yet"):
        submit(write(tmp_path / "s.csv"), "m", sample=sample, wait=60, sleep=[].append)


def test_weights_that_are_there_are_taken(tmp_path):
    (tmp_path / "resnet18.safetensors").write_bytes(b"w")
    assert gather_weights(["resnet18"], tmp_path) == [tmp_path / "resnet18.safetensors"]


def test_quota_and_need(kaggle, tmp_path):
    assert quota()["GPU"].remaining == 29
    assert need({KERNEL: T4, OTHER: T4}, tmp_path).startswith(
        "about 24.0 of 29.0 GPU hours left are needed: enough, renewed 2026-01-10 (0 of 2"
    )
    (tmp_path / "old").mkdir()
    (tmp_path / "old/run.json").write_text(
        json.dumps({"kernel": KERNEL.replace("fold0", "fold3"), "extra": {"session_seconds": 7200}}), encoding="utf-8"
    )
    assert need({KERNEL: T4, "tester/seti-train-other-fold0-seed1": T4}, tmp_path).startswith("about 14.0 of 29.0")
    kaggle.kernels.used_seconds = 100_000
    assert "NOT enough" in need({KERNEL: T4, OTHER: T4}, tmp_path / "nothing")


def test_cancelling_says_what_it_costs(kaggle, kernel):
    kaggle.kernels.scripts[KERNEL] = [Script(("RUNNING",))]
    push(kernel)
    with pytest.raises(errors.RunActive, match="all its versions and outputs"):
        cancel(KERNEL)
    assert cancel(KERNEL, delete=True) == f"{KERNEL} is deleted" and not kaggle.kernels.versions
    push(kernel)
    assert "nothing to cancel" in cancel(KERNEL, delete=True)


def test_the_command_line(kaggle, repository, tmp_path, monkeypatch, capsys):
    """The story of the help text, by the commands themselves."""

    def run(*words: object) -> str:
        told = ["kaggle", *map(str, words)]
        args = make_parser(told).parse_args(told)
        args.handle(args)
        return capsys.readouterr().out

    monkeypatch.chdir(tmp_path)
    shutil.copytree(repository, tmp_path, dirs_exist_ok=True)
    assert "build/seti-train-sky-demo-fold1-seed2021" in run("build", "train", "sky_demo", "--folds", "0,1", "-p", "rate=1")
    folders = sorted((tmp_path / "build").iterdir())
    assert run("check", *folders).count("good") == 2
    assert run("push", *folders).count("version 1, run ") == 2
    assert run("status", *folders, KERNEL).count("COMPLETE") == 2, "named twice, told once"
    run("wait", *folders)
    kaggle.kernels.versions[KERNEL][-1].script = Script(("RUNNING",))
    with pytest.raises(errors.RunActive, match="1 of 2 kernels was not pushed: already running"):
        run("push", *folders)
    kaggle.kernels.versions[KERNEL][-1].script = Script()
    assert "GPU: 29.0 of 30.0 h left" in run("quota")
    assert "version 1" in run("build", "infer", "sky_demo", "--folds", "0,1", "--push")
    with pytest.raises(Unverified, match="no run.json"):
        run("fetch", folders[0])
    (tmp_path / "plan.yaml").write_text(
        json.dumps({"stages": {"train": {"experiments": ["sky_demo"], "folds": [0]}}}), encoding="utf-8"
    )
    assert KERNEL in run("chain", "plan.yaml", "--dry-run")
    kaggle.competitions.solution = {name: float(number >= 30) for number, name in enumerate(IDS)}
    kaggle.competitions.pending = 0
    write(tmp_path / "sample_submission.csv", scores=[0.5] * 40)
    assert "public 1.00000" in run(
        "submit", write(tmp_path / "s.csv"), "--every", 1, "--sample", tmp_path / "sample_submission.csv"
    )
    assert "1.00000" in run("submit", "--list")
    with pytest.raises(InputError, match="neither owner/slug"):
        run("status", "nothing")
    assert "nothing to cancel" in run("cancel", KERNEL)
    assert sys.modules.get("kaggle")
