"""What tests hand to new processes can be imported there."""

from __future__ import annotations

import multiprocessing

import pytest


def in_this_file() -> None:
    raise AssertionError("never runs")


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_what_a_test_file_defines_is_refused(method: str) -> None:
    context = multiprocessing.get_context(method)
    process = context.Process(target=in_this_file)  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match=r"move what it runs to tests/helpers"):
        process.start()
