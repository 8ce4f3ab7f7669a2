"""Numbers that can be trusted: statistics, stages, load, comparisons."""
