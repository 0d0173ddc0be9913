"""Find cadences that show the same sky, and subtract that sky.

Files of the competition are overlapping windows of wider bands: the same background, noise and all, lies in several of them.
The command search finds which files, and shifted by how many channels; the command clean subtracts it.
"""

EXAMPLES = (
    "seti overlap search DATA OVERLAP                                # pairs.csv, groups.csv",
    "seti overlap clean DATA OVERLAP                                 # OVERLAP/cleaned",
    "seti train idea_overlap_folds --folds 0 --data DATA --overlap OVERLAP --weights WEIGHTS",
)
