"""How well scores without labels rank a training's checkpoints by their mIoU."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from mmengine.structures import PixelData
from mmseg.registry import DATASETS, MODELS
from scipy.stats import spearmanr
from torch import Tensor

import mmseg_cosda  # noqa: F401  (before any config is read)
from mmseg_cosda.engine.two_view_loop import varied_batch
from mmseg_cosda.evaluation import SubsetIoUMetric, UnsupervisedScoreMetric
from mmseg_cosda.evaluation.unsupervised_score import agreement_miou, grid, image_sums

EXAMPLE = """examples:
  python benchmarks/torcs2camvid/checkpoint_choice.py scores.csv --runs work_dirs/a \\
      work_dirs/b                 # evaluate what scores.csv lacks, then print the table
  python benchmarks/torcs2camvid/checkpoint_choice.py \\
      results/checkpoint_choice/torcs2camvid.csv              # print the table alone
"""
VIEWS = {"mirror": (True, 1.0), "scale": (False, 0.75), "both": (True, 0.75)}
GRID = 4096  # pixels per image that the scores of one view are taken from
DENSITY = 512  # pixels per image that are compared with each other
TEMPERATURE = 0.05  # Saito et al. 2021
SHIPPED = "agreement mIoU, both"  # agreement_mIoU of UnsupervisedScoreMetric
LABELS = {"step": "the last"}

Row = dict[str, Any]


def soft_neighborhood_density(p: Tensor) -> float:
    """Mean entropy of each pixel's softmax over its similarities to the others."""
    unit = F.normalize(p, dim=1)
    similarity = unit @ unit.T / TEMPERATURE
    similarity.fill_diagonal_(-torch.inf)
    weights = similarity.softmax(dim=1)
    return float(-torch.special.xlogy(weights, weights).sum(dim=1).mean())


def expected_confusion(p: Tensor) -> Tensor:
    """(C, C): predicted class by row, the probability's by column."""
    matrix = p.new_zeros(p.shape[1], p.shape[1])
    return matrix.index_add_(0, p.argmax(dim=1), p)


class OneView:
    """Sums for the scores that need no second prediction."""

    def __init__(self, classes: int) -> None:
        self.confusion = torch.zeros(classes, classes, dtype=torch.float64)
        self.gram = torch.zeros_like(self.confusion)
        self.entropy, self.densities = 0.0, list[float]()

    def add(self, logits: Tensor) -> None:
        """Add an image's logits, (C, H, W)."""
        p = grid(logits, GRID).double().softmax(dim=1)
        self.confusion += expected_confusion(p)
        self.gram += p.T @ p
        self.entropy -= float(torch.special.xlogy(p, p).sum())
        few = grid(logits, DENSITY).float().softmax(dim=1)
        self.densities.append(soft_neighborhood_density(few))

    def scores(self) -> dict[str, float]:
        """Return the scores, each the higher the better."""
        pixels, classes = float(self.confusion.sum()), len(self.confusion)
        singular = torch.linalg.eigvalsh(self.gram).clamp_min(0).sqrt()
        return {
            "negative entropy": -self.entropy / pixels,
            "confidence": float(self.confusion.trace()) / pixels,
            "expected mIoU": agreement_miou(self.confusion),
            "neighborhood density": float(np.mean(self.densities)),
            "nuclear norm": float(singular.sum()) / (pixels * classes) ** 0.5,
        }


class View:
    """Sums for the agreement with one other view."""

    def __init__(self, classes: int) -> None:
        self.matrix = torch.zeros(classes, classes, dtype=torch.int64)
        self.square, self.images = 0.0, 0

    def add(self, sample: Any, view: Any) -> None:
        """Add the predictions of an image and of its view."""
        labels = [s.pred_sem_seg.data.flatten() for s in (sample, view)]
        at_pixels = [grid(s.seg_logits.data, GRID) for s in (sample, view)]
        sums = image_sums(at_pixels[0], *labels)
        assert sums.agreement is not None
        self.matrix += sums.agreement
        p, q = (logits.softmax(dim=1) for logits in at_pixels)
        self.square += float((p - q).square().sum(dim=1).mean())
        self.images += 1

    def scores(self, name: str) -> dict[str, float]:
        """Return the scores, each the higher the better, under the view's name."""
        return {
            f"agreement mIoU, {name}": agreement_miou(self.matrix),
            f"agreement, {name}": float(self.matrix.trace() / self.matrix.sum()),
            f"negative MSE, {name}": -self.square / self.images,
        }


@torch.no_grad()
def evaluate(model: Any, samples: Sequence[Row], classes: Sequence[str]) -> Row:
    """Return mIoU and all scores of a model; other views of every second image."""
    miou, shipped = SubsetIoUMetric(), UnsupervisedScoreMetric()
    miou.dataset_meta = dict(classes=classes)
    one = OneView(len(classes))
    views = {name: View(len(classes)) for name in VIEWS}
    for i, loaded in enumerate(samples):
        batch = pseudo_collate([loaded])
        (sample,) = model.val_step(batch)
        one.add(sample.seg_logits.data)
        if i % 2 == 0:
            for name, options in VIEWS.items():
                (view,) = model.val_step(varied_batch(batch, *options))
                views[name].add(sample, view)
            sample.set_data(dict(view_sem_seg=PixelData(data=view.pred_sem_seg.data)))
            shipped.process({}, [sample.to_dict()])
        miou.process({}, [sample.to_dict()])
    row = {"mIoU": miou.evaluate(len(samples))["mIoU"]}
    row["IM"] = shipped.evaluate(len(samples))["im"]
    row.update(one.scores())
    for name, sums in views.items():
        row.update(sums.scores(name))
    return row


def evaluate_runs(folders: Iterable[Path], out: Path, every: int) -> None:
    """Append to a CSV file a line for each checkpoint that it lacks."""
    done = {(row["run"], row["step"]) for row in read(out)} if out.exists() else set()
    for folder in folders:
        (config,) = folder.glob("*.py")
        cfg = Config.fromfile(config)
        init_default_scope("mmseg")
        cfg.model.backbone.init_cfg = None
        dataset = DATASETS.build(dict(cfg.val_dataloader.dataset, indices=None))
        samples = [dataset[i] for i in range(0, len(dataset), every)]
        model = MODELS.build(dict(cfg.model, alignments={})).eval()
        steps = [int(path.stem[5:]) for path in folder.glob("iter_*.pth")]
        for step in sorted(steps):
            if (folder.name, step) in done:
                continue
            load_checkpoint(model, str(folder / f"iter_{step}.pth"), "cpu")
            scores = evaluate(model, samples, dataset.metainfo["classes"])
            append(out, {"run": folder.name, "step": step, **scores})


def append(path: Path, row: Row) -> None:
    """Add a line to a CSV file."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(
            {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()}
        )


def read(path: Path) -> list[Row]:
    """Read the lines of a CSV file of :func:`append`."""
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    kinds = {"run": str, "step": int}
    return [
        {key: kinds.get(key, float)(value) for key, value in line.items()}
        for line in lines
    ]


def by_run(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the checkpoints of each run, in order."""
    runs: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["step"]):
        runs.setdefault(row["run"], []).append(row)
    return dict(sorted(runs.items()))


def choice(run: Sequence[Row], score: str) -> float:
    """Return the mIoU of the checkpoint that a score takes."""
    return float(max(run, key=lambda row: row[score])["mIoU"])


def table(rows: Sequence[Row]) -> str:
    """Return each score's rank correlations and the mIoU it reaches, as Markdown."""
    runs = by_run(rows).values()
    lines = []
    for score in [key for key in rows[0] if key not in ("run", "mIoU")]:
        within = [rank_correlation(run, score) for run in runs]
        chosen = np.mean([choice(run, score) for run in runs])
        pooled = (rank_correlation(rows, score), choice(rows, score))
        lines.append((score, within, chosen, *pooled))
    lines.sort(key=lambda line: -float(np.mean(line[1])))
    best = np.mean([choice(run, "mIoU") for run in runs])
    text = [
        "| score | in a run: rank correlation, mean | worst run | mIoU of its choice, "
        "mean | over all runs: rank correlation | mIoU of its choice |",
        "|---|---|---|---|---|---|",
        *(
            f"| {LABELS.get(score, score)} | {np.mean(within):.2f} | {min(within):.2f} "
            f"| {chosen:.2f} | {pooled:.2f} | {miou:.2f} |"
            for score, within, chosen, pooled, miou in lines
        ),
        f"| mIoU itself | 1 | 1 | {best:.2f} | 1 | {choice(rows, 'mIoU'):.2f} |",
    ]
    return "\n".join(text)


def runs_table(rows: Sequence[Row], score: str) -> str:
    """Return how a score fares in each run, as Markdown."""
    text = [
        "| run | checkpoints | rank correlation | mIoU of the choice | last | best |",
        "|---|---|---|---|---|---|",
    ]
    for name, run in by_run(rows).items():
        mious = (choice(run, score), choice(run, "step"), choice(run, "mIoU"))
        figures = " | ".join(f"{miou:.1f}" for miou in mious)
        correlation = rank_correlation(run, score)
        text.append(f"| {name} | {len(run)} | {correlation:.2f} | {figures} |")
    return "\n".join(text)


def rank_correlation(rows: Sequence[Row], score: str) -> float:
    """Spearman's, between a score and mIoU."""
    pairs = ([row[score] for row in rows], [row["mIoU"] for row in rows])
    return float(spearmanr(*pairs).statistic)


def main(args: Sequence[str] | None = None) -> None:
    """Evaluate and print as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("csv", type=Path, help="a line per checkpoint")
    parser.add_argument("--runs", type=Path, nargs="*", default=[], help="work folders")
    parser.add_argument(
        "--every", type=int, default=2, help="take each N-th image; default 2"
    )
    options = parser.parse_args(args)
    evaluate_runs(options.runs, options.csv, options.every)
    rows = read(options.csv)
    print(table(rows), runs_table(rows, SHIPPED), sep="\n\n")


if __name__ == "__main__":
    main()
