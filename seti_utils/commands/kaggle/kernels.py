"""The command line of everything about Kaggle: `python -m seti_utils kaggle …`."""

import argparse
import sys
from pathlib import Path

from seti_utils.commands.kaggle.naming import add_step, kernel_named, numbers
from seti_utils.commands.kaggle.transfers import add_chain, add_data, add_fetch, add_submit, add_weights
from seti_utils.kaggle import build as building
from seti_utils.kaggle.cancel import cancel
from seti_utils.kaggle.check import check_kernel, require_good
from seti_utils.kaggle.client import user
from seti_utils.kaggle.datasets import upload_dataset
from seti_utils.kaggle.errors import BadKernel, RunActive
from seti_utils.kaggle.push import push
from seti_utils.kaggle.quota import need, quota
from seti_utils.kaggle.status import status, table, wait
from seti_utils.session.errors import KaggleError
from seti_utils.session.parameters import parse_parameters

EXAMPLES = (
    "seti kaggle data data/                 # the competition's files (156 GB pass, 84 GB stay)",
    "seti kaggle weights exp0011            # pretrained weights as a dataset of yours",
    "seti kaggle build train exp0011 --folds 0,1 --dataset YOU/seti-pretrained-weights    # a kernel folder per fold and seed",
    "seti kaggle push build/seti-train-*    # check, push, note the run",
    "seti kaggle wait build/seti-train-*    # until done; fails when a run failed, and says why",
    "seti kaggle build infer exp0011 --folds 0,1 --push",
    "seti kaggle fetch build/seti-infer-* --out runs/kaggle",
    "seti kaggle submit runs/kaggle/seti-infer-exp0011-fold0-1-seed2021/submission.csv -m exp0011",
    "seti kaggle chain plans/second_place.yaml    # all of it, from a file",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all steps; each sets ``handle`` to a function of the parsed arguments."""
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    for add in (add_data, add_weights, add_build, add_kernel_steps, add_fetch, add_chain, add_submit):
        add(steps)


def add_build(steps: argparse._SubParsersAction) -> None:
    parser = add_step(steps, "build", do_build, "make kernel folders: notebook, parameters, package, metadata")
    parser.add_argument("stage", choices=("train", "infer"), help="which notebook")
    parser.add_argument("experiment", help="a name of the log")
    parser.add_argument("--folds", default="0,1,2,3,4", help="numbers, e.g. 0,1")
    parser.add_argument("--seeds", default="2021", help="numbers, e.g. 2021,2022")
    parser.add_argument("--together", action="store_true", help="train all folds and seeds in one kernel")
    parser.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="a notebook parameter")
    parser.add_argument("--kernel", action="append", metavar="OWNER/SLUG", help="mount this kernel's output (again for more)")
    parser.add_argument("--dataset", action="append", default=[], metavar="OWNER/SLUG", help="mount this dataset")
    parser.add_argument("--model", action="append", default=[], metavar="O/M/FRAMEWORK/VARIATION/N", help="mount this model")
    parser.add_argument("--machine", help="accelerator, e.g. NvidiaTeslaT4 (two of them), TpuV5E8, '' for none")
    parser.add_argument("--image", help="docker image to pin")
    parser.add_argument("--budget", default="11h15m", help="time budget of a training session")
    parser.add_argument("--transport", choices=("auto", "embed", "dataset"), default="auto", help="how the package travels")
    parser.add_argument("--owner", help="the kernels' owner (default: who is logged in)")
    parser.add_argument("--out", type=Path, default=Path("build"), help="where the folders go")
    parser.add_argument("--push", action="store_true", help="push them at once")
    add_capacity(parser)


def add_capacity(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait-for-capacity", type=float, default=0, metavar="HOURS", help="wait for a free session")


def do_build(args: argparse.Namespace) -> None:
    folds, seeds, owner = numbers(args.folds), numbers(args.seeds), args.owner or user()
    parts = [([fold], [seed]) for fold in folds for seed in seeds]
    if args.together or args.stage == "infer":
        parts = [(folds, seeds)]
    notebook = building.repository() / "notebooks" / f"{args.stage}.ipynb"
    parameters, folders = parse_parameters(notebook, args.parameter), []
    for fold_part, seed_part in parts:
        built = building.build(
            args.stage,
            owner=owner,
            experiment=args.experiment,
            folds=fold_part,
            seeds=seed_part,
            parameters=parameters,
            kernel_sources=args.kernel,
            dataset_sources=args.dataset,
            model_sources=args.model,
            docker_image=args.image,
            machine=args.machine,
            budget=args.budget,
            transport=args.transport,
            out=args.out,
        )
        print(f"{built.folder}  {built.size / 1000:.0f} kB, package {built.package_sha256[:16]}")
        folders.append(built.folder)
        if built.package_folder and args.push:
            upload_dataset(built.package_folder)
        elif built.package_folder:
            print(f"upload its package first: kaggle datasets create -p {built.package_folder}")
    if args.push:
        push_all(folders, args.wait_for_capacity)


def add_kernel_steps(steps: argparse._SubParsersAction) -> None:
    parser = add_step(steps, "check", do_check, "look for everything that the site would take in silence")
    parser.add_argument("folders", type=Path, nargs="+", help="kernel folders")
    parser = add_step(steps, "push", do_push, "check and push kernel folders, each once")
    parser.add_argument("folders", type=Path, nargs="+", help="kernel folders")
    add_capacity(parser)
    for name, handle, text in (
        ("status", do_status, "state of kernels, once"),
        ("wait", do_wait, "wait for kernels; fails when one failed, with cause and log"),
    ):
        parser = add_step(steps, name, handle, text)
        parser.add_argument("kernels", nargs="+", help="owner/slug or kernel folders")
    parser.add_argument("--every", type=float, default=60, help="seconds between questions")
    parser.add_argument("--timeout", type=float, metavar="HOURS", help="give up after this long")
    parser = add_step(steps, "cancel", do_cancel, "stop a run; the client can only delete its kernel")
    parser.add_argument("kernels", nargs="+", help="owner/slug or kernel folders")
    parser.add_argument("--delete", action="store_true", help="yes, delete all versions and outputs")
    add_step(steps, "quota", do_quota, "accelerator hours left this week")


def do_check(args: argparse.Namespace) -> None:
    try:
        owner = user()
    except KaggleError as error:
        owner = None
        print(f"the owner is not compared: {error.problem}", file=sys.stderr)
    bad = 0
    for folder in args.folders:
        found = check_kernel(folder, owner)
        bad += bool(found)
        print(f"{folder}: " + ("good" if not found else "\n  " + "\n  ".join(map(str, found))))
    if bad:
        raise BadKernel(f"{bad} of {len(args.folders)} kernels must not be pushed")


def do_push(args: argparse.Namespace) -> None:
    push_all(args.folders, args.wait_for_capacity)


def push_all(folders: list[Path], hours: float) -> None:
    """Check all, say what they need, push each; one that runs already is left alone and told at the end."""
    owner = user()
    metadata = [require_good(folder, owner) for folder in folders]
    if on_gpu := [entry["id"] for entry in metadata if entry["enable_gpu"]]:
        print(need(on_gpu, Path("runs/kaggle")), file=sys.stderr)
    running = []
    for folder in folders:
        try:
            pushed = push(folder, owner=owner, wait_for_capacity=3600 * hours)
            print(f"{pushed.kernel} version {pushed.version or '?'}, run {pushed.run_id}: {pushed.url}", flush=True)
        except RunActive as active:
            running.append(active)
    for active in running:
        print(f"not pushed: {active}", file=sys.stderr)
    if running:
        raise RunActive(f"{len(running)} of {len(folders)} kernels were not pushed: they run already")


def do_status(args: argparse.Namespace) -> None:
    kernels = [kernel_named(text) for text in args.kernels]
    states = {kernel: status(kernel) for kernel in kernels}
    print(table(kernels, states, 0).rsplit("\n", 1)[0])


def do_wait(args: argparse.Namespace) -> None:
    wait(
        [kernel_named(text) for text in args.kernels],
        every=args.every,
        timeout=3600 * args.timeout if args.timeout else None,
    )


def do_cancel(args: argparse.Namespace) -> None:
    for text in args.kernels:
        print(cancel(kernel_named(text), delete=args.delete))


def do_quota(_args: argparse.Namespace) -> None:
    for entry in quota().values():
        print(f"{entry.resource}: {entry.remaining:.1f} of {entry.total:.1f} h left, renewed {entry.refresh[:10] or '?'}")
