"""What a trained network sees: its embedding of rows, by which they are alike, and where on a cadence it looks."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from seti_utils.data.batches import batches
from seti_utils.data.cadence import FREQ, ON, PANELS, TIME
from seti_utils.data.sources import JoinedCadences
from seti_utils.log.layouts import parse_layout
from seti_utils.nets.detector import Detector
from seti_utils.progress import progress
from seti_utils.run.compose import panels_of, view_of
from seti_utils.run.identity import Run
from seti_utils.shift.network import GradCAM, heat_on_panels

HEAT_SIZE = (91, 128)
"""Time and frequency cells of a panel's heat: a third of the rows, half of the channels."""


def saliency(run: Run, table: pd.DataFrame, device: torch.device) -> tuple[np.ndarray | None, Callable[[str], np.ndarray] | None]:
    """Embedding (N, D) of the rows of ``table`` (id, split, row) by a run that was found, and the heat of an id of it.

    The heat (6, time, freq) is a detector's own map, or a classifier's Grad-CAM, None where its backbone names no stages. Both
    are None where the network looks at cleaned panels and the runtime has no overlap folder.
    """
    config, workers = run.config, run.runtime.workers
    if max(panels_of(config)) >= PANELS and run.runtime.overlap is None:
        return None, None
    view, model = view_of(config), run.network().to(device).eval()
    parts = [run.cadences(split) for split in ("train", "test")]
    source = JoinedCadences(parts)
    rows = (table["row"] + np.where(table["split"] == "test", len(parts[0]), 0)).to_list()
    with torch.inference_mode():
        found = [
            model.features(view(batch.x.to(device), panels=batch.panels)).float().cpu()
            for batch in progress(
                batches(source, None, rows, 32, workers=workers), -(-len(rows) // 32), f"features of {run.name}", "batch"
            )
        ]
    image_of = partial(view, panels=source.panels)
    if isinstance(model, Detector):
        look = own_heat(model, image_of)
    elif getattr(model.body, "feature_info", None):
        look = GradCAM(model, image_of)
    else:
        return torch.cat(found).numpy(), None
    row_of, layout = dict(zip(table["id"], rows, strict=True)), parse_layout(config.layout)

    def heat(one: str) -> np.ndarray:
        x_BPTF = torch.empty(1, len(source.panels), TIME, FREQ, dtype=torch.float16)
        source.read_into([row_of[one]], x_BPTF)
        return heat_on_panels(look(x_BPTF.to(device)).cpu(), layout, HEAT_SIZE)[0].numpy()

    return torch.cat(found).numpy(), heat


def own_heat(model: Detector, image_of: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A detector's probability of a candidate at every place (B, 6, freq, time); 0 on OFF panels, which it does not judge."""

    @torch.inference_mode()
    def look(x_BPTF: Tensor) -> Tensor:
        heat = model.heat(image_of(x_BPTF)).sigmoid()
        out = heat.new_zeros(len(heat), PANELS, *heat.shape[2:])
        out[:, ON] = heat
        return out

    return look
