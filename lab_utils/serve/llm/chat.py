"""The traffic of unit 2: a chat service's recorded conversations, shortened.

    lengths = chat(600, prompts_by=32, answers_by=8)   # of the first 600 requests
    arrivals = visits(600, rate_rps=20)                # when they come

Lengths and arrivals belong together: line by line they are the same requests (Azure's trace of
2023, see the files). All prompts are divided by one number and all answers by another, so that what
makes batching hard, the spread of the lengths, stays as it was.
"""

from __future__ import annotations

import numpy as np

from lab_utils.errors import LabError
from lab_utils.files import ROOT
from lab_utils.measure.load import arrivals as schedule
from lab_utils.measure.load import lengths as recording
from lab_utils.measure.load.arrivals import Arrivals
from lab_utils.measure.load.lengths import Lengths

NAME = "azure_llm_conversation.txt"


def chat(count: int, prompts_by: float, answers_by: float) -> Lengths:
    """Tokens of the first `count` conversations, divided by these and rounded up.

    Beyond the recording's end it begins anew.
    """
    found = recording.recorded(ROOT / "data/lengths" / NAME)
    return Lengths.of(
        *(
            np.ceil(np.resize(tokens, count) / by).astype(int)
            for tokens, by in ((found.prompt_tokens, prompts_by), (found.new_tokens, answers_by))
        )
    )


def visits(count: int, rate_rps: float) -> Arrivals:
    """When the first `count` of them came, squeezed or stretched to a mean rate.

    Raises LabError where fewer were recorded.
    """
    found = schedule.recorded(ROOT / "data/arrivals" / NAME)
    if not 2 <= count <= found.due_s.size:
        raise LabError(
            f"{count} visits were asked for; expected 2 to {found.due_s.size}, as recorded."
        )
    return schedule.of_times(found.due_s[:count]).at_rate(rate_rps)
