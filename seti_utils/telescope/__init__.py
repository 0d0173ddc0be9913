"""Telescope files in, ranked events out: reading, the classical search, the network's windows, events and what shows them."""
