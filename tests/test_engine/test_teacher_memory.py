"""What a step with a teacher takes, at the published size.

On the meta device, which has no values: a host sync would raise.
"""

from __future__ import annotations

import pytest

from benchmarks.speed.method_rows import BOUNDS, CROP, method_cost, read_method
from benchmarks.speed.step import StepCost


@pytest.fixture(scope="module")
def alone() -> StepCost:
    """Source-only training of the same network."""
    return method_cost(read_method("dacs/deeplabv2_gta2cs"), CROP, single_domain=True)


@pytest.mark.parametrize("method", BOUNDS)
def test_a_method_costs_its_weights(method: str, alone: StepCost) -> None:
    config = read_method(f"{method}/deeplabv2_gta2cs")
    assert (config.get("reference") is not None) == (method == "mic")
    cost = method_cost(config, CROP)
    assert alone.peak < cost.peak <= BOUNDS[method] * alone.peak
    assert cost.syncs == alone.syncs == 0
