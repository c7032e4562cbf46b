"""The target images, the model and its weights, as a config names them."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader
from mmseg.registry import DATASETS, MODELS
from torch import Tensor
from torch.utils.data import Dataset

from mmseg_cosda.checkpoint import load_checkpoint_file
from mmseg_cosda.errors import UserError
from mmseg_cosda.launch import TRAINING_ONLY, require_fit
from mmseg_cosda.pseudo_labels.memory import forget_unused_maps
from mmseg_cosda.safe_yaml import refuse_executable_yaml

ANNOTATION_TRANSFORMS = frozenset(
    {"LoadAnnotations", "RawIdsToTrainIds", "CheckLabels"}
)


def read_config(path: str, options: dict[str, Any] | None = None) -> Config:
    """Read a config file with changes from the command line.

    Raises:
        UserError: If there is none, or it can't be read.
    """
    if not Path(path).is_file():
        raise UserError(f"config {path} does not exist; name a file of configs/")
    refuse_executable_yaml(path)
    try:
        cfg = Config.fromfile(path)
        cfg.merge_from_dict(options or {})
    except Exception as error:
        # A config is a program: whatever it raises is its author's mistake.
        raise UserError(f"config {path}: {type(error).__name__}: {error}") from error
    init_default_scope(cfg.get("default_scope") or "mmseg")
    return cfg


def type_name(config: Mapping[str, Any]) -> str:
    """Return the bare type name of a registry config.

    Examples:
        >>> type_name(dict(type="mmseg.LoadAnnotations"))
        'LoadAnnotations'
    """
    kind = config.get("type")
    return str(getattr(kind, "__name__", kind)).rsplit(".", 1)[-1]


def target_config(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of the target's training images, without pseudo-labels.

    Args:
        cfg: A whole config, whose ``train_dataloader.dataset`` pairs two domains.

    Raises:
        UserError: If the config has no target.

    Examples:
        >>> images = dict(type="CityscapesDataset")
        >>> target = dict(type="PseudoLabelDataset", dataset=images)
        >>> target_config(dict(train_dataloader=dict(dataset=dict(target=target))))
        {'type': 'CityscapesDataset'}
    """
    dataset = (cfg.get("train_dataloader") or {}).get("dataset") or {}
    target = dataset.get("target")
    if not target:
        raise UserError(
            "the config has no target domain: train_dataloader.dataset is of type "
            f"{type_name(dataset)}, expected DomainPairDataset(source=..., "
            "target=...), as in configs/self_training/"
        )
    while type_name(target) == "PseudoLabelDataset":
        target = target["dataset"]
    return copy.deepcopy(dict(target))


def inference_pipeline(
    cfg: Mapping[str, Any], with_labels: bool
) -> list[dict[str, Any]]:
    """Return the config's test pipeline, by default without annotations.

    Args:
        cfg: A whole config.
        with_labels: Whether to keep the transforms that load annotations.

    Raises:
        UserError: If the config has no test pipeline.
    """
    for loader in ("test_dataloader", "val_dataloader"):
        dataset = (cfg.get(loader) or {}).get("dataset") or {}
        if dataset.get("pipeline"):
            pipeline = dataset["pipeline"]
            break
    else:
        pipeline = cfg.get("test_pipeline")
    if not pipeline:
        raise UserError(
            "the config has no test pipeline (test_dataloader.dataset.pipeline): it "
            "tells how the target's images are loaded and resized"
        )
    return [
        dict(copy.deepcopy(transform))
        for transform in pipeline
        if with_labels or type_name(transform) not in ANNOTATION_TRANSFORMS
    ]


class TargetImages(Dataset[dict[str, Any]]):
    """A host dataset's images through another pipeline.

    Args:
        dataset: Config of the host dataset; its own pipeline is not used.
        pipeline: Transforms, ending in the host's ``PackSegInputs``.

    Raises:
        UserError: If the dataset can't be built, has no images, or no ground truth that
            the pipeline is to load.
    """

    def __init__(self, dataset: dict[str, Any], pipeline: list[dict[str, Any]]) -> None:
        if "pipeline" in dataset:
            dataset = {**dataset, "pipeline": []}
        try:
            self.dataset: Any = DATASETS.build(dataset)
            self.dataset.full_init()
        except (AssertionError, OSError) as error:
            raise UserError(
                f"target dataset {type_name(dataset)}: {error}; check its data_root "
                "and data_prefix"
            ) from error
        if len(self.dataset) == 0:
            raise UserError(
                f"target dataset {type_name(dataset)} has no images; check its "
                "data_root and data_prefix"
            )
        labelled = any(type_name(t) == "LoadAnnotations" for t in pipeline)
        if labelled and "seg_map_path" not in self.dataset.get_data_info(0):
            raise UserError(
                f"--evaluate: target dataset {type_name(dataset)} names no ground "
                "truth; add the folder of its labels, data_prefix.seg_map_path, to "
                "this dataset in the config, or leave --evaluate out"
            )
        self.pipeline = Compose(pipeline)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return the packed sample; what fails is told, not raised in a worker."""
        info = self.dataset.get_data_info(index)
        try:
            sample: dict[str, Any] = self.pipeline(info)
        except (OSError, ValueError, AssertionError, AttributeError, KeyError) as error:
            image = info.get("img_path")
            return {"error": f"image {image}: {type(error).__name__}: {error}"}
        return sample


def load_model(cfg: Mapping[str, Any], checkpoint: str, device: str) -> Any:
    """Build the config's segmentor with the weights of a checkpoint, in eval mode.

    Args:
        cfg: A whole config.
        checkpoint: File or URL of a checkpoint of the host.
        device: Such as ``"cpu"`` or ``"cuda:0"``.

    Raises:
        UserError: If the checkpoint can't be read or lacks weights of the model.
    """
    model_config = copy.deepcopy(dict(cfg["model"]))
    if "alignments" in model_config:
        model_config["alignments"] = {}
    model_config.pop("auxiliary_head", None)
    if cfg.get("data_preprocessor"):
        model_config.setdefault("data_preprocessor", cfg["data_preprocessor"])
    weights = read_weights(checkpoint)
    model = MODELS.build(model_config)
    require_fit(model, weights, checkpoint, TRAINING_ONLY)
    expected = model.state_dict()
    shared = {key: value for key, value in weights.items() if key in expected}
    model.load_state_dict(shared, strict=False)
    forget_unused_maps(model)
    if torch.device(device).type == "cpu":
        model = revert_sync_batchnorm(model)
    return model.to(device).eval()


def read_weights(checkpoint: str) -> dict[str, Tensor]:
    """Return the state dict of a checkpoint, also of one that a process group wrote.

    Args:
        checkpoint: File or URL.

    Raises:
        UserError: If it can't be read.
    """
    content: Any
    if "://" in checkpoint:
        content = CheckpointLoader.load_checkpoint(checkpoint, map_location="cpu")
    elif os.path.isfile(checkpoint):
        # Of a training checkpoint's optimizer state and queues nothing is read.
        content = load_checkpoint_file(checkpoint, map_location="cpu", mmap=True)
    else:
        raise UserError(f"checkpoint {checkpoint} does not exist")
    weights = content.get("state_dict", content) if isinstance(content, dict) else {}
    return {str(k).removeprefix("module."): v for k, v in weights.items()}


def weights_digest(model: torch.nn.Module) -> str:
    """Return a short digest of a model's weights, whatever file they came from."""
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        if not key.startswith(TRAINING_ONLY):
            digest.update(key.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
