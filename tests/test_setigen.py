"""Our needles and our measuring against setigen's, both ways, each side with its own code.

setigen needs setuptools < 82, so it may live in an interpreter of its own: ``SETIGEN_PYTHON=/path/to/python`` names
it; otherwise this interpreter's setigen is used, and without either the tests are skipped. It runs as a process that
exchanges .npy files.
"""

import functools
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_nature import drawn_snr

from seti_utils.data.cadence import DF_HZ, DT_S, FREQ, HZ_PER_S_PER_CHANNEL_PER_PANEL, OFF, ON, PANELS, TIME
from seti_utils.sky.dedrift import find_drift, measure, straight_tracks
from seti_utils.sky.needles import draw
from seti_utils.sky.profiles import ENERGY, PROFILE_SIGMA, plain_profiles

CADENCES, SNR, START = 3, 30.0, 100.0
PLACE = 128
FWHM = PROFILE_SIGMA * 2 * np.sqrt(2 * np.log(2))

SETIGEN = """
import json, sys
import numpy as np
import setigen as stg
from astropy import units as u

told = json.load(open(sys.argv[1]))
axes = dict(df=told["df"] * u.Hz, dt=told["dt"] * u.s, fch1=6 * u.GHz, ascending=True)

def inject(seed):
    frames = [stg.Frame(fchans=told["freq"], tchans=told["time"], seed=seed * 10 + i, **axes) for i in range(6)]
    cadence = stg.OrderedCadence(frames, order="ABACAD", t_slew=0, t_overwrite=True)
    for frame in cadence:
        frame.add_noise(x_mean=10, noise_type="chi2")
    cadence.by_label("A").add_signal(
        stg.constant_path(f_start=frames[0].get_frequency(told["start"]), drift_rate=told["rate"] * u.Hz / u.s),
        stg.constant_t_profile(level=frames[0].get_intensity(told["snr"])),
        stg.gaussian_f_profile(width=told["fwhm"] * told["df"] * u.Hz),
        stg.constant_bp_profile(level=1),
    )
    return np.stack([frame.data for frame in cadence])

def peaks(panel, rates):
    frame = stg.Frame.from_data(df=axes["df"], dt=axes["dt"], fch1=axes["fch1"], ascending=True, data=panel)
    spectra = [stg.dedrift(frame, rate).data.mean(0) for rate in rates]
    return [float((s.max() - frame.noise_mean) / frame.noise_std * np.sqrt(told["time"])) for s in spectra]

injected = np.stack([inject(seed) for seed in range(told["cadences"])])
np.save(told["out"], injected)
ours = np.load(told["ours"]).astype(np.float64)
rates = [told["rate"] + step * told["unit"] for step in np.arange(-2, 2.1, 0.5)]
report = {"rates": rates}
for name, cadences in (("ours", ours), ("theirs", injected)):
    report[name] = [[peaks(panel, rates) for panel in x] for x in cadences]
json.dump(report, open(told["report"], "w"))
"""


@functools.cache
def setigen_python() -> str | None:
    """An interpreter that imports setigen, or None."""
    for python in (os.environ.get("SETIGEN_PYTHON"), sys.executable):
        if python and subprocess.run([python, "-c", "import setigen"], capture_output=True).returncode == 0:
            return python
    return None


@pytest.fixture(scope="module", params=[7.5, -5.0], ids=["up", "down"])
def exchange(request, tmp_path_factory):
    """Both sides' cadences with the same needle, and what setigen's tools measure on either."""
    python = setigen_python()
    if python is None:
        pytest.skip('no setigen: set SETIGEN_PYTHON to an interpreter with "setigen==2.7.0", "setuptools<82"')
    drift, folder = request.param, tmp_path_factory.mktemp("setigen")
    # setigen takes the track at a row's beginning, we at its middle.
    start = START - drift * 0.5 / TIME
    tracks = straight_tracks(torch.full((CADENCES,), start), torch.full((CADENCES,), drift))
    noise = torch.randn(CADENCES, PANELS, TIME, FREQ, generator=torch.Generator().manual_seed(1))
    ones = torch.ones(CADENCES, PANELS)
    ours = draw(noise, tracks, torch.full((CADENCES,), SNR / TIME**0.5), sigma=ones)
    np.save(folder / "ours.npy", ours.numpy())
    told = {
        "df": DF_HZ, "dt": DT_S, "freq": FREQ, "time": TIME, "start": int(START), "snr": SNR, "fwhm": FWHM,
        "rate": drift * HZ_PER_S_PER_CHANNEL_PER_PANEL, "unit": HZ_PER_S_PER_CHANNEL_PER_PANEL, "cadences": CADENCES,
        "out": str(folder / "theirs.npy"), "ours": str(folder / "ours.npy"), "report": str(folder / "report.json"),
    }  # fmt: skip
    (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")
    command = [python, "-W", "ignore", "-c", SETIGEN, str(folder / "told.json")]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return drift, tracks, torch.from_numpy(np.load(folder / "theirs.npy")).float(), ours, report


def test_our_tools_measure_setigens_needle_at_its_snr(exchange):
    _, tracks, theirs, _, _ = exchange
    found = measure(theirs, tracks)
    on = found.snr_integrated[:, list(ON)]
    assert float(on.mean()) == pytest.approx(SNR, rel=0.05), on
    # Beyond the fit's own noise (about 1.4 per panel) no panel stands out.
    assert float((on - SNR).abs().max()) < 6
    off = straight_tracks(tracks.freq[:, 0, 0] - tracks.drift * 0.5 / TIME, tracks.drift, panels=OFF)
    assert abs(float(measure(theirs, off).snr_integrated[:, list(OFF)].mean())) < 1.5


def test_our_tools_find_setigens_drift(exchange):
    drift, _, theirs, _, _ = exchange
    found = find_drift(theirs, torch.arange(-10, 10.1, 0.5))
    torch.testing.assert_close(found.drift, torch.full((CADENCES,), drift), atol=0.51, rtol=0)
    torch.testing.assert_close(found.start, torch.full((CADENCES,), START), atol=2.0, rtol=0)


def test_setigen_measures_our_needle_as_its_own(exchange):
    _, _, _, _, report = exchange
    ours, theirs = (np.array(report[name])[:, list(ON)] for name in ("ours", "theirs"))
    middle = len(report["rates"]) // 2
    assert ours[..., middle].mean() == pytest.approx(theirs[..., middle].mean(), rel=0.06)
    # Its de-drifting keeps the nearest channel, which holds 0.69 of the peak on average.
    assert ours[..., middle].mean() == pytest.approx(0.69 * SNR, rel=0.12)
    quiet = np.array(report["ours"])[:, list(OFF)][..., middle]
    assert quiet.max() < 0.5 * ours[..., middle].min()


def test_setigen_finds_our_drift(exchange):
    drift, _, _, _, report = exchange
    power = np.array(report["ours"])[:, list(ON)].mean((0, 1))
    best = report["rates"][int(power.argmax())] / HZ_PER_S_PER_CHANNEL_PER_PANEL
    assert best == pytest.approx(drift, abs=0.51)


PROFILES = """
import json, sys
import numpy as np
import setigen as stg
from astropy import units as u

told = json.load(open(sys.argv[1]))
df, dt = told["df"] * u.Hz, told["dt"] * u.s
ours = np.load(told["ours"]).astype(np.float64)
frames, peaks = [], []
for (name, width, drift, smear), panel in zip(told["cases"], ours):
    frame = stg.Frame(fchans=told["freq"], tchans=told["time"], df=df, dt=dt, fch1=6 * u.GHz, ascending=True)
    wide = width * told["df"]
    profile = {
        "gaussian": lambda: stg.gaussian_f_profile(wide * u.Hz),
        "lorentzian": lambda: stg.lorentzian_f_profile(wide * u.Hz),
        "sinc2": lambda: stg.sinc2_f_profile(wide * u.Hz, width_mode="fwhm", trunc=False),
        "flat": lambda: stg.box_f_profile(wide * u.Hz),
    }[name]()
    rate = drift * told["unit"]
    frame.add_signal(
        stg.constant_path(f_start=frame.get_frequency(told["start"]), drift_rate=rate * u.Hz / u.s),
        stg.constant_t_profile(level=1.0),
        profile, stg.constant_bp_profile(level=1), doppler_smearing=smear, smearing_subsamples=20,
    )
    frames.append(frame.data)
    made = [stg.Frame.from_data(df, dt, 6 * u.GHz, True, data) for data in (frame.data, panel)]
    spectra = [one.data.mean(0) if smear else stg.dedrift(one, rate).data.mean(0) for one in made]
    peaks.append([[float(s.max()), float((s > s.max() / 2).sum()), float(s.sum())] for s in spectra])
np.save(told["out"], np.stack(frames))
json.dump(peaks, open(told["report"], "w"))
"""
CASES = [(name, width, 7.5, False) for name in ("gaussian", "lorentzian", "sinc2", "flat") for width in (2.5, 5.0)]
CASES += [("gaussian", 1.0, 120.0, True), ("gaussian", 2.5, -300.0, True), ("sinc2", 2.5, 200.0, True)]


@pytest.fixture(scope="module")
def profiles(tmp_path_factory):
    """Every profile drawn without noise by both sides, (case, T, F) each, our tracks, and what setigen measures on either."""
    python = setigen_python()
    if python is None:
        pytest.skip('no setigen: set SETIGEN_PYTHON to an interpreter with "setigen==2.7.0", "setuptools<82"')
    folder = tmp_path_factory.mktemp("profiles")
    tracks, ours = [], []
    for name, width, drift, smear in CASES:
        # setigen takes the track at a row's beginning, we at its middle, where its smeared light is too.
        start = torch.tensor([PLACE if smear else PLACE - drift * 0.5 / TIME])
        track = straight_tracks(start, torch.tensor([drift]))
        track = replace(track, profile=replace(plain_profiles(1, width, name), smear=torch.tensor([smear])))
        tracks.append(track)
        level = 1000 / track.profile.peak  # strong: wings are drawn as far as they go
        ours.append(draw(torch.zeros(1, PANELS, TIME, FREQ), track, level, sigma=torch.ones(1, PANELS))[0, 0] / 1000)
    np.save(folder / "ours.npy", torch.stack(ours).numpy())
    told = {
        "df": DF_HZ, "dt": DT_S, "freq": FREQ, "time": TIME, "start": PLACE, "unit": HZ_PER_S_PER_CHANNEL_PER_PANEL,
        "cases": CASES, "out": str(folder / "theirs.npy"), "ours": str(folder / "ours.npy"), "report": str(folder / "report.json"),
    }  # fmt: skip
    (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")
    command = [python, "-W", "ignore", "-c", PROFILES, str(folder / "told.json")]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = torch.from_numpy(np.load(folder / "theirs.npy")).float()
    return tracks, torch.stack(ours), theirs, json.loads((folder / "report.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", range(len(CASES)), ids=[f"{c[0]} {c[1]} {c[2]}" for c in CASES])
def test_profiles_are_setigens(profiles, case):
    tracks, ours, theirs, report = profiles
    name, _, _, smear = CASES[case]
    mine, other = ours[case], theirs[case]
    # A box's edges are sharp, ours round; a smeared line's shape is approximated, its light is not; a Lorentzian's wings end.
    loose = name == "flat" or smear
    assert float((mine - other).abs().max()) < (0.55 if name == "flat" else 0.12 if smear else 0.01)
    assert float(mine.square().sum()) == pytest.approx(float(other.square().sum()), rel=0.15 if loose else 0.03)
    # Ours measured by theirs: height, width and light of the de-drifted spectrum.
    for value, wanted, relative in zip(*reversed(report[case]), (0.1 if loose else 0.03, 0.34, 0.08)):
        assert value == pytest.approx(wanted, rel=relative)
    # Theirs measured by ours, in noise: the SNR that the drawn template has.
    track, level = tracks[case], 3.0
    x = torch.randn(8, PANELS, TIME, FREQ, generator=torch.Generator().manual_seed(case))
    x[:, 0] += level * other
    many = track.rows(torch.zeros(8, dtype=torch.long))
    found = measure(x, many, sigma=torch.ones(8, PANELS)).snr_integrated[:, 0]
    rows = int(track.visible()[0, 0].sum())
    wanted = float(level / track.profile.peak) * rows**0.5
    assert float(found.mean()) == pytest.approx(wanted, rel=0.06)
    exact = drawn_snr(track, level / track.profile.peak)[0, 0]
    assert float(exact) == pytest.approx(float((other.square().sum() / ENERGY).sqrt()) * level, rel=0.08)
