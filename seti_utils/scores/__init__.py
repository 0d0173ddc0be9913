"""Score tables and what is made of them: blends, stacks, submissions, pseudo labels, anomaly scores."""
