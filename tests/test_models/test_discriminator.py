from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mmseg_cosda.models.discriminators import FCDiscriminator


def test_layers_are_the_papers() -> None:
    net = FCDiscriminator(num_classes=19)
    shapes = {name: tuple(p.shape) for name, p in net.named_parameters()}
    channels = [19, 64, 128, 256, 512, 1]
    names = ["conv1", "conv2", "conv3", "conv4", "classifier"]
    for i, name in enumerate(names):
        assert shapes.pop(f"{name}.weight") == (channels[i + 1], channels[i], 4, 4)
        assert shapes.pop(f"{name}.bias") == (channels[i + 1],)
    assert shapes == {}


def test_forward_is_convolutions_and_leaky_relus() -> None:
    net = FCDiscriminator(num_classes=3, base_channels=4)
    state = net.state_dict()
    x = torch.randn(2, 3, 64, 75)
    expected = x
    for name in ("conv1", "conv2", "conv3", "conv4", "classifier"):
        if name != "conv1":
            expected = torch.where(expected > 0, expected, 0.2 * expected)
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        expected = F.conv2d(expected, weight, bias, stride=2, padding=1)
    torch.testing.assert_close(net(x), expected)


def test_another_number_of_classes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"discriminator\.num_classes=5"):
        FCDiscriminator(3, 4)(torch.zeros(1, 5, 64, 64))


def test_too_small_an_input_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(64, 31\)"):
        FCDiscriminator(3, 4)(torch.zeros(1, 3, 64, 31))


@pytest.mark.parametrize("sizes", [(0, 64), (3, 0)])
def test_impossible_widths_are_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        FCDiscriminator(*sizes)
