"""What every learning test reaches over seeds, beside the bar it has to clear: the table of ``docs/testing.md``.

    python benchmarks/margins.py                               # twelve seeds of every learning test
    python benchmarks/margins.py tests/test_learns.py --seeds 20

Runs the tests themselves with ``--seeds`` (``tests/rounding.py``), which judges nothing and reports what was reached. Ends with
1 where a bar is closer than three standard deviations, or where what stands in the code is no longer what is measured.
"""

import argparse
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1] / "tests"


class Reached:
    """A pytest plugin that collects what ``learned`` was given, by test and place in the test."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, int], list[Any]] = defaultdict(list)
        self.broken: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.broken.append(report.nodeid)
        if report.when == "call":
            given = [value for name, value in report.user_properties if name == "learned"]
            for place, one in enumerate(given):
                self.values[without_seed(report.nodeid), place].append(one)


def without_seed(test: str) -> str:
    """``tests/test_a.py::test_b[seed3-name]`` without what says which seed it was."""
    name, _, parameters = test.removesuffix("]").partition("[")
    left = "-".join(part for part in parameters.split("-") if not part.startswith("seed"))
    return f"{name}[{left}]" if left else name


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("tests", nargs="*", default=[str(TESTS)], help="test files or single tests; all where none is given")
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("-k", dest="named", default="", metavar="WORDS", help="only tests of these names, as pytest has it")
    args = parser.parse_args()
    reached = Reached()
    pytest.main(["-q", "--seeds", str(args.seeds), "-p", "no:cacheprovider", "-k", args.named, *args.tests], plugins=[reached])
    from rounding import DEVIATIONS  # a plugin of the tests, where pytest has imported it

    ok = not reached.broken
    print("\n| test | bar | mean | sd | least good | (mean − bar) / sd | in the code |\n|---|---|---|---|---|---|---|")
    for (test, _), given in reached.values.items():
        values, said = [each["value"] for each in given], given[0]
        sign, bar = (1, said["above"]) if said["below"] is None else (-1, said["below"])
        mean, sd = statistics.mean(values), statistics.stdev(values)
        worst = min(values, key=lambda value: sign * value)
        room = sign * (mean - bar) / sd if sd else float("inf")
        known = abs(mean - said["mean"]) <= max(sd, said["sd"], 1e-3) and sd <= 2 * said["sd"] + 1e-3
        ok &= room >= DEVIATIONS and known
        print(
            f"| {test.removeprefix('tests/')} | {'>' if sign > 0 else '<'} {bar} | {mean:.4f} | {sd:.4f} | {worst:.4f} "
            f"| {room:.1f} | {said['mean']} ± {said['sd']}{'' if known else ' **changed**'} |"
        )
    print(*(f"could not be measured: {test}" for test in reached.broken), sep="\n")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
