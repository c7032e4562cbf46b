"""The commands of docs/own_data.md, as they stand there, in a fresh folder."""

from __future__ import annotations

import ast
import gc
import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.folders import save_ids, save_image
from helpers.tools import load_tool
from mmengine.config import Config
from mmseg.visualization import SegLocalVisualizer
from PIL import Image

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "own_data.md").read_text()
FILE = re.compile(r"`(configs/\S+\.py)`:\n\n```python\n(.*?)```", re.DOTALL)
FILES = dict(FILE.findall(PAGE))
UNMEASURED = re.findall(r"source_only\.py`\n\n```python\n(.*?)```", PAGE, re.DOTALL)
CPU_ALONE = re.findall(r"of the same names:\n\n```python\n(.*?)```", PAGE, re.DOTALL)
BLOCKS = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [
    shlex.split(line)
    for block in BLOCKS
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("mmseg-cosda ")
]
PHOTOGRAPHS = {
    "day/one.JPG": (70, 40),
    "night/two.png": (64, 48),
    "three.jpg": (50, 60),
}
# What a reader changes in the template, here to toy size.
CHANGES = {
    "size = (1024, 512)": "size = (64, 32)",
    "max_iters = 20_000": "max_iters = 2",
    "val_interval = 1000": "val_interval = 2",
    "num_workers=2,": "num_workers=0,",
    "    persistent_workers=True,\n": "",
    "num_classes=len(classes))": "num_classes=len(classes), in_channels=64)",
}
SMALL_BACKBONE = (
    'model["backbone"] = dict(base_channels=2, stem_channels=2, init_cfg=None)\n'
    'default_hooks["logger"] = dict(interval=1)\n'
    'log_level = "ERROR"\n'
)


def make_data(data: Path) -> None:
    """Renders of ids 0..5, nested photographs of several sizes, ten with labels."""
    ids = np.arange(64 * 32).reshape(32, 64) // 7 % 6
    for i in range(3):
        save_image(data / f"renders/images/town/{i}.png", 64, 32, i)
        save_ids(data / f"renders/labels/town/{i}.png", np.roll(ids, i))
    for seed, (name, size) in enumerate(PHOTOGRAPHS.items()):
        save_image(data / "photos/train" / name, *size, seed)
    for i in range(3):
        save_image(data / f"photos/some/images/{i}.png", 64, 32, i)
        save_ids(data / f"photos/some/labels/{i}.png", np.roll(ids, i))
    for i in range(10):
        suffix = "JPG" if i % 2 else "png"
        save_image(data / f"photos/val/images/{i}.{suffix}", 64 + i, 32, i)
        label = np.asarray(
            Image.fromarray(ids.astype(np.uint8)).resize((64 + i, 32), 0)
        )
        save_ids(data / f"photos/val/labels/{i}.png", label)


def fill_in(configs: Path) -> None:
    """Change the template's values as the page says, and add the page's files."""
    for base in ("_base_", "own_data"):
        shutil.copytree(ROOT / "configs" / base, configs / base)
    template = configs / "own_data" / "source_only.py"
    text = template.read_text()
    for old, new in CHANGES.items():
        assert old in text
        text = text.replace(old, new)
    template.write_text(text + SMALL_BACKBONE)
    for path in (configs / "own_data").glob("*cos*.py"):
        path.write_text(path.read_text().replace("channels=2048", "channels=64"))
    for name, text in FILES.items():
        (configs.parent / name).write_text(text)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh folder with data and filled-in configs, after the page's commands."""
    root = tmp_path_factory.mktemp("own")
    make_data(root / "data")
    fill_in(root / "configs")
    run_all(root, COMMANDS)
    return root


def run_all(root: Path, commands: list[list[str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        # What costs the host more time than the training: no part of the test.
        patch.setattr(gc, "collect", lambda *_: 0)
        patch.setattr("mmengine.runner.runner.collect_env", dict)
        for words in commands:
            run(words)


def run(words: list[str]) -> None:
    name, *args = (word.replace("iter_20000", "iter_2") for word in words[1:])
    if lacks_an_extra(name, args):
        return
    SegLocalVisualizer._instance_dict.clear()  # the host keeps one per name and process
    if name in ("compare_predictions", "generate_pseudo_labels", "predict"):
        args += ["--workers", "0"]
    if name == "check_dataset":
        args += ["--workers", "1"]
    load_tool(name).main(args)


def lacks_an_extra(name: str, args: list[str]) -> bool:
    needed = {"compare_predictions": "matplotlib"}.get(name)
    if any("tensorboard" in word for word in args):
        needed = "tensorboard"
    return needed is not None and importlib.util.find_spec(needed) is None


def test_the_page_trains_what_it_says(project: Path) -> None:
    assert len(COMMANDS) == 19
    names = ("source_only", "cosda_no-pl", "self_training", "cosda", "mic_cosine")
    for name in (*names, "rare_classes", "some_labels"):
        path = project / "work_dirs/own_data" / name / "iter_2.pth"
        saved = torch.load(path, weights_only=False)
        assert saved["state_dict"]["decode_head.convs.0.weight"].shape[0] == 5
        assert saved["meta"]["dataset_meta"]["classes"][0] == "road"
        assert (path.parent / "best_mIoU_iter_2.pth").exists()
        has_queue = any(key.startswith("alignments.") for key in saved["state_dict"])
        assert has_queue == (name not in ("source_only", "self_training"))
    assert len(list((project / "work_dirs/class_counts").glob("*.json"))) == 1


def test_each_photograph_has_a_pseudo_label_of_its_size(project: Path) -> None:
    folder = project / "work_dirs/pseudo_labels/own_data"
    assert (folder / "report.json").exists()
    for name in PHOTOGRAPHS:
        ids = np.asarray(Image.open(folder / Path(name).with_suffix(".png")))
        assert ids.shape == (32, 64)  # the network's size: training fits it
        assert set(np.unique(ids)) <= {0, 1, 2, 3, 4, 255}


def test_without_labelled_photographs_nothing_is_measured(tmp_path: Path) -> None:
    make_data(tmp_path / "data")
    shutil.rmtree(tmp_path / "data/photos/val")
    fill_in(tmp_path / "configs")
    (lines,) = UNMEASURED
    template = tmp_path / "configs/own_data/source_only.py"
    template.write_text(template.read_text() + lines)
    measuring = {"test", "compare_predictions", "export"}
    others = ["--resume", "configs/own_data/self_training.py", "tensorboard"]
    others += ["rare_classes", "some_labels"]
    run_all(
        tmp_path,
        [
            words
            for words in COMMANDS
            if words[1] not in measuring
            and not (words[1] == "train" and any(o in " ".join(words) for o in others))
        ],
    )
    trained = tmp_path / "work_dirs/own_data"
    for name in ("source_only", "cosda_no-pl", "cosda", "mic_cosine"):
        assert (trained / name / "iter_2.pth").exists()
        assert not list((trained / name).glob("best_*"))


def test_the_net_for_a_cpu_alone_trains(tmp_path: Path) -> None:
    make_data(tmp_path / "data")
    for base in ("_base_", "own_data"):
        shutil.copytree(ROOT / "configs" / base, tmp_path / "configs" / base)
    folder = tmp_path / "configs/own_data"
    (lines,) = CPU_ALONE
    text = (folder / "source_only.py").read_text()
    for node in ast.parse(lines).body:  # each in the place of the same name
        name, _, value = ast.unparse(node).partition(" = ")
        value = {"max_iters": "2", "val_interval": "2"}.get(name, value)
        pattern = rf"^{name} = (\[\n.*?^\]|[^\n]*)$"
        text, count = re.subn(
            pattern, f"{name} = {value}", text, flags=re.DOTALL | re.MULTILINE
        )
        assert count == 1
    (folder / "source_only.py").write_text(text + 'log_level = "ERROR"\n')
    for path in folder.glob("*cos*.py"):
        assert "channels=2048" in path.read_text()
        path.write_text(path.read_text().replace("channels=2048", "channels=256"))
    names = ("source_only.py", "cosda_no-pl.py")
    commands = [
        words
        for words in COMMANDS
        if words[1] == "train" and Path(words[2]).name in names
        if "--resume" not in words
    ]
    assert len(commands) == 2
    run_all(tmp_path, commands)
    assert (tmp_path / "work_dirs/own_data/cosda_no-pl/iter_2.pth").exists()


@pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="needs the extra plots"
)
def test_the_comparison_is_drawn(project: Path) -> None:
    assert Image.open(project / "comparison.png").size[0] > 100


def test_pictures_of_predictions_are_among_tensorboards_tags(project: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (folder,) = (project / "work_dirs/own_data/cosda_tensorboard").glob("*/vis_data")
    events = EventAccumulator(str(folder))
    events.Reload()
    assert len(events.Tags()["images"]) == 2  # every fifth of ten
    assert {"loss", "mIoU"} <= set(events.Tags()["scalars"])


def test_each_photograph_is_predicted_at_its_size(project: Path) -> None:
    for name, size in PHOTOGRAPHS.items():
        png = Path(name).with_suffix(".png")
        found = Image.open(project / "predictions/labels" / png)
        assert found.size == size


def test_the_net_is_exported(project: Path) -> None:
    cfg = Config.fromfile(project / "net.py")
    assert cfg.model.type.endswith("EncoderDecoder")
    saved = torch.load(project / "net.pth", weights_only=False)
    assert not any(key.startswith("alignments") for key in saved["state_dict"])
