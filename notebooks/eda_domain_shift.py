# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How the test differs
#
# Everyone lost 0.10 of AUC between validation and the leaderboard. This notebook looks for the reason: statistics of
# the panels, the known leaks, "train or test?", and what trained models say of the test. `python -m seti_utils shift`
# writes the same as an HTML report.

# %% tags=["parameters"]
data = ""  # the competition folder; empty: find it
experiment = ""  # trained experiments: "exp0012 exp0023"; empty: data only
folds = ""  # "0,1"; empty: those that were trained
seeds = "2021"
runs = "runs"  # the folder with their weights
overrides = ""  # knobs that were replaced in training, as after --set, with blanks between
overlap = ""  # folder of the overlap search: rows of one sky stay together
rows = 1000  # rows of each split to look at; 0: all
show_rows = 3  # pictures of single rows where nobody moves the sliders
out = ""  # folder for the report and its tables; empty: show them only

# %%
import sys
from pathlib import Path

# Kernels made by `python -m seti_utils kaggle build` bring the package along; a plain push needs it as a dataset.
places = [Path.cwd(), Path.cwd().parent, *Path("/kaggle/input").glob("*"), *Path("/kaggle/input").glob("datasets/*/*")]
sys.path[:0] = [str(place) for place in places if (place / "seti_utils" / "run").is_dir()]

from seti_utils.run.notebooks.shift import shift_study

study = shift_study(data=data, experiment=experiment, folds=folds, seeds=seeds, runs=runs, overrides=overrides, overlap=overlap, rows=rows)

# %% [markdown]
# ## Statistics of the panels

# %%
study.statistics()

# %% [markdown]
# ## Leaks

# %%
study.leaks()

# %% [markdown]
# ## Train or test?
#
# A model that tells them apart shows where the shift lies. 0.5 is no shift; the competition's test is at 0.999.

# %%
study.adversary()

# %% [markdown]
# ## What trained models say of the test

# %%
study.predictions()

# %% [markdown]
# ## Explore
#
# Pick a split and an order, move the slider, type an id, ask for others like it. Where nobody can move anything (a
# batch run, a page on the web) there are pictures of a few rows instead.

# %%
study.explore(show_rows)

# %%
study.write(out)
