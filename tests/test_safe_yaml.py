"""A YAML config whose tags make Python objects is refused, wherever it is read."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mmengine
import pytest
from mmengine.config import Config

import mmseg_cosda  # noqa: F401  (registers the handler)
from mmseg_cosda import launch
from mmseg_cosda.config import read_config
from mmseg_cosda.errors import UserError
from mmseg_cosda.reproduce.options import read_options
from mmseg_cosda.safe_yaml import refuse_executable_yaml


def files(folder: Path) -> dict[str, Path]:
    """Write configs that would make a folder ``ran``, and one that is plain."""
    code = f"a: !!python/object/apply:os.mkdir [{folder / 'ran'}]\n"
    texts = {
        "tag.yaml": code,
        "long.yml": code.replace("!!python/", "!<tag:yaml.org,2002:python/", 1).replace(
            "mkdir [", "mkdir> ["
        ),
        "shorthand.yml": "%TAG !p! tag:yaml.org,2002:python/object/\n---\n"
        + code.replace("!!python/object/", "!p!"),
        "child.yml": "_base_: tag.yaml\nb: 1\n",
        "child.py": "_base_ = ['tag.yaml']\nb = 1\n",
        "grandchild.py": "_base_ = './child.py'\n",
        "tuple.yml": "a: !!python/tuple [1, 2]\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return {name: folder / name for name in texts}


def by_launch(path: str) -> Any:
    options = argparse.Namespace(
        config=path, cfg_options=None, work_dir="w", launcher="none"
    )
    return launch.read_run_config(options)


READERS: dict[str, Callable[[str], Any]] = {
    "train and test": by_launch,
    "every other tool": read_config,
    "reproduce": lambda path: read_options(Path(path), []),
    "the host": Config.fromfile,
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_refuses_tags_of_python_objects(
    reader: str, tmp_path: Path
) -> None:
    for path in files(tmp_path).values():
        with pytest.raises(UserError, match=r"!!python/.* makes a Python object"):
            READERS[reader](str(path))
        assert not (tmp_path / "ran").exists(), path


def test_the_message_names_the_file_that_holds_the_tag(tmp_path: Path) -> None:
    for name in ("tag.yaml", "child.yml", "child.py", "grandchild.py"):
        with pytest.raises(UserError) as error:
            refuse_executable_yaml(files(tmp_path)[name])
        assert f"{tmp_path / 'tag.yaml'} is refused: the tag" in str(error.value)
        assert "in line 1" in str(error.value)
        assert "\n" not in str(error.value)


def test_a_tag_that_the_host_s_substitution_makes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.yml"
    path.write_text("a: {{$COSDA_TEST_VALUE:1}}\n")
    assert Config.fromfile(path).a == 1
    ran = tmp_path / "ran"
    monkeypatch.setenv("COSDA_TEST_VALUE", f"!!python/object/apply:os.mkdir [{ran}]")
    with pytest.raises(UserError, match="a YAML file is refused"):
        by_launch(str(path))
    assert not ran.exists()


def test_plain_yaml_is_read_as_before(tmp_path: Path) -> None:
    base, child = tmp_path / "base.yaml", tmp_path / "child.yml"
    base.write_text("model: {type: EncoderDecoder, x: [1, 2.5, null]}\nb: yes\n")
    child.write_text("_base_: base.yaml\nmodel: {x: 3}\n")
    expected = {"model": {"type": "EncoderDecoder", "x": 3}, "b": True}
    assert Config.fromfile(child).to_dict() == expected
    assert mmengine.load(str(base))["model"]["x"] == [1, 2.5, None]
    assert read_config(os.fspath(child)).b is True
    looping = tmp_path / "loop.yml"
    looping.write_text("_base_: loop.yml\n")
    refuse_executable_yaml(looping)
