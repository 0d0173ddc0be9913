"""Kaggle from a laptop: build, check, push, wait, fetch, chain, submit, each honest about what happened.

On this machine: ``cli`` calls the kaggle client, ``answers`` reads what it prints, ``errors`` names what went wrong.
In a session: ``device`` and ``mounts`` find what is there, ``runfile`` writes what the run says about itself.
"""
