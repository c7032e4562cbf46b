"""Read the text of a config as literals: nothing of it is ever executed."""

from __future__ import annotations

import ast
from typing import Any

from mmseg_cosda.errors import UserError

MAX_CHARACTERS = 4_000_000
MAX_VALUES = 1_000_000
CONSTANTS = (str, int, float, bool, type(None))


def parse_config_literals(text: str, source: str = "config") -> dict[str, Any]:
    """Parse what mmengine's ``Config.pretty_text`` writes, without executing it.

    A line is ``name = value``. A value is a string, a number, True, False, None, a
    list, tuple, set or dict of values, ``dict(key=value, ...)``, ``dict({...})``, or
    a name bound in a line before. ``meta["cfg"]`` of a checkpoint is such a text.

    Args:
        text: The text, of at most 4 million characters and a million values: a
            checkpoint must not fill the memory with names that stand for names.
        source: What to call it in an error.

    Returns:
        Names and values. A value that is used twice is copied.

    Raises:
        UserError: For anything else, with its line.

    Examples:
        >>> parse_config_literals("size = (4, 3)\\ndata = dict(size=size, scale=-1.5)")
        {'size': (4, 3), 'data': {'size': (4, 3), 'scale': -1.5}}
        >>> parse_config_literals("import os")
        Traceback (most recent call last):
        ...
        mmseg_cosda.errors.UserError: config, line 1: `import os` is no literal...
    """
    if len(text) > MAX_CHARACTERS:
        raise UserError(
            f"{source}: {len(text)} characters are no config "
            f"(at most {MAX_CHARACTERS} are read)"
        )
    try:
        return _Reader(text, source).read()
    except SyntaxError as error:
        raise UserError(
            f"{source}, line {error.lineno}: no Python literals ({error.msg})"
        ) from error
    except (RecursionError, MemoryError) as error:
        raise UserError(f"{source}: nested too deeply to be a config") from error
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        # Null bytes; numbers of more digits than Python converts.
        raise UserError(f"{source}: no Python literals ({error})") from error


class _Reader:
    """Turns the nodes of a syntax tree into values, and counts them."""

    def __init__(self, text: str, source: str) -> None:
        self.text, self.source = text, source
        self.names: dict[str, Any] = {}
        self.count = 0

    def read(self) -> dict[str, Any]:
        for line in ast.parse(self.text).body:
            if not isinstance(line, ast.Assign):
                raise self._refusal(line)
            value = self._value(line.value)
            for target in line.targets:
                if not isinstance(target, ast.Name):
                    raise self._refusal(target)
                self.names[target.id] = value
        return self.names

    def _value(self, node: ast.expr) -> Any:
        self._counted(node)
        match node:
            case ast.Constant(value=value) if isinstance(value, CONSTANTS):
                return value
            case ast.UnaryOp(
                op=ast.USub() | ast.UAdd() as sign,
                operand=ast.Constant(value=int() | float() as number),
            ):
                return -number if isinstance(sign, ast.USub) else number
            case ast.List(elts=parts):
                return [self._value(part) for part in parts]
            case ast.Tuple(elts=parts):
                return tuple(self._value(part) for part in parts)
            case ast.Set(elts=parts):
                return {self._key(part) for part in parts}
            case ast.Dict(keys=keys, values=values):
                return {
                    self._key(key, node): self._value(value)
                    for key, value in zip(keys, values, strict=True)
                }
            case ast.Call(func=ast.Name(id="dict")) if "dict" not in self.names:
                return self._called_dict(node)
            case ast.Name(id=name) if name in self.names:
                return self._copied(self.names[name], node)
        raise self._refusal(node)

    def _called_dict(self, node: ast.Call) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for argument in node.args:
            value = self._value(argument)
            if not isinstance(value, dict) or len(node.args) > 1:
                raise self._refusal(node)
            result.update(value)
        for keyword in node.keywords:
            if keyword.arg is None:  # dict(**other)
                raise self._refusal(node)
            result[keyword.arg] = self._value(keyword.value)
        return result

    def _key(self, node: ast.expr | None, whole: ast.expr | None = None) -> Any:
        if node is None:  # {**other}
            raise self._refusal(whole or ast.Constant(None))
        value = self._value(node)
        try:
            hash(value)
        except TypeError as error:
            raise self._refusal(node) from error
        return value

    def _copied(self, value: Any, node: ast.expr) -> Any:
        self._counted(node)
        if isinstance(value, dict):
            return {key: self._copied(part, node) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self._copied(part, node) for part in value)
        return set(value) if isinstance(value, set) else value

    def _counted(self, node: ast.expr) -> None:
        self.count += 1
        if self.count > MAX_VALUES:
            raise UserError(
                f"{self.source}, line {node.lineno}: more than {MAX_VALUES} values "
                f"are no config"
            )

    def _refusal(self, node: ast.stmt | ast.expr) -> UserError:
        found = ast.get_source_segment(self.text, node) or type(node).__name__
        first, *more = found.splitlines()
        shown = first[:60] + ("..." if more or len(first) > 60 else "")
        return UserError(
            f"{self.source}, line {node.lineno}: `{shown}` is no literal. A config is "
            f"read from a checkpoint as data: strings, numbers, None, lists, tuples, "
            f"dicts, dict(...) and names bound to such"
        )
