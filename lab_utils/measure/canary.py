"""How many requests a canary needs before "no worse" means anything.

    two_proportions(usual=0.001, worse=0.002)       # of each version, looked at once, at the end
    sequential(usual=0.001, worse=0.002)            # on average, looked at after every request

Both are asked the same question: is the share of bad answers `usual`, or already `worse`? alpha is
how often a good version is rolled back, power how often a bad one is.
"""

from __future__ import annotations

import math

from lab_utils.calculation import Calculation
from lab_utils.errors import LabError

ALPHA, POWER = 0.05, 0.8


def two_proportions(
    usual: float, worse: float, alpha: float = ALPHA, power: float = POWER
) -> float:
    """Requests that each of two versions must answer to tell the two shares apart, two-sided.

    n = (z₁₋α/₂ √(2 p̄ q̄) + z_power √(p₁ q₁ + p₂ q₂))² / (p₁ − p₂)², without a correction for
    continuity (Fleiss, Levin and Paik 2003, equation 4.14). A small canary's own share of the
    traffic decides how long that takes; the old version has its n long before.

    R's power.prop.test says 76.7 for its own example:

    >>> two_proportions(usual=0.5, worse=0.75, power=0.9)
    77.0
    """
    from scipy import stats

    _check(usual, worse, alpha, power)
    mean = (usual + worse) / 2
    spread = stats.norm.ppf(1 - alpha / 2) * math.sqrt(2 * mean * (1 - mean))
    spread += stats.norm.ppf(power) * math.sqrt(usual * (1 - usual) + worse * (1 - worse))
    return float(math.ceil((spread / (worse - usual)) ** 2))


def sequential(usual: float, worse: float, alpha: float = ALPHA, power: float = POWER) -> float:
    """Requests of the new version, on average, until Wald's test says that it is the worse one.

    The old version's share is known. After each answer the likelihood ratio is looked at, so the
    test may end at any of them and keeps its error rates. On average, with the overshoot at the end
    left out (Wald 1945): (power · ln(power / α) + (1 − power) · ln((1 − power) / (1 − α))) ÷ what
    one answer tells, p₂ ln(p₂ / p₁) + q₂ ln(q₂ / q₁).

    >>> sequential(usual=0.001, worse=0.002) < two_proportions(usual=0.001, worse=0.002) / 3
    True
    """
    _check(usual, worse, alpha, power)
    accept = math.log((1 - power) / (1 - alpha))
    reject = math.log(power / alpha)
    told = worse * math.log(worse / usual) + (1 - worse) * math.log((1 - worse) / (1 - usual))
    return float(math.ceil((power * reject + (1 - power) * accept) / told))


def _check(usual: float, worse: float, alpha: float, power: float) -> None:
    if not 0 < usual < worse < 1:
        raise LabError(
            f"The shares are {usual:g} and {worse:g}; expected two between 0 and 1, the worse one "
            "larger."
        )
    if not 0 < alpha < power < 1:
        raise LabError(
            f"alpha is {alpha:g} and power {power:g}; expected both between 0 and 1, and the power "
            "above alpha: a test that is right less often than by chance needs no samples."
        )


_INPUTS = {
    "usual": "share of bad answers of the version that runs, 0 to 1",
    "worse": "the share that must not slip through, above it",
    "alpha": "how often a good version is rolled back, 0 to 1",
    "power": "how often a bad one is, 0 to 1",
}
_DEFAULTS = {"alpha": ALPHA, "power": POWER}
CANARY_SAMPLES = Calculation(
    name="canary-samples",
    formula="n = (z(1 − α/2) √(2 p̄ q̄) + z(power) √(p₁ q₁ + p₂ q₂))² / (p₂ − p₁)²",
    inputs=_INPUTS,
    result="requests that each version must answer, looked at once, at the end",
    source="Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions (2003), 4.14",
    compute=two_proportions,
    defaults=_DEFAULTS,
)
CANARY_SEQUENTIAL = Calculation(
    name="canary-sequential",
    formula="n = (w ln(w/α) + (1−w) ln((1−w)/(1−α))) / (p₂ ln(p₂/p₁) + q₂ ln(q₂/q₁)), w the power",
    inputs=_INPUTS,
    result="requests of the new version until a bad one is told, on average",
    source="Wald, Sequential Tests of Statistical Hypotheses, Ann. Math. Stat. 16 (1945)",
    compute=sequential,
    defaults=_DEFAULTS,
)
