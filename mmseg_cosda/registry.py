"""The scope ``mmseg_cosda``, in which inherited configs are built.

Every part is registered in ``mmseg.registry``. A config that inherits ours as
``mmseg_cosda::...`` is marked by mmengine with our scope, and it looks for registries
of that scope; these are empty and hand every name on to the host's. The host fills
its own on first use in its own scope alone, so it is told to here.
"""

from __future__ import annotations

from mmengine.registry import Registry
from mmseg import registry as host_registry

# By the host's constant, e.g. "MODELS".
REGISTRIES: dict[str, Registry] = {
    constant: Registry(
        parent.name, parent=parent, scope="mmseg_cosda", locations=["mmseg_cosda"]
    )
    for constant, parent in vars(host_registry).items()
    if isinstance(parent, Registry)
}

for registry in REGISTRIES.values():
    registry.parent.import_from_location()
