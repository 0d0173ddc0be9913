# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Score the test cadences and write `submission.csv`
#
# The mean over folds and seeds of one experiment's weights, each with its test-time augmentation.

# %% tags=["parameters"]
experiment = "sky_demo"  # a name of the log: python -m seti_utils log
folds = "0"  # "all", or numbers: "0,1"
seeds = "2021"  # the seeds that were trained
data = ""  # the competition folder; empty: find it
runs = ""  # where training wrote its artifacts; empty: find them (here, or among the kernel's inputs)
overlap = ""  # folder of an overlap search, where the experiment looks at cleaned panels; empty: find it
out = "."  # submission.csv and pictures go here
overrides = ""  # the same as in training
partial = ""  # "yes": also with folds whose training was stopped before its end; all that is written says so

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
                     "`python -m seti_utils kaggle build infer EXPERIMENT --push`")

# %%
from seti_utils.run.notebooks.session import session

now = session(experiment, folds=folds, seeds=seeds, data=data, out=out, runs=runs,
              overlap=overlap, overrides=overrides, partial=partial)
now.describe(recipe=False)

# %%
now.predict()

# %% [markdown]
# ## Scores
#
# Test scores beside out-of-fold scores: where the two histograms differ, the test sky differs from the training sky.

# %%
now.show_test_scores()

# %%
now.show_gallery("test")

# %%
now.finish()
