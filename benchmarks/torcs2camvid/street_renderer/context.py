"""OpenGL without a window: which driver, and what to install if there is none."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from mmseg_cosda.errors import UserError

MESA = Path("/usr/share/glvnd/egl_vendor.d/50_mesa.json")


def use_software_driver(threads: int) -> None:
    """Make this process and its children render with Mesa on the CPU.

    Every GPU's driver rounds in its own way; the software driver gives the same
    images on every machine that has the same version of it.

    Args:
        threads: Threads of the driver.
    """
    os.environ["LIBGL_ALWAYS_SOFTWARE"] = "1"
    os.environ["LP_NUM_THREADS"] = str(threads)
    if MESA.is_file():
        os.environ["__EGL_VENDOR_LIBRARY_FILENAMES"] = str(MESA)


def open_context() -> tuple[Any, Any]:
    """Return the module moderngl and an OpenGL context without a window.

    Raises:
        UserError: If moderngl or EGL is not installed.
    """
    try:
        moderngl = importlib.import_module("moderngl")
    except ImportError as error:
        raise UserError(
            "rendering needs moderngl: pip install -c constraints.txt -e '.[renderer]'"
        ) from error
    try:
        context = moderngl.create_context(standalone=True, backend="egl")
    except Exception as error:  # moderngl raises plain exceptions
        raise UserError(
            f"no OpenGL without a window ({error}): apt install libegl1 "
            "libgl1-mesa-dri; no GPU is needed"
        ) from error
    return moderngl, context


def driver_name() -> str:
    """Return the name and version of the OpenGL driver.

    Raises:
        UserError: As :func:`open_context`.
    """
    _, context = open_context()
    name = f"{context.info['GL_RENDERER']}; {context.info['GL_VERSION']}"
    context.release()
    return name
