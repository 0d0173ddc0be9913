"""Batches hold the right bytes in the right order whatever the machine, and threads never outlive their iterator."""

import threading
import time

import numpy as np
import pytest
import torch

from seti_utils.data import batches as module
from seti_utils.data.batches import batches, epoch_order, on_device, sizes
from seti_utils.data.competition import read_competition
from seti_utils.data.packed import open_cadences
from seti_utils.errors import InputError


class Numbered:
    """A source whose cadence ``row`` is full of ``row``; slow where asked, faulty where asked."""

    panels = (0, 2, 4)

    def __init__(self, n, faulty=(), slow=()):
        self.ids, self.faulty, self.slow = np.array([str(row) for row in range(n)], dtype=object), faulty, slow
        self.read, self.announced = [], []

    def __len__(self):
        return len(self.ids)

    def read_into(self, rows, out):
        for place, row in enumerate(rows):
            if row in self.slow:
                time.sleep(0.02)
            if row in self.faulty:
                raise InputError("broken", where=f"file {row}")
            out[place] = float(row)
            self.read.append(int(row))

    def will_need(self, rows):
        self.announced += [int(row) for row in rows]


def values(batch):
    assert (batch.x == batch.x[:, :1, :1, :1]).all()
    return batch.x[:, 0, 0, 0].tolist()


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert not [thread for thread in set(threading.enumerate()) - before if thread.is_alive()]


@pytest.mark.parametrize("panels", ["all", "on"])
@pytest.mark.parametrize("workers, ahead", [(1, 1), (3, 1), (2, 4), (None, None)])
def test_bytes_equal_numpy(shared_competition, panels, workers, ahead):
    table = read_competition(shared_competition).train
    source = open_cadences(read_competition(shared_competition), "train", panels=panels)
    order = [*epoch_order(12, seed=1, epoch=0), 5, 5, 0]
    stream, at = batches(source, table["target"], order, 4, workers=workers, ahead=ahead), 0
    for batch in stream:
        assert batch.x.dtype == torch.float16 and batch.y.dtype == torch.float32 and batch.rows.dtype == torch.int64
        for x_PTF, y, row in zip(batch.x, batch.y, batch.rows):
            assert row == order[at] and y == table["target"][order[at]]
            assert (x_PTF.numpy() == np.load(table["path"][order[at]])[list(source.panels)]).all()
            at += 1
    assert at == 15 and len(batch.x) == 3


def test_slow_files_do_not_change_the_order():
    order = epoch_order(40, seed=3, epoch=7)
    got = [
        value
        for batch in batches(Numbered(40, slow=range(0, 40, 7)), None, order, 6, workers=5, ahead=3)
        for value in values(batch)
    ]
    assert got == order.tolist()


def test_a_batch_stays_while_the_next_is_used():
    previous = None
    for batch in batches(Numbered(60), None, np.arange(60), 4, workers=4, ahead=2):
        time.sleep(0.002)
        if previous is not None:
            assert values(previous) == previous.rows.tolist()
        previous = batch


def test_buffers_are_reused():
    stream = batches(Numbered(80), None, np.arange(80), 4, workers=2, ahead=2)
    assert len({batch.x.data_ptr() for batch in stream}) == 4


def test_without_targets_y_is_nan():
    (batch,) = batches(Numbered(3), None, [2, 0], 5)
    assert batch.y.isnan().all() and batch.rows.tolist() == [2, 0]
    assert list(batches(Numbered(3), None, [], 5)) == []


@pytest.mark.parametrize("faulty", [0, 9, 17])
def test_a_fault_surfaces_at_its_batch(faulty):
    stream = batches(Numbered(18, faulty={faulty}), None, np.arange(18), 4, workers=3, ahead=3)
    seen = []
    with pytest.raises(InputError, match=f"file {faulty}"):
        for batch in stream:
            seen += values(batch)
    assert seen == list(range(faulty // 4 * 4))
    assert next(stream, None) is None


def test_of_two_faults_the_first_in_order_is_named():
    for _ in range(5):
        source = Numbered(8, faulty={1, 6}, slow={0, 1})
        with pytest.raises(InputError, match="file 1"):
            next(batches(source, None, np.arange(8), 8, workers=4, ahead=1))


def test_closing_early_ends_the_threads_and_the_reading():
    source = Numbered(4000)
    stream = batches(source, None, np.arange(4000), 4, workers=3, ahead=2)
    next(stream)
    assert threading.active_count() > 1
    stream.close()
    read = len(source.read)
    assert read <= 16
    time.sleep(0.02)
    assert len(source.read) == read


def test_dropping_the_iterator_ends_the_threads_too():
    stream = batches(Numbered(400), None, np.arange(400), 4)
    next(stream)
    del stream


def test_everything_is_announced_before_it_is_read():
    class Checked(Numbered):
        def read_into(self, rows, out):
            super().read_into(rows, out)
            self.lead = [*getattr(self, "lead", []), len(self.announced) - len(self.read)]

    source = Checked(400, slow=range(400))
    order = epoch_order(400, seed=0, epoch=0)[:60]
    for _ in batches(source, None, order, 4, workers=2, ahead=1):
        continue
    assert source.announced == order.tolist()
    assert max(source.lead) >= 20


@pytest.mark.parametrize("slow_s, announced", [(float("inf"), 52), (0.0, 100)], ids=["cached", "disk"])
def test_announcing_goes_on_while_reading_is_slow(monkeypatch, slow_s, announced):
    monkeypatch.setattr(module, "SLOW_S", slow_s)
    monkeypatch.setattr(module, "PATIENCE", 10)
    source = Numbered(100)
    for _ in batches(source, None, np.arange(100), 2, workers=2, ahead=1):
        continue
    assert source.announced == list(range(announced))  # the first 16 + 10 batches, or all


def test_wrong_requests_are_refused_at_once():
    source = Numbered(4)
    with pytest.raises(InputError, match="row 4 was requested.*|4 cadences"):
        batches(source, None, [0, 4], 2)
    with pytest.raises(InputError, match="4 cadences"):
        batches(source, None, [-1], 2)
    with pytest.raises(ValueError, match="3 targets"):
        batches(source, [0, 1, 0], [0], 2)
    for wrong in ({"workers": 0}, {"ahead": 0}, {"workers": -1}):
        with pytest.raises(ValueError, match="at least 1"):
            batches(source, None, [0], 2, **wrong)
    with pytest.raises(ValueError, match="batch 0"):
        batches(source, None, [0], 0)


def test_sizes_follow_the_machine(monkeypatch):
    import os

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)), raising=False)
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 31 << 18}.__getitem__)
    assert sizes(64, 6) == (4, 2)
    assert sizes(2000, 6) == (4, 1)
    assert sizes(2000, 6, workers=9, ahead=7) == (9, 7)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(96)), raising=False)
    assert sizes(64, 6)[0] == 16


def test_order_is_a_permutation_that_seed_and_epoch_decide():
    orders = {(seed, epoch): tuple(epoch_order(50, seed=seed, epoch=epoch)) for seed in range(6) for epoch in range(6)}
    assert all(sorted(order) == list(range(50)) for order in orders.values())
    assert len(set(orders.values())) == 36
    assert tuple(epoch_order(50, seed=2, epoch=3)) == orders[2, 3]


def test_order_does_not_touch_the_global_generators():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    epoch_order(50, seed=0, epoch=0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("batch", [1, 4, 7])
def test_two_ranks_together_see_what_one_rank_of_the_larger_batch_sees(world, batch):
    n = 100
    whole = epoch_order(n, seed=5, epoch=1)[: n // world * world]
    ranks = [epoch_order(n, seed=5, epoch=1, rank=rank, world=world) for rank in range(world)]
    assert {len(rows) for rows in ranks} == {n // world}
    for at in range(0, n // world, batch):
        together = [row for rows in ranks for row in rows[at : at + batch]]
        assert sorted(together) == sorted(whole[at * world : (at + batch) * world])
    with pytest.raises(ValueError, match="rank 2 of 2"):
        epoch_order(n, seed=0, epoch=0, rank=2, world=2)


def test_repeats():
    repeat = [0, 3, 1, 1, 0, 2]
    order = epoch_order(6, seed=0, epoch=0, repeat=repeat)
    assert np.bincount(order, minlength=6).tolist() == repeat
    halves = [epoch_order(6, seed=0, epoch=0, repeat=repeat, rank=rank, world=2) for rank in (0, 1)]
    assert sorted([*halves[0], *halves[1]]) == sorted(order[:6])
    for wrong in ([1] * 5, [1, 1, 1, 1, 1, -1]):
        with pytest.raises(ValueError, match="repeat needs 6"):
            epoch_order(6, seed=0, epoch=0, repeat=wrong)


def test_on_device_copies_nothing_needlessly_and_keeps_values():
    device = "cuda" if torch.cuda.is_available() else "cpu"
    stream = batches(Numbered(30), np.arange(30) % 2, np.arange(30), 4, pin=device == "cuda")
    kept = []
    for batch in on_device(stream, device):
        assert batch.x.device.type == device and batch.y.tolist() == (batch.rows % 2).tolist()
        kept.append(values(batch))
    assert [value for batch in kept for value in batch] == list(range(30))
