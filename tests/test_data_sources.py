"""Sources give the bytes that NumPy reads, in the rows and panels asked for."""

import numpy as np
import pytest
import torch

from seti_utils.data.competition import read_competition
from seti_utils.data.packed import open_cadences
from seti_utils.data.reading import read_cadence
from seti_utils.data.sources import FileCadences, JoinedCadences
from seti_utils.errors import InputError


def buffer(rows, panels=6):
    return torch.full((rows, panels, 273, 256), 7, dtype=torch.float16)


@pytest.mark.parametrize("panels, numbers", [("all", [0, 1, 2, 3, 4, 5]), ("on", [0, 2, 4]), ((5, 1), [5, 1])])
def test_files_give_the_rows_asked_for(shared_competition, panels, numbers):
    table = read_competition(shared_competition).train
    source = FileCadences(table["id"], table["path"], panels=panels)
    out = buffer(4, len(numbers))
    source.will_need([7, 0, 7, 11])
    source.read_into([7, 0, 7, 11], out)
    for row, one in zip((7, 0, 7, 11), out.numpy()):
        assert (one == np.load(table["path"][row])[numbers]).all()
    assert len(source) == 12 and source.panels == tuple(numbers) and source.ids.tolist() == table["id"].tolist()


def test_old_data_are_renormalised(shared_competition):
    competition = read_competition(shared_competition, era="old")
    source = open_cadences(competition, "test", panels="on")
    source.read_into([3], out := buffer(1, 3))
    assert (out[0].numpy() == read_cadence(competition.test["path"][3], renormalise=True)[[0, 2, 4]]).all()


def test_joined_sources(shared_competition):
    competition = read_competition(shared_competition)
    train, test = open_cadences(competition, "train"), open_cadences(competition, "test")
    joined = JoinedCadences([train, test])
    assert len(joined) == 17 and joined.ids[12] == competition.test["id"][0]
    rows = [16, 3, 4, 12, 11, 0]
    joined.will_need(rows)
    joined.read_into(rows, out := buffer(6))
    paths = [*competition.train["path"], *competition.test["path"]]
    for row, one in zip(rows, out.numpy()):
        assert (one == np.load(paths[row])).all()
    joined.read_into([1, 2, 14, 15], out := buffer(4))
    assert (out[3].numpy() == np.load(paths[15])).all() and (out[1].numpy() == np.load(paths[2])).all()
    with pytest.raises(ValueError, match="same panels"):
        JoinedCadences([train, open_cadences(competition, "test", panels="on")])
    with pytest.raises(ValueError, match="at least one"):
        JoinedCadences([])


def test_an_unfit_buffer_is_refused(shared_competition):
    source = open_cadences(read_competition(shared_competition), "train")
    for out in (buffer(2), buffer(1, 3), buffer(1).float(), buffer(1).transpose(2, 3), buffer(2)[::2][:, ::2]):
        with pytest.raises(ValueError, match="the buffer is"):
            source.read_into([0], out)
    with pytest.raises(ValueError, match="1 id, but 2 paths"):
        FileCadences(["a"], ["a", "b"])


def test_a_missing_file_is_named_when_read_not_when_announced(tiny_competition):
    competition = read_competition(tiny_competition)
    (tiny_competition / competition.train["path"][2]).unlink()
    source = open_cadences(competition, "train")
    source.will_need(range(12))
    source.read_into([0, 1], buffer(2))
    with pytest.raises(InputError, match=competition.train["id"][2]):
        source.read_into([1, 2, 3], buffer(3))
