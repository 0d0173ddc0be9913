"""Six files in, ranked events out: one row per needle, wherever it drifts, whatever else is in the band."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from telescope_files import DF_MHZ, DT_S, SOURCES, draw, noise, write_cadence, write_fil

from seti_utils.__main__ import main
from seti_utils.errors import InputError
from seti_utils.telescope.blocks import joined, search_block
from seti_utils.telescope.cadences import open_cadence
from seti_utils.telescope.events import COLUMNS
from seti_utils.telescope.jobs import prepare, usual_max_drift
from seti_utils.telescope.limits import Limits
from seti_utils.telescope.outputs import SEARCH, WORK, rank
from seti_utils.telescope.running import search_here
from seti_utils.telescope.search import search_cadences

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "real" / "telescope"
ROWS, TSAMP = 64, 293.13 / 64
"""A panel as long as a scan, in fewer rows."""

CHANNELS = 1024


def panels_with(*needles, rows=ROWS, tsamp=TSAMP, channels=CHANNELS, seed=0):
    """Six panels of noise with needles: dictionaries for ``telescope_files.draw``."""
    panels = [noise(rows, channels, 10 * seed + number) for number in range(6)]
    for needle in needles:
        draw(panels, tsamp=tsamp, **needle)
    return panels


def search(paths, out, *, limits=None, options=None, **more):
    """The events of one cadence, searched in this process."""
    job = prepare(open_cadence(paths), limits or Limits(max_drift=60.0, false_alarms=1.0), **more)
    return search_cadences([job], out, options=options or {}, processes=1, pictures=0)


NEEDLE = {"channel": 700.0, "drift_hz_s": 23.4, "snr": 40.0}


@pytest.fixture(scope="module")
def one_needle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("needle")
    return folder, write_cadence(folder / "files", panels_with(NEEDLE), tsamp=TSAMP)


@pytest.fixture(scope="module")
def events(one_needle):
    folder, paths = one_needle
    return search(paths, folder / "found")


def test_a_needle_is_one_event_with_its_frequency_drift_and_panels(events):
    assert tuple(events.columns) == COLUMNS
    event = events.iloc[0]
    assert abs(event["f_start"] - (1478 + 700 * DF_MHZ)) < DF_MHZ
    assert abs(event["drift"] - 23.4) < 4 * event["drift_error"] < 2
    assert (event["n_on"], event["n_off"]) == (3, 0) and event["snr"] > 25 and event["false_alarms"] < 0.1
    assert np.isclose(event["f_end"] - event["f_start"], event["drift"] * 1e-6 * (5 * 20 + 6 * 293.13), rtol=0.01)
    assert len(events) == 1 and np.isnan(event["score_network"]) and event["interference"] == ""
    assert (events[["snr_1", "snr_3", "snr_5"]] > 10).all(axis=None) and (events[["snr_2", "snr_4", "snr_6"]] < 5).all(axis=None)


def test_either_order_of_frequencies_and_any_order_of_files_give_the_same_events(one_needle, events, tmp_path):
    rising = write_cadence(tmp_path / "files", panels_with(NEEDLE), tsamp=TSAMP, descending=False, kind="fil")
    found = search([rising[place] for place in (4, 1, 0, 5, 2, 3)], tmp_path / "found")
    pd.testing.assert_frame_equal(found, events)


def test_a_doubled_drift_limit_keeps_the_event_and_its_score(one_needle, events, tmp_path):
    found = search(one_needle[1], tmp_path, limits=Limits(max_drift=120.0, false_alarms=1.0))
    same = ["f_start", "f_mid", "f_end", "drift", "drift_error", "snr", "score_classical", "n_on", "n_off"]
    assert np.allclose(found.loc[0, same].astype(float), events.loc[0, same].astype(float), rtol=0.02)
    assert found.loc[0, ["f_mid", "drift", "snr"]].tolist() == events.loc[0, ["f_mid", "drift", "snr"]].tolist()


def test_a_spike_twenty_channels_beside_it_changes_nothing(tmp_path):
    panels = panels_with(NEEDLE | {"channel": 500.0})
    for number, panel in enumerate(panels):
        panel[:, 530] += 300 * (1 + 0.03 * number)
        panel[:, 800] += 40
    found = search(write_cadence(tmp_path / "a", panels, tsamp=TSAMP), tmp_path / "b")
    assert len(found) == 1 and abs(found.loc[0, "drift"] - 23.4) < 0.5


def test_terrestrial_needles_and_their_echoes_are_not_events(tmp_path):
    everywhere = {"channel": 400.0, "drift_hz_s": -31.0, "snr": 60.0, "on": range(6)}
    echo = [{"channel": 900.0, "drift_hz_s": 12.0, "snr": snr, "on": on} for snr, on in ((300.0, (0, 2, 4)), (25.0, (3,)))]
    standing = {"channel": 150.3, "drift_hz_s": 0.0, "snr": 200.0, "on": range(6)}
    found = search(write_cadence(tmp_path / "a", panels_with(everywhere, *echo, standing), tsamp=TSAMP), tmp_path / "b")
    assert len(found) == 0


def test_a_needle_that_stands_still_is_found_and_left_out_on_request(tmp_path):
    still = {"channel": 300.0, "drift_hz_s": 0.0, "snr": 40.0}
    paths = write_cadence(tmp_path / "a", panels_with(still, NEEDLE), tsamp=TSAMP)
    found = search(paths, tmp_path / "b")
    assert len(found) == 2 and found["drift"].abs().min() < 1
    left = search(paths, tmp_path / "c", limits=Limits(60.0, false_alarms=1.0, zero_drift=False))
    assert left["drift"].round().tolist() == [23]
    assert search(paths, tmp_path / "d", limits=Limits(60.0, min_drift=25.0, false_alarms=1.0)).empty


def test_masks_and_known_bands(one_needle, tmp_path, capsys):
    _, paths = one_needle
    known = tmp_path / "known.csv"
    known.write_text("low,high,name\n1479,1481,a satellite\n1480.001,1480.1,its neighbour\n", encoding="utf-8")
    words = ["search", *map(str, paths), "--pictures", "0", "-M", "200", "--false-alarms", "1", "--processes", "1"]
    words += ["--known", str(known)]
    assert main([*words, "-o", str(tmp_path / "a")]) == 0
    assert pd.read_csv(tmp_path / "a" / "events.csv")["interference"].tolist() == ["a satellite; its neighbour"]
    assert main([*words, "-o", str(tmp_path / "b"), "--mask", "1479-1481"]) == 0
    assert len(pd.read_csv(tmp_path / "b" / "events.csv")) == 0 and "outside the masked bands" in capsys.readouterr().out
    assert main([*words, "-o", str(tmp_path / "c"), "--mask", "1000-2000"]) == 2
    assert "saw nothing; choose a smaller --mask" in capsys.readouterr().err
    known.write_text("low,high,name\n1481,1479,x\n", encoding="utf-8")
    assert main([*words, "-o", str(tmp_path / "d")]) == 2 and f"{known}, line 2" in capsys.readouterr().err


def test_where_blocks_end_decides_on_no_event(tmp_path, monkeypatch):
    """Noise, scatter and unrest were measured in neighbourhoods that began anew with every block: near the threshold other events
    were listed, wherever the blocks ended."""
    needles = [{"channel": 100.0 + 237 * n, "drift_hz_s": 50 * (-1) ** n, "snr": 11.0 + n % 3} for n in range(12)]
    panels = panels_with(*needles, channels=3072)
    for number, panel in enumerate(panels):
        panel += 3 * np.sin(np.arange(3072) / 90 + number)
    paths, found = write_cadence(tmp_path / "files", panels, tsamp=TSAMP), []
    for size in (32 << 20, 1_600_000):
        monkeypatch.setattr("seti_utils.telescope.blocks.BLOCK_BYTES", size)
        job = prepare(open_cadence(paths), Limits(60.0, false_alarms=None))
        found.append(rank(job, joined([search_block(job.search, *block) for block in job.blocks]))[0])
    assert job.blocks[0] == (0, 512) and len(job.blocks) == 6
    one, six = (events.sort_values("f_mid").reset_index(drop=True) for events in found)
    assert len(one) == len(six) >= 8
    for name, within in (("f_mid", 0.1 * DF_MHZ), ("snr", 0.1), ("log_odds", 0.1)):
        assert np.abs(one[name] - six[name]).max() < within, name


@pytest.mark.slow
def test_one_process_or_two_give_the_same_bytes_and_a_killed_search_resumes(one_needle, tmp_path, monkeypatch):
    monkeypatch.setattr("seti_utils.telescope.blocks.BLOCK_BYTES", 700_000)
    _, paths = one_needle
    limits = Limits(max_drift=60.0, false_alarms=5.0)
    jobs = [prepare(open_cadence(paths), limits) for _ in range(3)]
    assert len(jobs[0].blocks) > 3
    search_cadences(jobs[:1], tmp_path / "one", options={}, processes=1, pictures=1)
    search_cadences(jobs[1:2], tmp_path / "two", options={}, processes=2, pictures=1)

    def broken(searches, tasks, processes, meanwhile):
        for count, result in enumerate(search_here(searches, tasks, 1)):
            if count == 2:
                raise KeyboardInterrupt
            yield result

    monkeypatch.setattr("seti_utils.telescope.search.search_here", broken)
    with pytest.raises(KeyboardInterrupt):
        search_cadences(jobs[2:], tmp_path / "three", options={}, pictures=1)
    kept = sorted((tmp_path / "three" / WORK).iterdir())
    assert len(kept) == 2 and not (tmp_path / "three" / "events.csv").exists()
    kept[0].write_bytes(kept[0].read_bytes()[:100])  # the machine went down while it was written
    monkeypatch.setattr("seti_utils.telescope.search.search_here", search_here)
    search_cadences(jobs[2:], tmp_path / "three", options={}, processes=1, pictures=1)
    files = {path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()}
    assert {Path("events.csv"), Path("events.html"), Path("find_event.csv"), Path("pictures/event_001.png")} < files
    for name in files:
        assert (
            (tmp_path / "one" / name).read_bytes()
            == (tmp_path / "two" / name).read_bytes()
            == (tmp_path / "three" / name).read_bytes()
        )


@pytest.mark.slow
def test_kill_minus_nine_loses_no_window(one_needle, tmp_path, monkeypatch):
    """The process is ended from outside as soon as the first block is kept."""
    _, paths = one_needle
    code = "import sys, seti_utils.telescope.blocks as b; b.BLOCK_BYTES = 1 << 20\nfrom seti_utils.__main__ import main\nsys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, "search", *map(str, paths), "-o", str(tmp_path / "a"), "--pictures", "0", "-M", "60"]
    words += ["--false-alarms", "1", "--processes", "1"]
    first = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while time.monotonic() < until and first.poll() is None and not list((tmp_path / "a" / WORK).glob("block_*.npz")):
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.wait()
    if not (tmp_path / "a" / SEARCH.done).exists():
        again = subprocess.run(words, cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
        assert re.search("1 block was searched before;|[0-9]+ blocks were searched before;", again.stderr)
    monkeypatch.setattr("seti_utils.telescope.blocks.BLOCK_BYTES", 1 << 20)
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "a" / "events.csv").dropna(axis=1),
        search(paths, tmp_path / "b").replace("", np.nan).dropna(axis=1),
    )


@pytest.mark.slow
def test_pictures_are_the_same_from_one_process_and_two(tmp_path):
    paths = write_cadence(tmp_path / "files", panels_with(NEEDLE, {**NEEDLE, "channel": 200.0}), tsamp=TSAMP)
    for count in (1, 2):
        job = prepare(open_cadence(paths), Limits(max_drift=60.0, false_alarms=1.0))
        search_cadences([job], tmp_path / f"by{count}", options={}, processes=count, pictures=2)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / by / "pictures").iterdir()} for by in ("by1", "by2"))
    assert one == two and len(one) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "none.txt: there is no such file; give six telescope files, or a list of them"),
        (b"\xff\xfe\x00\x01", "is not a text file; write one line of six paths per cadence"),
        (b"a.h5\nb.h5\n", "lists 2 files; six of each cadence"),
    ],
)
def test_a_list_that_is_none(tmp_path, capsys, content, said):
    path = tmp_path / "none.txt"
    if content is not None:
        path.write_bytes(content)
    assert main(["search", str(path), "-o", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_cluster_needs_its_package(one_needle, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    words = ["search", *map(str, one_needle[1]), "-o", str(tmp_path / "out"), "--network", "none", "--dask", "tcp://nowhere:1"]
    assert main(words) == 2
    assert "--dask needs the package distributed; pip install 'seti-utils[cluster]'" in capsys.readouterr().err


def test_a_search_that_was_stopped_before_its_tables_writes_them(one_needle, events, tmp_path, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("seti_utils.telescope.outputs.write_all", stopped)
        with pytest.raises(KeyboardInterrupt):
            search(one_needle[1], tmp_path / "out")
    monkeypatch.setattr(
        "seti_utils.telescope.search.search_here", lambda searches, tasks, *_, **__: pytest.fail() if tasks else []
    )
    pd.testing.assert_frame_equal(search(one_needle[1], tmp_path / "out"), events)


def test_the_command_draws_masks_and_says_what_was_searched_before(one_needle, tmp_path, capsys):
    words = ["search", *map(str, one_needle[1]), "-o", str(tmp_path / "out"), "-M", "60", "--false-alarms", "1"]
    words += ["--network", "none", "--mask", "1478-1478.5", "--planes", "0", "--processes", "1", "--pictures", "1"]
    assert main(words) == 0
    first = (tmp_path / "out" / "events.csv").read_bytes()
    assert first.count(b"\n") == 2 and "searched before" not in capsys.readouterr().out
    assert main(words) == 0 and (tmp_path / "out" / "events.csv").read_bytes() == first
    assert "out: searched before; delete it to search again" in capsys.readouterr().out


def test_a_finished_search_is_not_repeated_and_another_one_is_refused(one_needle, events, capsys):
    folder, paths = one_needle
    pd.testing.assert_frame_equal(search(paths, folder / "found"), events)
    with pytest.raises(InputError, match="another telescope search: .*snr"):
        search(paths, folder / "found", limits=Limits(60.0, snr=12.0, false_alarms=1.0))


def test_one_file_alone_gives_its_hits(tmp_path, capsys):
    panel = panels_with(NEEDLE)[0]
    path = write_fil(tmp_path / "one.fil", panel[:, ::-1], tsamp=TSAMP, fch1=1478 + DF_MHZ * (CHANNELS - 1))
    assert main(["search", str(path), "-o", str(tmp_path / "a"), "-s", "12", "-M", "60"]) == 0
    hits = pd.read_csv(tmp_path / "a" / "events.csv")
    assert (
        len(hits) == 1 and abs(hits.loc[0, "f_start"] - 1478 - 700 * DF_MHZ) < 2 * DF_MHZ and abs(hits.loc[0, "drift"] - 23.4) < 5
    )
    assert not (tmp_path / "a" / "find_event.csv").exists() and (tmp_path / "a" / "one.dat").exists()
    assert "one file: its hits, without ON and OFF" in capsys.readouterr().out


@pytest.mark.skipif(not REAL.is_dir(), reason="the real telescope files are not here")
def test_real_green_bank_data_go_through_as_far_as_one_file_can(tmp_path):
    assert main(["search", str(REAL / "setigen_sample.fil"), "-o", str(tmp_path / "a"), "--pictures", "1"]) == 0
    assert (tmp_path / "a" / "events.html").exists() and (tmp_path / "a" / "setigen_sample.dat").exists()


@pytest.mark.parametrize(
    ("rows", "tsamp", "df_mhz", "drift"),
    [(16, 18.253611, 2.7939677e-6, 0.31), (279, DT_S, DF_MHZ, 40.0), (111, DT_S, DF_MHZ, -40.0)],
)
def test_any_product_and_any_number_of_rows(tmp_path, rows, tsamp, df_mhz, drift):
    needle = {"channel": 450.0 if drift > 0 else 550.0, "drift_hz_s": drift, "snr": 60.0, "df_hz": df_mhz * 1e6}
    paths = write_cadence(tmp_path / "a", panels_with(needle, rows=rows, tsamp=tsamp), tsamp=tsamp, foff=df_mhz)
    limits = Limits(max_drift=2 * abs(drift), false_alarms=None, snr=15.0)
    found = search(paths, tmp_path / "b", limits=limits)
    assert len(found) == 1 and abs(found.loc[0, "drift"] / drift - 1) < 0.02 and found.loc[0, "n_on"] == 3


def test_time_resolution_products_are_searched_too(tmp_path):
    """.0001: channels of 366 kHz in which nothing drifts; a line in the ON panels only is an event."""
    panels = [noise(2000, 512, number) for number in range(6)]
    for number in (0, 2, 4):
        panels[number][:, 200] += 0.5
    found = search(
        write_cadence(tmp_path / "a", panels, tsamp=0.15, foff=0.3662109), tmp_path / "b", limits=Limits(10.0, false_alarms=None)
    )
    assert len(found) == 1 and abs(found.loc[0, "f_mid"] - 1478 - 200 * 0.3662109) < 0.2


def test_the_usual_drift_limit(tmp_path, one_needle):
    assert 380 < usual_max_drift(open_cadence(one_needle[1])) < 400
    fine = write_cadence(tmp_path, [noise(16, 64, number) for number in range(6)], tsamp=18.25, foff=2.79e-6)
    assert usual_max_drift(open_cadence(fine)) == 10


def test_pixels_that_are_not_finite_are_counted_and_do_not_spread(one_needle, tmp_path):
    panels = panels_with(NEEDLE)
    panels[0][10:20, 100:200] = np.nan
    panels[3][5, 5] = np.inf
    found = search(write_cadence(tmp_path / "a", panels, tsamp=TSAMP), tmp_path / "b")
    stages = json.loads((tmp_path / "b" / "search.json").read_text(encoding="utf-8"))["stages"]
    assert len(found) == 1 and any(stage["of"] == "pixels" and stage["count"] == 1001 for stage in stages)


def test_many_cadences_from_a_list_get_a_folder_each(one_needle, tmp_path, capsys):
    _, paths = one_needle
    quiet = write_cadence(tmp_path / "quiet", panels_with(seed=3), tsamp=TSAMP, sources=("X", *SOURCES[1:2], "X", "Y", "X", "Z"))
    (tmp_path / "all.txt").write_text(
        "# two cadences\n" + " ".join(map(str, paths)) + "\n\n" + ",".join(map(str, quiet)) + "\n", encoding="utf-8"
    )
    words = ["search", str(tmp_path / "all.txt"), "-o", str(tmp_path / "out"), "--pictures", "0", "-M", "60", "--processes", "1"]
    assert main([*words, "--false-alarms", "1"]) == 0
    folders = sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert len(folders) == 2 and folders[0].startswith("HIP35136_") and folders[1].startswith("X_")
    table = pd.read_csv(tmp_path / "out" / "events.csv")
    assert (table["cadence"] == folders[0]).sum() == 1
    for lines, said in (("a b c", "line 1: 3 paths"), ("a\nb", "lists 2 files"), ("#", "is empty")):
        (tmp_path / "bad.txt").write_text(lines, encoding="utf-8")
        assert main(["search", str(tmp_path / "bad.txt"), "-o", str(tmp_path / "o")]) == 2 and said in capsys.readouterr().err
    assert (
        main(["search", str(tmp_path / "out"), "-o", str(tmp_path / "o")]) == 2 and "0 telescope files" in capsys.readouterr().err
    )
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-s", "-3"], "not a number from 0 up"),
        (["-M", "fast"], "fast is not a number from 0 up"),
        (["--false-alarms", "none"], "--false-alarms none"),
        (["--mask", "5-4"], "--mask '5-4'"),
        (["--planes", "x"], "--planes x"),
        (["-m", "300", "-M", "60"], "-m 300 is above -M 60"),
        (["--order", "ABBA"], "--order ABBA"),
        (["--dask", "nowhere"], "dask"),
    ],
)
def test_mistakes_are_one_line(one_needle, tmp_path, capsys, words, said):
    try:
        code = main(["search", *map(str, one_needle[1]), "-o", str(tmp_path / "a"), *words])
    except SystemExit as ended:
        code = ended.code
    shown = capsys.readouterr().err
    assert code == 2 and said.lower() in shown.lower() and "Traceback" not in shown


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
@pytest.mark.parametrize(
    ("foff", "tsamp", "rows", "drift", "network"), [(-2.7939677e-6, 18.253611, 171, 0.05, 0), (-DF_MHZ, DT_S, 273, 390.0, 1)]
)
def test_memory_stays_below_what_the_help_says(tmp_path, foff, tsamp, rows, drift, network):
    """Files of 4 GB and more, sparse but for their headers: peak memory of the whole process below 1 GiB, with the network too."""
    paths = []
    for number, source in enumerate(SOURCES):
        path, start = tmp_path / f"{number}.fil", 57563.8 + number * rows * tsamp * 1.05 / 86400
        write_fil(path, np.zeros((1, 1 << 20), np.float32), fch1=9e3, foff=foff, tsamp=tsamp, tstart=start, source_name=source)
        with open(path, "r+b") as file:
            file.truncate(path.stat().st_size + (rows - 1) * (4 << 20))
        paths.append(str(path))
    code = (
        "import sys\nimport numpy as np\nfrom seti_utils.telescope import blocks\n"
        "from seti_utils.telescope.cadences import open_cadence\nfrom seti_utils.telescope.limits import Limits\n"
        "from seti_utils.telescope.grid import make_grid\nfrom seti_utils.telescope.bandpass import Bandpass\n"
        "from seti_utils.telescope.ahead import in_groups, search_group\nfrom seti_utils.telescope.blocks import Search, plan_blocks\n"
        "from seti_utils.telescope.calibration import arrangements\n"
        "from seti_utils.nets.shipped import load_detector\n"
        "def every(starts, *others):\n    mine = [start for start in starts if start in range(*others[-1])]\n"
        "    rows = np.zeros(len(mine), blocks.WINDOW)\n    rows['start'] = mine\n    return rows\n"
        "blocks.windows_to_score = every\n"  # in empty files there is nothing to look at
        "d = load_detector() if int(sys.argv[1]) else None\nc = open_cadence(sys.argv[3:])\n"
        "g = make_grid(c.rows, c.starts, c.tsamp, c.width * 1e6, float(sys.argv[2]))\n"
        "s = Search(c, g, Bandpass(0, (), 0, 1, ()), c.on, arrangements(c.on, c.off), 10.0, d)\n"
        "group = in_groups([(0, block) for block in plan_blocks(c, g)], 1)[0]\nassert len(group) == 4\n"
        "assert all(len(found.windows) > 30 or d is None for _, found in search_group([s], group))\n"
        # ru_maxrss would count what this test's own process held when it started the other one
        "print(open('/proc/self/status', encoding='utf-8').read().partition('VmHWM:')[2].split()[0])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(network), str(drift), *paths],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert int(ended.stdout) < 1 << 20, f"{int(ended.stdout) >> 10} MiB"
