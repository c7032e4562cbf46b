"""Unsupervised domain adaptation by class-wise cosine similarity for MMSegmentation.

Importing the package checks the installed host, registers every part in the host's
registries, lets other projects inherit the configs as ``mmseg_cosda::...`` and makes
the host read checkpoints and YAML as data.
"""

from __future__ import annotations

from mmseg_cosda.host import register_config_scope, require_host, warn_of_two_hosts
from mmseg_cosda.version import __version__

require_host()
warn_of_two_hosts()
register_config_scope()

# After the check, so that a missing host is one clear error.
from mmseg_cosda import datasets, engine, evaluation, models, registry  # noqa: E402
from mmseg_cosda.checkpoint.schemes import register_safe_loaders  # noqa: E402
from mmseg_cosda.safe_yaml import register_safe_yaml  # noqa: E402

register_safe_loaders()
register_safe_yaml()

__all__ = ["__version__", "datasets", "engine", "evaluation", "models", "registry"]
