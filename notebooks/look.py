# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Look at cadences
#
# A cadence is six five-minute observations in the order A B A C A D. The star is in A (ON); B, C and D (OFF) are its
# neighbours. A signal from the star shows in ON panels only; terrestrial interference does not care where the
# telescope points.

# %% tags=["parameters"]
data = ""  # the competition folder; empty: find it
rows = 3  # how many positives, and how many negatives
ids = ""  # particular cadences instead: "0028a35de92941d 0024012d1431fbc"
out = ""  # folder for the pictures as files; empty: show them only

# %%
import sys
from pathlib import Path

# Kernels made by `python -m seti_utils kaggle build` bring the package along; a plain push needs it as a dataset.
places = [Path.cwd(), Path.cwd().parent, *Path("/kaggle/input").glob("*"), *Path("/kaggle/input").glob("datasets/*/*")]
sys.path[:0] = [str(place) for place in places if (place / "seti_utils" / "run").is_dir()]

from seti_utils.run.notebooks.look import look

show = look(data=data, rows=rows, ids=ids, out=out)
show.describe()

# %% [markdown]
# ## Positives: a needle in the star
#
# Left as the array is, right with every frequency column brought to the same level and scatter, which removes
# band slopes and DC spikes. The needle is one channel wide. Small triangles at the upper and lower edges mark where
# the brightest track enters and leaves, where one stands out.

# %%
show.positives()

# %% [markdown]
# ## Negatives: what is not from the star

# %%
show.negatives()

# %% [markdown]
# ## What cleaning does
#
# One cadence under every cleaning step of `seti_utils.views`.

# %%
show.cleaning()
