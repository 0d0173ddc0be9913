"""The house's floors: imports point down, and files can be read in one sitting."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "seti_utils"
FLOORS = {
    room: floor
    for floor, rooms in enumerate(
        (
            ("log", "stats", "session"),
            ("data",),
            ("sky", "scores"),
            ("views",),
            ("overlap", "learn", "pictures"),
            ("nets",),
            ("shift", "kaggle", "telescope"),
            ("run",),
            ("commands",),
            ("__main__", "__init__"),
        ),
        start=1,
    )
    for room in rooms
}
"""A room imports from the floors below it and from itself; files of the package's own folder stand on the ground."""
NO_TORCH = {"errors", "files", "progress", "machine", "durations", "log"}
FILES = sorted(path for path in PACKAGE.rglob("*.py"))


def room(module: tuple[str, ...]) -> str:
    return module[0] if module else ""


def floor(module: tuple[str, ...]) -> int:
    return FLOORS.get(room(module), 0)


def imports(path: Path) -> list[tuple[str, ...]]:
    """Every module that ``path`` imports, inside functions too, as a tuple of names."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = tuple(node.module.split("."))
            found += [
                (*module, alias.name)
                if (PACKAGE.parent / Path(*module, f"{alias.name}.py")).exists()
                or (PACKAGE.parent / Path(*module, alias.name)).is_dir()
                else module
                for alias in node.names
            ]
    return found


def module_of(path: Path) -> tuple[str, ...]:
    return path.relative_to(PACKAGE).with_suffix("").parts


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    here = module_of(path)
    for module in imports(path):
        if module[0] == "seti_utils" and len(module) > 1:
            there = module[1:]
            assert floor(there) <= floor(here), f"{'.'.join(here)} (floor {floor(here)}) imports {'.'.join(there)} above it"
            if floor(there) == floor(here) > 0:
                assert room(there) == room(here), f"{'.'.join(here)} imports its neighbour {'.'.join(there)}"
        if room(here) in NO_TORCH:
            assert module[0] not in {"torch", "timm", "torchvision"}, (
                f"{'.'.join(here)} imports {module[0]}: this room stays free of torch"
            )


def test_no_circles():
    graph = {}
    for path in FILES:
        here = ".".join(("seti_utils", *module_of(path))).removesuffix(".__init__")
        graph[here] = {".".join(module) for module in imports(path) if module[0] == "seti_utils" and len(module) > 1}
    done: set[str] = set()

    def walk(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail[trail.index(module) :], module))
        if module not in done:
            for target in graph.get(module, ()):
                walk(target, (*trail, module))
            done.add(module)

    for module in graph:
        walk(module, ())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_can_be_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
    assert path.stem not in {"utils", "helpers", "misc", "common"}


def test_only_run_takes_a_config_apart():
    for path in FILES:
        if room(module_of(path)) in {
            "stats",
            "session",
            "data",
            "sky",
            "scores",
            "views",
            "overlap",
            "learn",
            "pictures",
            "nets",
            "shift",
        }:
            assert ("seti_utils", "log", "config") not in imports(path), f"{path} knows Config: give it plain values"
