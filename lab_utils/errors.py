"""The one exception a person is meant to read."""


class LabError(Exception):
    """One clear sentence: what was given, what was expected, what to do.

    `./lab` prints the sentence without a traceback and exits with 1.
    """
