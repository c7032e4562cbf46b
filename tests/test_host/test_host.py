from __future__ import annotations

import subprocess
import sys
import warnings

import pytest

from mmseg_cosda.host import (
    NEEDLESS_LINE,
    require_host,
    version_tuple,
    warn_of_two_hosts,
    without_line,
)


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("2.13.0+cpu", (2, 13, 0)),
        ("2.4.0a0+git123", (2, 4, 0)),
        ("1.2.0rc1", (1, 2, 0)),
        ("0.10.12", (0, 10, 12)),
    ],
)
def test_versions_are_compared_as_numbers(
    version: str, numbers: tuple[int, ...]
) -> None:
    assert version_tuple(version) == numbers


def test_ten_is_newer_than_nine() -> None:
    assert version_tuple("0.10.0") > version_tuple("0.9.1")


def test_the_installed_host_passes() -> None:
    require_host()


def test_an_old_host_is_refused_with_the_cure() -> None:
    with pytest.raises(ImportError, match=r"mmengine >= 99, but found .*\[onedl\]"):
        require_host({"mmengine": (99,)})


def test_a_missing_host_is_one_error_with_the_cure() -> None:
    # A None in sys.modules makes the import fail as for a package that isn't there.
    code = "import sys; sys.modules['mmseg'] = None; import mmseg_cosda"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: mmseg_cosda is a plugin of MMSegmentation")
    assert "pip install -c constraints.txt" in last


def test_two_owners_of_one_module_are_named() -> None:
    with pytest.warns(UserWarning, match="both own the module mmseg:"):
        warn_of_two_hosts(lambda name: True)


@pytest.mark.parametrize("prefix", ["onedl-", ""])
def test_a_single_host_is_not_warned_of(prefix: str) -> None:
    def is_installed(name: str) -> bool:
        return name.startswith("onedl-") == bool(prefix)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_two_hosts(is_installed)


def test_the_import_prints_nothing() -> None:
    result = subprocess.run(
        [sys.executable, "-c", "import mmseg_cosda"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == ""


def test_one_line_alone_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    line = NEEDLESS_LINE
    with without_line(line):
        print("before", end="")
        print(f"{line}")  # the end of another line
        print(line)
        print(f"{line}, nor anything else")
        print(line[:5], end="")
        print(line[5:])
        print(f"a\n{line}\nb")
        print(line[:5], end="")
    print("|")
    out = capsys.readouterr().out
    assert out == f"before{line}\n{line}, nor anything else\na\nb\n{line[:5]}|\n"


def test_what_an_import_prints_before_it_fails_is_seen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        with without_line("x"):
            print("reason", end="")
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert capsys.readouterr().out == "reason"
