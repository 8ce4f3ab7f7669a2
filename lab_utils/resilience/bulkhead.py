"""Bounded concurrency: how many calls may be inside at once, so that one thing cannot take all.

A call that was given up still sits in there until it has really ended; that is the point of it. A
tier that hangs holds its own places and nobody else's.
"""

from __future__ import annotations

from lab_utils.errors import LabError


class Bulkhead:
    """`most` places; whoever finds none is told at once and does not wait (a queue is no place
    for a request with a deadline).

    >>> places = Bulkhead(1)
    >>> places.enter(), places.enter()
    (True, False)
    >>> places.leave()
    >>> places.full
    False
    """

    def __init__(self, most: int) -> None:
        if not most >= 1:
            raise LabError(f"most is {most}; expected at least one place.")
        self.most = most
        self.inside = 0
        self.refused = 0

    @property
    def full(self) -> bool:
        """Whether no place is free."""
        return self.inside >= self.most

    def enter(self) -> bool:
        """Take a place, if there is one."""
        if self.full:
            self.refused += 1
            return False
        self.inside += 1
        return True

    def leave(self) -> None:
        """Give a place back. Raises LabError where none is taken: a place was given back twice."""
        if self.inside == 0:
            raise LabError("A place of a bulkhead was given back that nobody holds.")
        self.inside -= 1
