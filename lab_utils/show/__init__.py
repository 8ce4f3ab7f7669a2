"""What a reader sees: predictions, plots, key figures."""
