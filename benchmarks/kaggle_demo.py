"""The whole story on a Kaggle of one's own: data, chain of kernels, fetch, blend, submit, score.

    python benchmarks/kaggle_demo.py [--out out/kaggle_demo] [--train 240] [--test 80] [--epochs 1] [--layout new]

The real client talks to a small server on this machine (tests/local_kaggle), which runs every pushed notebook with
papermill in a clean folder without the repository and without network. Two folds are trained in two kernels, two more
predict from their outputs, a blend of both is submitted and scored; then the same steps run here, without Kaggle, and
the two submissions must be the same bytes. Nothing leaves the machine. What the real site would answer is not shown.
"""

import argparse
import csv
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import zipfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from local_kaggle import LocalKaggle

from seti_utils.machine import cores

SLUG = "seti-breakthrough-listen"
EXPERIMENT = "sky_demo"


class Story:
    """Runs commands as a person would type them, tells each with its time, and stops at the first that fails."""

    def __init__(self, out: Path, environment: dict[str, str]):
        self.out, self.environment, self.times = out, environment, []

    def tell(self, *words: object) -> str:
        """One `python -m seti_utils …`; returns what it printed."""
        line = "python -m seti_utils " + " ".join(map(str, words))
        print(f"\n$ {line}", flush=True)
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "seti_utils", *map(str, words)],
            cwd=self.out,
            env=self.environment,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        self.times.append((" ".join(map(str, words[: 2 if words[0] == "kaggle" else 1])), time.monotonic() - started))
        print("\n".join(done.stdout.splitlines()[-8:]), flush=True)
        if done.returncode:
            raise SystemExit(f"failed: {line}")
        return done.stdout


def serve_sky(site: LocalKaggle, sky: Path, archive: Path) -> None:
    """Let ``site`` offer ``sky`` as the competition: as an archive, as a mount, and with labels to score by."""
    tables = {"train_labels.csv", "sample_submission.csv"}
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(sky.rglob("*")):
            if path.is_file() and (path.suffix == ".npy" or path.name in tables):
                packed.write(path, path.relative_to(sky).as_posix())
    site.competitions.archive = archive
    labels = next(path for path in sky.glob("*.csv") if path.name.startswith("test"))
    site.competitions.solution = {row["id"]: float(row["target"]) for row in csv.DictReader(labels.open(encoding="utf-8"))}
    site.kernels.mounts[f"competitions/{SLUG}"] = archive.parent / SLUG
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(archive.parent / SLUG)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/kaggle_demo"))
    parser.add_argument("--train", type=int, default=240)
    parser.add_argument("--test", type=int, default=80)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--layout", choices=("new", "old"), default="new", help="how inputs are mounted")
    args = parser.parse_args()
    out = args.out.resolve()
    shutil.rmtree(out, ignore_errors=True)
    for folder in ("home", "site"):
        (out / folder).mkdir(parents=True)
    started = time.monotonic()
    print(
        f"{platform.machine()}, {cores()} cores, Python {platform.python_version()}, kaggle {version('kaggle')}, "
        f"papermill {version('papermill')}; sky of {args.train} + {args.test} cadences, {args.epochs} epoch(s), "
        f"seed 2021, {args.layout} mounts"
    )
    with LocalKaggle(out / "site", execute=True, layout=args.layout, machines=min(2, cores())) as site:
        proxies = ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "SETI_DATA")
        environment = {name: value for name, value in os.environ.items() if name not in proxies}
        environment |= {
            **site.environment(out / "home"),
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
        }
        story = Story(out, environment)
        story.tell("sky", "sky", "--train", args.train, "--test", args.test, "--seed", 2021)
        serve_sky(site, out / "sky", out / "site/competition.zip")
        play(story, site, args.epochs)
    print(f"\n{time.monotonic() - started:.0f} s in all: " + ", ".join(f"{name} {seconds:.0f}" for name, seconds in story.times))


def play(story: Story, site: LocalKaggle, epochs: int) -> None:
    """The steps on the site, then the same here, then the comparison."""
    out, overrides = story.out, f"epochs={epochs}"
    download_tiny(story)
    story.tell("kaggle", "quota")
    plan = {
        "at_once": 2,
        "stages": {
            "train": {"experiments": [EXPERIMENT], "folds": [0, 1], "parameters": {"overrides": overrides}},
            "infer": {
                "experiments": [EXPERIMENT],
                "folds": [0, 1],
                "after": ["train"],
                "parameters": {"overrides": overrides},
            },
        },
    }
    (out / "plan.yaml").write_text(json.dumps(plan, indent=1), encoding="utf-8")
    story.tell("kaggle", "chain", "plan.yaml", "--every", 1, "--out", "runs")
    homes = [out / f"runs/plan/seti-infer-sky-demo-fold{fold}-seed2021/submission.csv" for fold in (0, 1)]
    story.tell("blend", *homes, "--out", "submission.csv", "--sample", "data/sample_submission.csv")
    story.tell("kaggle", "submit", "submission.csv", "-m", "demo", "--every", 1, "--sample", "data/sample_submission.csv")
    keep_pages(site, out)
    here = []
    story.tell("train", EXPERIMENT, "--folds", "0,1", "--data", "data", "--out", "here", "--set", overrides, "--launch", "folds")
    for fold in (0, 1):
        run_infer(story, fold, overrides)
        here.append(out / f"here{fold}/submission.csv")
    story.tell("blend", *here, "--out", "submission_here.csv", "--sample", "data/sample_submission.csv")
    same = (out / "submission.csv").read_bytes() == (out / "submission_here.csv").read_bytes()
    sizes = [len(request["text"]) / 1000 for method, request in site.calls if method == "SaveKernel"]
    sent = len(site.competitions.submissions)
    print(f"\n{len(sizes)} kernels pushed, {max(sizes):.0f} kB the largest; {sent} submission")
    verdict = "the same, byte for byte" if same else "DIFFERENT"
    print(f"the submission made on the site and the one made here are {verdict}")
    print("the scores themselves mean nothing: nets that saw so little rank by chance; the demo is about the way")
    if not same:
        raise SystemExit(1)


def download_tiny(story: Story) -> None:
    """`kaggle data`, asking for the sky's disk space instead of the competition's."""
    size = (story.out / "site/competition.zip").stat().st_size
    code = f"from seti_utils.kaggle.data import download; download('data', archive_bytes={size}, unpacked_bytes={size})"
    print("\n$ python -m seti_utils kaggle data data      (with the sky's size instead of 156 GB)", flush=True)
    subprocess.run([sys.executable, "-c", code], cwd=story.out, env=story.environment, check=True)


def run_infer(story: Story, fold: int, overrides: str) -> None:
    """The infer notebook here, on what was trained here."""
    story.tell(
        "notebook",
        ROOT / "notebooks/infer.ipynb",
        f"here{fold}.ipynb",
        "-p",
        f"experiment={EXPERIMENT}",
        "-p",
        f"folds={fold}",
        "-p",
        f"data={story.out / 'data'}",
        "-p",
        f"runs={story.out / 'here'}",
        "-p",
        f"out={story.out / f'here{fold}'}",
        "-p",
        f"overrides={overrides}",
    )


def keep_pages(site: LocalKaggle, out: Path) -> None:
    """Copy the executed notebooks, to be opened and looked at."""
    (out / "executed").mkdir()
    for name, versions in site.kernels.versions.items():
        if execution := versions[-1].execution:
            shutil.copy(execution.folder / "executed.ipynb", out / "executed" / f"{name.split('/')[1]}.ipynb")
    print(f"executed notebooks: {out / 'executed'}")


if __name__ == "__main__":
    main()
