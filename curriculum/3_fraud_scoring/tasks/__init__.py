"""The tasks of this unit's lab, one module a task; `grader.py` puts them together."""
