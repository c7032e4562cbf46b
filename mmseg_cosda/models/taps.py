"""Features taken by name from any host model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

_TAP = re.compile(r"^(?P<module>\w+(?:\.\w+)*)(?:\[(?P<index>-?\d+)\])?$")


def parse_tap(path: str) -> tuple[str, int | None]:
    """Split a tap path into a module path and an index.

    Args:
        path: A dotted module path, with ``[i]`` to pick from a module that returns
            several maps.

    Returns:
        The module path and the index, None without one.

    Raises:
        ValueError: If ``path`` is not of that form.

    Examples:
        >>> parse_tap("backbone[-1]"), parse_tap("decode_head.fusion_conv")
        (('backbone', -1), ('decode_head.fusion_conv', None))
    """
    match = _TAP.match(path)
    if match is None:
        raise ValueError(
            f"tap feature={path!r}: write a dotted module path such as "
            "'backbone[-1]' or 'decode_head.fusion_conv'"
        )
    index = match["index"]
    return match["module"], None if index is None else int(index)


def check_taps(model: nn.Module, paths: Iterable[str], place: str) -> None:
    """Refuse tap paths that name no module of a model.

    Args:
        model: The segmentor.
        paths: Tap paths.
        place: The config key that holds them, for the error.

    Raises:
        ValueError: If a path names no module.
    """
    for path in paths:
        module: nn.Module = model
        for part in parse_tap(path)[0].split("."):
            children = dict(module.named_children())
            if part not in children:
                raise ValueError(
                    f"{place}: tap feature={path!r} names no module, there is no "
                    f"{part!r}; here are {sorted(children)}"
                )
            module = children[part]


def _pick(output: Any, path: str, index: int | None) -> Tensor:
    """Return the map that a tap means from what its module returned."""
    if index is not None:
        if isinstance(output, Tensor) or not -len(output) <= index < len(output):
            got = "one map" if isinstance(output, Tensor) else f"{len(output)} maps"
            raise ValueError(
                f"tap feature={path!r}: the module returns {got}, index {index} is "
                "not among them"
            )
        output = output[index]
    if not isinstance(output, Tensor) or output.dim() != 4:
        raise ValueError(
            f"tap feature={path!r}: expected a map (B, K, h, w), the module returns "
            f"{type(output).__name__}; pick one with an index, as in {path + '[-1]'!r}"
        )
    return output


@contextmanager
def record_taps(model: nn.Module, paths: Iterable[str]) -> Iterator[dict[str, Tensor]]:
    """Record what named modules return while the block runs.

    Args:
        model: The segmentor.
        paths: Tap paths, see :func:`parse_tap`.

    Yields:
        A dict that holds each path's map (B, K, h, w), with graph, once its module
        has run.

    Raises:
        ValueError: If a module returns no such map.

    Examples:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
        >>> with record_taps(net, ["0"]) as maps:
        ...     _ = net(torch.zeros(1, 3, 2, 2))
        >>> maps["0"].shape
        torch.Size([1, 4, 2, 2])
    """
    maps: dict[str, Tensor] = {}
    handles = []
    for path in dict.fromkeys(paths):
        name, index = parse_tap(path)

        def hook(
            _module: nn.Module,
            _args: Any,
            output: Any,
            path: str = path,
            index: int | None = index,
        ) -> None:
            maps[path] = _pick(output, path, index)

        handles.append(model.get_submodule(name).register_forward_hook(hook))
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()
