"""What unit 2's engine and its service reach on this machine.

Each part is a module with a `measure` of its own; see there for the figures' meanings.

    ./lab bench llm --json
    ./lab bench llm/decode
"""

from __future__ import annotations

from lab_utils.bench.llm import batching, chatbot, decode, overload

PARTS = (decode, batching, overload, chatbot)
