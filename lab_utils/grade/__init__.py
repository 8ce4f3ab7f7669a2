"""Grading: the tasks of a lab, answers read from notebooks, verdicts."""
