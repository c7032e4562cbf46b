"""The queue that knows where its features came from."""

from __future__ import annotations

import torch

from mmseg_cosda.matches.traced_queue import TracedQueue
from mmseg_cosda.models.memory import ClassFeatureQueue

C, Q, K = 3, 5, 4


def test_origins_after_more_than_capacity_features_equal_a_list_s() -> None:
    generator = torch.Generator().manual_seed(0)
    queue = TracedQueue(C, Q, K)
    entered: list[list[tuple[int, int]]] = [[] for _ in range(C)]
    pushed = []
    for push in range(4):
        features = torch.randn(11, K, generator=generator)
        labels = torch.randint(C + 1, (11,), generator=generator)
        labels[labels == C] = 255
        queue.enqueue(features, labels)
        pushed.append(features)
        for row, label in enumerate(labels.tolist()):
            if label != 255:
                entered[label].append((push, row))
    stored, counts = queue.as_tensors()
    assert min(len(each) for each in entered) > Q
    for c in range(C):
        assert counts[c] == Q
        origins = [tuple(each) for each in queue.origins()[c].tolist()]
        assert sorted(origins) == sorted(entered[c][-Q:])
        for place, (push, row) in enumerate(origins):
            unit = pushed[push][row] / pushed[push][row].norm()
            torch.testing.assert_close(stored[c, place], unit)


def test_one_push_of_more_than_capacity_keeps_its_last_rows() -> None:
    queue = TracedQueue(1, 3, 2)
    queue.enqueue(torch.ones(8, 2), torch.tensor([0, 0, 7, 0, 0, 7, 0, 7]))
    assert sorted(queue.origins()[0].tolist()) == [[0, 3], [0, 4], [0, 6]]


def test_it_holds_what_the_plain_queue_holds() -> None:
    plain, traced = ClassFeatureQueue(C, Q, K), TracedQueue(C, Q, K)
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        features = torch.randn(9, K, generator=generator)
        labels = torch.randint(C, (9,), generator=generator)
        plain.enqueue(features, labels)
        traced.enqueue(features, labels)
    for name, buffer in plain.named_buffers():
        assert torch.equal(buffer, traced.get_buffer(name)), name
