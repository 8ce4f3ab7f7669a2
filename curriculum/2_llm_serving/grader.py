"""What the lab of unit 2 asks, and how each answer is judged.

Runs in the grader's process only. Every message ends with what to do.
"""

from lab_utils.grade.spec import Lab

from .tasks.autoscaler import AUTOSCALER
from .tasks.chatbot import CHATBOT, prepare
from .tasks.cost_per_1000 import COST_PER_1000
from .tasks.quantise import QUANTISE
from .tasks.users_that_fit import USERS_THAT_FIT

LAB = Lab(
    "2_llm_serving",
    (USERS_THAT_FIT, QUANTISE, CHATBOT, AUTOSCALER, COST_PER_1000),
    prepare=prepare,
)
