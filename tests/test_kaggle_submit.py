"""Submissions are looked at, sent once and scored; data are downloaded, resumed and verified; datasets become ready."""

import json
import shutil
import sys
import zipfile

import numpy as np
import pytest
from local_kaggle import Fault, Script
from local_kaggle.fixtures import built, kaggle, kaggle_process, kernel, repository, site  # noqa: F401 - fixtures

from seti_utils.errors import InputError
from seti_utils.kaggle import data, errors
from seti_utils.kaggle.cancel import cancel
from seti_utils.kaggle.datasets import upload_dataset, write_dataset_metadata
from seti_utils.kaggle.push import push
from seti_utils.kaggle.quota import need, quota
from seti_utils.kaggle.submit import submissions, submit
from seti_utils.kaggle.weights import gather_weights
from seti_utils.session.errors import HostileName, KaggleError, Unverified

KERNEL = "tester/seti-train-sky-demo-fold0-seed2021"
IDS = [f"{number:015x}" for number in range(40)]


def write(path, ids=IDS, scores=None) -> str:
    scores = np.linspace(0, 1, len(ids)) if scores is None else scores
    path.write_text("id,target\n" + "".join(f"{name},{score}\n" for name, score in zip(ids, scores)), encoding="utf-8")
    return path


@pytest.fixture
def sample(tmp_path):
    return write(tmp_path / "sample_submission.csv", scores=[0.5] * 40)


@pytest.fixture
def solution(kaggle):
    kaggle.competitions.solution = {name: float(number >= 30) for number, name in enumerate(IDS)}
    return kaggle


def test_a_bad_submission_is_not_sent(solution, tmp_path, sample):
    with pytest.raises(InputError, match="have no row"):
        submit(write(tmp_path / "s.csv", IDS[:-1]), "m", sample=sample, sleep=[].append)
    assert solution.count("CreateSubmission") == 0 and solution.competitions.submissions == []


def test_submitted_once_and_scored(solution, tmp_path, sample):
    path, pauses = write(tmp_path / "s.csv"), []
    row = submit(path, "first", sample=sample, sleep=pauses.append)
    assert row["publicScore"] == "1.00000" and row["description"].startswith("first [") and pauses == [20]
    with pytest.raises(errors.Conflict, match="--again"):
        submit(path, "first", sample=sample, sleep=pauses.append)
    assert len(submissions()) == 1
    assert submit(path, "first", sample=sample, again=True, sleep=pauses.append)["ref"] != row["ref"]


@pytest.mark.parametrize(
    "fault",
    [Fault("CreateSubmission", body="cut", after=True), Fault("CreateSubmission", 502, "html", after=True)],
    ids=["cut", "502"],
)
def test_a_lost_answer_is_looked_up(solution, tmp_path, sample, fault):
    solution.faults.append(fault)
    assert submit(write(tmp_path / "s.csv"), "m", sample=sample, sleep=[].append)["status"] == "COMPLETE"
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
    with pytest.raises(errors.RunFailed, match="rejected"):
        submit(write(tmp_path / "s.csv"), "m", sample=sample, sleep=[].append)


def test_a_score_that_does_not_come(solution, tmp_path, sample):
    solution.competitions.pending = 10**6
    with pytest.raises(errors.StillRunning, match="not scored yet"):
        submit(write(tmp_path / "s.csv"), "m", sample=sample, wait=60, sleep=[].append)


@pytest.fixture
def archive(shared_competition, tmp_path):
    """The tiny competition as the site's zip file, with some old data."""
    path = tmp_path / "served.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for source in sorted(shared_competition.rglob("*")):
            if source.is_file():
                packed.write(source, source.relative_to(shared_competition).as_posix())
    return path


def get(out, **rest):
    return data.download(out, archive_bytes=10**6, unpacked_bytes=10**6, **rest)


def test_data_are_downloaded_unpacked_and_verified(kaggle, archive, tmp_path):
    kaggle.competitions.archive = archive
    assert get(tmp_path / "data") == {"train": 12, "test": 5}
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "sample_submission.csv",
        "test",
        "train",
        "train_labels.csv",
    ]
    assert get(tmp_path / "old", old=True) == {"train": 12, "test": 5} and (tmp_path / "old/old_leaky_data").is_dir()


def test_a_cut_download_is_resumed(kaggle, archive, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    kaggle.competitions.archive = archive
    kaggle.faults.append(Fault("GET", body="cut"))
    assert get(tmp_path / "data", keep_archive=True) == {"train": 12, "test": 5}
    starts = [request["start"] for method, request in kaggle.calls if method == "GET"]
    assert starts[0] == 0 and 0 < starts[-1] < archive.stat().st_size
    count = kaggle.count("GET")
    next((tmp_path / "data/train").rglob("*.npy")).write_bytes(b"half")
    assert get(tmp_path / "data", keep_archive=True) == {"train": 12, "test": 5} and kaggle.count("GET") == count


def test_a_full_disk_is_told_before_the_first_byte(kaggle, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**12, 9 * 10**11, 10**11))
    with pytest.raises(errors.NoSpace, match="240 GB are needed, 100 GB are free"):
        data.download(tmp_path / "data")
    assert kaggle.calls == []


def test_an_archive_that_is_an_error_page(kaggle, tmp_path):
    kaggle.competitions.archive = b"<html>sorry</html>"
    with pytest.raises(Unverified, match="not a whole zip"):
        get(tmp_path / "data")


def test_an_archive_that_would_escape(kaggle, tmp_path):
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("../evil.txt", "x")
    kaggle.competitions.archive = path
    with pytest.raises(HostileName):
        get(tmp_path / "data")
    assert not (tmp_path / "evil.txt").exists()


def test_an_incomplete_archive_is_named(kaggle, archive, tmp_path):
    short = tmp_path / "short.zip"
    with zipfile.ZipFile(archive) as full, zipfile.ZipFile(short, "w") as packed:
        names = [name for name in full.namelist() if name.startswith("train/")]
        for name in full.namelist():
            if name != names[0]:
                packed.writestr(name, full.read(name))
    kaggle.competitions.archive = short
    with pytest.raises(Unverified, match="1 of 12 files"):
        get(tmp_path / "data")


def test_rules_that_were_not_accepted(kaggle, tmp_path):
    kaggle.faults.append(
        Fault(
            "DownloadDataFiles",
            403,
            message="You must accept this competition's rules before you'll be able to download files.",
        )
    )
    with pytest.raises(errors.Forbidden, match="accept the competition's rules"):
        get(tmp_path / "data")


def test_a_dataset_is_created_then_renewed_and_waited_for(kaggle, tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "net.safetensors").write_bytes(b"w" * 100)
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


def test_a_taken_slug(kaggle, tmp_path):
    (tmp_path / "w").mkdir()
    write_dataset_metadata(tmp_path / "w", "tester", "seti pretrained weights")
    kaggle.faults.append(
        Fault(
            "CreateDataset",
            body="answer",
            answer={"error": "The requested title is already in use by a dataset.", "status": "error"},
        )
    )
    with pytest.raises(errors.Conflict, match="already in use"):
        upload_dataset(tmp_path / "w", sleep=[].append)


def test_weights_that_are_there_are_taken(tmp_path):
    (tmp_path / "resnet18.safetensors").write_bytes(b"w")
    assert gather_weights(["resnet18"], tmp_path) == [tmp_path / "resnet18.safetensors"]


def test_quota_and_need(kaggle, tmp_path):
    assert quota()["GPU"].remaining == 29
    assert need([KERNEL, KERNEL], tmp_path).startswith(
        "about 24.0 of 29.0 GPU hours left are needed: enough, renewed 2026-01-10 (0 of 2"
    )
    (tmp_path / "old").mkdir()
    (tmp_path / "old/run.json").write_text(
        json.dumps({"kernel": KERNEL.replace("fold0", "fold3"), "extra": {"session_seconds": 7200}}), encoding="utf-8"
    )
    assert need([KERNEL, "tester/seti-train-other-fold0-seed1"], tmp_path).startswith("about 14.0 of 29.0")
    kaggle.kernels.used_seconds = 100_000
    assert "NOT enough" in need([KERNEL, KERNEL], tmp_path / "nothing")


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
    from seti_utils.commands.parsing import make_parser

    def run(*words: object) -> str:
        args = make_parser(["kaggle"]).parse_args(["kaggle", *map(str, words)])
        args.handle(args)
        return capsys.readouterr().out

    monkeypatch.chdir(tmp_path)
    shutil.copytree(repository, tmp_path, dirs_exist_ok=True)
    assert "build/seti-train-sky-demo-fold1-seed2021" in run("build", "train", "sky_demo", "--folds", "0,1", "-p", "rate=1")
    folders = sorted((tmp_path / "build").iterdir())
    assert run("check", *folders).count("good") == 2
    assert run("push", *folders).count("version 1, run ") == 2
    assert run("status", *folders, KERNEL).count("COMPLETE") == 3
    run("wait", *folders)
    kaggle.kernels.versions[KERNEL][-1].script = Script(("RUNNING",))
    with pytest.raises(errors.RunActive, match="1 of 2 kernels were not pushed"):
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
