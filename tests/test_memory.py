"""Freed memory is kept: a second step causes no page faults. In a process of its own, because the setting is the process's."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import torch
from seti_utils.learn.memory import keep_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [torch.ones(1 << 24) for _ in range(3)]  # above 32 MiB glibc maps anew whatever else lies on the heap
    del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.set_num_threads(1)
if sys.argv[1] == "kept" and not keep_memory():
    sys.exit(77)
faults()
print(min(faults() for _ in range(12)))  # a system that takes pages back adds to some: here the first two or three rounds
"""


@pytest.mark.slow
def test_freed_memory_is_kept():
    pages = {}
    for how in ("kept", "plain"):
        ended = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, encoding="utf-8", timeout=600)
        if ended.returncode == 77:
            pytest.skip("no mallopt here")
        assert ended.returncode == 0, ended.stderr
        pages[how] = int(ended.stdout)
    assert pages["kept"] < pages["plain"] / 4


def test_what_is_imported_is_not_looked_at_again():
    code = (
        "import gc\nfrom seti_utils.learn.memory import importing\n"
        "with importing():\n    assert not gc.isenabled()\n    import json\n"
        "assert gc.isenabled() and gc.get_freeze_count() > 1000 and gc.get_count()[2] == 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("code", [0, 3])
def test_a_process_that_ends_at_once_has_said_everything_and_has_its_exit_code(code):
    program = (
        "import sys\nfrom seti_utils.learn.memory import end_at_once\n"
        "class Slow:\n    def __del__(self): print('taken apart')\n"
        f"kept = Slow()\nsys.stdout.write('said')\nsys.stderr.write('told')\nend_at_once({code})\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8")
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "said", "told")
