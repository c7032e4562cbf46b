"""A segmentor as an ONNX graph, from the image's pixels to the logits."""

from __future__ import annotations

import copy
import importlib.util
import io
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmseg_cosda.errors import UserError
from mmseg_cosda.files import atomic_write
from mmseg_cosda.inference.export_check import logits_of, random_picture
from mmseg_cosda.inference.onnx_modules import make_exportable

TOLERANCE = 1e-4
OPSET = 17  # of 2022: what runtimes of the last years know
TRACED, OTHERS = (128, 160), ((1, 96, 224), (2, 160, 128))
"""(H, W) that is traced; (N, H, W) on which a graph for any size is tried."""


class Graph(nn.Module):
    """Pixels to logits: the preprocessor's arithmetic, the net, the upsampling.

    Args:
        model: A host ``EncoderDecoder`` in eval mode.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (N, C, H, W) of images (N, 3, H, W), BGR, 0..255."""
        preprocessor = self.model.data_preprocessor
        x = image
        if getattr(preprocessor, "_channel_conversion", False):
            x = x[:, [2, 1, 0]]
        if getattr(preprocessor, "_enable_normalize", False):
            x = (x - preprocessor.mean) / preprocessor.std
        return upsampled(self.model, self.model(x, mode="tensor"), image)


def upsampled(model: Any, logits: Tensor, image: Tensor) -> Tensor:
    """Return logits at the size of their images, as the host upsamples them."""
    return F.interpolate(
        logits,
        size=image.shape[2:],
        mode="bilinear",
        align_corners=model.align_corners,
    )


def require_onnx() -> None:
    """Check that what the export needs is installed.

    Raises:
        UserError: If it isn't.
    """
    missing = [n for n in ("onnx", "onnxruntime") if not importlib.util.find_spec(n)]
    if missing:
        raise UserError(
            f"--onnx needs {' and '.join(missing)} (42 MB): "
            f"pip install {' '.join(missing)}, or this project with its extra export"
        )


def export_onnx(model: Any, path: Path, cfg: Mapping[str, Any]) -> str:
    """Write the graph of a segmentor, checked against it with onnxruntime.

    The graph is for any size and number of images where the net allows that, else
    for one image of the size that the test pipeline resizes to.

    Args:
        model: A host ``EncoderDecoder`` on the CPU in eval mode.
        path: The file to write.
        cfg: Its exported config.

    Returns:
        What the graph takes, in a line.

    Raises:
        UserError: If there is no graph whose logits are the net's to 1e-4.
    """
    plain = copy.deepcopy(model)
    make_exportable(plain)
    graph = Graph(plain).eval()
    hint = _hint(cfg)
    try:
        content = _traced(graph, TRACED, any_size=True)
        for images in ((1, *TRACED), *OTHERS):
            _require_equal(content, model, images)
        note = "any height, width and number of images"
    except Exception as reason:  # the exporter's and the runtime's have no base
        size = _network_size(cfg)
        if size is None:
            raise UserError(
                f"--onnx: the net has no graph for any size ({_first_line(reason)}), "
                "and the test pipeline resizes to no fixed one: add "
                'dict(type="Resize", scale=(W, H), keep_ratio=False) to it'
            ) from reason
        try:
            content = _traced(graph, size, any_size=False)
            _require_equal(content, model, (1, *size))
        except Exception as error:
            raise UserError(
                f"--onnx: the net can't be written ({_first_line(error)})"
            ) from error
        note = f"one image of {size[1]}x{size[0]} alone: this net has a graph per size"
    with atomic_write(path) as file:
        file.write(content)
    return f"{note}; equal to the net's logits to {TOLERANCE:g}{hint}"


def _traced(graph: Graph, size: tuple[int, int], any_size: bool) -> bytes:
    """Return the graph as the exporter writes it."""
    free = {0: "images", 2: "height", 3: "width"}
    axes = {"image": free, "logits": free} if any_size else None
    file = io.BytesIO()
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            # By tracing: the newer exporter takes ten times as long, and writes the
            # number of images into the graph of an attention.
            torch.onnx.export(
                graph,
                (random_picture(*size),),
                file,  # type: ignore[arg-type]
                dynamo=False,
                input_names=["image"],
                output_names=["logits"],
                dynamic_axes=axes,
                opset_version=OPSET,
            )
    finally:
        log.setLevel(level)
    return file.getvalue()


def _require_equal(content: bytes, model: Any, size: tuple[int, int, int]) -> None:
    """Check a graph against the net.

    Raises:
        ValueError: If the largest difference is above the tolerance, relative to the
            largest logit where that is above 1.
    """
    image = random_picture(size[1], size[2], size[0])
    with torch.inference_mode():
        expected = upsampled(model, logits_of(model, image), image)
    found = torch.from_numpy(run_onnx(content, image.numpy()))
    if found.shape != expected.shape:
        raise ValueError(f"logits of {tuple(found.shape)} for images of {size}")
    scale = max(1.0, float(expected.abs().max()))
    difference = float((found - expected).abs().max()) / scale
    if not difference <= TOLERANCE:
        raise ValueError(f"logits differ by {difference:.1e} for images of {size}")


def run_onnx(content: bytes, image: Any) -> np.ndarray[Any, Any]:
    """Return the logits of a graph on the CPU; images are (N, 3, H, W) float32."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised
    session = onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {"image": image})[0])


def _network_size(cfg: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the (H, W) that the test pipeline resizes to, if it is one size."""
    for transform in reversed(cfg["test_pipeline"]):
        scale = transform.get("scale")
        if transform["type"] == "Resize" and not transform.get("keep_ratio", False):
            if isinstance(scale, (tuple, list)) and len(scale) == 2:
                return int(scale[1]), int(scale[0])
            return None
    return None


def _hint(cfg: Mapping[str, Any]) -> str:
    """Say what of the host's inference the graph doesn't do."""
    notes = []
    test = cfg["model"].get("test_cfg") or {}
    if test.get("mode") == "slide":
        notes.append(f"it predicts one window (test_cfg.crop_size={test['crop_size']})")
    if (cfg["model"].get("data_preprocessor") or {}).get("test_cfg"):
        notes.append("it doesn't pad (data_preprocessor.test_cfg)")
    return "".join(f"; {note}" for note in notes)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:160] or type(error).__name__
