"""``NAME=VALUE`` arguments, in their order."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mmseg_cosda.errors import UserError


def named_values(texts: Sequence[str], option: str, value: str) -> dict[str, list[str]]:
    """Split ``NAME=VALUE`` texts at their first ``=`` without a space beside it.

    Args:
        texts: As on the command line.
        option: Their option, for the error.
        value: What the value is called there.

    Returns:
        The values of each name; a name may come several times.

    Raises:
        UserError: If a text is of another form.

    Examples:
        >>> named_values(["a=x", "λ = 1=lr=2/*", "a=z"], "--label", "GLOB")
        {'a': ['x', 'z'], 'λ = 1': ['lr=2/*']}
    """
    values: dict[str, list[str]] = {}
    for text in texts:
        parts = re.split(r"(?<=\S)=(?=\S)", text, maxsplit=1)
        if len(parts) < 2:
            raise UserError(f"{option} {text}: give NAME={value}")
        values.setdefault(parts[0].strip(), []).append(parts[1])
    return values
