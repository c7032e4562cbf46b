"""What a tool prints when it fails."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from pathlib import Path

import pytest

from mmseg_cosda.errors import (
    TRACEBACK,
    Stopped,
    UserError,
    ended_by_sigterm,
    run_tool,
)
from mmseg_cosda.files import atomic_write


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


FULL = "no space left on device; make room there, or write to another place"


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "make room there, or write to another place"),
        (errno.EROFS, "write to another place"),
        (errno.EACCES, "change its permissions, or take another place"),
        (errno.ELOOP, "symbolic links lead in a circle there: remove one of them"),
    ],
)
def test_what_the_system_refuses_names_file_reason_and_cure(
    number: int, cure: str, capsys: pytest.CaptureFixture[str]
) -> None:
    error = OSError(number, os.strerror(number), "out/a.png")
    code, printed = failed(error, capsys)
    assert code == 2
    assert printed.startswith("error: out/a.png: ")
    assert printed.endswith(f"; {cure}\n")
    assert printed.count("\n") == 1


def test_a_writer_that_names_no_file_is_asked_for_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def write(file_path: str) -> None:  # as the host's writers of scalars.json
        raise OSError(errno.ENOSPC, "No space left on device")

    def main() -> None:
        write("work/vis_data/scalars.json")

    with pytest.raises(SystemExit):
        run_tool(main)
    expected = f"error: work/vis_data/scalars.json: {FULL}\n"
    assert capsys.readouterr().err == expected


def test_a_full_disk_leaves_the_former_file_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "iter_6.pth"
    path.write_bytes(b"former")
    full = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match="iter_6") as caught, atomic_write(path) as file:
        file.write(b"new" * os.dup2(full, file.fileno()))
    os.close(full)
    assert caught.value.filename == str(path)
    assert [*tmp_path.iterdir()] == [path]
    assert path.read_bytes() == b"former"


def test_another_file_s_error_keeps_its_name(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError, match="none"),
        atomic_write(tmp_path / "a.png"),
    ):
        (tmp_path / "none").read_bytes()


def test_a_terminal_of_ascii_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    run_tool(lambda: print("1 \u00b1 2"))
    assert written.getvalue() == b"1 \\xb1 2\n"


def test_an_output_that_is_full_or_that_nobody_reads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", open("/dev/full", "w"))  # noqa: SIM115
    with pytest.raises(SystemExit) as caught:
        run_tool(lambda: print("figures"))
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"error: standard output: {FULL}\n"
    assert os.readlink(f"/proc/self/fd/{sys.stdout.fileno()}") == os.devnull
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(sys, "stdout", os.fdopen(writer, "w"))
    with pytest.raises(SystemExit) as caught:
        run_tool(lambda: print("figures"))
    assert caught.value.code == 141
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_interrupted_while_it_saves_the_former_file_stays(
    tmp_path: Path, stop: type[BaseException]
) -> None:
    path = tmp_path / "iter_6.pth"
    path.write_bytes(b"former")

    def save() -> None:
        with atomic_write(path) as file:
            file.write(b"ne")
            raise stop

    with pytest.raises(stop):
        save()
    assert [*tmp_path.iterdir()] == [path]
    assert path.read_bytes() == b"former"


def test_sigterm_ends_a_block_and_means_what_it_did_behind_it() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped) as stop, ended_by_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before
