"""Records what real clients answer in every situation: python tests/local_kaggle/record.py CLIENT...

Writes recorded_answers.json beside this file, from which test_kaggle_answers.py reads. Each CLIENT is the path of a
`kaggle` executable; every version's answers are kept under its number: the last line of the child process that calls
it (see seti_utils/kaggle/child.py).
"""

import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

if __package__ in (None, ""):
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from local_kaggle.faults import Fault, Script  # noqa: E402
from local_kaggle.server import LocalKaggle  # noqa: E402
from seti_utils.kaggle import client  # noqa: E402

KERNEL = "tester/seti-record"
NAMED = {"userName": "tester", "kernelSlug": "seti-record"}
COMPETITION = "seti-breakthrough-listen"
PUSHES = {
    "pushed": None,
    "capacity": Fault("SaveKernel", body="answer", answer={"error": "Maximum batch GPU session count of 2 reached."}),
    "quota spent": Fault("SaveKernel", body="answer", answer={"error": "You have exceeded your weekly GPU quota."}),
    "invalid kernel": Fault("SaveKernel", body="answer", answer={"invalidKernelSources": ["tester/nothing"]}),
    "invalid competition": Fault("SaveKernel", body="answer", answer={"invalidCompetitionSources": ["nothing"]}),
    "invalid dataset": Fault("SaveKernel", body="answer", answer={"invalidDatasetSources": ["tester/nothing"]}),
    "invalid model": Fault("SaveKernel", body="answer", answer={"invalidModelSources": ["tester/nothing/pyTorch/x/1"]}),
    "landed elsewhere": Fault("SaveKernel", body="answer", answer={"url": "https://www.kaggle.com/code/tester/other-place"}),
    "no version": Fault("SaveKernel", body="answer", answer={"versionNumber": 0}),
    "cut": Fault("SaveKernel", body="cut"),
    "429 in an hour": Fault("SaveKernel", 429, message="Too many requests", headers={"Retry-After": "3600"}),
    **{
        f"{status} {body}": Fault("SaveKernel", status, body, message)
        for status, message in (
            (400, "Invalid machine shape"),
            (401, "Unauthenticated"),
            (403, "Permission 'kernels.update' was denied"),
            (404, "Not found"),
            (409, "Conflict"),
            (413, "Request entity too large"),
            (429, "Too many requests"),
            (500, "Internal error"),
            (502, "Bad Gateway"),
            (503, "Service Unavailable"),
        )
        for body in ("json", "html")
    },
}


def record() -> dict:
    """{situation: the child's last line} of the client that ``SETI_KAGGLE_CLIENT`` names."""
    answers = {}
    with tempfile.TemporaryDirectory() as place, LocalKaggle(Path(place) / "site") as site:
        home = Path(place) / "home"
        home.mkdir()
        os.environ.update(site.environment(home))

        def ask(situation: str, call: str, /, **arguments: object) -> None:
            last = list(client.lines_of({"call": call, "arguments": arguments}, 120, False))
            told = next(line for line in last if "error" in line or "value" in line)
            answers[situation] = json.loads(json.dumps(told).replace(place, "PLACE").replace(str(site.port), "PORT"))

        folder = Path(place) / "kernel"
        folder.mkdir()
        metadata = {
            "id": KERNEL,
            "title": "seti record",
            "code_file": "n.ipynb",
            "language": "python",
            "kernel_type": "notebook",
        }
        (folder / "kernel-metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
        (folder / "n.ipynb").write_text(
            json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8"
        )
        ask("user", "get_config_value", name="username")
        ask("status of nothing", "kernels.get_kernel_session_status", **NAMED)
        for name, fault in PUSHES.items():
            site.faults[:] = [replace(fault)] if fault else []
            ask(f"push: {name}", "kernels_push", folder=str(folder))
        site.faults.clear()
        ask("push without a run", "kernels_push", folder=str(folder), no_run=True)
        for state in ("QUEUED", "RUNNING", "COMPLETE", "ERROR", "CANCEL_ACKNOWLEDGED"):
            site.kernels.versions[KERNEL][-1].script = Script((state,), {"a.txt": b"a", "b/c.txt": b"c"}, failure="It failed")
            ask(f"status: {state}", "kernels.get_kernel_session_status", **NAMED)
        ask("files", "kernels.list_kernel_files", **NAMED, pageSize=1)
        ask("quota", "kernels.get_accelerator_quota_statistics")
        listing = {"competitionName": COMPETITION, "pageSize": 100}
        ask("no submissions", "competitions.list_submissions", **listing)
        table = Path(place) / "submission.csv"
        table.write_text("id,target\na,0.5\n", encoding="utf-8")
        sent = {"file_name": str(table), "message": "a message"}
        ask("submitted", "competition_submit", competition=COMPETITION, **sent)
        ask("submissions", "competitions.list_submissions", **listing)
        ask("submit nowhere", "competition_submit", competition="no-such-competition", **sent)
        site.faults.append(Fault("PUT", 403, "html"))
        ask("submit, upload refused", "competition_submit", competition=COMPETITION, **sent)
        ask("no such call", "kernels_dance")
        os.environ["KAGGLE_KEY"] = "wrong" * 8
        ask("wrong key", "kernels.get_kernel_session_status", **NAMED)
        for name in ("KAGGLE_KEY", "KAGGLE_USERNAME"):
            del os.environ[name]
        ask("nobody", "kernels.get_kernel_session_status", **NAMED)
        (home / ".kaggle").mkdir(exist_ok=True)
        (home / ".kaggle/kaggle.json").write_text('{"username": "tester"}', encoding="utf-8")
        ask("a login without a key", "kernels.get_kernel_session_status", **NAMED)
        os.environ |= {"KAGGLE_USERNAME": site.user, "KAGGLE_KEY": site.key, "http_proxy": "http://127.0.0.1:1"}
        ask("no network", "kernels.get_kernel_session_status", **NAMED)
    return answers


def version() -> str:
    """The number of the client that ``SETI_KAGGLE_CLIENT`` names."""
    import subprocess

    code = "from importlib.metadata import version; print(version('kaggle'))"
    return subprocess.run([client.client_python(), "-c", code], capture_output=True, encoding="utf-8", check=True).stdout.strip()


if __name__ == "__main__":
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"):
        os.environ.pop(name, None)
    recorded = {}
    for path in sys.argv[1:]:
        os.environ["SETI_KAGGLE_CLIENT"] = path
        recorded[version()] = record()
    path = Path(__file__).with_name("recorded_answers.json")
    path.write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")
    print(f"{path}: " + ", ".join(f"{number}: {len(answers)} answers" for number, answers in recorded.items()))
