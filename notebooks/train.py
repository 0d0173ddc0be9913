# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Train one experiment of the log
#
# Every cell calls `seti_utils`; the recipe is the experiment's name. Parameters are set by papermill
# (`python -m seti_utils notebook train … -p experiment=exp0023`), by `python -m seti_utils kaggle build`, or by hand
# in the next cell.

# %% tags=["parameters"]
experiment = "sky_demo"  # a name of the log: python -m seti_utils log
folds = "0"  # "all", or numbers: "0,1"
seeds = "2021"  # one run per fold and seed
data = ""  # the competition folder; empty: find it
out = "."  # artifacts go to out/<experiment>/fold<f>_seed<s>
weights = ""  # folder with pretrained weights; "none": random ones; empty: find them
overlap = ""  # folder of an overlap search, for folds and cleaned panels; empty: find it
adversarial = ""  # table of row weights
runs = ""  # trained runs that this one builds on; empty: find them (here, or among the kernel's inputs)
overrides = ""  # knobs to replace, as after --set, with blanks between
computing = ""  # "contiguous,fp16", "compiled", "measured" ...; empty: a GPU is measured
stop_after = ""  # "11h30m": finish the step, save, and say how to resume

# %%
import os
import sys
from importlib.util import find_spec
from pathlib import Path

# Kernels from `python -m seti_utils kaggle build` bring the package; a plain push needs it mounted.
mounts = Path(os.environ.get("SETI_INPUT", "/kaggle/input"))
places = [Path.cwd(), Path.cwd().parent, *mounts.glob("*"), *mounts.glob("datasets/*/*")]
sys.path[:0] = [str(place) for place in places if (place / "seti_utils" / "run").is_dir()]
if find_spec("seti_utils") is None:
    raise SystemExit("seti_utils is not here: mount a dataset that holds it, or push with "
                     "`python -m seti_utils kaggle build train EXPERIMENT --push`")

# %%
from seti_utils.run.notebooks.session import session

now = session(experiment, folds=folds, seeds=seeds, data=data, out=out, weights=weights, runs=runs,
              overlap=overlap, adversarial=adversarial, overrides=overrides, computing=computing, stop_after=stop_after)
now.describe()

# %% [markdown]
# ## Training

# %%
now.train()

# %%
now.show_curves()

# %% [markdown]
# ## Out of fold
#
# Every training cadence is scored once, by the weights that never saw it.

# %%
now.show_out_of_fold()

# %% [markdown]
# ## What it found
#
# The highest-scoring cadences of the validation folds. A needle in the ON panels (A) that is missing from the OFF
# panels is a candidate; one that shows in all six is terrestrial.

# %%
now.show_gallery("train")

# %%
now.finish()
