"""What an experiment is, and the log itself: configs, specs, layouts, the registry and its pages. No torch."""
