"""Logs are followed with the real client: live, taken up again, in one piece where there is no stream; metric and time left."""

import json
import subprocess

import pytest
from local_kaggle import Fault, Script
from local_kaggle.fixtures import built, kaggle_process, kernel, repository, site  # noqa: F401 - fixtures

from seti_utils.kaggle import child, client, errors
from seti_utils.kaggle.follow import Reading
from seti_utils.kaggle.wait import wait

KERNEL = "tester/seti-train-sky-demo-fold0-seed2021"
RUN = "run       sky_demo, fingerprint 0123456789ab, folds [0, 1], seeds [2021], at most 11h15m"
EPOCH = "fold {} seed 2021 epoch {} of 4 (stage 1 of 1): loss 0.5000  AUC 0.8{}00 [0.700, 0.900]  best"


def live(*lines: str) -> tuple[dict, ...]:
    """Events of a log, one line a minute."""
    return tuple({"stream_name": "stdout", "time": 60.0 * number, "data": f"{line}\n"} for number, line in enumerate(lines))


@pytest.fixture
def kaggle(kaggle_process, monkeypatch):
    """The site, with the real client's code called in threads of this process."""
    monkeypatch.setattr(client, "lines_of", lambda request, *_rest: child.replies(request))
    return kaggle_process


@pytest.fixture
def running(site):
    """A kernel that runs while its log is written; returns a function that changes its script."""
    site.kernels.SaveKernel({"slug": KERNEL, "newTitle": KERNEL.split("/")[1].replace("-", " "), "text": "{}"})

    def play(*statuses: str, **script: object) -> None:
        version = site.kernels.versions[KERNEL][-1]
        version.asked, version.script = 0, Script(statuses, **script)

    return play


def followed(every: float = 0.05, **more: object) -> tuple[list[str], list[str]]:
    """Lines of the log and tables of a wait that follows."""
    lines, tables = [], []
    wait([KERNEL], every=every, show=tables.append, follow=lambda name, line: lines.append(line), **more)
    return lines, tables


@pytest.mark.slow
def test_a_log_is_shown_as_it_is_written(kaggle_process, running):
    """By a child process, as everywhere but in these tests."""
    running("RUNNING", "RUNNING", "COMPLETE", live=live(RUN, EPOCH.format(0, 1, 1), EPOCH.format(0, 2, 2)), pace=0.1)
    lines, tables = followed(every=0.5)
    assert lines == [RUN, EPOCH.format(0, 1, 1), EPOCH.format(0, 2, 2)]
    assert "fold 0 seed 2021 epoch 2 of 4: loss 0.5000 AUC 0.8200 [0.700, 0.900] best  about 6m left" in tables[-1]
    assert kaggle_process.count("logs") == 1 and kaggle_process.count("ListKernelSessionOutput") == 0


def test_a_stream_that_breaks_off_is_taken_up_again(kaggle, running):
    """The site plays it from its beginning; every line is shown once."""
    running(*["RUNNING"] * 6, "COMPLETE", live=live("one", "two", "three"))
    kaggle.faults.append(Fault("logs", body="cut"))
    assert followed()[0] == ["one", "two", "three"] and kaggle.count("logs") >= 2


@pytest.mark.parametrize("status", [404, 501])
def test_a_site_without_the_stream_is_asked_for_the_whole(kaggle, running, status):
    running("RUNNING", "RUNNING", "RUNNING", "COMPLETE", log=json.dumps([{"data": f"{EPOCH.format(0, 1, 1)}\nlast\n"}]))
    kaggle.faults += [Fault("logs", status, times=99), Fault("ListKernelSessionOutput", status)]
    lines, tables = followed()
    assert lines == [EPOCH.format(0, 1, 1), "last"] and "epoch 1 of 4" in tables[-1]


def test_a_finished_kernel_s_log_is_shown_once(kaggle, running):
    running("COMPLETE", log=json.dumps([{"data": "all\n"}, {"data": "of it\n"}]))
    assert followed()[0] == ["all", "of it"]


def test_a_queued_kernel_is_not_asked_and_a_failure_is_told(kaggle, running):
    running("QUEUED", "RUNNING", "RUNNING", "ERROR", "ERROR", failure="broken", live=live("CUDA out of memory"))
    with pytest.raises(errors.RunFailed, match="broken"):
        followed()
    asked = [method for method, _ in kaggle.calls]
    assert asked.index("logs") > asked.index("GetKernelSessionStatus", asked.index("GetKernelSessionStatus") + 1)


def test_no_child_is_left_behind(kaggle_process, running, monkeypatch):
    """A wait that gives up ends the streams that it began."""
    begun, popen = [], subprocess.Popen
    monkeypatch.setattr(client.subprocess, "Popen", lambda *words, **more: begun.append(popen(*words, **more)) or begun[-1])
    running("RUNNING", live=live(*"abc"), pace=60)
    with pytest.raises(errors.StillRunning):
        followed(every=0.5, timeout=0.1)
    assert len(begun) == 2 and all(process.poll() is not None for process in begun)


def read(*lines: str, minutes: float = 1) -> Reading:
    reading = Reading()
    for number, line in enumerate(lines):
        reading.read(line, 60 * minutes * number)
    return reading


def test_the_time_left_goes_by_the_pace_so_far():
    half = read(RUN, *(EPOCH.format(0, epoch, epoch) for epoch in (1, 2, 3, 4)))
    assert half.left() == pytest.approx(240) and "epoch 4 of 4" in str(half)
    assert read(RUN).left() is None and read("epoch 3 of 4").left() is None


def test_a_resumed_run_has_its_pace_from_its_second_epoch_on():
    resumed = read(RUN, "fold 0 seed 2021: already trained, in x", EPOCH.format(1, 3, 1))
    assert resumed.left() is None
    resumed.read(EPOCH.format(1, 4, 2), 300)
    assert resumed.left() == 0 and str(resumed).endswith("best")


def test_the_time_budget_bounds_the_time_left():
    slow = read(RUN.replace("11h15m", "2h"), EPOCH.format(0, 1, 1), minutes=60)
    assert slow.left() == pytest.approx(3600)
