"""What the notebook ``search`` calls: files found where they are mounted, a search shown, and what it refuses."""

import pytest
from telescope_files import draw, noise, write_cadence

from seti_utils.errors import InputError
from seti_utils.run.notebooks.telescope import find_files, telescope_search

NEEDLE = {"channel": 700.0, "drift_hz_s": 23.4, "snr": 60.0}
HOW = {"max_drift": 300.0, "snr": 10.0, "false_alarms": 1.0, "network": "none", "pictures": 1}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A cadence of 4,096 channels with one needle."""
    panels = [noise(64, 4096, number) for number in range(6)]
    draw(panels, tsamp=293.13 / 64, **NEEDLE)
    return write_cadence(tmp_path_factory.mktemp("telescope") / "files", panels, tsamp=293.13 / 64)


@pytest.fixture
def displayed(monkeypatch):
    """What a notebook would show."""
    shown = []
    monkeypatch.setattr("seti_utils.run.notebooks.telescope.display", shown.append)
    return shown


def test_one_mounted_folder_is_taken_and_two_are_named(files, tmp_path, monkeypatch):
    monkeypatch.setenv("SETI_INPUT", str(tmp_path))
    with pytest.raises(InputError, match="folders with telescope files: none; give one as files=FOLDER"):
        find_files("")
    places = [tmp_path / "datasets" / name / "cadence" for name in ("a", "b")]
    for place in places:
        place.parent.mkdir(parents=True)
        place.symlink_to(files[0].parent, target_is_directory=True)
        if place is places[0]:
            assert find_files("") == [place]
    with pytest.raises(InputError, match=f"{places[0]}, {places[1]}; give one as files=FOLDER"):
        find_files("")
    assert find_files(str(files[0].parent)) == [files[0].parent] and find_files("one.h5 two.h5")[1].name == "two.h5"


@pytest.mark.slow
def test_a_search_is_shown_and_not_repeated(files, tmp_path, displayed, capsys):
    place = str(files[0].parent)
    found = telescope_search(files=place, out=str(tmp_path / "out"), **HOW)
    found.describe()
    found.search()
    found.show_events(3)
    found.show_pictures()
    said = capsys.readouterr().out
    assert "1 A ON" in said and len(found.events) == 1 and abs(found.events["drift"][0] - NEEDLE["drift_hz_s"]) < 1
    assert [type(one).__name__ for one in displayed] == ["DataFrame", "Image"]
    found.search()
    assert "searched before" in capsys.readouterr().out and len(found.events) == 1
    found.show_sensitivity(0, 1.0)
    assert "left out: give needles=400" in capsys.readouterr().out and not (tmp_path / "out" / "sensitivity.csv").exists()
    found.show_sensitivity(4, 1.0)
    assert (tmp_path / "out" / "sensitivity.csv").is_file() and type(displayed[-1]).__name__ in ("Figure", "Picture")
    found.events = found.events.iloc[:0]
    found.show_events()
    assert displayed[-1].data.startswith("No event is left")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"snr": 0.0}, "snr=0.0, false_alarms=1.0, max_drift=300.0; give numbers above 0"),
        ({"false_alarms": -1.0}, "give numbers above 0"),
        ({"files": "{list}"}, "2 cadences; give one at a time: its six files, or their folder"),
    ],
)
def test_parameters_without_meaning_are_refused(files, tmp_path, changes, message):
    """Also: a list with one path per line, six by six."""
    (tmp_path / "list.txt").write_text("\n".join(map(str, files * 2)) + "\n", encoding="utf-8")
    given = {"files": str(files[0].parent), "out": str(tmp_path / "out")} | HOW | changes
    given["files"] = given["files"].format(list=tmp_path / "list.txt")
    with pytest.raises(InputError, match=message):
        telescope_search(**given)
    assert not (tmp_path / "out").exists()
