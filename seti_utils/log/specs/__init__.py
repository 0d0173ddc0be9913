"""What an experiment can switch on: one small frozen value per feature.

A feature that is off is ``None`` in :class:`seti_utils.log.config.Config`. The settings of a feature are the keyword arguments
of what does its work, so this folder is also the index of every setting below the log. ``p`` is always the probability per
cadence; ``until`` the share of a stage after which the feature is off.
"""

from seti_utils.log.specs.base import *
from seti_utils.log.specs.images import *
from seti_utils.log.specs.network import *
from seti_utils.log.specs.panels import *
from seti_utils.log.specs.shift import *
from seti_utils.log.specs.training import *
from seti_utils.log.specs.views import *
