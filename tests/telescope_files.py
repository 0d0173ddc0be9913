"""Telescope files made on the spot: SIGPROC and HDF5 in Breakthrough Listen's layout, whole cadences with needles."""

import struct
from collections.abc import Sequence
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

DF_MHZ, DT_S = 2861.022949e-6, 1.073741824
SOURCES = ("HIP35136", "HIP34800", "HIP35136", "HIP36000", "HIP35136", "HIP34200")
MJD = 57563.808588
HEADER = {"fch1": 1501.46341324, "foff": -DF_MHZ, "tsamp": DT_S, "tstart": MJD, "source_name": SOURCES[0]}


def keyword(name: str, value: object = None, kind: str = "") -> bytes:
    """A header keyword as SIGPROC writes it."""
    out = struct.pack("<i", len(name)) + name.encode()
    if isinstance(value, (str, bytes)):
        text = value.encode() if isinstance(value, str) else value
        return out + struct.pack("<i", len(text)) + text
    if value is None:
        return out
    return out + struct.pack("<" + (kind or ("i" if isinstance(value, int) else "d")), value)


def packed(values: np.ndarray, bits: int) -> bytes:
    """Values as ``bits`` each, the first channel in the lowest bits."""
    if bits == 32:
        return values.astype("<f4").tobytes()
    if bits >= 8:
        return values.astype({8: "u1", 16: "<u2"}[bits]).tobytes()
    per = 8 // bits
    groups = values.astype(np.uint8).reshape(-1, per)
    return (groups << (np.arange(per, dtype=np.uint8) * bits)).sum(1).astype(np.uint8).tobytes()


def write_fil(path: Path, values: np.ndarray, *, bits: int = 32, extra: bytes = b"", tail: bytes = b"", **header: object) -> Path:
    """A ``.fil`` file of ``values`` (rows, planes, channels) or (rows, channels) in the file's own order of frequencies."""
    values = values[:, None] if values.ndim == 2 else values
    fields = {**HEADER, "nchans": values.shape[2], "nifs": values.shape[1], "nbits": bits, **header}
    body = b"".join(keyword(name, value) for name, value in fields.items() if value is not None)
    path.write_bytes(keyword("HEADER_START") + body + extra + keyword("HEADER_END") + packed(values, bits) + tail)
    return path


def write_h5(path: Path, values: np.ndarray, *, where: str = "data", pack: bool = True, **header: object) -> Path:
    """An ``.h5`` file of ``values`` (rows, planes, channels) or (rows, channels) for ``data`` as it stands."""
    fields = {**HEADER, "nchans": values.shape[-1], "nifs": 1 if values.ndim == 2 else values.shape[1], "nbits": 32, **header}
    with h5py.File(path, "w") as file:
        chunks = (min(16, len(values)), *values.shape[1:])
        options = dict(hdf5plugin.Bitshuffle(nelems=0, cname="lz4")) if pack else {}
        data = file.create_dataset("data", data=values, chunks=chunks, **options)
        holder = data if where == "data" else file
        for name, value in fields.items():
            if value is not None:
                holder.attrs[name] = value
    return path


def starts(rows: int, tsamp: float = DT_S, gap: float = 20.0, count: int = 6) -> list[float]:
    """Seconds from the first panel's start to each one's."""
    return [number * (rows * tsamp + gap) for number in range(count)]


def noise(rows: int, channels: int, seed: int) -> np.ndarray:
    """A panel of receiver noise, (rows, channels) float32 in ascending frequency: mean 100, standard deviation 1.8."""
    return (100 + 1.8 * np.random.default_rng(seed).standard_normal((rows, channels))).astype(np.float32)


def draw(
    panels: Sequence[np.ndarray], channel: float, drift_hz_s: float, snr: float, on: Sequence[int] = (0, 2, 4), *,
    tsamp: float = DT_S, df_hz: float = DF_MHZ * 1e6, gap: float = 20.0, width: float = 0.306,
) -> None:  # fmt: skip
    """Add a needle of ``snr`` per panel that is at ``channel`` (ascending) when the cadence begins."""
    rows, size = panels[0].shape
    for number in on:
        time = number * (rows * tsamp + gap) + (np.arange(rows) + 0.5) * tsamp
        place = channel + drift_hz_s / df_hz * time
        for step in range(-4, 5):
            at = np.round(place).astype(int) + step
            inside = (at >= 0) & (at < size)
            value = 1.8 * snr / rows**0.5 * np.exp(-((at - place) ** 2) / (2 * width**2))
            panels[number][np.arange(rows)[inside], at[inside]] += value[inside].astype(np.float32)


def write_cadence(
    folder: Path, panels: Sequence[np.ndarray], *, kind: str = "h5", descending: bool = True, tsamp: float = DT_S,
    gap: float = 20.0, sources: Sequence[str] = SOURCES, **header: object,
) -> list[Path]:  # fmt: skip
    """Six files of ``panels`` (rows, channels) in ascending frequency; the lowest channel is the same for both orders."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, size = panels[0].shape
    width = abs(float(header.pop("foff", DF_MHZ)))
    lowest = float(header.pop("lowest", 1478.0))
    axis = {"fch1": lowest + width * (size - 1), "foff": -width} if descending else {"fch1": lowest, "foff": width}
    paths = []
    for number, (panel, begin) in enumerate(zip(panels, starts(rows, tsamp, gap))):
        stored = panel[:, ::-1] if descending else panel
        fields = {**axis, "tsamp": tsamp, "tstart": MJD + begin / 86400, "source_name": sources[number], **header}
        path = folder / f"blc00_{number}.{kind}"
        paths.append(write_h5(path, stored[:, None], **fields) if kind == "h5" else write_fil(path, stored, **fields))
    return paths
