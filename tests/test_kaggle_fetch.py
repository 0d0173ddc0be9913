"""Output comes home whole, from the run that was pushed, or not at all; and waiting tells what went wrong."""

import hashlib
import io
import json

import pytest
from local_kaggle import Fault, Script
from local_kaggle.fixtures import built, kaggle, kaggle_process, kernel, repository, site  # noqa: F401 - fixtures

from seti_utils.errors import InputError
from seti_utils.kaggle import errors
from seti_utils.kaggle.fetch import fetch, fetch_pushed, safe
from seti_utils.kaggle.push import push
from seti_utils.kaggle.status import Status, explain, likely_cause, plain_log, status
from seti_utils.kaggle.wait import table, table_writer, wait
from seti_utils.session.errors import HostileName, KaggleError, Unverified
from seti_utils.session.runfile import read_run, verify_run, write_run

KERNEL = "tester/seti-train-sky-demo-fold0-seed2021"
LOG = json.dumps(
    [{"stream_name": "stdout", "time": 1, "data": "epoch 1\n"}, {"stream_name": "stderr", "time": 2, "data": "done\n"}]
)


def output(run_id: str, files: dict[str, bytes] | None = None, **changes: object) -> dict[str, bytes]:
    """Files of a run, with their run.json."""
    files = files if files is not None else {"model/best.pt": b"weights", "scores.csv": b"id,score\na,0.5\n"}
    run = {
        "schema": 1,
        "stage": "train",
        "run_id": run_id,
        "kernel": KERNEL,
        "package_sha256": "p",
        "experiment": "sky_demo",
        "fingerprint": "f",
        "folds": [0],
        "seeds": [2021],
        "finished": True,
        "reason": "done",
        "created": "",
        "extra": {},
        "files": {name: {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()} for name, body in files.items()},
        **changes,
    }
    return {**files, "run.json": json.dumps(run).encode()}


@pytest.fixture
def finished(kaggle):
    """A kernel whose last run is COMPLETE with run id "right"; returns a function that changes its script."""
    kaggle.kernels.SaveKernel({"slug": KERNEL, "newTitle": KERNEL.split("/")[1].replace("-", " "), "text": "{}"})

    def play(*statuses: str, **rest: object) -> None:
        kaggle.kernels.versions[KERNEL][-1].asked = 0
        kaggle.kernels.versions[KERNEL][-1].script = Script(
            statuses or ("COMPLETE",), **{"files": output("right"), "log": LOG, **rest}
        )

    play()
    kaggle.calls.clear()
    return play


def nothing_left(folder) -> bool:
    """Whether neither the output nor a temporary folder beside it exists."""
    return not [path for path in folder.iterdir() if path.name != "home"]


def test_output_is_verified_and_whole(finished, tmp_path):
    run = fetch(KERNEL, tmp_path / "new/out", run_id="right", experiment="sky_demo", folds=[0], seeds=[2021], fingerprint="f")
    assert run["run_id"] == "right"
    assert (tmp_path / "new/out/model/best.pt").read_bytes() == b"weights"
    assert (tmp_path / "new/out" / f"{KERNEL.split('/')[1]}.log").read_text(encoding="utf-8") == "epoch 1\ndone\n"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]


@pytest.mark.slow
def test_the_client_itself_fetches(kaggle_process, kernel, tmp_path):
    """As above from push to output, every call a real process."""
    kaggle_process.kernels.scripts[KERNEL] = [Script(files={})]
    pushed = push(kernel, owner="tester")
    kaggle_process.kernels.versions[KERNEL][-1].script.files = output(pushed.run_id, package_sha256=pushed.package_sha256)
    assert fetch_pushed(kernel, tmp_path / "out")["run_id"] == pushed.run_id
    count = len(kaggle_process.calls)
    assert fetch_pushed(kernel, tmp_path / "out")["run_id"] == pushed.run_id and len(kaggle_process.calls) == count
    (tmp_path / "out/scores.csv").write_text("changed", encoding="utf-8")
    with pytest.raises(Unverified, match="scores.csv is not the file"):
        fetch_pushed(kernel, tmp_path / "out")


def test_output_of_an_older_version_is_refused(kaggle, kernel, tmp_path):
    kaggle.kernels.scripts[KERNEL] = [Script(files=output("older")), Script(files=output("older"))]
    push(kernel, owner="tester")
    push(kernel, owner="tester")
    with pytest.raises(Unverified, match="run_id is 'older'"):
        fetch_pushed(kernel, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("RUNNING", errors.StillRunning),
        ("QUEUED", errors.StillRunning),
        ("ERROR", errors.RunFailed),
        ("CANCEL_ACKNOWLEDGED", errors.RunFailed),
    ],
)
def test_only_complete_runs(finished, tmp_path, state, kind):
    finished(state)
    with pytest.raises(kind, match=state):
        fetch(KERNEL, tmp_path / "out")
    assert nothing_left(tmp_path)


def test_partial_output_of_a_failed_run(finished, tmp_path):
    finished("ERROR", files={"epoch1.pt": b"x"})
    assert fetch(KERNEL, tmp_path / "out", partial=True) == {}
    assert (tmp_path / "out/epoch1.pt").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"package_sha256": "q"}, "package_sha256"),
        ({"experiment": "exp0001"}, "experiment"),
        ({"folds": [1]}, "folds"),
        ({"seeds": [1]}, "seeds"),
        ({"fingerprint": "g"}, "fingerprint"),
        ({"stage": "infer"}, "stage"),
    ],
)
def test_another_runs_output_is_refused(finished, tmp_path, expected, message):
    with pytest.raises(Unverified, match=f"{message} is .*another run"):
        fetch(KERNEL, tmp_path / "out", **expected)
    assert nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": b"x"}, "no run.json"),
        ({"run.json": b"<html>500</html>"}, "error page"),
        ({"run.json": b"[]"}, "no valid schema"),
        ({**output("right"), "scores.csv": b"<html>error</html>"}, "scores.csv is not the file"),
        ({name: body for name, body in output("right").items() if name != "scores.csv"}, "scores.csv is missing"),
    ],
)
def test_damaged_output_is_refused(finished, tmp_path, files, message):
    finished(files=files)
    with pytest.raises(Unverified, match=message) as raised:
        fetch(KERNEL, tmp_path / "out")
    assert nothing_left(tmp_path)
    assert str(raised.value).startswith(KERNEL) and str(tmp_path) not in str(raised.value)


def test_an_error_page_saved_as_a_file_is_refused(finished, kaggle, tmp_path):
    kaggle.faults.append(Fault("GET", 503, "html", skip=1))
    with pytest.raises(KaggleError):
        fetch(KERNEL, tmp_path / "out")
    assert nothing_left(tmp_path)


def test_a_connection_cut_in_a_download(finished, kaggle, tmp_path, monkeypatch):
    """Again and again: client 2.2.5 takes up a download that was cut once."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    kaggle.faults.append(Fault("GET", body="cut", skip=1, times=99))
    with pytest.raises(KaggleError):
        fetch(KERNEL, tmp_path / "out")
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("name", ["../evil.txt", "/tmp/seti-evil.txt", "a/../../evil.txt", "..", "a\\..\\evil.txt", "a\nb"])
def test_hostile_names_are_refused_before_anything_is_downloaded(finished, kaggle, tmp_path, name):
    finished(files={**output("right"), name: b"evil"})
    with pytest.raises(HostileName):
        fetch(KERNEL, tmp_path / "out")
    assert nothing_left(tmp_path) and not (tmp_path / "evil.txt").exists() and kaggle.count("GET") == 0


def test_names_that_hide_from_the_listing_are_not_written_either(finished, kaggle, tmp_path, monkeypatch):
    finished(files={**output("right"), "../evil.txt": b"evil"})
    monkeypatch.setattr(kaggle.kernels, "ListKernelFiles", lambda request: {"files": []}, raising=False)
    assert fetch(KERNEL, tmp_path / "out")["run_id"] == "right"
    assert not (tmp_path / "evil.txt").exists() and not (tmp_path / "out/evil.txt").exists()


def test_safe_names():
    assert all(map(safe, ["a", "a/b.c", "a..b", ".hidden", "a b/c,d"]))
    assert not any(map(safe, ["", "/a", "../a", "a/..", "a/../b", "c:x", "a\\b", "./a", "a\x00"]))


@pytest.mark.slow
def test_six_hundred_files(finished, tmp_path):
    finished(files=output("right", {f"part{number % 7}/{number}.bin": b"%d" % number for number in range(600)}))
    assert len(fetch(KERNEL, tmp_path / "out")["files"]) == 600
    assert len(list((tmp_path / "out").rglob("*.bin"))) == 600


def test_a_full_folder_is_left_alone(finished, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="not empty"):
        fetch(KERNEL, tmp_path / "out")


def test_a_kernel_that_is_not_there(kaggle, tmp_path):
    with pytest.raises(errors.NotFound):
        fetch("tester/no-such-kernel", tmp_path / "out")
    with pytest.raises(InputError, match="never pushed"):
        fetch_pushed(tmp_path, tmp_path / "out")


def test_run_json_round_trip(tmp_path, monkeypatch):
    monkeypatch.setenv("SETI_RUN_ID", "abc")
    (tmp_path / "fold0").mkdir()
    (tmp_path / "fold0/best.pt").write_bytes(b"w")
    (tmp_path / "executed.ipynb").write_text("{}", encoding="utf-8")
    write_run(tmp_path, stage="train", experiment="e", fingerprint="f", folds=[0], seeds=[1], auc=0.75)
    run = verify_run(tmp_path, run_id="abc", experiment="e", package_sha256=None)
    assert (
        list(run["files"]) == ["fold0/best.pt"]
        and run["extra"] == {"machine": "", "auc": 0.75}
        and read_run(tmp_path)["finished"]
    )


def test_waiting_ends_when_all_are_done(finished):
    finished("QUEUED", "RUNNING", "COMPLETE")
    seen, pauses = [], []
    states = wait([KERNEL], every=7, show=seen.append, sleep=pauses.append)
    assert states[KERNEL].state == "COMPLETE" and pauses == [7, 7]
    assert [text.split()[1] for text in seen] == ["QUEUED", "RUNNING", "COMPLETE"]


def test_a_failed_run_is_explained(finished):
    finished(
        "RUNNING",
        "ERROR",
        failure="Your notebook failed",
        log=json.dumps([{"data": f"step {n}\n"} for n in range(50)] + [{"data": "torch.OutOfMemoryError: CUDA out of memory\n"}]),
    )
    with pytest.raises(errors.RunFailed) as raised:
        wait([KERNEL], show=[].append, sleep=[].append)
    text = str(raised.value)
    assert "ERROR: Your notebook failed; likely cause: the GPU's memory was full" in text
    assert "step 49" in text and "step 3\n" not in text


def test_a_cancelled_run_is_a_failure(finished):
    finished("CANCEL_ACKNOWLEDGED")
    with pytest.raises(errors.RunFailed, match="likely cause: cancelled"):
        wait([KERNEL], show=[].append, sleep=[].append)


def test_a_run_that_never_ends(finished):
    finished("RUNNING")
    now = iter(range(0, 10**6, 100))
    with pytest.raises(errors.StillRunning, match="not done after"):
        wait([KERNEL], timeout=3600, show=[].append, sleep=[].append, clock=lambda: next(now))


def test_passing_troubles_are_borne_but_not_for_ever(finished, kaggle):
    kaggle.faults.append(Fault("GetKernelSessionStatus", 503, "html", times=3))
    pauses = []
    wait([KERNEL], every=1, show=[].append, sleep=pauses.append)
    assert pauses == [2, 4, 8]
    kaggle.faults.append(Fault("GetKernelSessionStatus", 429, "html", times=99))
    with pytest.raises(errors.Throttled):
        wait([KERNEL], every=1, show=[].append, sleep=pauses.append)


def test_one_table_for_many():
    states = {"a/one": Status("a/one", "RUNNING"), "a/three": Status("a/three", "ERROR", "x")}
    assert table(["a/one", "a/two", "a/three"], states, 120).splitlines() == [
        "a/one    RUNNING",
        "a/two    ?",
        "a/three  ERROR",
        "after 2 min",
    ]


class Stream(io.StringIO):
    """Standard error of a terminal, or of a log."""

    def __init__(self, live: bool):
        super().__init__()
        self.isatty = lambda: live


@pytest.mark.parametrize("live", [True, False], ids=["terminal", "log"])
def test_the_table_is_live_in_a_terminal_and_quiet_in_a_log(monkeypatch, live):
    monkeypatch.setattr("sys.stderr", stream := Stream(live))
    write = table_writer()
    for text in ("a/one  QUEUED\nafter 0 min", "a/one  QUEUED\nafter 1 min", "a/one  COMPLETE\nafter 2 min"):
        write(text)
    shown = stream.getvalue()
    assert shown.count("\x1b[2A\x1b[J") == (2 if live else 0), "two lines up, over the table before"
    assert ("after 1 min" in shown) is live and "after 2 min" in shown


def test_a_log_that_cannot_be_had(finished, kaggle):
    finished("ERROR", failure="exceeded the max allowed execution duration")
    kaggle.faults.append(Fault("ListKernelSessionOutput", 500, "html"))
    text = explain(status(KERNEL))
    assert "no log" in text and "time limit" in text


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("DeadKernelError: Kernel died", "session's memory"),
        ("No CUDA GPUs are available", "no usable GPU"),
        ("InputError: no competition data found", "not mounted"),
        ("OSError: [Errno 28] No space left on device", "disk was full"),
        ("ModuleNotFoundError: No module named 'seti_utils'", "package is missing"),
        ("strange", "not recognised"),
    ],
)
def test_likely_causes(text, cause):
    assert cause in likely_cause(text)


def test_a_log_of_another_form_is_kept():
    assert plain_log("plain text") == "plain text" and plain_log('{"a": 1}') == '{"a": 1}'
