"""Finding technosignatures in radio-telescope cadences, notebook-first, on Kaggle GPUs.

The names below are the public face; each is imported when it is first used, so that ``import seti_utils`` waits for nothing.
"""

from typing import TYPE_CHECKING

from seti_utils.lazily import on_first_use

if TYPE_CHECKING:
    from seti_utils.log.pages import LOG
    from seti_utils.run.infer import predict_test
    from seti_utils.run.notebooks.look import look
    from seti_utils.run.notebooks.session import session as notebook_session
    from seti_utils.run.notebooks.shift import shift_study
    from seti_utils.run.runtime import Runtime
    from seti_utils.run.train import train

__version__ = "0.1.0"
__all__ = ["LOG", "Runtime", "look", "notebook_session", "predict_test", "shift_study", "train", "__version__"]

PLACES = {
    "LOG": "log.pages:LOG",  # every experiment, one change per line
    "Runtime": "run.runtime:Runtime",  # where and how a run happens
    "train": "run.train:train",  # (name, folds, seeds, runtime) -> folders of artifacts
    "predict_test": "run.infer:predict_test",  # (name, folds, seeds, runtime) -> test scores, submission.csv
    "notebook_session": "run.notebooks.session:session",  # what the notebooks train and infer call
    "look": "run.notebooks.look:look",  # what the notebook look calls
    "shift_study": "run.notebooks.shift:shift_study",  # what the notebook eda_domain_shift calls
}

__getattr__ = on_first_use(__name__, PLACES)


def __dir__() -> list[str]:
    return sorted(__all__)
