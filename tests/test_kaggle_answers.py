"""Every answer that real clients printed (2.2.4, 2.2.5; see local_kaggle/record.py) is understood for what it is."""

import json
from pathlib import Path

import pytest

from seti_utils.kaggle import errors
from seti_utils.kaggle.answers import canonical, error_of, read_push, read_status
from seti_utils.kaggle.fetch import read_names
from seti_utils.kaggle.quota import read_quota
from seti_utils.session.errors import KaggleError

RECORDED = json.loads((Path(__file__).parent / "local_kaggle/recorded_answers.json").read_text(encoding="utf-8"))
KERNEL = "tester/seti-record"
PUSHES = {
    "capacity": errors.Capacity,
    "quota spent": errors.QuotaSpent,
    "invalid kernel": errors.InvalidSources,
    "invalid competition": errors.InvalidSources,
    "invalid dataset": errors.InvalidSources,
    "landed elsewhere": errors.SlugMismatch,
    "cut": errors.ConnectionLost,
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


def text(version: str, name: str) -> str:
    answer = RECORDED[version][name]
    return f"{answer['out']}\n{answer['err']}".strip()


def test_two_versions_are_recorded():
    assert set(RECORDED) >= {"2.2.4", "2.2.5"}


@pytest.mark.parametrize("version", RECORDED)
def test_pushes(version):
    names = [name for name in RECORDED[version] if name.startswith("push: ")]
    assert len(names) == 27
    for name in names:
        kind = PUSHES.get(name.removeprefix("push: ").split(" json")[0].split(" html")[0])
        if kind is None:
            number, address = read_push(text(version, name), KERNEL)
            assert number == (1 if name == "push: pushed" else 0) and address.endswith(KERNEL)
        else:
            with pytest.raises(KaggleError) as raised:
                read_push(text(version, name), KERNEL)
            assert type(raised.value) is kind, name
            assert KERNEL in str(raised.value) and raised.value.remedy


@pytest.mark.parametrize("version", RECORDED)
def test_a_lying_exit_status_is_among_them(version):
    lies = [name for name, answer in RECORDED[version].items() if answer["code"] == 0 and "push: " in name]
    assert {"push: capacity", "push: invalid kernel", "push: landed elsewhere"} <= set(lies)


@pytest.mark.parametrize("version", RECORDED)
def test_states(version):
    for state in ("QUEUED", "RUNNING", "COMPLETE", "ERROR", "CANCEL_ACKNOWLEDGED"):
        assert read_status(text(version, f"status: {state}"), KERNEL) == (
            state,
            "It failed" if state == "ERROR" else "",
        )
    with pytest.raises(errors.NotFound):
        read_status(text(version, "status of nothing"), KERNEL)


def test_spellings_of_older_clients():
    assert read_status('a/b has status "complete"', "a/b") == ("COMPLETE", "")
    assert canonical("cancelAcknowledged") == "CANCEL_ACKNOWLEDGED"


@pytest.mark.parametrize("version", RECORDED)
def test_tables(version):
    gpu = read_quota(text(version, "quota"))["GPU"]
    assert (gpu.used, gpu.remaining, gpu.total) == (1, 29, 30) and gpu.refresh.startswith("2026-01-10")
    assert read_names(text(version, "files")) == ("1", ["a.txt"])


@pytest.mark.parametrize("version", RECORDED)
def test_nobody_and_nothing(version):
    assert type(error_of(text(version, "nobody"))) is errors.Unauthorized
    assert type(error_of(text(version, "wrong key"))) is errors.Forbidden
    assert type(error_of(text(version, "no network"))) is errors.ConnectionLost
    assert type(error_of(text(version, "submit nowhere"))) is errors.NotFound


def test_the_name_of_a_call_is_no_sign_of_trouble():
    error = error_of("403 Client Error: Forbidden for url: http://localhost/api/v1/x/GetAcceleratorQuotaStatistics")
    assert type(error) is errors.Forbidden


def test_what_is_not_known_is_not_guessed():
    assert type(error_of("Something went wrong")) is errors.UnknownAnswer
    with pytest.raises(errors.UnknownAnswer, match="Kernel is fine"):
        read_push("Kernel is fine", KERNEL)
