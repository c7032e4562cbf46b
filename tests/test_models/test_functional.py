"""The loss against the paper's formulas in loops, on every path it can take."""

from __future__ import annotations

import collections
from typing import Any

import pytest
import references
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from mmseg_cosda.benchmark.measure import peak_extra_mib
from mmseg_cosda.models import one_pass, tiles
from mmseg_cosda.models.functional import (
    augment_pseudo_labels,
    class_wise_cosine_loss,
    class_wise_cosine_loss_from_blocks,
    class_wise_cosine_loss_with_statistics,
    resize_labels,
    split_source,
)

C, Q, K, N = 4, 7, 5, 23
IGNORE = 255


@pytest.fixture(params=["segments", "small-segments", "tiles", "small-tiles"])
def sync_free(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Each path, with its usual chunks and with chunks that split toy sizes."""
    if request.param.startswith("small"):
        monkeypatch.setattr(one_pass, "_CHUNK_ROWS", 3)
        monkeypatch.setattr(one_pass, "_BLOCK_ROWS", 2)
        monkeypatch.setattr(tiles, "_TILE_ROWS", 3)
        monkeypatch.setattr(tiles, "_TILE_BYTES", 2 * Q * K * 8)
    return bool(request.param.endswith("tiles"))


def problem(
    seed: int = 0, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Ignored rows, an absent class, an empty, a partly and a wholly filled queue."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(N, K, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, IGNORE, -1, C])[
        torch.randint(6, (N,), generator=generator)
    ]
    queue = 3 * torch.randn(C, Q, K, generator=generator, dtype=torch.float64)
    counts = torch.tensor([Q, 0, 3, Q])
    return features.to(dtype).requires_grad_(), labels, queue.to(dtype), counts


def loss_and_gradient(
    features: Tensor,
    labels: Tensor,
    queue: Tensor,
    counts: Tensor,
    *args: Any,
    **kw: Any,
) -> tuple[Tensor, Tensor]:
    loss, _ = class_wise_cosine_loss_with_statistics(
        features, labels, queue, counts, *args, **kw
    )
    return loss, torch.autograd.grad(loss, features)[0]


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("threshold", [-1.0, -0.3, 0.0, 0.4, 1.0])
@pytest.mark.parametrize("layout", ["rows", "map"])
def test_equals_the_paper_in_loops(
    sync_free: bool, threshold: float, reduction: str, layout: str
) -> None:
    features, labels, queue, counts = problem(seed=int(10 * threshold) + 10)
    if layout == "map":  # rows that are the view of a map (K, h, w)
        features = features.detach().t().contiguous().t().requires_grad_()
        assert not features.is_contiguous()
    expected = references.class_wise_cosine_loss(
        features, labels, queue, counts, threshold, reduction
    )
    (expected_gradient,) = torch.autograd.grad(expected, features)
    loss, gradient = loss_and_gradient(
        features, labels, queue, counts, threshold, reduction, sync_free=sync_free
    )
    torch.testing.assert_close(loss, expected.detach(), rtol=0, atol=1e-10)
    torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=1e-10)


def test_hand_computed_value(sync_free: bool) -> None:
    # Class 0: M = {0.6, 1, -1}; class 1: M = {0.8}; class 2 has no row, 3 no queue.
    features = torch.tensor([[3.0, 4.0], [0.0, 2.0], [5.0, 5.0]])
    queue = torch.tensor(
        [[[1.0, 0.0], [6.0, 8.0], [-3.0, -4.0]], [[6.0, 8.0]] * 3]
        + [[[1.0, 1.0]] * 3] * 2
    )
    counts, labels = torch.tensor([3, 1, 3, 0]), torch.tensor([0, 1, 3])
    mean, stats = class_wise_cosine_loss_with_statistics(
        features, labels, queue, counts, 0.5, "mean", sync_free=sync_free
    )
    total, _ = class_wise_cosine_loss_with_statistics(
        features, labels, queue, counts, -1.0, "sum", sync_free=sync_free
    )
    assert mean.item() == pytest.approx((0.4 / 2 + 0.2) / 4, abs=1e-6)
    # M = -1 is not above -1, up to rounding, which may put it either side.
    assert total.item() == pytest.approx((0.4 + 0.2) / 4, abs=1e-6) or (
        total.item() == pytest.approx((0.4 + 2 + 0.2) / 4, abs=1e-6)
    )
    assert stats.pairs.tolist() == [3, 1, 0, 0]
    assert stats.selected.tolist() == [2, 1, 0, 0]


def test_gradcheck(sync_free: bool) -> None:
    features, labels, queue, counts = problem(seed=3)

    def loss(x: Tensor) -> Tensor:
        return class_wise_cosine_loss_with_statistics(
            x, labels, queue, counts, 0.1, sync_free=sync_free
        )[0]

    assert torch.autograd.gradcheck(loss, (features,))


def test_backward_twice_gives_the_same_gradient(sync_free: bool) -> None:
    features, labels, queue, counts = problem()
    loss, _ = class_wise_cosine_loss_with_statistics(
        features, labels, queue, counts, 0.1, sync_free=sync_free
    )
    grads = [
        torch.autograd.grad(2 * loss, features, retain_graph=keep)[0]
        for keep in (True, True, False)
    ]
    assert grads[0].abs().sum() > 0
    assert torch.equal(grads[0], grads[1])
    assert torch.equal(grads[0], grads[2])


def test_gradients_accumulate_with_another_use_of_the_features() -> None:
    features, labels, queue, counts = problem()
    _, alone = loss_and_gradient(features, labels, queue, counts, 0.1)
    for _ in range(2):
        loss = class_wise_cosine_loss(features, labels, queue, counts, 0.1)
        (loss + features.sum()).backward()
    assert features.grad is not None
    torch.testing.assert_close(features.grad, 2 * alone + 2)


def test_queue_may_change_between_forward_and_backward() -> None:
    features, labels, queue, counts = problem()
    _, expected = loss_and_gradient(features, labels, queue, counts, 0.1)
    loss = class_wise_cosine_loss(features, labels, queue, counts, 0.1)
    queue.zero_()
    counts.zero_()
    torch.testing.assert_close(torch.autograd.grad(loss, features)[0], expected)


def test_gradients_flow_into_the_features_alone() -> None:
    features, labels, queue, counts = problem()
    queue.requires_grad_()
    class_wise_cosine_loss(features, labels, queue, counts, 0.1).backward()
    assert features.grad is not None
    assert queue.grad is None


NOTHING_SELECTED = {
    "no rows": lambda f, y, q, n: (f[:0], y[:0], q, n),
    "all ignored": lambda f, y, q, n: (f, y * 0 + IGNORE, q, n),
    "empty queue": lambda f, y, q, n: (f, y, q, n * 0),
    "queue of capacity 0": lambda f, y, q, n: (f, y, q[:, :0], n * 0),
    "zero features": lambda f, y, q, n: (f * 0, y, q, n),
    "zero queue": lambda f, y, q, n: (f, y, q * 0, n),
    "nobody passes": lambda f, y, q, n: (f, y, -f[y == 0][:1].expand(C, Q, K), n),
}


@pytest.mark.parametrize("case", NOTHING_SELECTED)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_nothing_selected_is_a_zero_with_a_graph(
    sync_free: bool, case: str, reduction: str
) -> None:
    leaf, labels, queue, counts = problem()
    if case == "nobody passes":
        labels = torch.zeros_like(labels)
        labels[1:] = IGNORE
    args = NOTHING_SELECTED[case](leaf, labels, queue, counts)
    loss, stats = class_wise_cosine_loss_with_statistics(
        *args, 0.1, reduction, sync_free=sync_free
    )
    assert loss.item() == 0
    assert stats.selected.sum() == 0
    loss.backward()
    assert leaf.grad is not None
    assert torch.equal(leaf.grad, torch.zeros_like(leaf))


def test_a_zero_vector_is_similar_to_nothing(sync_free: bool) -> None:
    # With T_cos < 0 its pairs are selected, at M = 0, and give it no gradient.
    features, labels, queue, counts = problem()
    with torch.no_grad():
        features[labels == 0] = 0
    queue[2, 0] = 0
    expected = references.class_wise_cosine_loss(
        features, labels, queue, counts, -0.5, "mean"
    )
    loss, gradient = loss_and_gradient(
        features, labels, queue, counts, -0.5, sync_free=sync_free
    )
    torch.testing.assert_close(loss, expected.detach(), rtol=0, atol=1e-10)
    assert torch.equal(gradient[labels == 0], torch.zeros_like(gradient[labels == 0]))
    assert gradient.isfinite().all()
    assert gradient[labels == 2].abs().sum() > 0


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_ignored_rows_and_invalid_queue_rows_leave_no_trace(
    sync_free: bool, poison: float
) -> None:
    features, labels, queue, counts = problem()
    labels[-1] = IGNORE  # the row that padding reads
    clean = loss_and_gradient(features, labels, queue, counts, -0.2)
    with torch.no_grad():
        features[(labels < 0) | (labels >= C)] = poison
    for c in range(C):
        queue[c, int(counts[c]) :] = poison
    dirty = loss_and_gradient(
        features, labels, queue, counts, -0.2, sync_free=sync_free
    )
    torch.testing.assert_close(dirty, clean, rtol=0, atol=1e-12)


def test_counts_outside_the_queue_are_cut_to_it(sync_free: bool) -> None:
    features, labels, queue, counts = problem()
    kw = {"threshold": -0.4, "sync_free": sync_free}
    expected = loss_and_gradient(features, labels, queue, counts, **kw)
    wrong = torch.tensor([Q + 5, -1, 3, Q + 1])
    actual = loss_and_gradient(features, labels, queue, wrong, **kw)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def test_unit_queue_without_normalisation(sync_free: bool) -> None:
    features, labels, queue, counts = problem()
    kw = {"threshold": -0.4, "sync_free": sync_free}
    expected = loss_and_gradient(features, labels, queue, counts, **kw)
    unit = F.normalize(queue, dim=-1)
    for c in range(C):
        unit[c, int(counts[c]) :] = 0  # as ClassFeatureQueue leaves them
    actual = loss_and_gradient(
        features, labels, unit, counts, **kw, queue_is_normalized=True
    )
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def test_order_scale_and_duplicates_of_pixels(sync_free: bool) -> None:
    features, labels, queue, counts = problem()
    kw = {"threshold": 0.1, "sync_free": sync_free}
    loss, gradient = loss_and_gradient(features, labels, queue, counts, **kw)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(1))
    shuffled = loss_and_gradient(features[order], labels[order], queue, counts, **kw)[0]
    torch.testing.assert_close(shuffled, loss)
    scaled = (7 * features.detach()).requires_grad_()
    loss_7, gradient_7 = loss_and_gradient(scaled, labels, queue, counts, **kw)
    torch.testing.assert_close(loss_7, loss)
    torch.testing.assert_close(7 * gradient_7, gradient)
    twice = class_wise_cosine_loss(
        features.repeat(2, 1), labels.repeat(2), queue, counts, 0.1
    )
    torch.testing.assert_close(twice, loss)  # a mean
    # Cosine similarity doesn't feel length: the gradient is orthogonal to the row.
    torch.testing.assert_close(
        (gradient * features).sum(1), torch.zeros(N).double(), atol=1e-12, rtol=0
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_dtypes_of_the_features(sync_free: bool, dtype: torch.dtype) -> None:
    features, labels, queue, counts = problem(dtype=dtype)
    loss, gradient = loss_and_gradient(
        features, labels, queue, counts, 0.1, sync_free=sync_free
    )
    double = features.detach().double().requires_grad_()
    expected = loss_and_gradient(double, labels, queue.double(), counts, 0.1)
    assert loss.dtype == torch.float32
    assert gradient.dtype == dtype
    torch.testing.assert_close(loss.double(), expected[0], rtol=1e-6, atol=1e-6)
    tolerance = 2 * torch.finfo(dtype).eps
    torch.testing.assert_close(
        gradient.double(), expected[1], rtol=tolerance, atol=1e-6
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bit_queue_moves_the_loss_little(
    sync_free: bool, dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (300,), generator=generator)
    centres = torch.randn(3, 64, generator=generator)
    features = centres[labels] + torch.randn(300, 64, generator=generator)
    features.requires_grad_()
    queue = centres[:, None] + torch.randn(3, 50, 64, generator=generator)
    queue, counts = F.normalize(queue, dim=-1), torch.tensor([50, 50, 50])
    loss, gradient = loss_and_gradient(features, labels, queue, counts, 0.5)
    loss_16, gradient_16 = loss_and_gradient(
        features,
        labels,
        queue.to(dtype),
        counts,
        0.5,
        queue_is_normalized=True,
        sync_free=sync_free,
    )
    # bfloat16 has three bits fewer than float16, whose bounds are 1e-4 and 1e-2.
    slack = 1 if dtype == torch.float16 else 8
    assert (loss_16 - loss).abs() <= slack * 1e-4 * loss
    assert (gradient_16 - gradient).norm() <= slack * 1e-2 * gradient.norm()


def test_autocast_does_not_touch_the_comparison(sync_free: bool) -> None:
    features, labels, queue, counts = problem(dtype=torch.float32)
    kw = {"threshold": 0.1, "sync_free": sync_free}
    expected = loss_and_gradient(features, labels, queue, counts, **kw)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = loss_and_gradient(features, labels, queue, counts, **kw)
    assert torch.equal(actual[0], expected[0])
    assert torch.equal(actual[1], expected[1])


def test_same_result_every_time(sync_free: bool) -> None:
    args = problem(dtype=torch.float32)
    first, second = (
        loss_and_gradient(*args, 0.1, sync_free=sync_free) for _ in range(2)
    )
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


def test_blocks_of_any_length_equal_the_padded_queue() -> None:
    features, labels, queue, counts = problem()
    expected = loss_and_gradient(features, labels, queue, counts, 0.1, "sum")
    blocks = [F.normalize(queue[c, : int(n)], dim=1) for c, n in enumerate(counts)]
    loss, stats = class_wise_cosine_loss_from_blocks(
        features, labels, blocks, 0.1, "sum"
    )
    torch.testing.assert_close(loss, expected[0])
    torch.testing.assert_close(torch.autograd.grad(loss, features)[0], expected[1])
    assert stats.pairs.tolist() == [
        int((labels == c).sum() * counts[c]) for c in range(C)
    ]


def test_one_block_compares_everything_with_everything() -> None:
    features, labels, queue, _ = problem()
    source = F.normalize(queue.flatten(0, 1), dim=1)
    loss, stats = class_wise_cosine_loss_from_blocks(
        features, torch.zeros_like(labels), [source], 0.2
    )
    M = F.normalize(features, dim=1) @ source.t()
    torch.testing.assert_close(loss, (1 - M[M > 0.2]).mean())
    assert stats.pairs.tolist() == [N * C * Q]
    assert stats.selected.tolist() == [int((M > 0.2).sum())]


def test_tiles_never_wait_for_the_device() -> None:
    # Meta tensors have no values: whatever a GPU would have to wait for fails.
    features, labels, queue, counts = (x.to("meta") for x in problem())
    features = features.detach().requires_grad_()
    loss, stats = class_wise_cosine_loss_with_statistics(
        features, labels, queue, counts, 0.1
    )
    loss.backward()
    assert features.grad is not None
    assert features.grad.shape == (N, K)
    assert stats.selected.shape == (C,)
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        class_wise_cosine_loss_with_statistics(
            features, labels, queue, counts, 0.1, sync_free=False
        )


class _Operators(TorchDispatchMode):
    """Names the operators that run: about the kernels that a GPU would start."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


VIEWS = {"view", "_unsafe_view", "t", "transpose", "unsqueeze", "slice", "detach"}
VIEWS |= {"select", "expand", "alias", "squeeze", "empty", "empty_like", "split"}
VIEWS |= {
    "scalar_tensor",
    "as_strided",
    "permute",
    "reshape",
    "_reshape_alias",
    "new_empty",
}


def test_operator_count_of_the_full_size(monkeypatch: pytest.MonkeyPatch) -> None:
    # 8,385 rows, 19 classes, a queue of 2,500: shapes decide the count, not K; the
    # chunks are those of K = 2048.
    rows, classes, capacity, k = 8385, 19, 2500, 4
    monkeypatch.setattr(tiles, "_TILE_BYTES", tiles._TILE_BYTES * k // 2048)
    features = torch.randn(rows, k, requires_grad=True)
    labels = torch.randint(classes, (rows,))
    queue = F.normalize(torch.randn(classes, capacity, k), dim=-1)
    counts = torch.full((classes,), capacity)
    with _Operators() as seen:
        loss, _ = class_wise_cosine_loss_with_statistics(
            features,
            labels,
            queue,
            counts,
            0.6,
            queue_is_normalized=True,
            sync_free=True,
        )
        loss.backward()
    work = [name for name in seen.names if name not in VIEWS]
    assert len(work) <= 88, collections.Counter(work)


@pytest.mark.parametrize("layout", ["rows", "map"])
def test_peak_memory(layout: str) -> None:
    # Beyond its gradient the loss holds chunks, not pixels x queue (12 MiB here).
    features = torch.randn(2000, 512)
    if layout == "map":
        features = features.t().contiguous().t()
    features.requires_grad_()
    queue = F.normalize(torch.randn(2, 1600, 512), dim=-1)
    labels, counts = torch.arange(2000) % 2, torch.tensor([1600, 1600])
    gradient_mib = 2000 * 512 * 4 / 2**20

    def work() -> None:
        loss, _ = class_wise_cosine_loss_with_statistics(
            features, labels, queue, counts, 0.0, queue_is_normalized=True
        )
        torch.autograd.grad(loss, features)

    work()
    # t, w D and their product for 1,000 rows, w for 512 queue rows.
    chunks_mib = (3 * 1000 * 512 + 1000 * 512) * 4 / 2**20
    assert gradient_mib < peak_extra_mib(work, "cpu") < gradient_mib + chunks_mib + 0.5


def test_process_a_keeps_the_correctly_classified() -> None:
    generator = torch.Generator().manual_seed(0)
    p = torch.randn(3, 4, 6, generator=generator)
    y = torch.tensor([0, 1, 2, IGNORE])[torch.randint(4, (4, 6), generator=generator)]
    expected = references.eq6_correct(references.argmax_over_classes(p), y)
    assert torch.equal(split_source(p.argmax(0), y, IGNORE), expected)
    assert 0 < (expected != IGNORE).sum() < 24


def test_process_b_fills_ignored_pixels_with_the_prediction() -> None:
    generator = torch.Generator().manual_seed(1)
    p = torch.randn(3, 4, 6, generator=generator)
    y = torch.tensor([0, 1, 2, IGNORE])[torch.randint(4, (4, 6), generator=generator)]
    expected = references.eq7_augment(y, references.argmax_over_classes(p))
    actual = augment_pseudo_labels(y, p.argmax(0), IGNORE)
    assert torch.equal(actual, expected)
    assert not torch.equal(actual, y)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (6, 9), (7, 10), (13, 4)])
def test_labels_are_resized_to_the_nearest_pixel(size: tuple[int, int]) -> None:
    labels = torch.arange(2 * 6 * 9).view(2, 6, 9)
    resized = resize_labels(labels, size)
    assert torch.equal(resized[1], references.nearest(labels[1], *size))
    host = F.interpolate(labels[:, None].double(), size=size, mode="nearest")
    assert torch.equal(resized, host[:, 0].long())
    assert resized.dtype == torch.int64


def test_labels_of_the_papers_sizes_agree_with_the_host() -> None:
    for height, width, h, w in [(720, 1280, 91, 161), (512, 1024, 65, 129)]:
        labels = torch.arange(height * width).view(1, height, width)
        host = F.interpolate(labels[None].double(), size=(h, w), mode="nearest")
        assert torch.equal(resize_labels(labels, (h, w)), host[0].long())


def test_large_labels_survive_resizing() -> None:
    labels = torch.tensor([[[2**40 + 1, 0]]])
    assert resize_labels(labels, (1, 1)).item() == 2**40 + 1


def test_padding_aligns_labels_with_a_padded_network() -> None:
    labels = torch.ones(1, 4, 4, dtype=torch.int64)
    padded = resize_labels(labels, (4, 4), padding=2, ignore_index=IGNORE)
    expected = torch.full((4, 4), IGNORE)
    expected[1:3, 1:3] = 1
    assert torch.equal(padded[0], expected)


def test_layers_of_fcn_equal_eq_17_to_20() -> None:
    generator = torch.Generator().manual_seed(2)
    C_s = torch.randint(3, (12, 16), generator=generator)
    y_s = torch.where(
        torch.rand(12, 16, generator=generator) < 0.7, C_s, torch.tensor(IGNORE)
    )
    C_t = torch.randint(3, (12, 16), generator=generator)
    y_t = torch.where(
        torch.rand(12, 16, generator=generator) < 0.5, (C_t + 1) % 3, IGNORE
    )
    T_cos = {"fc7": 0.1, "pool4": 0.2}
    layers, losses = {}, []
    for name, (k, h, w) in {"fc7": (3, 3, 4), "pool4": (2, 6, 8)}.items():
        f_s, f_t = torch.randn(2, k, h, w, generator=generator).double().unbind()
        D = references.eq8_split(f_s, references.eq17_source(C_s, y_s, h, w), 3)
        T = references.eq8_split(f_t, references.eq18_target(y_t, C_t, h, w), 3)
        layers[name] = (T, D)

        source = split_source(
            resize_labels(C_s[None], (h, w)), resize_labels(y_s[None], (h, w)), IGNORE
        ).flatten()
        target = augment_pseudo_labels(
            resize_labels(y_t[None], (h, w)), resize_labels(C_t[None], (h, w)), IGNORE
        ).flatten()
        unit = F.normalize(f_s.flatten(1).t(), dim=1)
        blocks = [unit[source == c] for c in range(3)]
        losses.append(
            class_wise_cosine_loss_from_blocks(
                f_t.flatten(1).t(), target, blocks, T_cos[name]
            )[0]
        )
    torch.testing.assert_close(
        torch.stack(losses).mean(), references.eq20_loss(layers, T_cos)
    )


BAD: dict[str, dict[str, Any]] = {
    "threshold=1.5": {"threshold": 1.5},
    "threshold=-1.1": {"threshold": -1.1},
    "threshold=nan": {"threshold": float("nan")},
    "reduction='none'": {"reduction": "none"},
    "features of shape": {"features": torch.zeros(N)},
    "labels of shape": {"labels": torch.zeros(N + 1, dtype=torch.int64)},
    "labels of torch.float32": {"labels": torch.zeros(N)},
    "queue of shape": {"queue": torch.zeros(C, Q, K + 1)},
    "queue of torch.int64": {"queue": torch.zeros(C, Q, K, dtype=torch.int64)},
    "counts of shape": {"counts": torch.zeros(C + 1, dtype=torch.int64)},
}


@pytest.mark.parametrize("message", BAD)
def test_wrong_arguments_are_named(message: str) -> None:
    features, labels, queue, counts = problem()
    args: dict[str, Any] = {"features": features, "labels": labels}
    args |= {"queue": queue, "counts": counts, "threshold": 0.5}
    with pytest.raises(ValueError, match=message):
        class_wise_cosine_loss(**{**args, **BAD[message]})


def test_wrong_blocks_are_named() -> None:
    features, labels, _, _ = problem()
    with pytest.raises(ValueError, match="blocks is empty"):
        class_wise_cosine_loss_from_blocks(features, labels, [], 0.5)
    with pytest.raises(ValueError, match=r"blocks\[1\] has shape \(2, 3\)"):
        class_wise_cosine_loss_from_blocks(
            features, labels, [torch.zeros(2, K), torch.zeros(2, 3)], 0.5
        )


def test_wrong_labels_to_resize_are_named() -> None:
    with pytest.raises(ValueError, match=r"labels of shape \(4, 4\)"):
        resize_labels(torch.zeros(4, 4), (2, 2))
    with pytest.raises(ValueError, match="padding=-1"):
        resize_labels(torch.zeros(1, 4, 4), (2, 2), padding=-1)
