"""Six files become a cadence: in order of time, of the right sources, on one frequency axis, or the contradiction is named."""

import pickle

import numpy as np
import pytest
from telescope_files import DF_MHZ, DT_S, MJD, SOURCES, noise, starts, write_cadence, write_fil, write_h5

from seti_utils.errors import InputError
from seti_utils.telescope.bandpass import survey
from seti_utils.telescope.cadences import open_cadence


@pytest.fixture(scope="module")
def panels():
    return [noise(20, 128, seed) for seed in range(6)]


@pytest.fixture
def files(tmp_path, panels):
    return write_cadence(tmp_path / "cadence", panels, kind="fil")


def refused(paths, **options):
    with pytest.raises(InputError) as told:
        open_cadence(paths, **options)
    assert told.value.remedy and "\n" not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize("kind", ["fil", "h5"])
def test_both_orders_of_frequencies_give_the_same_pixels_at_the_same_megahertz(tmp_path, panels, kind):
    falling, rising = (
        open_cadence(write_cadence(tmp_path / str(down), panels, kind=kind, descending=down)) for down in (True, False)
    )
    assert falling.channels == rising.channels == 128 and falling.rows == (20,) * 6
    assert abs(falling.lowest - 1478.0) < 1e-9 and abs(rising.frequency(127) - falling.frequency(127)) < 1e-9
    for one, other, panel in zip(falling.read(5, 40), rising.read(5, 40), panels):
        assert np.array_equal(one, other) and np.array_equal(one, panel[:, 5:40])


def test_files_are_sorted_in_time_and_the_order_is_told(files):
    cadence = open_cadence([files[place] for place in (3, 0, 5, 1, 4, 2)])
    assert [header.path for header in cadence.headers] == [str(path) for path in files]
    assert np.allclose(cadence.starts, starts(20), atol=1e-4)
    lines = cadence.describe()
    assert lines[0].startswith("  1 A ON  HIP35136") and lines[3].startswith("  4 C OFF HIP36000") and "blc00_3.fil" in lines[3]


def test_five_files_are_not_a_cadence_and_the_same_file_twice_overlaps(files):
    assert "5 files" in refused(files[:5])
    assert "before" in refused([*files[:5], files[4]])
    assert open_cadence(files[:1]).letters == "A"


def test_sources_that_contradict_the_order_are_refused_with_the_order_that_they_are_in(tmp_path, panels):
    shifted = write_cadence(tmp_path / "a", panels, kind="fil", sources=("B1", "A", "C1", "A", "D1", "A"))
    said = refused(shifted)
    assert "B1, A, C1, A, D1, A: not A B A C A D" in said and "--order BACADA" in said
    cadence = open_cadence(shifted, order="bacada")
    assert cadence.letters == "BACADA" and cadence.on == (1, 3, 5) and cadence.off == (0, 2, 4)
    assert "not A B A C A D" in refused(write_cadence(tmp_path / "b", panels, kind="fil", sources=("A", "B", "A", "A", "A", "D")))
    assert open_cadence(write_cadence(tmp_path / "c", panels, kind="fil", sources=("x", "y", "X ", "y", "x", "y"))).on == (
        0,
        2,
        4,
    )
    for wrong in ("ABACA", "ABCDEF", "AAAAAA", "A1A2A3"):
        assert f"--order {wrong}" in refused(shifted, order=wrong)


def test_an_unknown_start_or_source_is_named_with_the_options_that_help(tmp_path, panels):
    paths = write_cadence(tmp_path / "a", panels, kind="fil", tstart=None)
    assert "--order given" in refused(paths) and "--header tstart=" in refused(paths)
    cadence = open_cadence(paths[::-1], order="given")
    assert [header.path for header in cadence.headers] == [str(path) for path in paths[::-1]]
    assert np.allclose(cadence.starts, starts(20, gap=0)) and cadence.letters == "ABACAD"
    given = [{"tstart": MJD + begin / 86400} for begin in starts(20)]
    assert np.allclose(open_cadence(paths, given).starts, starts(20), atol=1e-4)
    nameless = write_cadence(tmp_path / "b", panels, kind="fil", source_name=None)
    assert "--header source_name=" in refused(nameless) and open_cadence(nameless, order="ABACAD").on == (0, 2, 4)


def altered(files, panel, **header):
    """The cadence with another second file."""
    fields = {"fch1": 1478.0 + DF_MHZ * 127, "foff": -DF_MHZ, "tstart": MJD + starts(20)[1] / 86400, "source_name": SOURCES[1]}
    write_fil(files[1], panel[:, ::-1], **{**fields, **header})
    return files


def test_axes_are_aligned_to_a_channel_or_refused(files, panels):
    whole = 1478.0 + DF_MHZ * 127
    aligned = open_cadence(altered(files, panels[1], fch1=whole + 3 * DF_MHZ))
    assert aligned.channels == 125 and "3 channels above" in aligned.notes[0] and abs(aligned.lowest - 1478.0 - 3 * DF_MHZ) < 1e-9
    read = aligned.read(0, 125)
    assert np.array_equal(read[0], panels[0][:, 3:]) and np.array_equal(read[1], panels[1][:, :125])
    ninth = open_cadence(altered(files, panels[1], foff=-DF_MHZ * (1 + 1e-9)))
    assert ninth.channels == 128 and not ninth.notes
    assert "0.40 channels above" in refused(altered(files, panels[1], fch1=whole + 0.4 * DF_MHZ))
    assert "0 of its 128 channels" in refused(altered(files, panels[1], fch1=whole + 100))
    assert "64 of its 128 channels" in refused(altered(files, panels[1][:, :64], fch1=whole))
    above = np.concatenate([panels[1], panels[1][:, :5]], axis=1)
    common = open_cadence(altered(files, above, fch1=whole + 5 * DF_MHZ))
    assert common.channels == 128 and common.notes == ("128 channels are in all files",)
    assert "foff is" in refused(altered(files, panels[1], foff=-DF_MHZ * 1.01))
    assert "tsamp is" in refused(altered(files, panels[1], tsamp=DT_S * 2))


def test_panels_may_have_different_numbers_of_rows(tmp_path):
    lengths = (20, 20, 20, 20, 20, 11)
    paths = write_cadence(tmp_path / "a", [noise(20, 64, seed) for seed in range(6)], kind="fil")
    write_fil(paths[5], noise(11, 64, 5)[:, ::-1], fch1=1478.0 + DF_MHZ * 63, tstart=MJD + starts(20)[5] / 86400, source_name="X")
    cadence = open_cadence(paths)
    assert cadence.rows == lengths and [panel.shape[0] for panel in cadence.read(0, 64, average=2)] == [10] * 5 + [5]
    assert np.isclose(cadence.hours, sum(lengths) * DT_S / 3600)


def test_a_cadence_travels_to_another_process(files):
    cadence = open_cadence(files)
    before = cadence.read(0, 10)
    again = pickle.loads(pickle.dumps(cadence))
    assert all(np.array_equal(one, other) for one, other in zip(before, again.read(0, 10)))


def test_spikes_and_edges_of_coarse_channels_are_known_from_the_header_and_seen(tmp_path):
    coarse = 64
    panels = [noise(16, 8 * coarse, seed) for seed in range(6)]
    shape = np.ones(coarse)
    shape[[0, 1, -1]] = 0.3
    for panel in panels:
        panel *= np.tile(shape, 8).astype(np.float32)
        panel[:, 32::coarse] += 400
    cadence = open_cadence(write_cadence(tmp_path / "a", panels, foff=-187.5 / 64 / coarse))
    bandpass = survey(cadence)
    assert (bandpass.coarse, bandpass.spikes, bandpass.edge, bandpass.live) == (coarse, (32,), 2, 512)
    assert bandpass.spikes_between(30, 100).tolist() == [2, 66]
    assert bandpass.at_edge(np.array([0, 1, 2, 62, 63, 64])).tolist() == [True, True, False, True, True, True]
    assert survey(cadence, 0).spikes == () and survey(cadence, 128).coarse == 128
    with pytest.raises(InputError, match="--coarse 3"):
        survey(cadence, 3)
    quiet = open_cadence(
        write_cadence(tmp_path / "b", [noise(16, 8 * coarse, seed) for seed in range(6)], foff=-187.5 / 64 / coarse)
    )
    assert survey(quiet).spikes == () and survey(quiet).edge == 0, "nothing is taken off that is not seen"


def test_a_band_in_which_nothing_varies_is_refused(tmp_path):
    with pytest.raises(InputError, match="every channel is constant"):
        survey(open_cadence(write_cadence(tmp_path, [np.full((8, 64), 5, np.float32)] * 6)))


def test_a_single_h5_file(tmp_path):
    cadence = open_cadence([write_h5(tmp_path / "one.h5", noise(20, 64, 0)[:, None])])
    assert cadence.rows == (20,) and cadence.on == (0,) and cadence.off == () and "HIP35136" in cadence.name
