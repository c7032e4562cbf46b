"""Which checkpoints fit a model."""

from __future__ import annotations

import argparse
from typing import Any

import pytest
import torch
from mmengine.runner import TestLoop
from torch import nn

from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.checkpoint_fit import CheckpointFitHook, require_fit


class TestFit:
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))

    def test_whole_checkpoints_pass(self) -> None:
        state = self.net.state_dict()
        require_fit(self.net, state, "a.pth")
        require_fit(self.net, {"state_dict": state, "meta": {}}, "a.pth")
        wrapped = {f"module.{key}": value for key, value in state.items()}
        wrapped.pop("module.1.num_batches_tracked")
        require_fit(self.net, wrapped | {"more": torch.ones(1)}, "a.pth")

    def test_another_shape_is_named(self) -> None:
        state = dict(self.net.state_dict()) | {"0.weight": torch.ones(3, 5)}
        with pytest.raises(UserError, match=r"1 of 6 weights .* \(0\.weight\)"):
            require_fit(self.net, state, "a.pth")

    def test_ignored_prefixes_may_be_missing(self) -> None:
        state = {k: v for k, v in self.net.state_dict().items() if k[0] == "0"}
        require_fit(self.net, state, "a.pth", ignore=("1.",))
        with pytest.raises(UserError, match="4 of 6 weights"):
            require_fit(self.net, state, "a.pth")

    @pytest.mark.parametrize("other", [torch.ones(1), [1], "text"])
    def test_other_things_are_no_checkpoint(self, other: Any) -> None:
        with pytest.raises(UserError, match=r"a\.pth holds a .*, not the weights"):
            require_fit(self.net, other, "a.pth")

    def test_the_hook_looks_into_wrappers(self) -> None:
        wrapper = nn.Module()
        wrapper.module = self.net
        runner: Any = argparse.Namespace(model=wrapper)
        hook = CheckpointFitHook("a.pth")
        hook.after_load_checkpoint(runner, dict(self.net.state_dict()))
        with pytest.raises(UserError, match=r"a\.pth"):
            hook.after_load_checkpoint(runner, {})

    def test_the_hook_compares_classes_in_a_test_of_a_hosts_model(self) -> None:
        loop = object.__new__(TestLoop)
        dataset = argparse.Namespace(metainfo={"classes": ("road", "sky")})
        loop.dataloader = argparse.Namespace(dataset=dataset)
        runner: Any = argparse.Namespace(model=self.net, _test_loop=loop)
        hook = CheckpointFitHook("a.pth")
        content: dict[str, Any] = {"state_dict": self.net.state_dict()}
        hook.after_load_checkpoint(runner, content)
        content["meta"] = {"dataset_meta": {"classes": ("sky", "road")}}
        with pytest.raises(UserError, match=r"a\.pth has the classes of test_datalo"):
            hook.after_load_checkpoint(runner, content)
        runner._test_loop = {}  # of a training, not built
        hook.after_load_checkpoint(runner, content)
