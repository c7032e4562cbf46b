"""What a tool prints when it fails."""

from __future__ import annotations

import pytest

from mmseg_cosda.errors import TRACEBACK, UserError, run_tool


def failed(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as stop:
        run_tool(main)
    assert isinstance(stop.value.code, int)
    return stop.value.code, capsys.readouterr().err


@pytest.mark.parametrize("value", ["", "0", None])
def test_a_mistake_is_one_line(
    value: str | None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(TRACEBACK, raising=False)
    if value is not None:
        monkeypatch.setenv(TRACEBACK, value)
    assert failed(UserError("a=1: take 2"), capsys) == (2, "error: a=1: take 2\n")
    hint = "(MMSEG_COSDA_TRACEBACK=1 shows where)"
    assert failed(ValueError("no"), capsys) == (2, f"error: no {hint}\n")
    assert failed(FileNotFoundError("no"), capsys) == (2, f"error: no {hint}\n")
    assert failed(KeyboardInterrupt(), capsys) == (130, "interrupted\n")


@pytest.mark.parametrize("kind", [UserError, ValueError])
def test_a_variable_shows_the_traceback(
    kind: type[ValueError],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(TRACEBACK, "1")
    code, printed = failed(kind("no"), capsys)
    assert code == 2
    assert "Traceback (most recent call last)" in printed
    assert "test_errors.py" in printed
    assert printed.endswith("error: no\n")
