"""From measured tracks to a ranked table: one row per event, with what is known of it, and how many were left after every
stage."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from seti_utils.telescope.bands import named_by
from seti_utils.telescope.blocks import Found, Search
from seti_utils.telescope.cadences import Cadence
from seti_utils.telescope.calibration import Calibration, Group, groups_of
from seti_utils.telescope.classical import KINDS
from seti_utils.telescope.limits import Funnel, Limits
from seti_utils.telescope.measuring import together

SEEN = 5.0
"""SNR from which a panel counts as showing the event."""

COLUMNS = (
    *("rank", "cadence", "f_start", "f_mid", "f_end", "drift", "drift_error", "snr", "n_on", "n_off"),
    *(
        "log_odds",
        "score_classical",
        "score_network",
        *(f"snr_{number}" for number in range(1, 7)),
        "false_alarms",
        "interference",
    ),
)
"""Columns of ``events.csv``. Frequencies in MHz at the cadence's start, middle and end; drift in Hz/s; ``snr`` of the ON panels
together; ``log_odds``: natural logarithm of a needle's odds against chance (:mod:`seti_utils.telescope.odds`), which rank the
events; ``score_network``: the network's logit where its own track is this one; ``snr_1`` to ``snr_6`` of each panel in order of
time; ``false_alarms``: false events per MHz and hour with these odds or higher ones, in the same band; ``interference``: names of
bands that hold it."""

DIGITS = {
    **dict.fromkeys(("f_start", "f_mid", "f_end"), 9),
    **dict.fromkeys(("drift", "drift_error", "log_odds", "score_classical", "score_network"), 4),
    **dict.fromkeys(("snr", *(f"snr_{number}" for number in range(1, 7))), 2),
}


def find_events(
    search: Search, cadence: Cadence, found: Found, calibration: Calibration, limits: Limits, funnel: Funnel
) -> pd.DataFrame:
    """The ranked events of a cadence, the likeliest first: columns :data:`COLUMNS`, then channel (at the middle) and width."""
    tracks = found.tracks[found.tracks["arrangement"] == 0]
    on, off = list(search.on), list(cadence.off)
    funnel.add("measured", len(tracks), "tracks")
    bright = int((together(tracks["snr"][:, on]) >= limits.snr).sum())
    funnel.add(f"SNR of the ON panels together at least {limits.snr:g}", bright, "tracks")
    groups = groups_of(found, 0, search.grid, on, calibration.network, limits.snr)
    funnel.add("merged: tracks that meet in an ON panel are one", len(groups), "events")
    groups = [one for one in groups if one.trust == 1]
    funnel.add("not in an OFF panel along the same track", len(groups), "events")
    table = pd.DataFrame([event_of(one, on) for one in groups])
    if len(table):
        table = completed(table, search, cadence, on, off)
        table["false_alarms"] = calibration.false_alarms(table["log_odds"].to_numpy())
        table["interference"] = interference(table, search, limits)
        table = selected(table, limits, funnel, cadence)
        table = table.sort_values(["log_odds", "snr", "f_mid"], ascending=[False, False, True], kind="stable")
    else:
        table = selected(pd.DataFrame(columns=[*COLUMNS, "width"], dtype=float), limits, funnel, cadence)
    table = table.assign(
        rank=range(1, len(table) + 1), cadence=[cadence.name_at(channel) for channel in table.get("channel", ())]
    )
    return rounded_table(table.reindex(columns=[*COLUMNS, "channel", "width"]).reset_index(drop=True))


def event_of(one: Group, on: Sequence[int]) -> dict[str, object]:
    """One event from its tracks: the brightest one says where it is and how bright."""
    tracks = one.tracks
    classical = (tracks["kind"] >= 0) & (tracks["kind"] < len(KINDS))
    best = tracks[0]
    return {
        "channel": best["channel"],
        "rate": best["drift"],
        "error": best["error"],
        "width": int(best["width"]),
        "snr": together(best["snr"][None, on])[0],
        **{f"snr_{number}": value for number, value in enumerate(best["snr"], 1)},
        "score_classical": tracks["score"][classical].max() if classical.any() else np.nan,
        "score_network": one.network,
        "log_odds": one.odds,
    }


def completed(table: pd.DataFrame, search: Search, cadence: Cadence, on: Sequence[int], off: Sequence[int]) -> pd.DataFrame:
    """Channels as MHz, drifts as Hz/s, and panels counted."""
    grid, hertz = search.grid, cadence.width * 1e6
    middle, rate = table["channel"].to_numpy(), table["rate"].to_numpy()
    panels = table[[f"snr_{number}" for number in range(1, 7)]].to_numpy()
    return table.assign(
        f_start=cadence.frequency(middle - rate * grid.middle),
        f_mid=cadence.frequency(middle),
        f_end=cadence.frequency(middle + rate * grid.middle),
        drift=rate * hertz,
        drift_error=table["error"] * hertz,
        n_on=(panels[:, on] >= SEEN).sum(1),
        n_off=(panels[:, off] >= SEEN).sum(1),
    )


def interference(table: pd.DataFrame, search: Search, limits: Limits) -> list[str]:
    """Names of the known bands that hold each event, and of coarse channels' edges."""
    edges = search.bandpass.at_edge(table["channel"].to_numpy())
    names = named_by(limits.known, table["f_mid"].to_numpy())
    return [
        "; ".join(filter(None, (name, "coarse channel's edge" if edge else ""))) for name, edge in zip(names, edges, strict=True)
    ]


def selected(table: pd.DataFrame, limits: Limits, funnel: Funnel, cadence: Cadence) -> pd.DataFrame:
    """The events that are asked for, stage by stage."""
    drift = table["drift"].abs()
    stages: list[tuple[str, pd.Series]] = []
    stages.append(
        (
            f"drift between {limits.min_drift:g} and {limits.max_drift:g} Hz/s",
            (drift >= limits.min_drift) & (drift <= limits.max_drift),
        )
    )
    if not limits.zero_drift:
        still = cadence.width * 1e6 / cadence.span * table["width"]
        stages.append(("not at zero drift: at least its own width over the cadence", drift >= still))
    if limits.notches:
        masked = pd.Series([bool(name) for name in named_by(limits.notches, table["f_mid"].to_numpy())], index=table.index)
        stages.append(("outside the masked bands", ~masked.astype(bool)))
    if limits.false_alarms is not None:
        rate = table["false_alarms"].astype(float)
        kept = rate <= limits.false_alarms
        least = f" (the likeliest event has {rate.min():.3g})" if len(rate) and not kept.any() else ""
        stages.append((f"at most {limits.false_alarms:g} false alarms per MHz and hour{least}", kept))
    for name, keep in stages:
        table = table[keep.loc[table.index].astype(bool)]
        funnel.add(name, len(table), "events")
    return table


def hits_as_events(search: Search, cadence: Cadence, hits: np.ndarray, limits: Limits, funnel: Funnel) -> pd.DataFrame:
    """The hits of one file alone (``blocks.FILE_HIT``, merged) in the form of events: there are no OFF panels to know of."""
    hertz = cadence.width * 1e6
    table = pd.DataFrame({"channel": hits["channel"], "rate": hits["drift"], "error": hits["error"], "width": hits["width"]})
    table = table.assign(**{f"snr_{number}": np.nan for number in range(2, 7)}, snr=hits["snr"], snr_1=hits["snr"])
    table = table.assign(log_odds=np.nan, score_classical=np.nan, score_network=np.nan, false_alarms=np.nan, n_on=1, n_off=0)
    middle, rate = table["channel"], table["rate"]
    half = search.grid.middle
    table["f_start"], table["f_mid"] = cadence.frequency(middle - rate * half), cadence.frequency(middle)
    table["f_end"], table["drift"], table["drift_error"] = (
        cadence.frequency(middle + rate * half),
        rate * hertz,
        table["error"] * hertz,
    )
    table["interference"] = interference(table, search, limits)
    table = selected(table, replace(limits, false_alarms=None), funnel, cadence)
    table = table.sort_values(["snr", "f_mid"], ascending=[False, True], kind="stable")
    table = table.assign(rank=range(1, len(table) + 1), cadence=cadence.name)
    return rounded_table(table.reindex(columns=[*COLUMNS, "channel", "width"]).reset_index(drop=True))


def rounded_table(table: pd.DataFrame) -> pd.DataFrame:
    """Digits that mean something: kHz to a millionth, scores to four; false alarms to three significant ones."""
    for name, digits in DIGITS.items():
        table[name] = table[name].astype(float).round(digits)
    table["false_alarms"] = [float(f"{value:.3g}") for value in table["false_alarms"].astype(float)]
    return table.astype({"n_on": int, "n_off": int})
