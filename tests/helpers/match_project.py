"""A tiny project with a cosine loss, whose matches are looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config

from helpers.pseudo_label_project import Project, make_project, write_config
from helpers.toys import cosine_config
from mmseg_cosda.config import read_config
from mmseg_cosda.inference.loading import load_model
from mmseg_cosda.matches.alignment import (
    build_alignment,
    cosine_alignment,
)
from mmseg_cosda.matches.source import SourceImages

SEED = 3


def make_match_project(root: Path) -> Project:
    """Seven images as source and target; the queue is smaller than what they hold."""
    made = make_project(root)
    made.out.mkdir()
    config = Config.fromfile(made.config).to_dict()
    loss = cosine_config(queue_size=9)
    config["model"]["alignments"] = dict(cosine=loss)
    source = config["model"]["data_preprocessor"]["source"]
    source["mean"] = [100.0, 90.0, 80.0]  # other than the target's
    config["val_dataloader"] = config["test_dataloader"]
    pipeline = config["train_dataloader"]["dataset"]["source"]["pipeline"]
    pipeline[1], pipeline[2] = pipeline[2], pipeline[1]  # labels before the resize
    pipeline.insert(3, dict(type="RandomFlip", prob=0.5))
    write_config(made.config, config)
    return made


def prepare(project: Project) -> tuple[Any, Any, SourceImages, Config]:
    cfg = read_config(str(project.config))
    model = load_model(cfg, str(project.checkpoint), "cpu")
    loss = build_alignment(cfg, cosine_alignment(cfg), model)
    return model, loss, SourceImages(cfg, SEED), cfg
