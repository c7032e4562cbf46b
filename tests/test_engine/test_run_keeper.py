"""Resumes that find their place, and what a kill can't take, with the host's Runner."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.toy_runs import assert_equal_states, demo_config, train_to_end
from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from mmseg_cosda.engine.run_keeper import RunKeeper
from mmseg_cosda.engine.run_record import differences, read_record
from mmseg_cosda.errors import UserError
from mmseg_cosda.locks import FolderLock
from mmseg_cosda.work_dir import read_curve

SEED = "randomness.seed"
RESUME: dict[str, Any] = {"resume": True}
EVALUATED = {
    "train_cfg.val_interval": 3,
    "default_hooks.checkpoint.save_best": "mIoU",
    "default_hooks.checkpoint.max_keep_ckpts": 1,
}


class PowerCutError(Exception):
    pass


def power_cut(*args: Any, **kwargs: Any) -> None:
    raise PowerCutError


def content(path: Path) -> dict[str, Any]:
    return dict(torch.load(path, weights_only=False))


def said(work_dir: Path) -> str:
    newest = max(work_dir.glob("*/*.log"), key=lambda file: file.stat().st_mtime_ns)
    return newest.read_text()


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six iterations, saved at 3 and 6."""
    folder = tmp_path_factory.mktemp("parts") / "work"
    train_to_end(demo_config(folder, 6))
    return folder


@pytest.fixture
def moved(parts: Path, tmp_path: Path) -> Path:
    """The same in another folder, where the last checkpoint isn't whole."""
    folder = tmp_path / "moved"
    shutil.copytree(parts, folder)
    last = folder / "iter_6.pth"
    last.write_bytes(last.read_bytes()[:5000])
    return folder


@pytest.mark.parametrize("pointer", [None, "", "{parts}/iter_6.pth"])
def test_the_newest_whole_checkpoint_of_its_own_folder(
    parts: Path, moved: Path, pointer: str | None
) -> None:
    (moved / "last_checkpoint").unlink()
    if pointer is not None:
        (moved / "last_checkpoint").write_text(pointer.format(parts=parts))
    before = (parts / "iter_6.pth").stat()
    cfg = demo_config(moved, 6, resume=True, log_level="INFO")
    # Where a training begins is passed over where it has begun.
    got = train_to_end(with_load_from(cfg, parts / "iter_6.pth"))
    expected = content(parts / "iter_6.pth")
    assert_equal_states(got["state_dict"], expected["state_dict"], "state_dict")
    assert_equal_states(got["optimizer"], expected["optimizer"], "optimizer")
    text = said(moved)
    assert "iter_6.pth is passed over" in text
    assert f"load_from={parts / 'iter_6.pth'} is passed over" in text
    assert f"going on from {moved / 'iter_3.pth'}, iteration 3" in text
    assert (parts / "iter_6.pth").stat() == before


def with_load_from(cfg: Config, checkpoint: Path) -> Config:
    """A config whose file says where training begins."""
    cfg.load_from = str(checkpoint)
    path = Path(cfg.work_dir).with_suffix(".py")
    cfg.dump(path)
    return Config.fromfile(path)


def test_load_from_beside_the_config_is_what_to_go_on_from(
    parts: Path, tmp_path: Path
) -> None:
    given = str(parts / "iter_3.pth")
    cfg = demo_config(tmp_path / "work", 6, resume=True, load_from=given)
    got, expected = train_to_end(cfg), content(parts / "iter_6.pth")
    assert_equal_states(got["state_dict"], expected["state_dict"], "state_dict")


def test_the_command_that_began_with_load_from_goes_on_when_it_is_repeated(
    parts: Path, tmp_path: Path
) -> None:
    given = str(parts / "iter_3.pth")
    whole = train_to_end(demo_config(tmp_path / "whole", 4, load_from=given))
    train_to_end(demo_config(tmp_path / "work", 2, load_from=given))
    cfg = demo_config(tmp_path / "work", 4, resume=True, load_from=given)
    got = train_to_end(cfg)
    assert got["meta"]["iter"] == 4  # of its own, not three and then four
    assert_equal_states(got["state_dict"], whole["state_dict"], "state_dict")
    assert_equal_states(got["optimizer"], whole["optimizer"], "optimizer")


def test_load_from_of_a_config_begins_in_an_empty_folder(
    parts: Path, tmp_path: Path
) -> None:
    cfg = demo_config(tmp_path / "work", 2, resume=True, log_level="INFO")
    got = train_to_end(with_load_from(cfg, parts / "iter_3.pth"))
    assert got["meta"]["iter"] == 2  # from 0, not from 3
    assert "training begins anew, from the weights of load_from" in said(
        tmp_path / "work"
    )


def test_an_optimizer_that_is_not_finite_is_not_gone_on_with(
    parts: Path, tmp_path: Path
) -> None:
    path = shutil.copytree(parts, tmp_path / "work") / "iter_6.pth"
    state = torch.load(path, weights_only=False)
    state["optimizer"]["state"][0]["exp_avg"][0] = torch.nan
    torch.save(state, path)
    with pytest.raises(UserError, match=r"iter_6.*optimizer's state\.0\.exp_avg holds"):
        train_to_end(demo_config(path.parent, 8, **RESUME))


def test_another_seed_is_refused_and_an_open_one_follows(
    parts: Path, moved: Path
) -> None:
    with pytest.raises(UserError, match=r"randomness\.seed=1, .* with seed 0"):
        train_to_end(demo_config(moved, 6, resume=True, **{SEED: 1}))
    options = {SEED: None, "train_dataloader.num_workers": 1}
    got = train_to_end(demo_config(moved, 6, resume=True, **options))
    expected = content(parts / "iter_6.pth")
    assert_equal_states(got["state_dict"], expected["state_dict"], "state_dict")


def test_another_batch_is_refused(moved: Path) -> None:
    options = {"train_dataloader.batch_size": 2}
    with pytest.raises(UserError, match=r"1 x 2 images.*training 1 x 1.*Take"):
        train_to_end(demo_config(moved, 6, resume=True, **options))


def test_what_changed_is_named_and_followed(moved: Path, tmp_path: Path) -> None:
    changed = {
        "optim_wrapper.optimizer.lr": 0.004,
        "param_scheduler.0.end": 12,
        "train_dataloader.dataset.source.length": 4,
        "log_level": "INFO",
    }
    got = train_to_end(demo_config(moved, 9, resume=True, **changed))
    whole = train_to_end(demo_config(tmp_path / "whole", 9, **changed))
    for old, new in zip(
        got["optimizer"]["param_groups"],
        whole["optimizer"]["param_groups"],
        strict=True,
    ):
        assert old == new
    first, second = read_record(moved)
    assert (first["iteration"], second["iteration"]) == (0, 3)
    assert second["seed"] == 0
    assert second["config"] == "cosda/deeplabv2_demo_no-pl.py"
    named = {key: values for key, *values in differences(first, second)}
    assert named.pop("data of source")[1].startswith("4 files")
    assert named.pop("optim_wrapper.optimizer.lr") == [0.001, 0.004]
    assert named.keys() == {
        "param_scheduler.0.end",
        "train_cfg.max_iters",
        "train_dataloader.dataset.source.length",
    }
    text = said(moved)
    for part in (
        "optim_wrapper.optimizer.lr 0.001 -> 0.004",
        "param_scheduler.0.end 6 -> 12",
        "train_cfg.max_iters 6 -> 9",
        "the source has 4 images, had 5",
        "from iteration 4 on the rates are those of a training",
    ):
        assert part in text


@pytest.mark.parametrize("saved", [True, False])
def test_an_open_window_is_completed_or_refused(tmp_path: Path, saved: bool) -> None:
    options = {
        "optim_wrapper.accumulative_counts": 2,
        "default_hooks.checkpoint.max_keep_ckpts": -1,
    }
    whole = train_to_end(demo_config(tmp_path / "whole", 6, **options))
    (tmp_path / "parts").mkdir()
    path = tmp_path / "parts" / "iter_3.pth"
    state = content(tmp_path / "whole" / "iter_3.pth")
    if not saved:
        del state["open_gradients"]
    torch.save(state, path)
    cfg = demo_config(tmp_path / "parts", 6, resume=True, **options)
    if not saved:
        with pytest.raises(UserError, match="within an accumulation window"):
            train_to_end(cfg)
        return
    parts = train_to_end(cfg)
    assert_equal_states(parts["state_dict"], whole["state_dict"], "state_dict")
    assert_equal_states(parts["optimizer"], whole["optimizer"], "optimizer")


KILLS = [
    (CheckpointHook, "before_val"),  # between a checkpoint and its evaluation
    # between that and the best
    pytest.param((CheckpointHook, "after_val_epoch"), marks=pytest.mark.slow),
    # between that and the removal of the best before
    pytest.param((RunKeeper, "after_val_epoch"), marks=pytest.mark.slow),
]


def cut_at(patch: pytest.MonkeyPatch, place: tuple[type, str], step: int) -> None:
    """End a training in a method of a hook, in the evaluation of a step."""
    original = getattr(*place)

    def cut(hook: Any, runner: Any, *args: Any, **kwargs: Any) -> None:
        if runner.iter == step:
            power_cut()
        original(hook, runner, *args, **kwargs)

    patch.setattr(*place, cut)


@pytest.mark.parametrize("place", KILLS)
def test_a_lost_evaluation_is_made_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[type, str]
) -> None:
    train_to_end(demo_config(tmp_path / "whole", 6, **EVALUATED))
    for step in (3, 6):
        with monkeypatch.context() as patch:
            cut_at(patch, place, step)
            with pytest.raises(PowerCutError):
                train_to_end(demo_config(tmp_path / "parts", 6, **EVALUATED, **RESUME))
    train_to_end(demo_config(tmp_path / "parts", 6, resume=True, **EVALUATED))
    curves = [read_curve(tmp_path / name) for name in ("whole", "parts")]
    for step in (3, 6):
        assert curves[0][step]["mIoU"] == curves[1][step]["mIoU"]
    names = [
        sorted(path.name for path in (tmp_path / name).glob("*.pth"))
        for name in ("whole", "parts")
    ]
    assert names[0] == names[1]
    infos = [
        content(tmp_path / name / "iter_6.pth")["message_hub"]["runtime_info"]
        for name in ("whole", "parts")
    ]
    assert infos[0]["best_score"] == infos[1]["best_score"]
    assert metrics_of(tmp_path / "parts") == metrics_of(tmp_path / "whole")
    # A finished run evaluates nothing again, and says so.
    logged = demo_config(tmp_path / "parts", 6, resume=True, **EVALUATED)
    logged.log_level = "INFO"
    train_to_end(logged)
    assert "nothing is left to train" in said(tmp_path / "parts")
    assert "was not evaluated" not in said(tmp_path / "parts")


def metrics_of(work_dir: Path) -> list[float]:
    """What the last checkpoint knows of evaluations."""
    scalars = content(work_dir / "iter_6.pth")["message_hub"]["log_scalars"]
    found: list[float] = scalars["val/mIoU"]._log_history.tolist()
    return found


def test_an_evaluation_behind_its_checkpoint_is_not_forgotten(tmp_path: Path) -> None:
    """A schedule follows it; killed before the next checkpoint it is in none."""
    plateau = dict(
        type="ReduceOnPlateauLR",
        monitor="mIoU",
        rule="less",
        patience=0,
        factor=0.5,
        by_epoch=True,
        min_value=-1.0,
    )
    options = {**EVALUATED, "default_hooks.checkpoint.save_best": None}

    def train(folder: str, iterations: int, **more: Any) -> dict[str, Any]:
        cfg = demo_config(tmp_path / folder, iterations, **options, **more)
        cfg.param_scheduler = [plateau]
        return train_to_end(cfg)

    whole = train("whole", 6)
    train("parts", 3)
    parts = train("parts", 6, resume=True)
    assert len(metrics_of(tmp_path / "whole")) == 1
    assert metrics_of(tmp_path / "parts") == metrics_of(tmp_path / "whole")
    assert parts["param_schedulers"] == whole["param_schedulers"]
    assert_equal_states(parts["state_dict"], whole["state_dict"], "state_dict")


def test_the_old_goes_when_the_new_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_to_end(demo_config(tmp_path, 3, **EVALUATED))
    (old,) = tmp_path.glob("best_*.pth")
    with monkeypatch.context() as patch:
        patch.setattr("mmengine.runner.runner.save_checkpoint", power_cut)
        with pytest.raises(PowerCutError):
            train_to_end(demo_config(tmp_path, 6, resume=True, **EVALUATED))
    assert (tmp_path / "iter_3.pth").is_file()
    assert old.is_file()
    train_to_end(demo_config(tmp_path, 6, resume=True, **EVALUATED))
    assert [path.name for path in tmp_path.glob("iter_*")] == ["iter_6.pth"]
    assert len([*tmp_path.glob("best_*.pth")]) == 1


def test_the_best_of_another_folder_stays(tmp_path: Path) -> None:
    train_to_end(demo_config(tmp_path / "a", 3, **EVALUATED))
    (old,) = (tmp_path / "a").glob("best_*.pth")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    state = content(tmp_path / "b" / "iter_3.pth")
    state["message_hub"]["runtime_info"]["best_score"] = -1.0
    torch.save(state, tmp_path / "b" / "iter_3.pth")
    for name in (".iter_6.pth", "..replaced.json", ".last_evaluation"):
        (tmp_path / "b" / f"{name}.abcd1234").touch()  # of a killed writer
    train_to_end(demo_config(tmp_path / "b", 6, resume=True, **EVALUATED))
    assert old.is_file()
    assert len([*(tmp_path / "b").glob("best_*.pth")]) == 1
    assert not [*(tmp_path / "b").glob(".*")]
    info = content(tmp_path / "b" / "iter_6.pth")["message_hub"]["runtime_info"]
    assert Path(info["best_ckpt"]).parent == tmp_path / "b"


def test_begun_over_others_it_says_so_and_is_alone(parts: Path, tmp_path: Path) -> None:
    shutil.copytree(parts, tmp_path / "work")
    cfg = demo_config(tmp_path / "work", 1, log_level="INFO")
    cfg.custom_hooks = []
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert "checkpoints of an earlier training (iter_6.pth)" in said(tmp_path / "work")
    assert len([hook for hook in runner.hooks if isinstance(hook, RunKeeper)]) == 1
    assert not [*(tmp_path / "work").glob("*.lock")]
    assert json.loads((tmp_path / "work" / "last_evaluation").read_text())["step"] == 1


def test_a_folder_in_use_is_refused_by_any_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FolderLock, "take", lambda lock: False)
    cfg = demo_config(tmp_path / "work", 1)
    cfg.custom_hooks = []
    with pytest.raises(UserError, match="is being written by another process: wait"):
        train_to_end(cfg)
