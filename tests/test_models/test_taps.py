from __future__ import annotations

import pytest
import torch
from helpers.toys import ToyBackbone
from torch import nn

from mmseg_cosda.models.taps import check_taps, parse_tap, record_taps


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = ToyBackbone()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.backbone(x)[-1]


def test_taps_record_what_their_modules_return() -> None:
    net, x = Net(), torch.randn(1, 3, 16, 32)
    with record_taps(net, ["backbone[-1]", "backbone[0]", "backbone.stem"]) as maps:
        out = net(x)
    assert torch.equal(maps["backbone[-1]"], out)
    assert torch.equal(maps["backbone[0]"], net.backbone(x)[0])
    assert torch.equal(maps["backbone.stem"], net.backbone.stem(x))


def test_no_hook_remains() -> None:
    net, x = Net(), torch.randn(1, 3, 16, 32)
    with record_taps(net, ["backbone[-1]"]) as maps:
        net(x)
    before = maps["backbone[-1]"]
    net(x)
    assert maps["backbone[-1]"] is before


@pytest.mark.parametrize("path", ["backbone[", "", "a..b", "backbone[-1].x", "a[b]"])
def test_a_path_of_the_wrong_form_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="write a dotted module path"):
        parse_tap(path)


def test_a_tap_that_names_no_module_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no 'layer9'; here are \['last'"):
        check_taps(Net(), ["backbone.layer9"], "model.alignments.cosine")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("backbone[2]", "returns 2 maps, index 2"),
        ("backbone.stem[0]", "returns one map, index 0"),
        ("backbone", "pick one with an index"),
    ],
)
def test_a_tap_that_picks_no_map_is_refused(path: str, message: str) -> None:
    net = Net()
    with pytest.raises(ValueError, match=message), record_taps(net, [path]):
        net(torch.randn(1, 3, 16, 32))
