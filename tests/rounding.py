"""What depends on floating-point sums or on training: which tests do (the mark ``numerics``), and how those that train are judged.

A plugin of ``conftest.py``. ``python benchmarks/numerics.py`` runs the marked tests on other machines than this one, as far
as a processor can pass for another; ``python benchmarks/margins.py`` measures over seeds what ``learned`` judges.
"""

import ast
import functools
from collections.abc import Callable
from pathlib import Path

import pytest

WORDS = {"allclose", "approx", "array_equal", "assert_allclose", "assert_close", "equal", "isclose", "learned"}
"""A test that says one of these compares numbers that were summed somewhere, or judges a training."""
DEVIATIONS = 3
"""A bar stands at least so many standard deviations from the mean that was measured over seeds."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--seeds", type=int, default=None, help="only the learning tests, each over so many seeds, none of them judged"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    seeds = metafunc.config.getoption("--seeds")
    if seeds is not None and "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(seeds), ids="seed{}".format, scope="session")


@pytest.fixture(scope="session")
def seed() -> int:
    """Where everything random of a learning test comes from: 0, or one of ``--seeds``."""
    return 0


@pytest.fixture
def learned(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Judge what a training reached: ``learned(auc, above=0.9, mean=0.985, sd=0.012)``, or ``below``; see ``judge``."""

    def reached(value: float, *, mean: float, sd: float, above: float | None = None, below: float | None = None) -> None:
        figures = {"value": float(value), "mean": mean, "sd": sd, "above": above, "below": below}
        request.node.user_properties.append(("learned", figures))
        if request.config.getoption("--seeds") is None:
            judge(**figures)

    return reached


def judge(*, value: float, mean: float, sd: float, above: float | None = None, below: float | None = None) -> None:
    """Fail unless ``value`` clears its bar, and unless the bar is one that every machine's rounding clears.

    ``mean`` and ``sd`` are what ``benchmarks/margins.py`` measured over seeds. A bar less than three deviations from the mean
    fails whatever was reached: then the task has to become easier or the training longer.
    """
    assert (above is None) != (below is None), "one bar, either above or below"
    bar, sign = (above, 1) if below is None else (below, -1)
    assert sign * (mean - bar) >= DEVIATIONS * sd, f"a bar of {bar} is too close to {mean} ± {sd}"
    assert sign * (value - bar) > 0, f"{value:.4f} where seeds gave {mean} ± {sd}; the bar is {bar}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--seeds") is not None:
        config.hook.pytest_deselected(items=[item for item in items if not learns(item)])
        items[:] = filter(learns, items)
    for item in items:
        if isinstance(item, pytest.Function) and item.originalname in numeric_functions(item.path):
            item.add_marker(pytest.mark.numerics)


def learns(item: pytest.Item) -> bool:
    """Whether a test judges a training."""
    return isinstance(item, pytest.Function) and "learned" in item.fixturenames


@functools.cache
def numeric_functions(path: Path) -> frozenset[str]:
    """Names of the functions of a test file that compare with a tolerance, bit for bit or with a fraction, or use one that
    does."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    found = {name for name, node in functions.items() if any(map(compares_sums, ast.walk(node)))}
    users = {name: names_in(node) for name, node in functions.items()}
    while more := {name for name in functions.keys() - found if users[name] & found}:
        found |= more
    return frozenset(found)


def names_in(node: ast.AST) -> set[str]:
    """Everything that a function calls or asks for by its plain name, fixtures among its arguments too."""
    inside = list(ast.walk(node))
    return {one.id for one in inside if isinstance(one, ast.Name)} | {one.arg for one in inside if isinstance(one, ast.arg)}


def compares_sums(node: ast.AST) -> bool:
    """Whether this piece of code is one of ``WORDS``, or asserts that something other than a count is above or below a fraction."""
    if isinstance(node, ast.Assert):
        return any(
            isinstance(inside, ast.Compare)
            and any(isinstance(sign, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for sign in inside.ops)
            and any(isinstance(number, ast.Constant) and isinstance(number.value, float) for number in ast.walk(inside))
            and not any(isinstance(name, ast.Name) and name.id == "len" for name in ast.walk(inside))
            for inside in ast.walk(node.test)
        )
    return getattr(node, "attr", None) in WORDS or getattr(node, "id", None) in WORDS or getattr(node, "arg", None) in WORDS
