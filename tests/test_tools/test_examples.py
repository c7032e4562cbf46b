"""The examples that every command's help shows: they parse, and they run."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mmseg_cosda.commands import load_tool, tool_files

ROOT = Path(__file__).parents[2]
NAMES = [path.stem for path in tool_files()]
START = re.compile(r"(?:python|torchrun --nproc_per_node \d+) tools/(\w+)\.py ")
NO_WORKER = ("num_workers=0", "persistent_workers=False")


def loader(name: str, *lengths: str) -> list[str]:
    """Options for two images, loaded in this process."""
    return [f"{name}.{value}" for value in (*lengths, *NO_WORKER)]


# What makes a command small, in the order in which each finds the files that it needs.
SMALL = {
    "train": [
        "--cfg-options",
        *("train_cfg.max_iters=2", "train_cfg.val_interval=1"),
        *loader("train_dataloader"),
        *loader("val_dataloader", "dataset.length=2"),
    ],
    "test": ["--cfg-options", *loader("test_dataloader", "dataset.length=2")],
    "generate_pseudo_labels": [
        *("--workers", "0", "--cfg-options"),
        "train_dataloader.dataset.target.dataset.length=2",
    ],
    "count_classes": ["--cfg-options", "train_dataloader.dataset.source.length=2"],
    "compare_predictions": ["--workers", "0", "--limit", "2"],
    "predict": ["--workers", "0"],
    "export": [],
    "average_checkpoints": [],
    "show_matches": ["--source-images", "2", "--count", "1", "--pixels", "2"],
    "plot_curves": [],
    "reproduce": ["--dry-run"],
    "show_demo": ["--rows", "1"],
    "benchmark": ["--only", "queue", "--quick", "--rounds", "1", "--device", "cpu"],
}
NOT_HERE = {
    "check_dataset": "GTA5 and Cityscapes",
    "convert_checkpoint": "a public checkpoint",
    "prepare_camvid": "a download of CamVid",
    "render_streets": "the art of TORCS",
}


def examples(text: str) -> list[tuple[str, list[str]]]:
    """Return command and arguments of the examples in a help text."""
    block = re.search(r"^Example:\n((?: .+\n?)+)", text, re.M)
    if block is None:
        return []
    lines = re.sub(r"\\\n\s*", "", block[1]).splitlines()
    found = [(START.match(line.strip()), line) for line in lines]
    assert all(match for match, _ in found), lines
    return [
        (match[1], shlex.split(line.strip()[match.end() :]))
        for match, line in found
        if match
    ]


@pytest.fixture
def shown(
    capsys: pytest.CaptureFixture[str],
) -> Callable[[str], list[tuple[str, list[str]]]]:
    def read(name: str) -> list[tuple[str, list[str]]]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            load_tool(name).main(["--help"])
        assert stop.value.code == 0
        return examples(capsys.readouterr().out)

    return read


def trainings(words: list[str]) -> dict[str, str]:
    """Return config -> work folder of the trainings that an example's words name."""
    folders = {word.partition("=")[2] or word for word in words}
    folders = {re.sub(r"/iter_\d+\.pth$", "", word) for word in folders}
    found = [re.fullmatch(r"work_dirs/([a-z_]+/deeplab\S+)", word) for word in folders]
    return {f"configs/{match[1]}.py": match[0] for match in found if match}


@pytest.mark.parametrize("name", NAMES)
def test_examples_parse_and_name_what_there_is(
    name: str, shown: Callable[[str], list[tuple[str, list[str]]]]
) -> None:
    commands = shown(name)
    assert commands, 'the help has no line "Example:"'
    for tool, words in commands:
        assert tool == name
        load_tool(tool).parse_args(words)
        for word in words:
            if word.startswith(("configs/", "results/")):
                assert (ROOT / word).exists(), word
        for config, folder in trainings(words).items():
            last = Config.fromfile(ROOT / config).train_cfg.max_iters
            for step in re.findall(rf"{folder}/iter_(\d+)\.pth", " ".join(words)):
                assert int(step) == last, f"{config} ends with iteration {last}"


def test_examples_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shown: Callable[[str], list[tuple[str, list[str]]]],
) -> None:
    """One after the other in one folder, each with the files that the others wrote."""
    assert {*SMALL, *NOT_HERE} == set(NAMES), "a new command runs here, or says why not"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "photographs").mkdir()
    Image.new("RGB", (60, 40), "gray").save(tmp_path / "photographs" / "a.jpg")
    threads = torch.get_num_threads()
    trained: Path | None = None
    for name, small in SMALL.items():
        _, words = shown(name)[0]
        for config, folder in trainings(words).items():
            assert trained is not None
            if not Path(folder).exists():
                shutil.copytree(trained, folder)
            last = Config.fromfile(config).train_cfg.max_iters
            shutil.copy(trained / "iter_2.pth", f"{folder}/iter_{last}.pth")
        load_tool(name).main([*words, *small])
        if name == "train":
            trained = Path("work_dirs/cosda/deeplabv2_demo_no-pl")
    torch.set_num_threads(threads)
    assert len(list(Path("work_dirs/pseudo_labels/demo").glob("*.png"))) == 2
    assert Path("predictions/labels/a.png").is_file()
    assert Path("demo.pth").is_file()
    assert Path("demo.py").is_file()
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == {"compared.png", "curves.png", "demo_streets.png", "matches.png"}
