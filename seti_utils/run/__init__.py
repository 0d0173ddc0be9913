"""Composition: an experiment, a fold and a seed become artifacts. The only floor that takes a ``Config`` apart."""
