"""Unsupervised scores against naive loops, and as the Runner uses them."""

from __future__ import annotations

import json
import math
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from helpers import toy_runs
from mmengine.runner import Runner
from mmseg.registry import METRICS
from torch import Tensor
from torch.multiprocessing.spawn import start_processes

from mmseg_cosda.evaluation.unsupervised_score import (
    UnsupervisedScoreMetric,
    agreement_miou,
    grid,
    image_sums,
    information_maximization,
)

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "choosing_a_checkpoint.md"


def naive_im(logits: Tensor) -> float:
    """Information maximization of (N, C) logits, pixel by pixel, class by class."""
    rows = []
    for z in logits.tolist():
        total = sum(math.exp(v) for v in z)
        rows.append([math.exp(v) / total for v in z])
    classes, pixels = range(len(rows[0])), len(rows)
    mean = [sum(row[c] for row in rows) / pixels for c in classes]
    mean_entropy = sum(-p * math.log(p) for row in rows for p in row) / pixels
    diversity = sum(-p * math.log(p) for p in mean)
    return 100 * (diversity - mean_entropy) / math.log(len(mean))


def naive_agreement(one: list[int], other: list[int], num_classes: int) -> float:
    """The mIoU of two predictions with each other, class by class."""
    iou = []
    pairs = list(zip(one, other, strict=True))
    for c in range(num_classes):
        hit = sum(a == c and b == c for a, b in pairs)
        union = sum(a == c or b == c for a, b in pairs)
        iou.append(hit / union if union else 0.0)
    return 100 * sum(iou) / num_classes


def random_logits(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(*shape, generator=generator, dtype=torch.float64)


def sample(logits: Tensor, **fields: Any) -> dict[str, Any]:
    return dict(seg_logits=dict(data=logits), **fields)


def evaluate(samples: list[dict[str, Any]], **options: Any) -> dict[str, float]:
    metric = METRICS.build(dict(type="UnsupervisedScoreMetric", **options))
    metric.process({}, samples)
    result: dict[str, float] = metric.evaluate(size=len(samples))
    return result


def two_views(*shape: int, seed: int) -> dict[str, Any]:
    """A sample whose other view differs at some pixels; the last class is nowhere."""
    logits = random_logits(*shape, seed=seed)
    logits[-1] = -50.0
    predicted = logits.argmax(dim=0, keepdim=True)
    generator = torch.Generator().manual_seed(seed)
    changed = torch.rand(predicted.shape, generator=generator) < 0.3
    view = torch.where(changed, (predicted + 1) % (shape[0] - 1), predicted)
    fields = dict(pred_sem_seg=dict(data=predicted), view_sem_seg=dict(data=view))
    return sample(logits, **fields)


@pytest.mark.parametrize(("pixels", "classes"), [(1, 2), (40, 2), (60, 7)])
def test_information_maximization_equals_naive_loops(pixels: int, classes: int) -> None:
    logits = random_logits(pixels, classes)
    sums = image_sums(logits)
    mean, entropy = sums.probabilities / pixels, sums.entropy / pixels
    got = 100 * information_maximization(mean, entropy)
    assert got == pytest.approx(naive_im(logits), abs=1e-10)


def test_agreement_equals_naive_loops() -> None:
    one = torch.tensor([0, 0, 1, 1, 2, 2, 2, 0])
    other = torch.tensor([0, 1, 1, 1, 2, 0, 2, 2])
    matrix = image_sums(torch.zeros(8, 4), one, other).agreement
    assert matrix is not None
    assert matrix.sum() == 8
    got = 100 * agreement_miou(matrix)
    assert got == pytest.approx(naive_agreement(one.tolist(), other.tolist(), 4))


def test_images_of_all_sizes_are_pooled() -> None:
    samples = [two_views(5, 6, 8, seed=1), two_views(5, 3, 4, seed=2)]
    logits = torch.cat([s["seg_logits"]["data"].flatten(1).T for s in samples])
    one, other = (
        torch.cat([s[key]["data"].flatten() for s in samples]).tolist()
        for key in ("pred_sem_seg", "view_sem_seg")
    )
    assert evaluate(samples) == pytest.approx(
        {"im": naive_im(logits), "agreement_mIoU": naive_agreement(one, other, 5)},
        abs=1e-4,
    )


def test_ground_truth_is_not_read() -> None:
    logits = random_logits(4, 5, 5)
    labels = dict(data=torch.full((1, 5, 5), 255))
    labelled = [sample(logits, gt_sem_seg=labels)]
    assert evaluate(labelled) == evaluate([sample(logits)])


def test_a_network_that_says_one_thing_everywhere_scores_least() -> None:
    """It is confident and agrees with itself; the scores aren't taken in."""
    dead = torch.zeros(4, 6, 6)
    dead[2] = 50.0
    prediction = dict(data=dead.argmax(dim=0, keepdim=True))
    fields = dict(pred_sem_seg=prediction, view_sem_seg=prediction)
    assert evaluate([sample(dead, **fields)]) == {"agreement_mIoU": 25.0, "im": 0.0}
    alive = evaluate([two_views(4, 6, 6, seed=0)])
    assert alive["im"] > 25.0
    assert alive["agreement_mIoU"] > 30.0


def test_certain_pixels_make_no_nan_and_nan_is_not_hidden() -> None:
    pixels = torch.tensor([[3e4, 0.0, -torch.inf], [-3e4, 3e4, 0.0]])
    expected = pytest.approx(100 * math.log(2) / math.log(3), abs=1e-4)
    assert evaluate([sample(pixels.T[:, None])])["im"] == expected
    assert math.isnan(evaluate([sample(torch.full((3, 2, 2), torch.nan))])["im"])


@pytest.mark.parametrize("size", [(8, 8), (9, 31), (1, 200), (360, 480)])
def test_the_grid_is_regular_and_of_about_the_size_asked_for(
    size: tuple[int, int],
) -> None:
    height, width = size
    places = torch.arange(height * width).view(1, height, width)
    assert torch.equal(grid(places, None), places.flatten(1).T)
    assert torch.equal(grid(places, height * width), places.flatten(1).T)
    taken = grid(places, 50).flatten()
    rows, columns = (taken // width).unique(), (taken % width).unique()
    assert len(taken) == len(rows) * len(columns)
    assert 15 <= len(taken) <= 100
    for steps in (rows.diff(), columns.diff()):
        assert len(steps.unique()) <= 1


def test_what_test_scripts_hand_to_every_metric_is_accepted(tmp_path: Path) -> None:
    """The host's ``--out`` and ``format_only`` go to all metrics of the evaluator."""
    samples = [sample(random_logits(3, 4, 4))]
    options = dict(output_dir=str(tmp_path / "out"), keep_results=True)
    got = evaluate(samples, format_only=True, collect_device="cpu", **options)
    assert got == evaluate(samples)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: UnsupervisedScoreMetric(pixels=0), "pixels=0 of .* at least 1"),
        (lambda: evaluate([dict(pred_sem_seg=0)]), "holds no seg_logits .*leave"),
        (lambda: evaluate([sample(torch.zeros(1, 4, 4))]), "one output channel"),
        (lambda: evaluate([]), "no images; check val_dataloader"),
    ],
)
def test_mistakes_are_named(run: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run()


def images() -> list[dict[str, Any]]:
    return [two_views(4, 5, 6, seed=seed) for seed in range(3)]


def worker(rank: int, port: int, out: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    # As the host's sampler: every second image, padded to equal numbers.
    samples = images()
    mine = [samples[0], samples[2]] if rank == 0 else [samples[1], samples[0]]
    metric = UnsupervisedScoreMetric()
    metric.process({}, mine)
    (Path(out) / f"{rank}.json").write_text(json.dumps(metric.evaluate(size=3)))
    dist.destroy_process_group()


def test_two_processes_equal_one(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = int(sock.getsockname()[1])
    # Forked: without a backward pass nothing of the parent is in the way.
    start_processes(worker, (port, str(tmp_path)), nprocs=2, start_method="fork")
    expected = evaluate(images())
    for rank in range(2):
        got = json.loads((tmp_path / f"{rank}.json").read_text())
        assert got == pytest.approx(expected, abs=1e-4)


@pytest.fixture(params=[0, 1], ids=["unlabelled", "beside mIoU"])
def page_config(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A config of the page, on which the toy run is based then."""
    block = PAGE.read_text().split("```python\n")[1 + request.param].split("```")[0]
    child = tmp_path / "child.py"
    child.write_text(block.replace("mmseg_cosda::", f"{ROOT}/configs/"))
    monkeypatch.setattr(toy_runs, "CONFIG", child)
    return child


def test_the_configs_of_the_page_choose_the_checkpoint(page_config: Path) -> None:
    work_dir = page_config.parent / "run"
    cfg = toy_runs.demo_config(
        work_dir,
        4,
        **{"train_cfg.val_interval": 2, "default_hooks.checkpoint.interval": 2},
    )
    Runner.from_cfg(cfg).train()
    (path,) = work_dir.glob("*/vis_data/scalars.json")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    logged = [line for line in lines if "im" in line]
    assert [line["step"] for line in logged] == [2, 4]
    labelled = "save_best=[" in page_config.read_text()
    assert all(("mIoU" in line) == labelled for line in logged)
    scores = ["agreement_mIoU", "mIoU"] if labelled else ["agreement_mIoU"]
    expected = []
    for score in scores:
        best = max(line[score] for line in logged)
        step = next(line["step"] for line in logged if line[score] == best)
        expected.append(f"best_{score}_iter_{step}.pth")
    assert sorted(path.name for path in work_dir.glob("best_*")) == expected
