"""Every answer that real clients gave (2.2.4, 2.2.5; see local_kaggle/record.py) is understood for what it is."""

import json
from pathlib import Path

import pytest

from seti_utils.kaggle import client, errors
from seti_utils.kaggle.answers import error_of, read_push, refusal
from seti_utils.kaggle.quota import quota
from seti_utils.kaggle.status import status
from seti_utils.kaggle.submit import submissions
from seti_utils.session.errors import KaggleError

RECORDED = json.loads((Path(__file__).parent / "local_kaggle/recorded_answers.json").read_text(encoding="utf-8"))
KERNEL = "tester/seti-record"
PUSHES = {
    "capacity": errors.Capacity,
    "quota spent": errors.QuotaSpent,
    "invalid kernel": errors.InvalidSources,
    "invalid competition": errors.InvalidSources,
    "invalid dataset": errors.InvalidSources,
    "invalid model": errors.InvalidSources,
    "landed elsewhere": errors.SlugMismatch,
    "cut": errors.ConnectionLost,
    "429 in an hour": errors.Throttled,
    "400": errors.Refused,
    "401": errors.Unauthorized,
    "403": errors.Forbidden,
    "404": errors.NotFound,
    "409": errors.Conflict,
    "413": errors.TooLarge,
    "429": errors.Throttled,
    "500": errors.ServerTrouble,
    "502": errors.ServerTrouble,
    "503": errors.ServerTrouble,
}


@pytest.fixture(params=RECORDED)
def recorded(request, monkeypatch):
    """Lets every call have the answer that a real client gave in the situation which ``recorded.now`` names."""
    answers = RECORDED[request.param]

    class Recorded:
        now, version = "", request.param

    monkeypatch.setattr(client, "lines_of", lambda *asked: [answers[Recorded.now]])
    return Recorded


def test_two_versions_are_recorded():
    assert set(RECORDED) >= {"2.2.4", "2.2.5"}


def test_pushes(recorded):
    names = [name for name in RECORDED[recorded.version] if name.startswith("push: ")]
    assert len(names) == 31
    for recorded.now in names:
        short = recorded.now.removeprefix("push: ").removesuffix(" json").removesuffix(" html")
        if short in ("pushed", "no version"):
            number, address = read_push(client.ask("kernels_push", where=KERNEL), KERNEL)
            assert number == (short == "pushed") and address.endswith(KERNEL)
            continue
        with pytest.raises(KaggleError) as raised:
            read_push(client.ask("kernels_push", where=KERNEL), KERNEL)
        assert type(raised.value) is PUSHES[short], recorded.now
        assert KERNEL in str(raised.value) and raised.value.remedy


def test_a_quick_save_needs_a_newer_client(recorded):
    recorded.now = "push without a run"
    if recorded.version != "2.2.4":
        assert read_push(client.ask("kernels_push"), KERNEL)[1].endswith(KERNEL)
        return
    with pytest.raises(errors.NoClient, match="too old: its kernels_push takes no no_run; pip install"):
        client.ask("kernels_push")


def test_an_hour_to_wait_is_told(recorded):
    recorded.now = "push: 429 in an hour"
    with pytest.raises(errors.Throttled, match="asks to wait 1h; run the same command again in 60 min") as raised:
        client.ask("kernels_push")
    assert raised.value.wait == 3600


def test_states(recorded):
    for state in ("QUEUED", "RUNNING", "COMPLETE", "ERROR", "CANCEL_ACKNOWLEDGED"):
        recorded.now = f"status: {state}"
        found = status(KERNEL)
        assert (found.state, found.message) == (state, "It failed" if state == "ERROR" else "")
    recorded.now = "status of nothing"
    with pytest.raises(errors.NotFound, match=KERNEL):
        status(KERNEL)


def test_tables(recorded):
    recorded.now = "quota"
    gpu = quota()["GPU"]
    assert (gpu.used, gpu.remaining, gpu.total) == (1, 29, 30) and gpu.refresh.startswith("2026-01-10")
    recorded.now = "files"
    page = client.ask("kernels.list_kernel_files")
    assert (page["nextPageToken"], [entry["name"] for entry in page["files"]]) == ("1", ["a.txt"])
    recorded.now = "submissions"
    (row,) = submissions()
    assert (row.ref, row.status, row.description, row.public) == ("1000", "PENDING", "a message", "")
    recorded.now = "no submissions"
    assert list(submissions()) == []


def test_who_is_logged_in(recorded):
    recorded.now = "user"
    assert client.user() == "tester"
    for recorded.now in ("nobody", "wrong key", "a login without a key"):
        with pytest.raises(errors.Unauthorized, match="kaggle auth login"):
            status(KERNEL)


def test_nothing_and_nowhere(recorded):
    recorded.now = "no network"
    with pytest.raises(errors.ConnectionLost):
        status(KERNEL)
    recorded.now = "submit nowhere"
    with pytest.raises(errors.NotFound, match="no-such-competition"):
        client.ask("competition_submit")
    recorded.now = "submit, upload refused"
    assert client.ask("competition_submit")["ref"] == 0


def test_a_client_that_crashes_is_reported_by_its_telling_last_line():
    printed = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\nImportError: libssl.so.3 is missing\n\n'
    assert "ImportError: libssl.so.3 is missing" in str(error_of(client.crash(printed, 1), where="quota"))
    assert "exit status -9" in str(error_of(client.crash("", -9)))


def test_what_is_not_known_is_not_guessed():
    crash = {"type": "crash", "status": None, "message": "Segmentation fault", "wait": None}
    assert type(error_of(crash)) is errors.UnknownAnswer and "Segmentation fault" in str(error_of(crash))
    missing = crash | {"type": "ModuleNotFoundError", "message": "No module named 'six'"}
    assert type(error_of(missing)) is errors.NoClient and "'six'" in str(error_of(missing))
    assert type(refusal("Something went wrong")) is errors.Refused
    with pytest.raises(errors.UnknownAnswer, match="no address"):
        read_push({"url": ""}, KERNEL)
