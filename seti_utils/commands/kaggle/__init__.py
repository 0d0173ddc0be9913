"""Kernels, data, weights and submissions on Kaggle.

Every step ends with exit code 0 only when what it says has happened. The whole story, one command per step, is below.
"""

EXAMPLES = (
    "seti kaggle data data                  # the competition's files (156 GB to download, 84 GB to keep)",
    "seti kaggle weights exp0011            # pretrained weights as a dataset of yours",
    "seti kaggle build train exp0011 --folds 0,1 --dataset YOU/seti-pretrained-weights    # a kernel folder per fold and seed",
    "seti kaggle push build/seti-train-*    # check, push, note the run",
    "seti kaggle wait build/seti-train-*    # until done; fails when a run failed, and says why",
    "seti kaggle build infer exp0011 --folds 0,1 --push",
    "seti kaggle fetch build/seti-infer-* --out runs/kaggle",
    "seti kaggle submit runs/kaggle/seti-infer-exp0011-fold0-1-seed2021/submission.csv -m exp0011",
    "seti kaggle chain plans/second_place.yaml    # all of it, from a file",
)
