"""A config's text is read as literals; what the host would run is told apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

import mmseg_cosda  # noqa: F401  (registers what the configs name)
from mmseg_cosda.checkpoint import parse_config_literals
from mmseg_cosda.checkpoint.host_text import why_executable
from mmseg_cosda.errors import UserError

CONFIGS = Path(__file__).parents[2] / "configs"
SHIPPED = sorted(path.relative_to(CONFIGS) for path in CONFIGS.rglob("*.py"))


@pytest.fixture(autouse=True)
def no_formatter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Yapf takes a second per config and changes no value."""
    monkeypatch.setattr("yapf.yapflib.yapf_api.FormatCode", lambda text, **_: (text, 0))


@pytest.mark.parametrize("name", SHIPPED, ids=str)
def test_every_shipped_config_is_read_as_the_host_reads_it(name: Path) -> None:
    cfg = Config.fromfile(CONFIGS / name)
    assert parse_config_literals(cfg.pretty_text) == cfg.to_dict()
    assert why_executable(cfg.pretty_text) is None


def test_what_yapf_makes_of_a_text_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    values: dict[str, Any] = {
        "model": {"type": "EncoderDecoder", "custom.key": {"lr_mult": 10.0}, "x": []},
        "numbers": [-1, 1e-4, (1,), {"a": None, "b": True}, [[1, 2], (3, "it's")]],
        "line": "a very long text with 'quotes', \\ and\na second line " * 4,
        "keys": {1: "a", "b c": (), 2.5: -3.0},
    }
    cfg = Config(values)
    assert parse_config_literals(cfg.pretty_text) == values


def test_names_stand_for_values_bound_before() -> None:
    text = "a = [1]\nb = dict(c=a, d={'e': (a, -2.5)})\na = 3"
    read = parse_config_literals(text)
    assert read == {"a": 3, "b": {"c": [1], "d": {"e": ([1], -2.5)}}}
    assert read["b"]["c"] is not read["b"]["d"]["e"][0]
    assert parse_config_literals("a = dict({'x.y': 1}, z={2})") == {
        "a": {"x.y": 1, "z": {2}}
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = 1\nimport os", "line 2: `import os`"),
        ("a = __import__('os').system('true')", "line 1: `__import__('os')"),
        ("a = [\n  open('x')]", "line 2: `open('x')`"),
        ("a = dict(b=list((1,)))", "`list((1,))`"),
        ("dict = print\na = dict(x=1)", "line 1: `print`"),
        ("dict = {}\na = dict(x=1)", "line 2: `dict(x=1)`"),
        ("a = dict(**{'x': 1})", "`dict(**"),
        ("a = {**{'x': 1}}", "`{**"),
        ("a = {[]: 1}", "`[]`"),
        ("a = b", "`b`"),
        ("a = f'{1}'", "`f'{1}'`"),
        ("a = [x for x in (1, 2)]", "`[x for x in (1, 2)]`"),
        ("a = 'x' * 10**9", "`'x' * 10**9`"),
        ("a = lambda: 1", "`lambda: 1`"),
        ("a.b = 1", "`a.b`"),
        ("a, b = 1, 2", "`a, b`"),
        ("a = -'x'", "`-'x'`"),
        ("a = ...", "`...`"),
        ("a = b'x'", "`b'x'`"),
        ("def f():\n    pass", "`def f():...`"),
        ("a = (", "line 1: no Python literals"),
        ("a = '\0'", "no Python literals"),
        ("a = " + "9" * 5000, "no Python literals"),
    ],
)
def test_anything_else_is_refused_with_its_line(text: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        parse_config_literals(text, "a.pth")
    assert told in str(error.value)
    assert str(error.value).startswith("a.pth")
    assert "\n" not in str(error.value)


def doubled(times: int) -> str:
    """A text of names that stand for ever more values."""
    lines = ["a0 = [1]"]
    lines += [f"a{i + 1} = [a{i}, a{i}]" for i in range(times)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = " + "[" * 100_000 + "]" * 100_000, "nested too deeply|nested paren"),
        ("a = " + "-" * 100_000 + "1", "nested too deeply|no literal"),
        ("a = [1]\n" + "a = [a]\n" * 5_000, "nested too deeply|more than"),
        (doubled(40), "more than 1000000 values"),
        ("a = '" + "x" * 5_000_000 + "'", "5000006 characters are no config"),
    ],
)
def test_a_bomb_is_refused(text: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        parse_config_literals(text)


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "a = '{{$NOT_SET:x}}'",
        "_base_ = '/tmp/other.py'",
        "_base_ = []",
        "custom_imports = dict(imports=['antigravity'])",
        "custom_imports = dict(imports='antigravity')",
        "default_scope = 'antigravity'",
        "model = dict(_scope_='antigravity', type='EncoderDecoder')",
        "model = dict(type='os.system', command='true')",
        "model = dict(head=[dict(type='antigravity')])",
        "model = dict(type='mmengine.load', file='a.json')",
        "model = dict(type='antigravity.EncoderDecoder')",
        "model = dict(loss=dict(class_weight='http://127.0.0.1:9/a.pkl'))",
        "model = dict(loss=dict(class_weight='a.pickle'))",
    ],
)
def test_literals_alone_are_not_harmless_to_the_host(text: str) -> None:
    assert why_executable(text)
    usual = "model = dict(type='EncoderDecoder', norm_cfg=dict(type='SyncBN'))\n"
    assert (
        why_executable(usual + "custom_imports = dict(imports=['mmseg_cosda'])\n")
        is None
    )


def test_the_substitution_that_is_feared_is_real(tmp_path: Path) -> None:
    # Literals as they stand; the host's template takes a quotation mark away.
    marker = tmp_path / "ran"
    text = f"""a=["{{{{$NOT_SET:","","}}}}"];b="];open('{marker}','w').close()#"\n"""
    assert set(parse_config_literals(text)) == {"a", "b"}
    assert why_executable(text) == "{{...}} is substituted before it is parsed"
    assert not marker.exists()
    Config.fromstring(text, ".py")
    assert marker.exists()
