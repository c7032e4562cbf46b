"""The host's own scripts run the demo, and the demo's checkpoint is the host's."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import mmseg
import pytest
import torch
from helpers.processes import run_script
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mmseg_cosda.checkpoint import load_checkpoint_file

ROOT = Path(__file__).resolve().parents[2]
STOCK = Path(mmseg.__file__).parent / ".mim" / "tools"
CONFIG = ROOT / "configs" / "cosda" / "deeplabv2_demo_no-pl.py"
SMALL = (
    "train_cfg.val_interval=2",
    "default_hooks.checkpoint.interval=2",
    "default_hooks.logger.interval=1",
    "train_dataloader.num_workers=0",
    "train_dataloader.persistent_workers=False",
    "val_dataloader.num_workers=0",
    "val_dataloader.persistent_workers=False",
    "val_dataloader.dataset.length=2",
    "test_dataloader.num_workers=0",
    "test_dataloader.persistent_workers=False",
    "test_dataloader.dataset.length=2",
)

pytestmark = pytest.mark.skipif(
    not STOCK.is_dir(), reason="this install of mmseg has no .mim/tools"
)


class RunsCode:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def arguments(*args: str | Path, options: tuple[str, ...] = ()) -> list[str]:
    return [*map(str, args), "--cfg-options", *SMALL, *options]


def run_here(path: Path, args: list[str], cwd: Path) -> None:
    """Run a script as it stands, without the seconds that a new process imports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        patch.setenv("LOCAL_RANK", "0")
        patch.setattr(sys, "argv", [str(path), *args])
        runpy.run_path(str(path), run_name="__main__")


def run_process(command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that finds this Python, this package and a free port."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "PORT": str(20000 + os.getpid() % 20000),
    }
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def measured(work_dir: Path) -> float:
    """Return the mIoU that the last test wrote."""
    newest = max(work_dir.glob("*/*.json"), key=lambda file: file.stat().st_mtime_ns)
    return float(json.loads(newest.read_text())["mIoU"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train two iterations with the host's script; return the checkpoint."""
    folder = tmp_path_factory.mktemp("stock")
    options = ("train_cfg.max_iters=2", f"work_dir={folder / 'work'}")
    run_here(STOCK / "train.py", arguments(CONFIG, options=options), folder)
    return folder / "work" / "iter_2.pth"


def test_the_stock_train_script_writes_a_whole_checkpoint(trained: Path) -> None:
    assert trained.is_file()
    pointer = (trained.parent / "last_checkpoint").read_text()
    assert Path(pointer).name == "iter_2.pth"
    assert [p for p in trained.parent.iterdir() if p.name.startswith(".")] == []


def test_both_test_scripts_measure_the_same(trained: Path, tmp_path: Path) -> None:
    for folder in (STOCK, ROOT / "tools"):
        args = arguments(CONFIG, trained, "--work-dir", folder.parent.name)
        run_here(folder / "test.py", args, tmp_path)
    stock = measured(tmp_path / STOCK.parent.name)
    assert stock == measured(tmp_path / ROOT.name)
    assert 0 <= stock <= 100


def test_the_stock_test_script_refuses_a_file_that_runs_code(
    trained: Path, tmp_path: Path
) -> None:
    # A process of its own: nothing but the config imports the package there.
    path, marker = tmp_path / "evil.pth", tmp_path / "ran"
    checkpoint = torch.load(trained, weights_only=False)
    torch.save(checkpoint | {"extra": RunsCode(marker)}, path)
    result = run_script(STOCK / "test.py", arguments(CONFIG, path), tmp_path)
    assert result.returncode != 0
    assert "evil.pth is refused" in result.stderr
    assert not marker.exists()


def test_a_plain_host_config_loads_the_checkpoint(trained: Path) -> None:
    init_default_scope("mmseg")
    cfg = Config.fromfile(CONFIG).model
    plain = {
        key: cfg[key]
        for key in ("backbone", "decode_head", "train_cfg", "test_cfg")
        if key in cfg
    }
    model = MODELS.build({"type": "EncoderDecoder", **plain})
    state = torch.load(trained, weights_only=False)["state_dict"]
    result = model.load_state_dict(state, strict=False)
    assert result.missing_keys == []
    assert all(key.startswith("alignments.") for key in result.unexpected_keys)
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name])


def test_our_train_tool_resumes_it(trained: Path, tmp_path: Path) -> None:
    work_dir = trained.parent
    relative = os.path.relpath(CONFIG, tmp_path)
    args = arguments(
        relative,
        "--resume",
        "--work-dir",
        work_dir,
        options=("train_cfg.max_iters=3",),
    )
    run_here(ROOT / "tools" / "train.py", args, tmp_path)
    last = torch.load(work_dir / "iter_3.pth", weights_only=False)
    assert last["meta"]["iter"] == 3
    newest = max(work_dir.glob("*/*.log"), key=lambda file: file.stat().st_mtime_ns)
    log = newest.read_text()
    assert "[3/3]" in log
    assert "[1/3]" not in log


@pytest.mark.parametrize("folder", [ROOT / "tools", STOCK], ids=["ours", "stock"])
def test_a_resume_runs_no_text_of_a_checkpoint(
    folder: Path, trained: Path, tmp_path: Path
) -> None:
    content = torch.load(trained, weights_only=False)
    info = content["message_hub"]["runtime_info"]
    for name, holder in (("config", content["meta"]), ("cfg", content["meta"])):
        holder[name] = f"import os; os.mkdir({str(tmp_path / name)!r})"
    info["cfg"] = f"import os; os.mkdir({str(tmp_path / 'hub')!r})"
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    torch.save(content, work_dir / "iter_2.pth")
    (work_dir / "last_checkpoint").write_text(str(work_dir / "iter_2.pth"))
    options = ("train_cfg.max_iters=3",)
    args = arguments(CONFIG, "--resume", "--work-dir", work_dir, options=options)
    run_here(folder / "train.py", args, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["work"]
    last = torch.load(work_dir / "iter_3.pth", weights_only=False)
    assert last["meta"]["iter"] == 3
    # Nor does a text travel on in the next checkpoint.
    told = last["meta"]["cfg"] + last["message_hub"]["runtime_info"]["cfg"]
    assert "os.mkdir" not in told
    assert "config" not in last["meta"]


def test_an_ordinary_checkpoint_is_read_whole(trained: Path) -> None:
    stored = torch.load(trained, weights_only=False)
    loaded = load_checkpoint_file(trained)
    assert loaded.keys() == stored.keys()
    assert loaded["meta"] == stored["meta"]
    assert "deeplabv2" in loaded["meta"]["cfg"].lower()
    hub, stored_hub = loaded["message_hub"], stored["message_hub"]
    assert hub["runtime_info"]["cfg"] == stored_hub["runtime_info"]["cfg"]
    assert hub["log_scalars"].keys() == stored_hub["log_scalars"].keys()


def test_our_test_tool_refuses_another_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.pth"
    torch.save(torch.nn.Linear(2, 3).state_dict(), path)
    with pytest.raises(SystemExit) as stop:
        run_here(ROOT / "tools" / "test.py", arguments(CONFIG, path), tmp_path)
    assert stop.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"error: checkpoint {path} is of another model")


@pytest.mark.parametrize(
    ("tool", "files", "message"),
    [
        ("train.py", ["none.py"], "error: config none.py does not exist"),
        ("test.py", [CONFIG, "none.pth"], "error: checkpoint none.pth does not exist"),
    ],
)
def test_a_missing_file_is_one_line(
    tool: str,
    files: list[str | Path],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        run_here(ROOT / "tools" / tool, arguments(*files), tmp_path)
    assert stop.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line[: len(message)] for line in lines] == [message]


def test_two_processes_train_on_the_cpu(tmp_path: Path) -> None:
    script = str(ROOT / "tools" / "dist_train.sh")
    args = arguments("--work-dir", "work", options=("train_cfg.max_iters=2",))
    result = run_process(["bash", script, str(CONFIG), "2", *args], tmp_path)
    assert result.returncode == 0, result.stderr[-2000:]
    assert (tmp_path / "work" / "iter_2.pth").is_file()
