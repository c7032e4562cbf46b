"""A module's forward pass, compiled for training alone."""

from __future__ import annotations

from collections.abc import Iterable
from types import MethodType
from typing import Any

import torch
from torch import nn


class CompiledForward:
    """Takes the place of a module's ``forward``: compiled in train mode, else plain.

    Parameter names, hooks on the module itself and its outputs in eval mode are what
    they were; a deep copy or a pickle of the module compiles its own. Each input size
    gets its own code, since convolutions of fixed size are the faster ones.

    Args:
        module: The module; it is called as before.
        backend: Of ``torch.compile``.

    Examples:
        >>> import torch
        >>> net = nn.Linear(2, 1)
        >>> compile_forward(net, "eager")
        >>> net(torch.zeros(3, 2)).shape, list(net.state_dict())
        (torch.Size([3, 1]), ['weight', 'bias'])
    """

    def __init__(self, module: nn.Module, backend: str) -> None:
        self.module = module
        self.backend = backend
        self._compiled: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the module's forward pass."""
        plain = MethodType(type(self.module).forward, self.module)
        if not self.module.training:
            return plain(*args, **kwargs)
        if self._compiled is None:
            self._compiled = torch.compile(plain, backend=self.backend, dynamic=False)
        return self._compiled(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_compiled": None}


def compile_forward(module: nn.Module, backend: str) -> None:
    """Compile a module's forward pass in place, when it first runs in train mode."""
    module.forward = CompiledForward(module, backend)


def compile_backend(option: bool | str, paths: Iterable[str]) -> str | None:
    """Check the option ``compile_backbone``.

    Args:
        option: False, True for torch's default, or the name of a backend.
        paths: Tap paths of the alignments; none may lie inside what is compiled.

    Returns:
        The backend, None for no compilation.

    Raises:
        ValueError: If there is no such backend or a tap lies inside the backbone.

    Examples:
        >>> compile_backend(True, ["backbone[-1]"]), compile_backend(False, [])
        ('inductor', None)
    """
    if option is False:
        return None
    backend = "inductor" if option is True else option
    known = sorted(torch._dynamo.list_backends(exclude_tags=()))
    if backend not in known:
        raise ValueError(
            f"model.compile_backbone={option!r}: choose True, False or a backend of "
            f"torch.compile, here {', '.join(known)}"
        )
    inside = [path for path in paths if path.startswith("backbone.")]
    if inside:
        raise ValueError(
            f"model.compile_backbone={option!r} with the taps {inside}: a compiled "
            "backbone hides its inner modules; tap what it returns, such as "
            "'backbone[-1]', or leave compile_backbone out"
        )
    return backend
