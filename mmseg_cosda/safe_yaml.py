"""YAML is data: a tag such as ``!!python/object/apply`` is refused, never followed.

mmengine reads YAML with a loader that calls whatever a tag names. Its table of file
handlers is open (``mmengine.fileio.register_handler``); ours takes the place of YAML's,
so that every config and every base of one passes it, with ``{{...}}`` substituted.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, TextIO

import yaml
from mmengine.fileio import register_handler
from mmengine.fileio.handlers import YamlHandler

from mmseg_cosda.errors import UserError

# Both know plain values alone; the first is the faster, where PyYAML has it.
SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SUFFIXES = frozenset({".yml", ".yaml"})
CURE = "Write plain values (a tuple as a list), or a .py config, which is code by right"


class SafeYamlHandler(YamlHandler):  # type: ignore[misc]
    """mmengine's handler of YAML, with PyYAML's safe loader by default."""

    def load_from_fileobj(self, file: TextIO, **kwargs: Any) -> Any:
        """Read YAML.

        Args:
            file: An open text file.
            kwargs: Of ``yaml.load``; a ``Loader`` that the caller names is taken.

        Returns:
            Its content.

        Raises:
            UserError: For a tag that stands for no plain value.
        """
        kwargs.setdefault("Loader", SAFE_LOADER)
        try:
            return super().load_from_fileobj(file, **kwargs)
        except yaml.constructor.ConstructorError as error:
            if (tag := _tag(error)) is None:
                raise
            raise UserError(f"a YAML file is refused: {tag}. {CURE}") from error


def register_safe_yaml() -> None:
    """Put the safe handler in the place of the host's."""
    register_handler(["yaml", "yml"])(SafeYamlHandler)


def refuse_executable_yaml(path: str | Path) -> None:
    """Refuse a config that is, or inherits, YAML whose tags make Python objects.

    Bases of installed packages (``package::...``) are not followed here; the handler
    still reads them safely.

    Args:
        path: A config, .py, .yml, .yaml or .json; a missing file is left to others.

    Raises:
        UserError: Names the file, the tag and the cure. Nothing of it was run.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.yml"
        >>> _ = path.write_text("a: !!python/object/apply:os.getcwd []")
        >>> refuse_executable_yaml(path)
        Traceback (most recent call last):
        ...
        mmseg_cosda.errors.UserError: config ...a.yml is refused: the tag
        !!python/object/apply:os.getcwd in line 1 makes a Python object...
    """
    todo, seen = [Path(path)], set()
    while todo:
        config = todo.pop().expanduser().resolve()
        if config in seen or not config.is_file():
            continue
        seen.add(config)
        for base in _bases(config):
            if isinstance(base, str) and "::" not in base:
                todo.append(config.parent / base)


def _bases(config: Path) -> list[Any]:
    """Return the ``_base_`` of a config, as far as it is written as literals."""
    found: Any = []
    if config.suffix in SUFFIXES:
        found = _yaml(config)
        found = found.get("_base_", []) if isinstance(found, dict) else []
    elif config.suffix == ".py":
        found = _python_bases(config)
    return list(found) if isinstance(found, (list, tuple)) else [found]


def _yaml(config: Path) -> Any:
    try:
        return yaml.load(config.read_text("utf-8"), Loader=SAFE_LOADER)
    except yaml.constructor.ConstructorError as error:
        if (tag := _tag(error)) is None:
            return None
        raise UserError(f"config {config} is refused: {tag}. {CURE}") from error
    except (yaml.YAMLError, ValueError, RecursionError):
        return None  # no YAML, or only after the host's substitutions


def _python_bases(config: Path) -> Any:
    try:
        for line in ast.parse(config.read_text("utf-8")).body:
            if isinstance(line, ast.Assign) and any(
                isinstance(t, ast.Name) and t.id == "_base_" for t in line.targets
            ):
                return ast.literal_eval(line.value)
    except (SyntaxError, ValueError, RecursionError):
        pass  # the host tells what is wrong with it
    return []


def _tag(error: yaml.constructor.ConstructorError) -> str | None:
    """Say which tag is no plain value, and where; None if the error is another."""
    _, found, tag = str(error.problem).partition("constructor for the tag '")
    if not found:
        return None
    tag = tag.removesuffix("'").replace("tag:yaml.org,2002:", "!!")
    line = error.problem_mark.line + 1 if error.problem_mark else "?"
    return f"the tag {tag} in line {line} makes a Python object; nothing of it was run"
