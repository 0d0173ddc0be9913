"""Subcommands of `kaggle` that bring things home or send them: data, weights, fetch, chain, submit."""

import argparse
from pathlib import Path

from seti_utils.commands.kaggle.naming import add_step, kernel_named
from seti_utils.errors import InputError
from seti_utils.kaggle.chain import describe, run_chain
from seti_utils.kaggle.client import user
from seti_utils.kaggle.competition import COMPETITION
from seti_utils.kaggle.data import download
from seti_utils.kaggle.example import example_plan
from seti_utils.kaggle.fetch import fetch, fetch_pushed, files_below
from seti_utils.kaggle.metadata import NAME
from seti_utils.kaggle.plan import read_plan
from seti_utils.kaggle.submit import submissions, submit
from seti_utils.kaggle.weights import gather_weights, upload_weights


def add_data(steps: argparse._SubParsersAction) -> None:
    parser = add_step(steps, "data", do_data, "download, unpack and verify the competition; run it again to resume")
    parser.add_argument("out", type=Path, nargs="?", default=Path("data/seti-breakthrough-listen"), help="folder to fill")
    parser.add_argument("--old", action="store_true", help="also unpack the old leaky data (72 GB more)")
    parser.add_argument("--keep-archive", action="store_true", help="keep the zip file")


def do_data(args: argparse.Namespace) -> None:
    download(args.out, old=args.old, keep_archive=args.keep_archive)


def add_weights(steps: argparse._SubParsersAction) -> None:
    parser = add_step(steps, "weights", do_weights, "gather pretrained weights and upload them as a dataset")
    parser.add_argument("experiments", nargs="+", help="experiments whose backbones are wanted")
    parser.add_argument("--folder", type=Path, default=Path("weights"), help="where the files are gathered")
    parser.add_argument("--no-upload", action="store_true", help="gather only")


def do_weights(args: argparse.Namespace) -> None:
    from seti_utils.log.pages import LOG

    backbones = list(dict.fromkeys(LOG.find(name).config.backbone for name in args.experiments))
    for path in gather_weights(backbones, args.folder):
        print(path)
    if not args.no_upload:
        print(f"dataset {upload_weights(args.folder, user())} is ready; build with --dataset and that name")


def add_fetch(steps: argparse._SubParsersAction) -> None:
    parser = add_step(steps, "fetch", do_fetch, "bring verified output home, each kernel into a fresh folder")
    parser.add_argument("kernels", nargs="+", help="kernel folders (verified against the push) or owner/slug")
    parser.add_argument("--out", type=Path, default=Path("runs/kaggle"), help="folder of folders")
    parser.add_argument("--partial", action="store_true", help="take what an unfinished or failed run left")


def do_fetch(args: argparse.Namespace) -> None:
    for text in args.kernels:
        kernel = kernel_named(text)
        home = args.out / kernel.split("/")[1]
        if (Path(text) / NAME).is_file():
            run = fetch_pushed(text, home, partial=args.partial)
        else:
            run = fetch(kernel, home, partial=args.partial)
        told = f"run {run['run_id']}, verified" if run else "a run that left no run.json, so nothing is verified"
        print(f"{home}: {len(files_below(home))} files of {told}")


def add_chain(steps: argparse._SubParsersAction) -> None:
    parser = add_step(steps, "chain", do_chain, "play a plan of stages; run it again to resume")
    parser.add_argument("plan", type=Path, nargs="?", help="YAML, or Python that sets PLAN (see plans/)")
    parser.add_argument("--example", metavar="NAME", help="print a plan for an experiment or blend of the log, and stop")
    parser.add_argument("--out", type=Path, default=Path("runs/kaggle"), help="journal and outputs")
    parser.add_argument("--every", type=float, default=120, help="seconds between rounds")
    parser.add_argument("--retry-failed", action="store_true", help="try failures again")
    parser.add_argument("--dry-run", action="store_true", help="print the kernels and stop")


def do_chain(args: argparse.Namespace) -> None:
    if args.example:
        print(example_plan(args.example), end="")
        return
    if args.plan is None:
        raise InputError("no plan", remedy="give a file, or print one with --example second_place")
    plan = read_plan(args.plan)
    if args.dry_run:
        print(describe(plan, user()))
    else:
        run_chain(plan, out=args.out, every=args.every, retry_failed=args.retry_failed)


def add_submit(steps: argparse._SubParsersAction) -> None:
    parser = add_step(steps, "submit", do_submit, "check a submission, send it once, wait for its score")
    parser.add_argument("file", type=Path, nargs="?", help="submission.csv")
    parser.add_argument("-m", "--message", default="", help="what it is")
    parser.add_argument("--sample", type=Path, help="sample_submission.csv (default: of the competition folder found)")
    parser.add_argument("--competition", default=COMPETITION, help="its slug")
    parser.add_argument("--again", action="store_true", help="send the same file a second time")
    parser.add_argument("--every", type=float, default=20, help="seconds between questions for the score")
    parser.add_argument("--list", action="store_true", help="only list the submissions and their scores")


def do_submit(args: argparse.Namespace) -> None:
    from seti_utils.data.competition import find_data

    if args.list:
        for row in submissions(args.competition):
            print(f"{row.ref}  {row.date[:16]}  {row.status:8}  {row.public or '-':8}  {row.description} {row.reason}".rstrip())
        return
    if args.file is None:
        raise InputError("no file to submit", remedy="name a submission.csv, or list what was sent with --list")
    sample = args.sample or find_data() / "sample_submission.csv"
    row = submit(args.file, args.message, sample=sample, competition=args.competition, again=args.again, every=args.every)
    print(f"submission {row.ref}: public {row.public or '-'}, private {row.private or '-'}")
