"""Checks of constructor options, at the place where they enter."""

from __future__ import annotations

from math import inf


def require_integers(
    owner: str, least: int, optional: bool = False, **options: object
) -> None:
    """Refuse options that are no integers from ``least`` on.

    Args:
        owner: Whose options they are, for the error.
        least: The smallest value, 0 or 1.
        optional: Whether None is allowed and means no limit.
        options: Values by name.

    Raises:
        ValueError: If a value is another.

    Examples:
        >>> require_integers("Queue", 1, capacity=0)
        Traceback (most recent call last):
        ...
        ValueError: Queue: capacity=0 must be positive, an integer
    """
    for key, value in options.items():
        if optional and value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            sign = "positive" if least else "0 or positive"
            other = ", or None for no limit" if optional else ""
            raise ValueError(
                f"{owner}: {key}={value!r} must be {sign}, an integer{other}"
            )


def require_numbers(owner: str, low: float, high: float, **options: object) -> None:
    """Refuse options that are no finite numbers in [low, high].

    Args:
        owner: Whose options they are, for the error.
        low: The smallest value.
        high: The largest value; ``math.inf`` for none.
        options: Values by name.

    Raises:
        ValueError: If a value is another.
    """
    for key, value in options.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not low <= value <= high or value == inf:  # type: ignore[operator]
            limits = "finite and not negative" if high == inf else f"in [{low}, {high}]"
            raise ValueError(f"{owner}: {key}={value!r} must be {limits}")


def require_choices(owner: str, *choices: object, **options: object) -> None:
    """Refuse options that are none of some values.

    Args:
        owner: Whose options they are, for the error.
        choices: The values to choose from.
        options: Values by name.

    Raises:
        ValueError: If a value is another.
    """
    for key, value in options.items():
        if not any(type(value) is type(one) and value == one for one in choices):
            listed = " or ".join(map(repr, choices))
            raise ValueError(f"{owner}: {key}={value!r}, choose {listed}")
