"""turboSETI, find_event and plot_event on the six files of a cadence: run by ``benchmarks/search.py`` in an environment of their own.

    pip install "setuptools<82" "numpy<2" blimpy==2.1.4 turbo_seti hdf5plugin
    python benchmarks/search_turboseti.py FOLDER OUT --max-drift 390 --coarse 64
    python benchmarks/search_turboseti.py --read FOLDER_OF_OURS     # are our .dat files and our CSV readable to them?

Prints a line of JSON. plot_event draws what find_event's filter 3 leaves, or else what filter 2 leaves: a picture per row, those of
one place overwrite each other. This file imports nothing of seti_utils.
"""

import argparse
import json
import resource
import time
from pathlib import Path


def search(folder: Path, out: Path, max_drift: float, coarse: int, snr: float) -> dict[str, object]:
    """Hits of every file, events of the cadence, and their pictures; seconds, and peak memory in MiB."""
    import matplotlib

    matplotlib.use("Agg")
    from turbo_seti.find_doppler.find_doppler import FindDoppler  # pyright: ignore[reportMissingImports]
    from turbo_seti.find_event.find_event_pipeline import find_event_pipeline  # pyright: ignore[reportMissingImports]
    from turbo_seti.find_event.plot_event_pipeline import plot_event_pipeline  # pyright: ignore[reportMissingImports]

    out.mkdir(parents=True, exist_ok=True)
    files = sorted(folder.glob("*.h5"))
    began, processor = time.perf_counter(), time.process_time()
    for path in files:
        FindDoppler(
            str(path), max_drift=max_drift, snr=snr, out_dir=str(out), n_coarse_chan=coarse, gpu_backend=False, log_level_int=40
        ).search(n_partitions=1)
    dats = [str(out / (path.stem + ".dat")) for path in files]
    for name, lines in (("dat.lst", dats), ("h5.lst", [str(path.resolve()) for path in files])):
        (out / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    hits = sum(not line.startswith("#") for dat in dats for line in Path(dat).read_text(encoding="utf-8").splitlines())
    for number in (2, 3):
        find_event_pipeline(
            str(out / "dat.lst"), str(out / "h5.lst"), filter_threshold=number, number_in_cadence=6,
            csv_name=str(out / f"filter_{number}.csv"), check_zero_drift=True,
        )  # fmt: skip
    found_after = time.perf_counter() - began
    plotted = next((number for number in (3, 2) if events_in(out / f"filter_{number}.csv")), 0)
    if plotted:
        plots = out / "plots"
        plots.mkdir(exist_ok=True)
        plot_event_pipeline(
            str(out / f"filter_{plotted}.csv"), str(out / "h5.lst"), filter_spec=f"f{plotted}", plot_dir=f"{plots}/"
        )
    return {
        "filter that was plotted": plotted,
        "rows plotted": events_in(out / f"filter_{plotted}.csv"),
        "pictures": len(list((out / "plots").glob("*.png"))),
        "seconds before plotting": round(found_after, 1),
        "seconds": round(time.perf_counter() - began, 1),
        "processor": round(time.process_time() - processor, 1),
        "MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        "hits": hits,
    }


def events_in(table: Path) -> int:
    """Rows of a find_event table; 0 where it left none and wrote no file."""
    if not table.exists():
        return 0
    lines = [line for line in table.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return max(len(lines) - 1, 0)


def read(folder: Path) -> dict[str, object]:
    """What turboSETI's readers take of our ``.dat`` files and of our find_event CSV: numbers of rows."""
    import pandas as pd
    from turbo_seti.find_event.find_event import find_events, read_dat  # pyright: ignore[reportMissingImports]

    dats = sorted(str(path) for path in folder.glob("*.dat"))
    rows = {Path(path).name: len(read_dat(path)) for path in dats}
    found = {f"filter {number}": find_events(dats, filter_threshold=number, check_zero_drift=True) for number in (1, 2, 3)}
    table = pd.read_csv(folder / "find_event.csv")
    like = next((one for one in found.values() if one is not None and len(one)), None)
    missing = sorted(set(like.columns) - set(table.columns)) if like is not None else []
    counts = {name: 0 if one is None else len(one) for name, one in found.items()}
    return {"dat": rows, "their events of our hits": counts, "find_event.csv": len(table), "columns missing there": missing}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--max-drift", type=float, default=390.0)
    parser.add_argument("--coarse", type=int, default=64)
    parser.add_argument("--snr", type=float, default=10.0)
    parser.add_argument("--read", type=Path)
    args = parser.parse_args()
    result = read(args.read) if args.read else search(args.folder, args.out, args.max_drift, args.coarse, args.snr)
    print("\n" + json.dumps(result))


if __name__ == "__main__":
    main()
