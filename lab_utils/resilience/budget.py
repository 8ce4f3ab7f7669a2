"""How many extra requests a service may send: a share of those that it is asked.

Retries and hedges help because they are few. When everything is slow or failing each request would
like one, and the load doubles at the worst moment. A budget makes that impossible:

>>> budget = Budget(share=0.1, most=2)
>>> for _ in range(100):
...     budget.earn()
>>> [budget.take() for _ in range(4)]
[True, True, False, False]

However many are asked for: taken ≤ most + share × earned. The same idea with other names is in
gRPC (`retryThrottling`), Finagle (`RetryBudget`) and Google's SRE book (chapter 21, the retry ratio
of a client, 10 %).
"""

from __future__ import annotations

import math

from lab_utils.errors import LabError


class Budget:
    """Extra requests: each request earns `share` of one, and at most `most` are kept for later.

    It begins full. earned, taken, refused: counts since then. Raises LabError for a share outside
    0 to 1 or for fewer than one kept (it could then never be spent).
    """

    def __init__(self, share: float, most: float = 10) -> None:
        if not 0 <= share <= 1:
            raise LabError(f"share is {share:g}; expected a part of all requests, from 0 to 1.")
        if not 1 <= most < math.inf:
            raise LabError(f"most is {most:g}; expected at least 1, of which one can be spent.")
        self.share = share
        self.most = most
        self.earned = 0
        self.taken = 0
        self.refused = 0
        self._kept = float(most)

    def earn(self) -> None:
        """Count a request (not a retry, not a hedge)."""
        self.earned += 1
        self._kept = min(self.most, self._kept + self.share)

    def take(self) -> bool:
        """Whether one more may be sent; it counts as sent."""
        # A share of 0.1 earned ten times is one, whatever floating point makes of it.
        if self._kept < 1 - 1e-9:
            self.refused += 1
            return False
        self._kept -= 1
        self.taken += 1
        return True
