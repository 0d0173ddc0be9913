"""The tests that depend on floating-point sums or on training, run on every machine that this one can pass for.

    python benchmarks/numerics.py                              # make test-numerics: every machine, one thread and two
    python benchmarks/numerics.py tests/test_learns.py --machines "default, AVX2" --threads 2
    python benchmarks/numerics.py --resume                     # resumes where a run was stopped

A processor without an instruction set adds numbers in another order than one with it, and training amplifies that. torch's own
kernels, oneDNN, MKL, OpenBLAS and NumPy can each be told to leave newer instructions alone, so one machine shows what another
would compute. The tests are those marked ``numerics`` (``tests/rounding.py`` says which). Prints a table of machines and thread
counts and the names of what failed; ends with 1 if anything did. The table in ``docs/testing.md`` is this one.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import torch

ROOT = Path(__file__).parents[1]
KERNELS = ("default", "avx2", "avx512")
"""Of torch itself, oldest first: values of ATEN_CPU_CAPABILITY."""
LIBRARIES = {
    "SSE41": {"ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "OPENBLAS_CORETYPE": "Nehalem"},
    "AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "OPENBLAS_CORETYPE": "Haswell"},
    "AVX512_CORE": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "MKL_ENABLE_INSTRUCTIONS": "AVX512", "OPENBLAS_CORETYPE": "SkylakeX"},
}
"""Of the libraries that torch, NumPy and SciPy call: name of oneDNN's level, and what each library is told."""
KNOBS = {"ATEN_CPU_CAPABILITY", "NPY_DISABLE_CPU_FEATURES", *LIBRARIES["SSE41"]}


def level_here() -> int:
    """The newest of ``KERNELS`` that this processor has, as its place; 0 on one that is not x86."""
    asked = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.backends.cpu.get_cpu_capability().lower())"],
        env=bare(),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    capability = asked.stdout.strip()
    return KERNELS.index(capability) if capability in KERNELS else 0


def bare() -> dict[str, str]:
    """This process's environment without anything that holds a library back."""
    return {name: value for name, value in os.environ.items() if name not in KNOBS}


def numpy_features(level: int) -> list[str]:
    """The instruction sets of this processor that NumPy has to leave alone to be at ``level`` of ``KERNELS``."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    newer = {0: ("V3", "V4", "AVX", "FMA", "F16C"), 1: ("V4", "AVX512"), 2: ()}[level]
    return [name for name in __cpu_dispatch__ if __cpu_features__[name] and any(part in name for part in newer)]


def machines() -> dict[str, dict[str, str]]:
    """Name of each machine that this one can pass for, itself first: its environment variables."""
    level, found = level_here(), {"as it is": {}}
    if level == 0:
        return found
    for kernels in KERNELS[: level + 1]:
        for place, (libraries, variables) in enumerate(list(LIBRARIES.items())[: level + 1]):
            held = {"NPY_DISABLE_CPU_FEATURES": " ".join(names)} if (names := numpy_features(place)) else {}
            found[f"{kernels}, {libraries}"] = {"ATEN_CPU_CAPABILITY": kernels} | variables | held
    return found


def run_cell(report: Path, variables: dict[str, str], threads: int, workers: int, tests: list[str]) -> None:
    """Run the marked tests as one machine with so many threads; ``report`` becomes pytest's XML."""
    words = ["-m", "pytest", "-q", "-m", "numerics", "-p", "no:cacheprovider", "--tb=short", f"--junitxml={report}.part"]
    spread = ["-n", str(workers), "--dist", "loadfile"] if workers > 1 else []
    counts: dict[str, str] = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    counts["OMP_WAIT_POLICY"] = "passive"  # threads that wait let go of their core: other numbers of threads, the same sums
    with report.with_suffix(".log").open("w", encoding="utf-8") as log:
        subprocess.run(
            [sys.executable, *words, *spread, *tests], cwd=ROOT, env=bare() | variables | counts, stdout=log, stderr=log
        )
    Path(f"{report}.part").replace(report)


def outcome(report: Path) -> tuple[int, int, list[str]]:
    """Passed, skipped, and the names of the tests that failed or could not run."""
    cases = list(ElementTree.parse(report).iter("testcase"))
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    names = [f"{case.get('classname', '').removeprefix('tests.')}::{case.get('name')}" for case in bad]
    return len(cases) - skipped - len(set(names)), skipped, sorted(set(names))


def said(passed: int, skipped: int, failed: list[str]) -> str:
    words = [f"{passed} passed", f"{skipped} skipped" if skipped else "", f"**{len(failed)} failed**" if failed else ""]
    return ", ".join(filter(None, words))


def conditions(level: int) -> str:
    """What a reader of the table has to know about where it was made."""
    cpu = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", cpu.read_text(encoding="utf-8")) if cpu.exists() else None
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, encoding="utf-8"
    ).stdout.strip()
    return (
        f"{found[1] if found else 'unknown processor'} (up to {KERNELS[level]}), torch {torch.__version__.split('+')[0]}, "
        f"NumPy {np.__version__}, Python {sys.version.split()[0]}, commit {commit or 'unknown'}"
    )


def main() -> int:
    every = machines()
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("tests", nargs="*", help="test files or single tests; all where none is given")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument(
        "--machines", nargs="+", choices=list(every), default=list(every), metavar="NAME", help=f"of {list(every)}"
    )
    parser.add_argument("--workers", type=int, help="test processes side by side; as many as leave every thread a core")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "numerics", help="folder for pytest's reports and logs")
    parser.add_argument("--resume", action="store_true", help="keep the reports that are there, of the same tests")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    failures: dict[str, list[str]] = {}
    rows = []
    for machine in args.machines:
        cells = []
        for threads in args.threads:
            report = args.out / f"{machine.replace(', ', '-').replace(' ', '-')}-{threads}.xml"
            if not (args.resume and report.exists()):
                workers = args.workers or max(1, len(os.sched_getaffinity(0)) // threads)
                run_cell(report, every[machine], threads, workers, args.tests)
            passed, skipped, failed = outcome(report)
            cells.append(said(passed, skipped, failed))
            print(f"{machine}, {threads} thread{'s' * (threads > 1)}: {cells[-1]}", flush=True)
            for name in failed:
                failures.setdefault(name, []).append(f"{machine} x {threads}")
        rows.append(f"| {machine} | {' | '.join(cells)} |")
    heads = " | ".join(f"{threads} thread{'s' * (threads > 1)}" for threads in args.threads)
    print(f"\n{conditions(level_here())}\n\n| machine | {heads} |\n|---|{'---|' * len(args.threads)}", *rows, sep="\n")
    for name, where in sorted(failures.items()):
        print(f"FAILED {name} on {'; '.join(where)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
