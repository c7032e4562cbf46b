"""A file backend whose files are whole or absent."""

from __future__ import annotations

import os

from mmengine.fileio import LocalBackend, register_backend

from mmseg_cosda.files import atomic_write


class AtomicLocalBackend(LocalBackend):
    """The host's local backend, but a file takes its name only when it is whole.

    mmengine writes checkpoints in place, so that a kill while it writes leaves a
    truncated file under the final name. A config asks for this backend through the
    host's own option::

        checkpoint=dict(
            type="CheckpointHook", backend_args=dict(backend="atomic_local")
        )

    Examples:
        >>> import tempfile
        >>> from mmengine.fileio import get_file_backend
        >>> backend = get_file_backend(backend_args={"backend": "atomic_local"})
        >>> path = tempfile.mkdtemp() + "/iter_1.pth"
        >>> backend.put(b"weights", path)
        >>> backend.get(path)
        b'weights'
    """

    def put(self, obj: bytes, filepath: str | os.PathLike[str]) -> None:
        """Write bytes to a temporary file, then rename it to ``filepath``."""
        with atomic_write(filepath) as file:
            file.write(obj)

    def put_text(
        self, obj: str, filepath: str | os.PathLike[str], encoding: str = "utf-8"
    ) -> None:
        """Write text to a temporary file, then rename it to ``filepath``."""
        self.put(obj.encode(encoding), filepath)


# Forced, so that reloading this module in a notebook works; the name is ours.
register_backend("atomic_local", AtomicLocalBackend, force=True)
