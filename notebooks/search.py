# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Search a telescope cadence
#
# Six files in, ranked events out: the same as `seti search`, on a laptop or on Kaggle. The files are HDF5 in Breakthrough
# Listen's layout or SIGPROC, in any order; they are sorted in time, and their sources checked against A B A C A D.

# %% tags=["parameters"]
files = ""  # a folder with six files, or six paths with blanks between; empty: find them among the mounted inputs
out = "found"  # events.csv, events.html, turboSETI's formats and pictures go here
max_drift = 0.0  # largest drift in Hz/s; 0: the usual one of the product
snr = 10.0  # smallest SNR of the ON panels together
false_alarms = 0.1  # false events per MHz and hour that are accepted
network = "raw"  # a detector that comes with the package, where the files are like the competition's; "none" leaves it out
pictures = 6  # draw the best events
needles = 0  # draw so many needles into the OFF panels and tell how many are found; 0: leave that out

# %%
import sys
from pathlib import Path

# Kernels made by `python -m seti_utils kaggle build` bring the package along; a plain push needs it as a dataset.
places = [Path.cwd(), Path.cwd().parent, *Path("/kaggle/input").glob("*"), *Path("/kaggle/input").glob("datasets/*/*")]
sys.path[:0] = [str(place) for place in places if (place / "seti_utils" / "run").is_dir()]

from seti_utils.run.notebooks.telescope import telescope_search

now = telescope_search(files=files, out=out, max_drift=max_drift, snr=snr, false_alarms=false_alarms,
                       network=network, pictures=pictures)
now.describe()

# %% [markdown]
# ## What is left after every stage
#
# False alarms are counted on the same files with ON and OFF exchanged. A search that was ended resumes.

# %%
now.search()

# %%
now.show_events()

# %% [markdown]
# ## The best events
#
# Arrows mark where the track enters and leaves each panel; right, the sum along the track and beside it.

# %%
now.show_pictures()

# %% [markdown]
# ## How sure the search is on these very files
#
# Needles of known SNR, width and drift in the OFF panels, searched with ON and OFF exchanged.

# %%
now.show_sensitivity(needles, false_alarms)
