"""A launch gives its processes every option that the person gave it."""

from pathlib import Path

import pytest

from seti_utils.commands.options import runtime_of
from seti_utils.commands.parsing import make_parser
from seti_utils.errors import InputError
from seti_utils.log.overrides import parse_overrides
from seti_utils.run.launch import command_of, follow, launch
from seti_utils.run.runtime import Runtime


def parsed(words):
    """The arguments of ``python -m seti_utils`` as the command line reads them."""
    return make_parser(words).parse_args(words)


def test_every_option_of_a_run_reaches_the_processes(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    pairs = ["epochs=2", "resize.freq=64", "mixup=None"]
    given = Runtime(
        data=Path("d"),
        out=Path("o"),
        runs=(Path("a"), Path("b")),
        weights=Path("w"),
        packed=Path("p"),
        overlap=Path("v"),
        adversarial=Path("t.csv"),
        device="cuda:1",
        workers=3,
        stop_after=5400.0,
        sync_bn=True,
        computing="contiguous,bf16",
        incomplete=True,
        partial=True,
        overrides=parse_overrides(pairs),
    )
    assert all(getattr(given, name) != getattr(Runtime(), name) for name in Runtime.__dataclass_fields__), "say every option"
    words = command_of("exp0022", [0, 3], [1, 2], given, 1)
    assert words[:2] == ["-m", "seti_utils"]
    args = parsed(words[2:])
    assert runtime_of(args) == given
    assert (args.experiment, args.folds, args.seeds, args.retry, args.launch) == ("exp0022", "0,3", [1, 2], 1, None)


def test_the_first_failure_ends_the_others_and_says_its_last_line(tmp_path):
    import sys

    said = []
    jobs = {
        "good": ([sys.executable, "-c", "import time; print('at work', flush=True); time.sleep(60)"], {}),
        "bad": ([sys.executable, "-c", "print('no such net'); raise SystemExit(2)"], {}),
    }
    with pytest.raises(InputError, match="bad: ended with exit code 2: no such net"):
        follow(jobs, said.append)
    assert "[bad] no such net" in said


CELL = """
import sys
from seti_utils.run.launch import follow

words = (
    "import sys, time; print('one of', sys.argv[1], flush=True); time.sleep(0.5); print('two of', sys.argv[1]); "
    "raise SystemExit(%s)"
)
follow({name: ([sys.executable, "-c", words, name], {}) for name in ("folds 0", "folds 1")}, print)
"""


@pytest.mark.slow
@pytest.mark.parametrize("code", [0, 2])
def test_in_a_notebook_lines_stream_into_the_cell_and_a_failure_fails_it(tmp_path, code):
    nbformat, papermill = pytest.importorskip("nbformat"), pytest.importorskip("papermill")
    book, ended = nbformat.v4.new_notebook(), None
    book.cells = [
        nbformat.v4.new_code_cell(CELL % f"{code} if sys.argv[1] == 'folds 1' else 0"),
        nbformat.v4.new_code_cell("print('on')"),
    ]
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, tmp_path / "given.ipynb")
    try:
        papermill.execute_notebook(
            tmp_path / "given.ipynb", tmp_path / "ran.ipynb", cwd=Path(__file__).parents[1], progress_bar=False
        )
    except papermill.PapermillExecutionError as error:
        ended = str(error)
    said = "".join(
        output.text
        for cell in nbformat.read(tmp_path / "ran.ipynb", 4).cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream"
    )
    assert "[folds 0] one of folds 0" in said and said.index("[folds 1] one of") < said.index("[folds 1] two of")
    assert ("on" in said.splitlines()) is (code == 0), "the next cell runs only after a success"
    assert ended is None if code == 0 else "folds 1: ended with exit code 2: two of folds 1" in ended


@pytest.mark.parametrize(
    ("said", "count", "places"),
    [(None, 2, ["0", "1"]), ("2,3", 2, ["2", "3"]), ("MIG-a, MIG-b", 2, ["MIG-a", "MIG-b"]), ("3,-1,2", 1, ["3"]), ("", 0, [])],
)
def test_children_get_the_gpus_that_were_given_to_us(said, count, places, monkeypatch):
    """A scheduler that gave us 2 and 3 runs somebody else's work on 0 and 1."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if said is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", said)
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    jobs = []
    monkeypatch.setattr("seti_utils.run.launch.follow", lambda started, say: jobs.extend(started.values()))
    launch("folds", "exp0022", [0, 1, 2], [1], Runtime(device="cuda" if count else "cpu"))
    assert [extra.get("CUDA_VISIBLE_DEVICES") for _, extra in jobs] == (places or [None, None])
    folds = [words[words.index("--folds") + 1] for words, _ in jobs]
    assert sorted(",".join(folds).split(",")) == ["0", "1", "2"]
    assert all("cuda" not in words for words, _ in jobs), "each sees its own GPU as the first"


def test_a_switch_among_a_notebooks_parameters_is_yes_or_empty():
    assert Runtime.parsed(partial="yes").partial and not Runtime.parsed(partial="").partial
    with pytest.raises(InputError, match="'no' is neither yes nor empty; write partial = \"yes\", or leave it empty"):
        Runtime.parsed(partial="no")


@pytest.mark.parametrize(("count", "ranks"), [(0, 2), (4, 4)])
def test_ranks_share_one_run_through_torchrun(count, ranks, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    jobs = {}
    monkeypatch.setattr("seti_utils.run.launch.follow", lambda started, say: jobs.update(started))
    launch("ranks", "exp0022", [0, 1], [1], Runtime(device="cuda" if count else "cpu"))
    ((words, extra),) = jobs.values()
    assert words[1:5] == ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"] and words[5] == str(ranks)
    assert words[6:10] == ["-m", "seti_utils", "train", "exp0022"] and words[words.index("--folds") + 1] == "0,1" and not extra
