"""What a file is, and whether it can be converted at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.processes import run_script
from helpers.public_states import TOOL, State, classifier, convert, tool
from torch import Tensor, nn

from mmseg_cosda.checkpoint.branches import count_summed_branches


def branches(*scales: float) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(16, 2048, 3, 3) * scale for scale in scales]


def test_branches_are_counted_by_what_training_changed() -> None:
    assert count_summed_branches(branches(0.012, 0.0095, 0.01, 0.01))[0] == 2
    assert count_summed_branches(branches(0.012, 0.0095, 0.0103, 0.0092))[0] == 4
    shifted = [w + 2e-4 for w in branches(0.01, 0.01, 0.01, 0.01)]
    assert count_summed_branches(shifted)[0] == 4
    with pytest.raises(ValueError, match="don't tell"):
        count_summed_branches(branches(0.01, 0.01, 0.01, 0.01))
    assert count_summed_branches(branches(0.01, 0.01, 0.01, 0.01), "4")[0] == 4
    assert count_summed_branches(branches(0.02, 0.02, 0.02, 0.02), "2")[0] == 2
    assert count_summed_branches(branches(0.01, 0.01))[0] == 2
    with pytest.raises(ValueError, match="the file has 2 branches"):
        count_summed_branches(branches(0.01, 0.01), "4")


def test_the_user_can_say_how_many_are_summed(
    resnet_state: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    public = {**resnet_state, **classifier("layer5", 2048, 4)}
    found = convert(public, tmp_path, "--dilations", "2")
    assert "dilations: (6, 12) (--dilations 2)" in capsys.readouterr().out
    heads = {k for k in found["state_dict"] if k.startswith("decode_head")}
    assert heads == {
        f"decode_head.convs.{i}.{k}" for i in (0, 1) for k in ("weight", "bias")
    }
    assert found["meta"]["dilations"] == [6, 12]


def altered(state: State, drop: str = "", **extra: Tensor) -> State:
    return {k: v for k, v in {**state, **extra}.items() if k != drop}


def test_anything_else_is_refused_in_one_line(
    resnet_state: State, hollow_vgg_state: State, tmp_path: Path
) -> None:
    main = classifier("layer5", 2048, 4)
    full = {**resnet_state, **main}
    narrow = {
        f"layer5.conv2d_list.{i}.weight": torch.zeros(19, 1024, 3, 3) for i in range(4)
    }
    wrong = {"layer3.5.conv1.weight": torch.zeros(256, 512, 1, 1)}
    cases: list[tuple[object, str]] = [
        ({"encoder.weight": torch.zeros(1)}, "no public checkpoint.*encoder.weight"),
        ({"backbone.conv1.weight": torch.zeros(1)}, "already has the host's names"),
        (
            altered(full, "layer4.2.conv3.weight"),
            "lacks backbone.layer4.2.conv3.weight",
        ),
        ({**full, "fc.weight": torch.zeros(1)}, "has extra backbone.fc.weight"),
        ({**full, **wrong}, "mis-sizes backbone.layer3.5.conv1.weight"),
        ({**resnet_state, **narrow}, "auxiliary classifier alone"),
        (
            altered(hollow_vgg_state, "upscore8.weight"),
            "lacks decode_head.upscore8.weight",
        ),
        ({**resnet_state, **classifier("layer5", 2048, 0)}, "give --dilations 2"),
        ([1, 2], "holds no state_dict but list"),
        ({"epoch": 3}, "'epoch' is no tensor"),
        (nn.Conv2d(1, 1, 1), "cannot be read as weights alone"),
    ]
    for content, message in cases:
        with pytest.raises(ValueError, match=message) as error:
            convert(content, tmp_path)
        assert "\n" not in str(error.value)
        assert str(error.value).startswith("IN=")
        assert not (tmp_path / "out").exists()


def test_a_missing_file_and_itself_are_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "a.pth")
    with pytest.raises(ValueError, match="there is no such file"):
        tool.main([path, str(tmp_path / "b.pth")])
    with pytest.raises(ValueError, match="is IN"):
        tool.main([path, path])


class Evil:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_never_runs(tmp_path: Path, zipped: bool) -> None:
    content = {"conv1.weight": Evil(tmp_path / "ran")}
    source = tmp_path / "in.pth"
    torch.save(content, source, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match="weights alone"):
        tool.main([str(source), str(tmp_path / "out.pth")])
    assert [path.name for path in tmp_path.iterdir()] == ["in.pth"]


def test_the_command_itself_tells_a_mistake_in_one_line(tmp_path: Path) -> None:
    done = run_script(TOOL, ["missing.pth", "out.pth"], tmp_path)
    assert done.returncode == 2
    assert (
        done.stderr.splitlines()[-1] == "error: IN=missing.pth: there is no such file"
    )
    assert "Traceback" not in done.stderr
