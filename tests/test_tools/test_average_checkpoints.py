"""tools/average_checkpoints.py: the mean of nets, and what is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.prediction_project import project_config, write_photograph, write_project
from helpers.tools import load_tool

from mmseg_cosda.errors import UserError

tool = load_tool("average_checkpoints")


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A trained net, a.pth, and b.pth, whose weights are others."""
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path, project_config())
    content: dict[str, Any] = torch.load("net.pth", weights_only=False)
    torch.save(content, "a.pth")
    torch.manual_seed(3)
    state = {
        key: value + torch.randn_like(value) if value.is_floating_point() else value
        for key, value in content["state_dict"].items()
    }
    more = {"alignments.cosine.queue": torch.ones(3), "teacher.a": torch.ones(2)}
    torch.save({**content, "state_dict": {**state, **more}}, "b.pth")
    return content


def state_of(path: str) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(path, weights_only=False)["state_dict"]
    return found


def test_each_weight_is_the_mean(
    nets: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    tool.main(["a.pth", "b.pth", "--out", "out/mean.pth"])
    first, second, mean = map(state_of, ("a.pth", "b.pth", "out/mean.pth"))
    training_only = ("alignments.", "teacher.")
    assert list(mean) == [key for key in first if not key.startswith(training_only)]
    assert len(mean) < len(first)
    for key, value in mean.items():
        assert value.dtype == first[key].dtype
        expected = first[key]
        if value.is_floating_point():
            expected = ((expected.double() + second[key].double()) / 2).to(value.dtype)
        assert torch.equal(value, expected), key
    meta = torch.load("out/mean.pth", weights_only=False)["meta"]
    assert meta["averaged_from"] == ["a.pth", "b.pth"]
    assert meta["dataset_meta"] == nets["meta"]["dataset_meta"]
    assert "the mean of 2 checkpoints" in capsys.readouterr().out


def test_it_is_used_like_any_other(nets: dict[str, Any], tmp_path: Path) -> None:
    tool.main(["a.pth", "b.pth", "--out", "mean.pth"])
    write_photograph(tmp_path / "photo.jpg", (64, 48), 1)
    load_tool("export").main(["mean.pth", "net_out.pth"])
    load_tool("predict").main(
        ["net_out.py", "mean.pth", "photo.jpg", "--out", "seen", "--workers", "0"]
    )
    assert (tmp_path / "seen/labels/photo.png").is_file()


def test_nets_that_began_apart_are_named(
    nets: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    state = nets["state_dict"]
    key = next(k for k, v in state.items() if k.endswith("weight") and v.dim() > 1)
    for moved, said in ((2 * state[key], False), (-state[key], True)):
        torch.save({**nets, "state_dict": {**state, key: moved}}, "c.pth")
        tool.main(["a.pth", "c.pth", "--out", "mean.pth"])
        printed = capsys.readouterr().out
        assert (f"hardly resemble each other in {key}" in printed) == said


def test_statistics_that_moved_are_named(
    nets: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("a.pth", 0.0), ("c.pth", 1.0)):
        state = {**nets["state_dict"], "bn.running_mean": torch.tensor([value])}
        torch.save({**nets, "state_dict": state}, name)
    tool.main(["a.pth", "c.pth", "--out", "mean.pth"])
    assert "their BatchNorm statistics differ" in capsys.readouterr().out


def broken(nets: dict[str, Any], how: str) -> dict[str, Any]:
    state = dict(nets["state_dict"])
    key = next(k for k, v in state.items() if v.is_floating_point())
    meta = nets["meta"]
    if how == "lacks":
        del state[key]
    elif how == "shape":
        state[key] = torch.ones(7, 7)
    elif how == "nan":
        state[key] = torch.full_like(state[key], float("nan"))
    else:
        classes = [*meta["dataset_meta"]["classes"]][::-1]
        meta = {**meta, "dataset_meta": {"classes": classes}}
    return {**nets, "state_dict": state, "meta": meta}


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("lacks", r"c\.pth is of another net than a\.pth: 1 of"),
        ("shape", r"c\.pth is of another net than a\.pth: 1 of"),
        ("nan", r"c\.pth: 1 of .* NaN"),
        ("order", r"c\.pth has the classes of the first checkpoint a\.pth in another"),
    ],
)
def test_what_is_of_another_net_is_refused(
    nets: dict[str, Any], how: str, error: str
) -> None:
    torch.save(broken(nets, how), "c.pth")
    with pytest.raises(UserError, match=error):
        tool.main(["a.pth", "c.pth", "--out", "mean.pth"])
    assert not Path("mean.pth").exists()


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["a.pth", "--out", "m.pth"], "a.pth alone: give two"),
        (["a.pth", "b.pth", "--out", "m.bin"], "must end with .pth"),
        (["a.pth", "b.pth", "--out", "./b.pth"], "would replace b.pth"),
        (["a.pth", "b.pth", "./a.pth", "--out", "m.pth"], "named twice"),
        (["a.pth", "none.pth", "--out", "m.pth"], "none.pth does not exist"),
    ],
)
def test_options_that_cant_be_meant(
    nets: dict[str, Any], args: list[str], error: str
) -> None:
    with pytest.raises(UserError, match=error):
        tool.main(args)
