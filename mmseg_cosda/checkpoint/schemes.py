"""The host's ways to a checkpoint (path, URL, hub name), all read safely.

mmengine picks a loader by the prefix of a checkpoint's name. Its own loaders unpickle
whatever the file says, so every prefix gets a loader of ours, through mmengine's public
``CheckpointLoader.register_scheme``. It then holds for the host's scripts too.
"""

from __future__ import annotations

import io
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from mmengine.dist import get_dist_info
from mmengine.fileio import get_file_backend
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as host_checkpoint

from mmseg_cosda.checkpoint.integrity import name_digest, refuse_wrong_digest
from mmseg_cosda.checkpoint.loading import MapLocation, load_checkpoint_file
from mmseg_cosda.errors import UserError


def load_from_local(filename: str, map_location: MapLocation = None) -> Any:
    """Read a checkpoint by its path.

    Raises:
        UserError: If it holds no dict, which the host would ask for its keys.
    """
    content = load_checkpoint_file(filename, map_location)
    if not isinstance(content, Mapping):
        raise UserError(
            f"checkpoint {filename} holds a {type(content).__name__}, no weights: give "
            f"a file with a state_dict"
        )
    return content


def load_from_http(
    filename: str, map_location: MapLocation = None, model_dir: str | None = None
) -> Any:
    """Fetch a checkpoint once into torch's hub folder and read it from there.

    Args:
        filename: An http or https URL.
        map_location: Where tensors go, as of ``torch.load``.
        model_dir: The folder to keep it in; default ``$TORCH_HOME/hub/checkpoints``.

    Returns:
        What was saved.

    Raises:
        UserError: If it cannot be fetched (the ways that work offline are named),
            is not the file whose digest its name gives (``net-0123abcd.pth``), or
            is refused.
    """
    rank, world_size = get_dist_info()
    if rank > 0:  # rank 0 fetches, the others read what it fetched
        torch.distributed.barrier()
    checkpoint = _fetch(filename, map_location, model_dir)
    if rank == 0 and world_size > 1:
        torch.distributed.barrier()
    return checkpoint


def _fetch(url: str, map_location: MapLocation, model_dir: str | None) -> Any:
    file = _hub_file(url, model_dir)
    digest = name_digest(file.name)
    if file.is_file():
        refuse_wrong_digest(file, digest)
    else:
        _download(url, file, digest)
    return load_checkpoint_file(file, map_location)


def _download(url: str, file: Path, digest: str | None) -> None:
    """Fetch a file, which takes its name when it is whole and the right one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(
            url, str(file), hash_prefix=digest, progress=sys.stderr.isatty()
        )
    except OSError as error:  # URLError is one
        raise UserError(offline_message(url, error, file)) from error
    except RuntimeError as error:  # torch's word for another digest
        raise UserError(
            f"pretrained weights {url}: what was fetched is not the file that its name "
            f"promises ({error}). Try again; a file that you trust as it is can be "
            f"given by its path"
        ) from error


def _hub_file(url: str, model_dir: str | None) -> Path:
    """Return where torch keeps the file of a URL."""
    folder = Path(model_dir or os.path.join(torch.hub.get_dir(), "checkpoints"))
    return folder / os.path.basename(urlparse(url).path)


def offline_message(url: str, error: Exception, file: Path) -> str:
    """Say how to go on where a URL of weights cannot be reached.

    Args:
        url: The URL that was asked for.
        error: Why it could not be had.
        file: Where torch looks for it before it asks the network.

    Returns:
        One line with the ways that work offline.
    """
    reason = getattr(error, "reason", None) or error
    return (
        f"pretrained weights {url} cannot be fetched ({reason}). Without a network, "
        f"fetch the file elsewhere and put it at {file}, or give a local path in "
        f"the config (init_cfg.checkpoint or pretrained), or start from a whole "
        f"checkpoint (load_from), or from random weights (init_cfg=None)"
    )


def _model_url(hub: str, name: str, table: dict[str, str]) -> str:
    """Look a name of a model hub up."""
    if name not in table:
        raise UserError(
            f"pretrained weights {hub}://{name}: no such name in the hub. Give one of "
            f"its {len(table)} names, a local path or a URL"
        )
    return table[name]


def load_from_torchvision(filename: str, map_location: MapLocation = None) -> Any:
    """Fetch a checkpoint by torchvision's name of it."""
    hub, _, name = filename.partition("://")
    url = _model_url(hub, name, host_checkpoint.get_torchvision_models())
    return load_from_http(url, map_location)


def load_from_openmmlab(filename: str, map_location: MapLocation = None) -> Any:
    """Fetch a checkpoint by its name in OpenMMLab's hub."""
    hub, _, name = filename.partition("://")
    name = host_checkpoint.get_deprecated_model_names().get(name, name)
    url = _model_url(hub, name, host_checkpoint.get_external_models())
    if url.startswith(("http://", "https://")):
        return load_from_http(url, map_location)
    home = os.getenv("XDG_CACHE_HOME", "~/.cache")
    folder = os.getenv("MMENGINE_HOME", os.path.join(home, "mmengine"))
    return load_checkpoint_file(os.path.join(folder, url), map_location)


def load_from_mmcls(filename: str, map_location: MapLocation = None) -> Any:
    """Fetch the backbone of a classifier by its name in mmcls' hub."""
    hub, _, name = filename.partition("://")
    url = _model_url(hub, name, host_checkpoint.get_mmcls_models())
    checkpoint = load_from_http(url, map_location)
    weights = checkpoint.get("state_dict", checkpoint)
    prefix = "backbone."
    backbone = OrderedDict(
        (key[len(prefix) :], value)
        for key, value in weights.items()
        if key.startswith(prefix)
    )
    return {"state_dict": backbone}


def load_from_storage(filename: str, map_location: MapLocation = None) -> Any:
    """Read a checkpoint from one of the host's remote storages."""
    backend = get_file_backend(filename, backend_args={"backend": "petrel"})
    with io.BytesIO(backend.get(filename)) as file:
        return load_checkpoint_file(file, map_location, name=filename)


def load_from_pavi(filename: str, map_location: MapLocation = None) -> Any:
    """Refuse pavi, whose client reads unsafely."""
    raise UserError(
        f"checkpoint {filename}: pavi:// is not read. Download the file and give its "
        f"path"
    )


# The prefixes of mmengine (regular expressions) and who reads them here.
SAFE_LOADERS: dict[str, Callable[..., Any]] = {
    "": load_from_local,
    "http://": load_from_http,
    "https://": load_from_http,
    "modelzoo://": load_from_torchvision,
    "torchvision://": load_from_torchvision,
    "open-mmlab://": load_from_openmmlab,
    "openmmlab://": load_from_openmmlab,
    "mmcls://": load_from_mmcls,
    r"(\S+\:)?s3://": load_from_storage,
    r"(\S+\:)?petrel://": load_from_storage,
    "pavi://": load_from_pavi,
}


def register_safe_loaders() -> None:
    """Put a safe loader in the place of each of the host's."""
    for prefix, loader in SAFE_LOADERS.items():
        CheckpointLoader.register_scheme(prefix, loader=loader, force=True)
