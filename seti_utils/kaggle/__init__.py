"""Kaggle from a laptop: build, check, push, wait, fetch, chain, submit, each honest about what happened.

``client`` starts the kaggle client as a process of its own (``child``), ``answers`` and ``errors`` name what the site
says, ``poll`` is the one loop that waits.
"""
