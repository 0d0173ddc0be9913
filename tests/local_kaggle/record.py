"""Records what real clients print in every situation: python tests/local_kaggle/record.py CLIENT...

Writes recorded_answers.json beside this file, from which test_kaggle_answers.py reads. Each CLIENT is the path of a
`kaggle` executable; every version's answers are kept under its number.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

if __package__ in (None, ""):
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from local_kaggle.faults import Fault, Script
from local_kaggle.server import LocalKaggle

KERNEL = "tester/seti-record"
PUSHES = {
    "pushed": None,
    "capacity": Fault("SaveKernel", body="answer", answer={"error": "Maximum batch GPU session count of 2 reached."}),
    "quota spent": Fault("SaveKernel", body="answer", answer={"error": "You have exceeded your weekly GPU quota."}),
    "invalid kernel": Fault("SaveKernel", body="answer", answer={"invalidKernelSources": ["tester/nothing"]}),
    "invalid competition": Fault("SaveKernel", body="answer", answer={"invalidCompetitionSources": ["nothing"]}),
    "invalid dataset": Fault("SaveKernel", body="answer", answer={"invalidDatasetSources": ["tester/nothing"]}),
    "landed elsewhere": Fault("SaveKernel", body="answer", answer={"url": "https://www.kaggle.com/code/tester/other-place"}),
    "no version": Fault("SaveKernel", body="answer", answer={"versionNumber": 0}),
    "cut": Fault("SaveKernel", body="cut"),
    **{
        f"{status} {body}": Fault("SaveKernel", status, body, message)
        for status, message in (
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


def record(client: str) -> tuple[str, dict]:
    """Version of ``client`` and {situation: {code, out, err}}."""
    answers = {}
    with tempfile.TemporaryDirectory() as place, LocalKaggle(Path(place) / "site") as site:
        home = Path(place) / "home"
        home.mkdir()
        environment = {"PATH": os.environ["PATH"], "COLUMNS": "200", **site.environment(home)}

        def ask(name: str, *arguments: str) -> None:
            done = subprocess.run([client, "-W", *arguments], env=environment, capture_output=True, encoding="utf-8", timeout=120)
            texts = [text.replace(place, "PLACE").replace(str(site.port), "PORT") for text in (done.stdout, done.stderr)]
            answers[name] = {"code": done.returncode, "out": texts[0], "err": texts[1]}

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
        ask("config", "config", "view")
        ask("status of nothing", "kernels", "status", KERNEL)
        for name, fault in PUSHES.items():
            site.faults[:] = [replace(fault)] if fault else []
            ask(f"push: {name}", "kernels", "push", "-p", str(folder))
        site.faults.clear()
        for state in ("QUEUED", "RUNNING", "COMPLETE", "ERROR", "CANCEL_ACKNOWLEDGED"):
            site.kernels.versions[KERNEL][-1].script = Script((state,), {"a.txt": b"a", "b/c.txt": b"c"}, failure="It failed")
            ask(f"status: {state}", "kernels", "status", KERNEL)
        ask("files", "kernels", "files", KERNEL, "--csv", "--page-size", "1")
        ask("quota", "quota", "--csv")
        ask("no submissions", "competitions", "submissions", "seti-breakthrough-listen", "--csv")
        submission = Path(place) / "submission.csv"
        submission.write_text("id,target\na,0.5\n", encoding="utf-8")
        ask("submitted", "competitions", "submit", "seti-breakthrough-listen", "-f", str(submission), "-m", "a message")
        ask("submissions", "competitions", "submissions", "seti-breakthrough-listen", "--csv")
        ask("submit nowhere", "competitions", "submit", "no-such-competition", "-f", str(submission), "-m", "a message")
        environment["KAGGLE_KEY"] = "wrong" * 8
        ask("wrong key", "kernels", "status", KERNEL)
        del environment["KAGGLE_KEY"], environment["KAGGLE_USERNAME"]
        ask("nobody", "kernels", "status", KERNEL)
        environment |= {"KAGGLE_USERNAME": site.user, "KAGGLE_KEY": site.key, "http_proxy": "http://127.0.0.1:1"}
        ask("no network", "kernels", "status", KERNEL)
        said = subprocess.run([client, "--version"], env=environment, capture_output=True, encoding="utf-8", timeout=60).stdout
    return said.split()[-1], answers


if __name__ == "__main__":
    path = Path(__file__).with_name("recorded_answers.json")
    recorded = dict(record(client) for client in sys.argv[1:])
    path.write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")
    print(f"{path}: " + ", ".join(f"{version}: {len(answers)} answers" for version, answers in recorded.items()))
