"""Configs are read, or refused in one line that says where and what to do."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.shrink import CONFIGS
from mmengine.registry import DefaultScope

from mmseg_cosda.config import find_config, find_test_pipeline, read_config
from mmseg_cosda.errors import UserError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file in the working directory."""
    monkeypatch.chdir(tmp_path)

    def written(text: str, name: str = "a.py") -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return written


def refusal(name: str | Path, **options: object) -> str:
    """Return the one line that says why a config isn't read."""
    with pytest.raises(UserError) as caught:
        read_config(name, options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["py", "yml", "yaml", "json"])
def test_every_kind_is_read(write: Write, suffix: str) -> None:
    text = "a = dict(b=[1, 2])" if suffix == "py" else '{"a": {"b": [1, 2]}}'
    cfg = read_config(write(text, f"a.{suffix}"), {"a.c": 3})
    assert cfg.a == {"b": [1, 2], "c": 3}
    assert cfg.filename == f"a.{suffix}"  # as the user wrote it


def test_types_are_looked_up_in_the_configs_scope(write: Write) -> None:
    read_config(write("a = 1"))
    assert DefaultScope.get_current_instance().scope_name == "mmseg"
    read_config(write('default_scope = "mmengine"', "b.py"))
    assert DefaultScope.get_current_instance().scope_name == "mmengine"
    read_config("a.py")
    assert DefaultScope.get_current_instance().scope_name == "mmseg"


def test_a_missing_config_names_place_and_nearest(write: Write) -> None:
    write("a = 1", "cosda/deeplabv2_demo.py")
    found = refusal("cosda/deeplabv2_dmo.py")
    assert found == (
        f"config cosda/deeplabv2_dmo.py does not exist (looked for from {Path.cwd()});"
        " closest: deeplabv2_demo.py"
    )
    assert "give the path of a config" in refusal("nowhere/a.py")
    assert refusal("cosda") == "config cosda is a folder: give a file in it"


def test_another_file_is_no_config(write: Write) -> None:
    write("", "a.pth")
    expected = "config a.pth is no config: give a .py, .yml, .yaml or .json file"
    assert refusal("a.pth") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1\nmodel = dict(", "line 2: SyntaxError: '(' was never closed"),
        ("a = 1\n\nb = dict(c=d)", "line 3: NameError: name 'd' is not defined"),
        ("a = dict(\n    b=1,\n    c=1 / 0,\n)", "line 3: ZeroDivisionError: division"),
        ("def f():\n    return [][0]\na = f()", "line 2: IndexError: list index"),
        ("from mmengine.runner import Runner\na = b", "line 2: NameError: name 'b'"),
        ("a = 1\nreturn a", "line 2: SyntaxError: 'return' outside function"),
    ],
)
def test_a_mistake_in_a_config_has_its_line(
    write: Write, text: str, expected: str
) -> None:
    path = write(text, "broken.py")
    assert refusal(path).startswith(f"config broken.py, {expected}")
    child = write('_base_ = ["../broken.py"]', "sub/child.py")
    if "import" not in text:  # of another style, which a child can't inherit
        where = "config sub/child.py: broken.py"
        assert refusal(child).startswith(f"{where}, {expected}")
        # A path from elsewhere, and a base of a base.
        grandchild = write('a = 2\n_base_ = "child.py"', "sub/grandchild.py")
        where = f"config {grandchild}: broken.py"
        assert refusal(grandchild).startswith(f"{where}, {expected}")


def test_a_missing_base_names_its_owner(write: Write) -> None:
    child = write('_base_ = ["../_base_/none.py"]', "sub/child.py")
    expected = "config sub/child.py: its _base_ names _base_/none.py, which is no file"
    assert refusal(child) == expected
    grandchild = write('_base_ = "sub/child.py"', "grandchild.py")
    assert refusal(grandchild) == expected
    Path("_base_/none.py").mkdir(parents=True)
    assert refusal(child) == expected
    Path("_base_/none.py").rmdir()
    Path("_base_/none.py").write_bytes(b"a = '\xff'")
    assert refusal(child).startswith(
        "config sub/child.py: _base_/none.py: UnicodeDecodeError"
    )


def test_a_file_that_the_config_opens_is_not_taken_for_a_base(write: Write) -> None:
    path = write("a = 1\nb = open('none.txt').read()")
    assert refusal(path).startswith("config a.py, line 2: FileNotFoundError")


def test_a_custom_import_that_fails_is_told(write: Write) -> None:
    path = write('custom_imports = dict(imports=["no.such.module"])')
    assert refusal(path) == (
        "config a.py: ImportError: Failed to import no.such.module; put the folder of "
        "the module on PYTHONPATH"
    )


def test_a_full_folder_of_temporary_files_is_told(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", full)
    found = refusal(write("a = 1"))
    assert "config a.py: the host copies it to " in found
    assert found.endswith("make room, or set TMPDIR to another folder")


def test_bases_that_share_a_key_are_told(write: Write) -> None:
    write("x = 1", "b.py")
    write("x = 2", "c.py")
    found = refusal(write('_base_ = ["b.py", "c.py"]'))
    assert "a.py: KeyError: Duplicate key is not allowed among bases" in found


def test_an_empty_variable_is_told(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = CONFIGS / "_base_" / "datasets" / "torcs2camvid.py"
    monkeypatch.setenv("COSDA_DATA", "")
    assert refusal(root).endswith(
        "torcs2camvid.py: the environment variable COSDA_DATA is set but empty: unset "
        "it, or set it to a folder"
    )
    child = refusal(CONFIGS / "cosda" / "deeplabv2_torcs2camvid.py")
    assert "COSDA_DATA is set but empty" in child
    monkeypatch.delenv("COSDA_DATA")
    assert read_config(root).data_root == "data/torcs2camvid"
    monkeypatch.setenv("COSDA_DATA", "elsewhere")
    assert read_config(root).data_root == "elsewhere"
    monkeypatch.delenv("NOT_THERE", raising=False)
    found = refusal(write('a = "{{$NOT_THERE:}}"'))
    assert "variable NOT_THERE is not set: set it" in found


def test_options_that_dont_fit_are_named(write: Write) -> None:
    path = write("a = dict(b=1)\nc = [1]")
    found = refusal(path, **{"a.b.d": 2})
    assert found.startswith("--cfg-options a.b.d=2 don't fit config a.py: TypeError")


def test_shipped_configs_are_found_by_package() -> None:
    ours = find_config("mmseg_cosda::cosda/deeplabv2_demo_no-pl.py")
    assert ours.parts[-3:] == ("configs", "cosda", "deeplabv2_demo_no-pl.py")
    cfg = read_config("mmseg_cosda::cosda/deeplabv2_demo_no-pl.py")
    own = read_config(CONFIGS / "cosda" / "deeplabv2_demo_no-pl.py")
    assert cfg.to_dict() == own.to_dict()
    assert find_config("mmseg::_base_/default_runtime.py").is_file()
    found = refusal("mmseg_cosda::cosda/deeplabv2_demo_no_pl.py")
    assert re.search(r"does not exist; closest: deeplabv2_demo_no-pl\.py", found)
    assert "no package 'no_such' is installed" in refusal("no_such::a.py")


def test_a_documented_path_is_found_from_anywhere(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "configs/source_only/deeplabv2_demo.py"
    found = find_config(name)
    assert found.samefile(CONFIGS / "source_only" / "deeplabv2_demo.py")
    assert capsys.readouterr().err.startswith(f"{name}: taken from the package, ")
    own = write("a = 1", name)
    assert find_config(name) == own
    assert capsys.readouterr().err == ""
    assert "does not exist (looked for from" in refusal("configs/none.py")


def test_the_test_pipeline_is_looked_for_in_three_places() -> None:
    first, second, third = ([dict(type=kind)] for kind in "abc")
    cfg = dict(
        test_dataloader=dict(dataset=dict(pipeline=first)),
        val_dataloader=dict(dataset=dict(pipeline=second)),
        test_pipeline=third,
    )
    assert find_test_pipeline(cfg) == first
    assert find_test_pipeline(cfg | dict(test_dataloader=None)) == second
    none: dict[str, Any] = dict(
        test_dataloader=None, val_dataloader=dict(dataset=dict(pipeline=[]))
    )
    assert find_test_pipeline(cfg | none) == third
    find_test_pipeline(cfg)[0]["type"] = "changed"
    assert first == [dict(type="a")]
    with pytest.raises(UserError, match="no test pipeline"):
        find_test_pipeline({})


@pytest.mark.parametrize(
    ("option", "meant"),
    [
        ("max_iters", "train_cfg.max_iters"),
        ("max_iter", "train_cfg.max_iters"),
        ("trian_cfg.max_iters", "train_cfg.max_iters"),
        ("pseudo_label_dir", "train_dataloader.dataset.target.pseudo_label_dir"),
        ("dataset.target.img_dir", "train_dataloader.dataset.target.img_dir"),
        ("loadfrom", "load_from"),
        ("wholly_new", None),
    ],
)
def test_an_option_that_nothing_reads(
    write: Write, option: str, meant: str | None
) -> None:
    path = write(
        "train_cfg = dict(type='IterBasedTrainLoop', max_iters=400)\n"
        "target = dict(pseudo_label_dir='a', img_dir='b')\n"
        "train_dataloader = dict(dataset=dict(target=target))\n"
    )
    text = refusal(path, **{option: 7})
    assert text.startswith(f"--cfg-options {option}: nothing reads it; ")
    whole = "give its whole path in the config, such as train_cfg.max_iters"
    assert text.endswith(f"did you mean {meant}?" if meant else whole)


@pytest.mark.parametrize(
    "option",
    [
        "randomness.deterministic",
        "default_hooks.visualization.interval",
        "optim_wrapper.optimizer.fused",
        "model_wrapper_cfg.type",
        "compile",
        "sync_bn",
        "auto_scale_lr.enable",
        "mine",
    ],
)
def test_an_option_that_something_reads(write: Write, option: str) -> None:
    assert read_config(write("mine = 1"), {option: True}) is not None


INNER = """
crop_size = (64, 32)
train_cfg = dict(type="IterBasedTrainLoop", max_iters=400, val_interval=100)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-4),
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=4.0))),
)
param_scheduler = [dict(type="PolyLR", eta_min=0, begin=0, end=400, by_epoch=False)]
default_hooks = dict(
    checkpoint=dict(type="CheckpointHook", interval=100),
    logger=dict(type="LoggerHook"),
)
env_cfg = dict(mp_cfg=dict(mp_start_method="fork"), dist_cfg=dict(backend="nccl"))
train_dataloader = dict(
    batch_size=1, sampler=dict(type="InfiniteSampler"), dataset=dict(
    type="CityscapesDataset", data_prefix=dict(img_path="a"), crop_size=crop_size)
)
model = dict(
    type="EncoderDecoder", backbone=dict(type="ResNetV1c", norm_eval=True),
    decode_head=dict(type="FCNHead", num_classes=2), test_cfg=dict(mode="whole"))
"""


@pytest.mark.parametrize(
    ("option", "meant"),
    [
        ("train_cfg.max_iter", "train_cfg.max_iters"),
        ("optim_wrapper.optimizer.lrr", "optim_wrapper.optimizer.lr"),
        ("optim_wrapper.clip_grad.maxnorm", "optim_wrapper.clip_grad.max_norm"),
        (
            "optim_wrapper.paramwise_cfg.custom_key.head.lr_mult",
            "optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult",
        ),
        (
            "optim_wrapper.paramwise_cfg.custom_keys.head.lrmult",
            "optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult",
        ),
        ("param_scheduler.0.powr", "param_scheduler.0.power"),
        ("default_hooks.checkpoint.intervall", "default_hooks.checkpoint.interval"),
        ("default_hooks.chekpoint.interval", "default_hooks.checkpoint.interval"),
        ("train_dataloader.batchsize", "train_dataloader.batch_size"),
        ("train_dataloader.sampler.shufle", "train_dataloader.sampler.shuffle"),
        ("train_dataloader.dataset.pipelin", "train_dataloader.dataset.pipeline"),
        (
            "train_dataloader.dataset.data_prefix.imgpath",
            "train_dataloader.dataset.data_prefix.img_path",
        ),
        ("randomness.sede", "randomness.seed"),
        ("env_cfg.cudnn_bench_mark", "env_cfg.cudnn_benchmark"),
        ("env_cfg.mp_cfg.opencv_threads", "env_cfg.mp_cfg.opencv_num_threads"),
        ("env_cfg.dist_cfg.time_out", "env_cfg.dist_cfg.timeout"),
        ("log_processor.windowsize", "log_processor.window_size"),
        ("auto_scale_lr.enabled", "auto_scale_lr.enable"),
        ("model.test_cfg.mod", "model.test_cfg.mode"),
        ("model.decode_head.num_clases", "model.decode_head.num_classes"),
    ],
)
def test_an_option_further_down_that_nothing_reads(
    write: Write, option: str, meant: str
) -> None:
    text = refusal(write(INNER), **{option: 7})
    assert text == f"--cfg-options {option}: nothing reads it; did you mean {meant}?"


TAKEN = """
randomness.deterministic randomness.diff_rank_seed compile.mode load_from
default_hooks.visualization.interval default_hooks.visualization.draw
default_hooks.checkpoint.save_best default_hooks.checkpoint.published_keys
default_hooks.checkpoint.backend_args.backend default_hooks.checkpoint.by_epoch
default_hooks.logger.ignore_last default_hooks.timer.priority
env_cfg.mp_cfg.opencv_num_threads env_cfg.dist_cfg.timeout env_cfg.resource_limit
optim_wrapper.accumulative_counts optim_wrapper.clip_grad.max_norm
optim_wrapper.clip_grad.norm_type optim_wrapper.optimizer.fused
optim_wrapper.paramwise_cfg.bias_lr_mult optim_wrapper.paramwise_cfg.bypass_duplicate
optim_wrapper.paramwise_cfg.custom_keys.x.lr_mult
optim_wrapper.paramwise_cfg.custom_keys.head.decay_mult
train_cfg.val_begin train_cfg.dynamic_intervals val_cfg.fp16 test_cfg.type
train_dataloader.num_workers train_dataloader.prefetch_factor
train_dataloader.collate_fn.type train_dataloader.num_batch_per_epoch
train_dataloader.sampler.seed train_dataloader.dataset.reduce_zero_label
train_dataloader.dataset.img_suffix train_dataloader.dataset.metainfo.classes
param_scheduler.0.power param_scheduler.0.convert_to_iter_based
log_processor.window_size visualizer.save_dir auto_scale_lr.base_batch_size
model.test_cfg.mine model.train_cfg.mine model.backbone.init_cfg.checkpoint
model.backbone.with_cp model.backbone.norm_cfg.requires_grad
model.decode_head.dropout_ratio model.decode_head.num_convs
model.decode_head.loss_decode.avg_non_ignore model.init_cfg.type
"""


def test_whatever_a_class_takes_is_an_option(write: Write) -> None:
    path = write(INNER)
    for option in TAKEN.split():
        read_config(path, {option: 1})


@pytest.mark.slow
@pytest.mark.parametrize("folder", sorted(p.name for p in CONFIGS.glob("[a-z]*")))
def test_every_config_takes_the_host_s_keys(folder: str) -> None:
    # Of what every config has; nets, data and schedules differ.
    general = ("model", "optim", "param", "train_dataloader.dataset")
    options = {key: 1 for key in TAKEN.split() if not key.startswith(general)}
    for path in sorted((CONFIGS / folder).glob("*.py")):
        read_config(path, options)


def test_a_variable_that_the_file_has_used(write: Write) -> None:
    text = refusal(write(INNER), crop_size=(8, 8))
    assert text == (
        "--cfg-options crop_size: a variable of the config's file, which is used when "
        "that is read: change train_dataloader.dataset.crop_size"
    )
    child = write('_base_ = "b.py"\nmodel = dict(a={{_base_.size}})', "c.py")
    write("size = 5\ndepth = 3", "b.py")
    assert "change model.a" in refusal(child, size=7)
    assert read_config(child, {"depth": 7}).depth == 7  # perhaps a hook reads it
    whole = write("d = 5\nval_dataloader = dict(batch_size=d + 1)", "d.py")
    assert refusal(whole, d=3).endswith("what it is used for, by its whole path")
    pipeline = "test_pipeline = [dict(type='PackSegInputs')]\n"
    assert read_config(write(pipeline, "p.py"), {"test_pipeline": []}) is not None
    used = "test_dataloader = dict(dataset=dict(pipeline=test_pipeline))"
    text = refusal(write(pipeline + used, "q.py"), **{"test_pipeline.0.type": "a"})
    assert text.endswith("change test_dataloader.dataset.pipeline.0.type")


def test_a_runner_of_ones_own_may_read_more(write: Write) -> None:
    path = write("runner_type = 'MyRunner'")
    assert read_config(path, {"wholly_new": 1}).wholly_new == 1
