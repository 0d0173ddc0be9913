"""The log of the 2nd place, line by line, and what this project adds to it.

Every line is one change. Where the author's code did more than his log says, the line does what the log says and
``note=`` tells what else the code did. Source: github.com/hirune924/kaggle-SETI and its log.
"""

from seti_utils.log.pages import ladder, ours, solution
from seti_utils.log.pages import new as new_log
from seti_utils.log.pages import old as old_log
from seti_utils.log.registry import Log

LOG = Log()
for PAGE in (old_log, new_log, solution, ours, ladder):
    LOG.page = PAGE.TITLE
    PAGE.write(LOG)
