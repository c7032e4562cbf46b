"""Commands by name: as this user types them, listed, found."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from mmseg_cosda import commands
from mmseg_cosda.__main__ import main
from mmseg_cosda.errors import UserError
from mmseg_cosda.reproduce.plan import Plan, Run
from mmseg_cosda.reproduce.rows import ROWS
from mmseg_cosda.reproduce.settings import Setting

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "mmseg_cosda"
TEXT = (
    "python tools/train.py CONFIG \\\n    --resume, of tools/test.py\n"
    "torchrun --nproc_per_node 4 tools/train.py"
)
CHECKOUT = ["pytest", "tools/train.py", "/somewhere/else/__main__.py", ""]


@pytest.mark.parametrize("started", CHECKOUT)
def test_a_file_of_a_checkout_is_named_as_one(
    monkeypatch: pytest.MonkeyPatch, started: str
) -> None:
    monkeypatch.setattr(sys, "argv", [started])
    assert commands.command("train") == "python tools/train.py"
    assert commands.as_typed(TEXT) == TEXT
    assert commands.tool_parser("train", None, "").prog == "python tools/train.py"


@pytest.mark.parametrize(
    ("started", "front"),
    [
        ("/usr/bin/mmseg-cosda", "mmseg-cosda"),
        ("mmseg-cosda.exe", "mmseg-cosda"),
        (str(PACKAGE / "__main__.py"), "python -m mmseg_cosda"),
    ],
)
def test_a_command_is_named_as_it_was_started(
    monkeypatch: pytest.MonkeyPatch, started: str, front: str
) -> None:
    monkeypatch.setattr(sys, "argv", [started])
    assert commands.command("train") == f"{front} train"
    assert commands.as_typed(TEXT) == (
        f"{front} train CONFIG \\\n    --resume, of {front} test\n"
        "torchrun --nproc_per_node 4 -m mmseg_cosda train"
    )


@pytest.mark.parametrize("started", CHECKOUT)
def test_without_a_checkout_the_console_command_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, started: str
) -> None:
    monkeypatch.setattr(commands, "TOOLS", tmp_path)
    monkeypatch.setattr(sys, "argv", [started])
    assert commands.command("train") == "mmseg-cosda train"


def texts(path: Path) -> set[str]:
    """Return what a file may print: its strings, without docstrings and EPILOG."""
    tree = ast.parse(path.read_text())
    kept = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EPILOG":
            kept.add(node.value)
        if isinstance(body, list):
            kept |= {each.value for each in body if isinstance(each, ast.Expr)}
    found = {node for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return {str(node.value) for node in found - kept}


def test_no_message_names_a_command_by_itself() -> None:
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "tools").glob("*.py")]
    for path in set(files) - {PACKAGE / "commands.py"}:
        named = [text for text in texts(path) if re.search(r"tools/\w+\.(py|sh)", text)]
        assert not named, f"{path}: use mmseg_cosda.commands.command"


def test_all_are_listed_without_being_imported(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main([])
    listed = capsys.readouterr().out
    for path in (ROOT / "tools").glob("*.py"):
        about = path.read_text().partition('"""')[2].partition("\n")[0].rstrip('"')
        (line,) = [row for row in listed.splitlines() if row.split()[:1] == [path.stem]]
        assert line.split(maxsplit=1)[1] == about
    (tmp_path / "mine.py").write_text('"""Do it."""\nraise SystemExit(3)\n')
    monkeypatch.setattr(commands, "TOOLS", tmp_path)
    main(["--help"])
    assert "  mine  Do it." in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["mine"])


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("trian", r"did you mean train\?"),
        ("pseudo_labels", r"did you mean generate_pseudo_labels\?"),
        ("../tools/train", r"did you mean|choose from"),
        ("xyz", "choose from .*, test, train"),
    ],
)
def test_an_unknown_name_names_the_closest(name: str, cure: str) -> None:
    with pytest.raises(UserError, match=cure) as told:
        main([name])
    assert "\n" not in str(told.value)


def test_arguments_reach_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["train", "--help"])
    assert stop.value.code == 0
    assert "usage: python tools/train.py [-h]" in capsys.readouterr().out


def test_without_a_checkout_runs_are_started_by_name(tmp_path: Path) -> None:
    plan = Plan(Setting("demo"), ROOT / "configs", None, tmp_path, tmp_path)
    run = Run(ROWS["source-only"], 0)
    for words, name in (
        (plan.train_command(run), "train"),
        (plan.evaluate_command(run, 1), "test"),
        (plan.label_command(run, tmp_path), "generate_pseudo_labels"),
    ):
        assert words[:4] == [sys.executable, "-m", "mmseg_cosda", name]
