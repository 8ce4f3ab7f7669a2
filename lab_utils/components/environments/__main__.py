"""Make environments before they are needed, for example before going offline.

.venv/bin/python -m lab_utils.components.environments tvm
"""

from __future__ import annotations

import sys

from lab_utils.components.environments import ENVIRONMENTS, python
from lab_utils.errors import LabError

for name in sys.argv[1:] or ENVIRONMENTS:
    try:
        print(f"{name}: {python(name)}")
    except LabError as error:
        sys.exit(f"Error: {error}")
