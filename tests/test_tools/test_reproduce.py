"""The command line, and a real run of it on the demo, at a size of seconds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.processes import run_script
from helpers.tools import TOOLS, load_tool

from mmseg_cosda.errors import UserError

ROOT = Path(__file__).parents[2]
TOOL = TOOLS / "reproduce.py"
tool = load_tool("reproduce")
TINY = [
    "train_cfg.max_iters=2",
    "train_cfg.val_interval=1",
    "default_hooks.checkpoint.interval=1",
    "default_hooks.logger.interval=1",
    "val_dataloader.dataset.length=2",
    "train_dataloader.num_workers=0",
    "train_dataloader.persistent_workers=False",
    "val_dataloader.num_workers=0",
    "val_dataloader.persistent_workers=False",
]


def dry_run(capsys: pytest.CaptureFixture[str], *args: str) -> list[str]:
    tool.main([*args, "--dry-run"])
    return [
        line
        for line in capsys.readouterr().out.splitlines()
        if line.startswith(("python", "#"))
    ]


@pytest.mark.parametrize(
    ("args", "configs"),
    [
        (
            ["--table", "1", "--task", "gta2cs", "--net", "fcn8s"],
            ["adversarial/fcn8s_gta2cs_no-pl", "cosda/fcn8s_gta2cs_no-pl"],
        ),
        (
            ["--table", "3", "--task", "synthia2cs", "--translated"],
            [
                "adversarial/deeplabv2_synthia2cs_advent_no-pl",
                "adversarial/deeplabv2_synthia2cs_advent_no-pl",
                "cosda/deeplabv2_synthia2cs",
            ],
        ),
        (
            ["--table", "4", "--task", "torcs2camvid"],
            [
                "source_only/deeplabv2_torcs2camvid",
                "source_only/deeplabv2_torcs2camvid",
                "cosda/deeplabv2_torcs2camvid",
                "cosda/deeplabv2_torcs2camvid",
                "cosda/deeplabv2_torcs2camvid",
                "cosda/ablations/deeplabv2_torcs2camvid_with-adversarial",
                "self_training/deeplabv2_torcs2camvid",
                "adversarial/deeplabv2_torcs2camvid",
            ],
        ),
        (
            ["--table", "methods", "--task", "synthia2cs_19way", "--net", "daformer"],
            [
                name.replace("*", "daformer_synthia2cs_19way")
                for name in (
                    "source_only/*",
                    "cosda/*_no-pl",
                    "dacs/*",
                    "dacs/*_cosine",
                    "daformer/*",
                    "daformer/*_cosine",
                    "mic/*",
                    "mic/*_cosine",
                )
            ],
        ),
    ],
)
def test_a_dry_run_prints_the_commands_in_order(
    args: list[str],
    configs: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = dry_run(capsys, *args, "--seeds", "0")
    named = [line.split()[2] for line in lines]
    assert named == [str(ROOT / f"configs/{config}.py") for config in configs]
    assert list(tmp_path.iterdir()) == []  # nothing was run or written
    labels = [i for i, line in enumerate(lines) if "generate_pseudo_labels" in line]
    assert labels == ([] if {"1", "methods"} & set(args) else [1])
    for line in lines:
        words = line.split()
        for option in (
            "train_dataloader.dataset.source.data_prefix.img_path=images_translated",
            "train_dataloader.dataset.source.same_size=False",
        ):
            assert (option in words) == ("--translated" in args)
        assert ("_translated/" in line) == ("--translated" in args)  # a folder apart
    if "torcs2camvid" in args:
        assert "model.alignments.cosine.use_queue=False" in lines[3]
        assert "model.alignments.cosine.class_wise=False" in lines[4]


def test_commands_are_short_from_the_repository(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    (line,) = dry_run(
        capsys,
        *("--table", "1", "--rows", "cosine-no-pl", "--seeds", "4"),
        *("--results", str(tmp_path), "--cfg-options", "train_cfg.max_iters=7"),
    )
    assert line == (
        "python tools/train.py configs/cosda/deeplabv2_demo_no-pl.py --work-dir "
        "work_dirs/reproduce/demo/cosine-no-pl/seed4 --resume --cfg-options "
        "randomness.seed=4 train_cfg.max_iters=7"
    )


def test_table_5_needs_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    tool.main(["--table", "5"])
    text = capsys.readouterr().out
    assert "| gta2cs | deeplabv2 | 0.6 (0.6) | 2500 (2500) | 0.01 (0.01) |" in text
    assert "| synthia2cs | fcn8s | 0.2 (0.2) | 2000 (2000) | 0.001 (0.001) |" in text


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--table", "3", "--task", "gta2cs"], "Table 3 SYNTHIA"),
        (["--table", "4", "--net", "fcn8s"], "fcn8s is for"),
        (["--table", "4", "--net", "daformer", "--task", "gta2cs"], "table methods"),
        (["--table", "4", "--seeds", "1", "1"], "different integers"),
        (["--table", "4", "--rows", "nothing"], "table 4 has cosine"),
        (["--table", "4", "--pseudo-labels-from", "cosine"], "needs none itself"),
        (["--table", "4", "--pseudo-labels", "nowhere"], "is no folder"),
        (["--table", "4", "--plot", "a.png"], "draws --table evidence"),
        (["--table", "evidence", "--plot", "a.gif"], "must end with .png"),
        (["--table", "1", "--plot-classes", "a.png"], "--plot-classes a.png: it draws"),
        (
            ["--table", "evidence", "methods", "--plot", "a.png"],
            "a.png: it draws one table, and evidence and methods would overwrite",
        ),
        (
            ["--table", "methods", "--plot", "a.png", "--plot-classes", "./b/../a.png"],
            "--plot and --plot-classes name one file",
        ),
    ],
)
def test_mistakes_are_told(args: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        tool.main([*args, "--dry-run"])


def test_the_demo_runs_and_is_not_run_twice(tmp_path: Path) -> None:
    args = [
        *("--table", "1", "--rows", "cosine-no-pl", "--seeds", "1"),
        *("--results", "results", "--cfg-options", *TINY),
    ]

    def start() -> str:
        done = run_script(TOOL, args, tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = start()
    folder = tmp_path / "results" / "demo"
    result = json.loads((folder / "cosine-no-pl_seed1.json").read_text())
    assert result["curve"]["step"] == [1, 2]
    assert set(result["last"]["per_class"]) >= {"road", "sky", "person"}
    assert result["training"]["step"] == [1, 2]
    assert "cosine.selected" in result["training"]
    assert "randomness.seed=1" in result["options"]
    (record,) = result["record"]
    assert (record["iteration"], record["seed"]) == (0, 1)
    assert record["values"]["train_cfg.max_iters"] == 2
    assert record["data"].keys() == {"source", "target", "validation"}
    assert str(tmp_path) not in json.dumps(result)
    table = (folder / "table_1.md").read_text()
    figure = f"{result['last']['mIoU']:.2f}"
    assert f"| 46.6 | {result['best']['mIoU']:.2f} | {figure} |" in table
    assert table in first

    path = folder / "cosine-no-pl_seed1.json"
    before = path.stat().st_mtime_ns
    # Nothing to say: what the command trains is what is compared.
    assert "done before\n" in start()
    assert path.stat().st_mtime_ns == before

    # Other options and the old work folder: not the old training's figures.
    folders = [
        *("--work-dir", str(tmp_path / "work_dirs/reproduce")),
        *("--results", str(tmp_path / "other")),
    ]
    weight = "model.alignments.cosine.loss_weight"
    with pytest.raises(UserError, match=rf"{weight}=0\.7, wanted is 9: choose"):
        tool.main([*args[:6], *folders, "--cfg-options", *TINY, f"{weight}=9"])
    assert not (tmp_path / "other").exists()


def test_tables_are_written_without_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = {
        "task": "torcs2camvid",
        "net": "deeplabv2",
        "seed": 0,
        "config": "a.py",
        "pseudo_labels": None,
        "options": ["randomness.seed=0"],
        "metric": "mIoU",
    }
    for row, last in {
        "source-only-continued": 30.0,
        "target-supervised": 40.0,
        "cosine-no-pl": 35.0,
    }.items():
        scores = {"step": 1, "mIoU": last, "per_class": {"sky": last}}
        path = tmp_path / "results/torcs2camvid" / f"{row}_seed0.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        start = None if row == "target-supervised" else "source-only seed 0"
        result = {**kept, "row": row, "start": start, "last": scores, "best": scores}
        path.write_text(json.dumps({**result, "commit": f"commit of {row}"}))
    args = ["--table", "evidence", "--task", "torcs2camvid", "--rows", "cosine-no-pl"]
    folders = [
        "--results",
        str(tmp_path / "results"),
        "--work-dir",
        str(tmp_path / "w"),
    ]
    pictures = {"--plot": tmp_path / "a.svg", "--plot-classes": tmp_path / "b.svg"}
    drawn = [str(each) for option in pictures.items() for each in option]
    tool.main([*args, *folders, "--no-runs", "--seeds", "0", *drawn])
    for picture in pictures.values():
        assert "<svg" in picture.read_text()
    table = (tmp_path / "results/torcs2camvid/table_evidence.md").read_text()
    assert "| 35.00 | 35.00 | not run | +5.00 | 50 % | — | — | 0 |" in table
    assert table.strip() in capsys.readouterr().out
    line = table.splitlines()[-1]
    assert line.startswith("**Not all made alike:** commits commit of cosine-no-pl (1)")
    assert not (tmp_path / "w").exists()
