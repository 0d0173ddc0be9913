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
seeds = "2021"  # one run a fold and seed
data = ""  # the competition folder; empty: find it
out = "."  # artifacts go to out/<experiment>/fold<f>_seed<s>
weights = ""  # folder with pretrained weights; empty: find them
overrides = ""  # knobs to replace: "epochs=2 resize.freq=128"
stop_after = ""  # "11h30m": finish the step, save, and say how to go on

# %%
import sys
from pathlib import Path

# Kernels made by `python -m seti_utils kaggle build` bring the package along; a plain push needs it as a dataset.
places = [Path.cwd(), Path.cwd().parent, *Path("/kaggle/input").glob("*"), *Path("/kaggle/input").glob("datasets/*/*")]
sys.path[:0] = [str(place) for place in places if (place / "seti_utils" / "run").is_dir()]

from seti_utils.run.notebook import session

now = session(experiment, folds=folds, seeds=seeds, data=data, out=out, weights=weights, overrides=overrides, stop_after=stop_after)
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
