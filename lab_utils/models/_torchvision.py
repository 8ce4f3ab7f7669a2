"""torchvision without PyTorch's compiler: a process that needs one network starts in half the time.

torchvision 0.29 imports `torch._dynamo`, and with it sympy and all of Inductor, for one question
that RoI align asks on a GPU (`torchvision/ops/roi_align.py`). While torchvision is imported, a
stand-in takes the place of the module that answers it; the question itself goes to the real one.
"""

from __future__ import annotations

import sys
import types

ASKED = "torch._dynamo.utils"


def is_compile_supported(device_type: str) -> bool:
    """What PyTorch's own function says, which is imported when it is asked."""
    from torch._dynamo import utils

    supported: bool = utils.is_compile_supported(device_type)
    return supported


if ASKED in sys.modules:
    import torchvision
else:
    stand_in = types.ModuleType(ASKED)
    stand_in.is_compile_supported = is_compile_supported  # type: ignore[attr-defined]
    sys.modules[ASKED] = stand_in
    try:
        import torchvision
    finally:
        del sys.modules[ASKED]

__all__ = ["torchvision"]
