"""What the host would execute of a checkpoint's texts, and what is handed to it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import mmengine.registry
import mmseg.registry
from mmengine.logging import print_log
from mmengine.registry import Registry

from mmseg_cosda.checkpoint.config_literals import parse_config_literals
from mmseg_cosda.errors import UserError

# mmengine.load unpickles files that end so, wherever a config's value names one.
PICKLES = frozenset({"pkl", "pickle"})


def drop_executable_text(content: Any, name: str) -> None:
    """Remove from a checkpoint what the host would run as Python.

    The host executes three texts: ``meta.config`` when it resumes, and
    ``message_hub.runtime_info.cfg`` or else ``meta.cfg`` when it builds a model from
    the checkpoint alone. The first is always removed: nothing needs it. The other
    two stay where executing them runs nothing (:func:`why_executable`); otherwise
    they are removed with one line of warning.

    Args:
        content: What was loaded; changed in place. Only a dict is looked into.
        name: What to call the file in the warning.
    """
    meta = _part(content, "meta")
    meta.pop("config", None)
    info = _part(_part(content, "message_hub"), "runtime_info")
    known: dict[str, str | None] = {}
    for place, holder in (("meta", meta), ("message_hub.runtime_info", info)):
        text = holder.get("cfg")
        if not isinstance(text, str):  # the host writes it to a file: strings alone
            continue
        if text not in known:
            known[text] = why_executable(text, f"{place}.cfg")
        if known[text] is not None:
            del holder["cfg"]
            print_log(
                f"checkpoint {name}: {place}.cfg is left out, since the host would "
                f"execute it ({known[text]}). Nothing of it was run; to build the "
                f"model, give a config of your own",
                logger="current",
                level=logging.WARNING,
            )


def _part(content: Any, key: str) -> MutableMapping[str, Any]:
    """Return a dict in a dict; an empty one where there is none."""
    part = content.get(key) if isinstance(content, dict) else None
    return part if isinstance(part, dict) else {}


def why_executable(text: str, source: str = "config") -> str | None:
    """Tell why executing a config's text, and building from it, could run code.

    Literals alone are not enough. The host substitutes ``{{...}}`` before it parses,
    reads the files of ``_base_``, imports what ``custom_imports``, ``_scope_`` and
    ``default_scope`` name, and imports and calls a ``type`` that no registry knows,
    such as ``"os.system"``; ``mmengine.load`` unpickles files that a value names.

    Args:
        text: The text, as ``Config.pretty_text`` writes it.
        source: What to call it.

    Returns:
        The reason; None if the text is harmless.

    Examples:
        >>> why_executable("model = dict(type='EncoderDecoder', pretrained=None)")
        >>> why_executable("model = dict(type='os.system', command='ls')")
        "type='os.system' is in no registry"
    """
    if "{{" in text:
        return "{{...}} is substituted before it is parsed"
    try:
        config = parse_config_literals(text, source)
    except UserError as error:
        return str(error)
    if "_base_" in config:
        return f"_base_={config['_base_']!r} names other files"
    try:
        return next(_reasons(config), None)
    except RecursionError:
        return "it is nested too deeply"


def _reasons(value: Any) -> Iterator[str]:
    """Find what building from a parsed config would import or unpickle."""
    if isinstance(value, Mapping):
        yield from _reasons_of_entry(value)
        for part in value.values():
            yield from _reasons(part)
    elif isinstance(value, (list, tuple, set)):
        for part in value:
            yield from _reasons(part)
    elif isinstance(value, str) and value.rpartition(".")[2] in PICKLES:
        yield f"{value!r} names a pickle"


def _reasons_of_entry(entry: Mapping[Any, Any]) -> Iterator[str]:
    kind = entry.get("type")
    if isinstance(kind, str) and not _is_registered(kind):
        yield f"type={kind!r} is in no registry"
    for key in ("_scope_", "default_scope"):
        scope = entry.get(key)
        if isinstance(scope, str) and scope not in sys.modules:
            yield f"{key}={scope!r} would be imported"
    imports = entry.get("custom_imports")
    if imports is not None:
        modules = imports.get("imports") if isinstance(imports, Mapping) else None
        for module in [modules] if isinstance(modules, str) else modules or [imports]:
            if not isinstance(module, str) or module not in sys.modules:
                yield f"custom_imports={module!r} would be imported"


def _is_registered(kind: str) -> bool:
    """Return whether a registry of the host finds a type without importing it."""
    scope, _, name = kind.rpartition(".")
    return any(
        name in registry.module_dict and scope in ("", registry.scope)
        for registry in _registries()
    )


def _registries() -> Iterator[Registry]:
    """Return all registries, with what they register lazily."""
    roots = [
        registry
        for module in (mmengine.registry, mmseg.registry)
        for registry in vars(module).values()
        if isinstance(registry, Registry)
    ]
    children = [child for root in roots for child in root.children.values()]
    for registry in {id(r): r for r in [*roots, *children]}.values():
        registry.import_from_location()
        yield registry
