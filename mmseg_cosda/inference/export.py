"""A trained net as the host's plain segmentor: its config and its weights alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mmengine.config import Config
from mmseg.registry import MODELS, TRANSFORMS
from torch import Tensor

from mmseg_cosda.checkpoint import parse_config_literals
from mmseg_cosda.config import type_name
from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.class_names import ClassNames
from mmseg_cosda.inference.loading import prediction_config
from mmseg_cosda.inference.picture_pipeline import picture_pipeline
from mmseg_cosda.models.segmentors import UDAEncoderDecoder

Branch = Literal["student", "teacher"]
TEACHER = "teacher."
HOST = {"mmseg", "mmcv", "mmengine", "torch"}
# What the host's EncoderDecoder takes, but for what only training needs.
KEPT = ("backbone", "neck", "decode_head", "test_cfg")


@dataclass(frozen=True)
class Exported:
    """A net that the host's ``init_model`` loads.

    Args:
        cfg: Its config, plain values alone.
        modules: What it imports besides the host, which holds its other parts.
    """

    cfg: dict[str, Any]
    modules: list[str]

    @property
    def text(self) -> str:
        """The config as a file of literals.

        Raises:
            UserError: If a value is no literal, or one that the host would replace.
        """
        text: str = Config(copy.deepcopy(self.cfg)).pretty_text
        if "{{" in text:
            raise UserError(
                "the config or a class's name holds '{{', which the host replaces in "
                "a file: leave it out"
            )
        if parse_config_literals(text, "the exported config") != self.cfg:
            raise UserError(
                "the config holds keys or values that can't be written as literals: "
                "rename keys that are no names"
            )
        return text


def export_config(cfg: Mapping[str, Any], names: ClassNames) -> Exported:
    """Return the config that predicts as another does, with host parts where it can.

    Alignments, phases, auxiliary heads and the source's preprocessor are left out,
    as are the addresses of pretrained weights; transforms become the host's, SyncBN
    becomes BN. Of the data, classes and colors stay.

    Args:
        cfg: A whole config.
        names: Of its classes.

    Raises:
        UserError: If it has no test pipeline that loads pictures, or a value is no
            literal.
    """
    pipeline = _literal(picture_pipeline(cfg))
    model = _plain_model(cfg)
    dataset = {"type": "BaseSegDataset", "metainfo": names.as_meta()}
    modules = sorted(_modules(model, MODELS) | _modules(pipeline, TRANSFORMS))
    head: dict[str, Any] = {"default_scope": "mmseg"}
    if modules:
        head["custom_imports"] = {"imports": modules}
    backends = [{"type": "LocalVisBackend"}]
    visualizer = {"type": "SegLocalVisualizer", "name": "visualizer"}
    result = {
        **head,
        "model": model,
        "test_pipeline": pipeline,
        # Of these two the host's MMSegInferencer reads pipeline and type.
        "test_dataloader": {"dataset": {**dataset, "pipeline": pipeline}},
        "visualizer": {**visualizer, "vis_backends": backends},
    }
    return Exported(copy.deepcopy(result), modules)


def _plain_model(cfg: Mapping[str, Any]) -> dict[str, Any]:
    model = _literal(cfg["model"])
    kind = MODELS.get(model["type"])
    if "data_preprocessor" not in model and cfg.get("data_preprocessor"):
        model["data_preprocessor"] = _literal(cfg["data_preprocessor"])
    preprocessor = model.get("data_preprocessor")
    if preprocessor and type_name(preprocessor) == "UDADataPreprocessor":
        model["data_preprocessor"] = preprocessor["target"]
    if isinstance(kind, type) and issubclass(kind, UDAEncoderDecoder):
        model = {
            "type": "EncoderDecoder",
            "data_preprocessor": model.get("data_preprocessor"),
            **{key: model[key] for key in KEPT if model.get(key) is not None},
        }
    model.pop("auxiliary_head", None)
    model.update(train_cfg=None, pretrained=None)
    return dict(_without_training(model))


def _without_training(node: Any) -> Any:
    """Return a part without what would fetch weights or needs several processes."""
    if isinstance(node, (list, tuple)):
        return type(node)(_without_training(part) for part in node)
    if not isinstance(node, dict):
        return node
    result = {key: _without_training(value) for key, value in node.items()}
    if type_name(result) == "SyncBN":
        result["type"] = "BN"
    initial = result.get("init_cfg")
    parts = initial if isinstance(initial, list) else [initial]
    if any(isinstance(p, dict) and type_name(p) == "Pretrained" for p in parts):
        result["init_cfg"] = None
    if result.get("pretrained") is not None:
        result["pretrained"] = False if result["pretrained"] is True else None
    losses = result.get("loss_decode")
    if losses is not None and _modules(losses, MODELS):
        del result["loss_decode"]  # of training; the head's own default is the host's
    return result


def _literal(value: Any) -> Any:
    """Return plain values; a class becomes the name by which registries find it."""
    if isinstance(value, Mapping):
        return {key: _literal(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_literal(part) for part in value)
    if isinstance(value, type) or callable(value):
        return f"{value.__module__}.{value.__qualname__}"
    return value


def _modules(node: Any, registry: Any) -> set[str]:
    """Return the modules to import for a config's parts that are not the host's."""
    found = {_module(registry.get(kind), kind) for kind in _types(node)}
    others = {name for name in found if name and _package(name) not in HOST}
    return {"mmseg_cosda" if _package(n) == "mmseg_cosda" else n for n in others}


def _module(part: Any, name: str) -> str:
    """Return where a part comes from; the host's, if it only checks more than that."""
    bare = name.rsplit(".", 1)[-1]
    for kind in getattr(part, "__mro__", ()):
        if kind.__name__ == bare and _package(kind.__module__) in HOST:
            return str(kind.__module__)
    return str(getattr(part, "__module__", ""))


def _package(module: str) -> str:
    return module.split(".")[0]


def _types(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("type"), str):
            yield node["type"]
        for value in node.values():
            yield from _types(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _types(value)


def comparable_config(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return the trained model's config, its options of speed left out.

    The order of channels in memory changes results by rounding; without it the
    exported net has to give the same bits. Building it fetches no weights.

    Args:
        cfg: A whole config.
    """
    model: dict[str, Any] = _without_training(_literal(prediction_config(cfg)))
    for option in ("channels_last", "compile_backbone"):
        model.pop(option, None)
    return model


def branch_weights(
    weights: Mapping[str, Tensor], branch: Branch, checkpoint: str
) -> dict[str, Tensor]:
    """Return the weights of the student or of its teacher, under the same names.

    Args:
        weights: Of a checkpoint; a teacher's are named ``teacher.backbone.*`` and so
            on.
        branch: Whose.
        checkpoint: The file, for the error.

    Raises:
        UserError: If there is no teacher.

    Examples:
        >>> import torch
        >>> both = {"a": torch.zeros(1), "teacher.a": torch.ones(1)}
        >>> branch_weights(both, "teacher", "net.pth")
        {'a': tensor([1.])}
    """
    if branch == "student":
        return {k: v for k, v in weights.items() if not k.startswith(TEACHER)}
    found = {
        key.removeprefix(TEACHER): value
        for key, value in weights.items()
        if key.startswith(TEACHER)
    }
    if not found:
        raise UserError(
            f"--weights teacher: checkpoint {checkpoint} holds no teacher "
            "(teacher.backbone.*): leave the option out"
        )
    return found


def stored_config(meta: Mapping[str, Any], checkpoint: str) -> dict[str, Any]:
    """Return the config that a checkpoint was trained with, read as literals.

    Args:
        meta: The checkpoint's ``meta``.
        checkpoint: The file, for the error.

    Raises:
        UserError: If there is none, or it is more than literals.
    """
    text = meta.get("cfg")
    if not isinstance(text, str):
        raise UserError(
            f"checkpoint {checkpoint} holds no config that can be read as data: give "
            "the one that it was trained with, --config CONFIG"
        )
    cfg = parse_config_literals(text, f"checkpoint {checkpoint}, meta.cfg")
    if not isinstance(cfg.get("model"), Mapping):
        raise UserError(f"checkpoint {checkpoint}, meta.cfg: no model; give --config")
    return cfg
