"""A folder is claimed once: by what it holds, and by the process that is at work in it."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seti_utils import claims
from seti_utils.claims import LOCK, Claim, at_work
from seti_utils.errors import InputError

CLAIM = Claim("overlap search", "done.json", "begun.json")
WANTED = {"least": 32}
HOLDS = """
import sys, time
from pathlib import Path
from seti_utils.claims import at_work

with at_work(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(folder):
    """Another process at work in ``folder``."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, folder], stdout=subprocess.PIPE, text=True, encoding="utf-8", cwd=Path(__file__).parents[1]
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_by_name_until_the_first_has_gone_however_it_goes(tmp_path):
    process = holder(tmp_path / "run")
    try:
        with pytest.raises(InputError) as refused, at_work(tmp_path / "run"):
            pass
        assert f"{tmp_path / 'run'}: process {process.pid} on {os.uname().nodename} has been at work here since" in str(
            refused.value
        )
        assert "run the same command again" in str(refused.value)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert (tmp_path / "run" / LOCK).exists(), "the file is left behind, and its lock is not"
    with at_work(tmp_path / "run"):
        assert json.loads((tmp_path / "run" / LOCK).read_text(encoding="utf-8"))["pid"] == os.getpid()
    assert not (tmp_path / "run" / LOCK).exists()


def test_one_process_does_not_enter_twice_and_an_error_lets_go(tmp_path):
    with pytest.raises(ZeroDivisionError), at_work(tmp_path):
        with pytest.raises(InputError, match=f"process {os.getpid()} on"), at_work(tmp_path):
            pass
        raise ZeroDivisionError
    with at_work(tmp_path):
        pass


def test_a_lock_whose_file_was_removed_between_opening_and_locking_is_nobodys(tmp_path, monkeypatch):
    real, calls = claims._is_taken, []

    def removed(handle):
        calls.append(handle)
        if len(calls) == 1:
            (tmp_path / LOCK).unlink()
        return real(handle)

    monkeypatch.setattr(claims, "_is_taken", removed)
    with at_work(tmp_path), pytest.raises(InputError), at_work(tmp_path):
        pass
    assert len(calls) == 3


def test_a_file_system_without_locks_stops_nobody(tmp_path, monkeypatch):
    def unsupported(handle, how):
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(claims.fcntl, "flock", unsupported)
    with at_work(tmp_path), at_work(tmp_path / "inside"):
        pass
    monkeypatch.setattr(claims, "fcntl", None)  # as on Windows
    with at_work(tmp_path), at_work(tmp_path / "inside"):
        pass


def test_a_lock_that_the_disk_refuses_is_not_taken_for_granted(tmp_path, monkeypatch):
    def broken(handle, how):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(claims.fcntl, "flock", broken)
    with pytest.raises(OSError, match="Input/output error"), at_work(tmp_path):
        pytest.fail("nobody knows who is at work")


def test_a_half_written_lock_file_is_reported_too(tmp_path):
    with at_work(tmp_path):
        (tmp_path / LOCK).write_text("", encoding="utf-8")
        with pytest.raises(InputError, match="another process is at work here"), at_work(tmp_path):
            pass


def test_a_folder_is_taken_filled_finished_and_found(tmp_path):
    folder = tmp_path / "made"
    with CLAIM.taken(folder, WANTED, {"train": "aa"}) as free:
        assert free and json.loads((folder / "begun.json").read_text(encoding="utf-8")) == {
            "parameters": WANTED,
            "content": {"train": "aa"},
        }
    assert CLAIM.find(folder, WANTED) is False
    with CLAIM.taken(folder, WANTED) as free:
        assert free, "it was begun and not finished"
        CLAIM.finish(folder, CLAIM.read(folder / "begun.json") | {"pairs": 3})
    assert sorted(path.name for path in folder.iterdir()) == ["done.json"]
    with CLAIM.taken(folder, WANTED, {"train": "aa"}) as free:
        assert not free


@pytest.mark.parametrize(
    ("wanted", "content", "said"),
    [
        ({"least": 40}, None, r"holds another overlap search: least=32 \(asked: 40\)"),
        ({}, None, r"holds another overlap search: least=32 \(asked: None\)"),
        (WANTED, {"train": "bb"}, "holds an overlap search made from other data: content train aa, here it is train bb"),
    ],
)
def test_something_else_in_the_folder_is_refused(tmp_path, wanted, content, said):
    CLAIM.finish(tmp_path, {"parameters": WANTED, "content": {"train": "aa"}})
    with pytest.raises(InputError, match=said):
        CLAIM.find(tmp_path, wanted, content)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"parameters": 3}'])
def test_what_is_not_a_description_and_foreign_files_are_refused(tmp_path, text):
    (tmp_path / "done.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="does not describe an overlap search"):
        CLAIM.find(tmp_path, WANTED)
    with pytest.raises(InputError, match="is a file, not a folder"):
        CLAIM.find(tmp_path / "done.json", WANTED)
    (tmp_path / "done.json").rename(tmp_path / "other")
    with pytest.raises(InputError, match="exists but does not contain an overlap search"):
        CLAIM.find(tmp_path, WANTED)


def test_what_an_earlier_version_made_is_taken_with_a_note(tmp_path, capsys):
    CLAIM.finish(tmp_path, {"parameters": WANTED})
    assert CLAIM.find(tmp_path, WANTED, {"train": "aa"}) is True
    assert f"note: {tmp_path} does not say which data it was made from" in capsys.readouterr().err


def test_two_processes_that_race_for_a_folder_fill_it_once(tmp_path, monkeypatch):
    """The one that comes second looks again once it has the lock."""
    with CLAIM.taken(tmp_path / "made", WANTED) as free:
        assert free
    real = claims.at_work

    def meanwhile(folder):
        CLAIM.finish(folder, {"parameters": WANTED})
        return real(folder)

    monkeypatch.setattr(claims, "at_work", meanwhile)
    with CLAIM.taken(tmp_path / "made", WANTED) as free:
        assert not free
