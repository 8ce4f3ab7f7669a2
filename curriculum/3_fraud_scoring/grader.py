"""What the lab of unit 3 asks, and how each answer is judged.

Runs in the grader's process only. Every message ends with what to do.
"""

from lab_utils.grade.spec import Lab

from .tasks.canary import CANARY
from .tasks.fallback import FALLBACK
from .tasks.fleet import FLEET
from .tasks.may_ask import MAY_ASK
from .tasks.may_retry import MAY_RETRY

LAB = Lab(
    "3_fraud_scoring",
    (MAY_ASK, MAY_RETRY, CANARY, FALLBACK, FLEET),
)
