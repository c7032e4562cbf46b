"""How many examples a property is shown: few and always the same, or many.

With ``PROPERTY_EXAMPLES=3000`` each property sees that many, other ones each time; a
failing one is printed with the line that repeats it.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "0"))


def examples(number: int) -> Any:
    """Return settings of a property.

    Args:
        number: Of examples in the suite, chosen by what one costs.
    """
    return settings(
        max_examples=EXAMPLES or number,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
