"""The mixed and the masked phase in a segmentor with a teacher and alignments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import taught_ranks
from helpers.processes import free_port, run_ranks
from helpers.toys import CLASSES, batch, build, cosine_config, head_config
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from torch import Tensor
from torch.nn import functional as F

from benchmarks.speed.live_memory import LiveMemory
from mmseg_cosda.models.alignments.base import DomainBatch

IGNORE = 255
BOTH: dict[str, Any] = dict(
    target=None,
    mixed=dict(type="ClassMixPhase"),
    masked=dict(type="MaskedPhase", block=4),
)
TEACHER: dict[str, Any] = dict(type="EMATeacher", threshold=0.3, ignore_top=3)


def taught(**options: Any) -> Any:
    """A segmentor whose teacher differs from it."""
    model = build(**{"phases": BOTH, "teacher": TEACHER, **options})
    model.init_weights()
    with torch.no_grad():
        for parameter in model.teacher.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def taken(model: Any, seed: int = 0) -> dict[str, Any]:
    return dict(model.data_preprocessor(batch(seed, size=2), True))


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = MessageHub.get_current_instance()
    monkeypatch.setitem(hub.runtime_info, "iter", 3)
    monkeypatch.setitem(hub.runtime_info, "seed", 11)


def recorded(model: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """What ``run`` is given, by the phase's name."""
    seen: dict[str, dict[str, Any]] = {}
    run = model.run

    def watch(name: str, images: Tensor, *rest: Any, **options: Any) -> Any:
        seen[name] = dict(options, images=images)
        return run(name, images, *rest, **options)

    monkeypatch.setattr(model, "run", watch)
    return seen


@pytest.mark.usefixtures("at_step")
@pytest.mark.parametrize("divisor", ["all", "valid"])
def test_the_loss_is_the_weighted_mean_over_pixels(
    divisor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    phases = {name: each and dict(each, divisor=divisor) for name, each in BOTH.items()}
    model = taught(phases=phases)
    seen = recorded(model, monkeypatch)
    losses = model.loss(**taken(model))
    assert (seen["mixed"]["labels"] == IGNORE).any()
    for name in ("mixed", "masked"):
        images, labels = seen[name]["images"], seen[name]["labels"]
        logits = model.decode_head(model.extract_feat(images)).double()
        logits = F.interpolate(logits, (16, 32), mode="bilinear", align_corners=True)
        means = []
        for image in range(2):
            total, count = 0.0, 0
            for i in range(16):
                for j in range(32):
                    label = int(labels[image, i, j])
                    count += divisor == "all" or label != IGNORE
                    if label != IGNORE:
                        log_p = logits[image, :, i, j].log_softmax(0)[label].item()
                        total -= float(seen[name]["weight"][image, i, j]) * log_p
            means.append(total / count)
        got = losses[f"{name}.decode.loss_ce"].item()
        assert got == pytest.approx(sum(means) / 2, rel=1e-5)


@pytest.mark.usefixtures("at_step")
@pytest.mark.parametrize("counts", [False, True])
def test_class_weights_count_for_guesses_only_if_asked(
    counts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = [0.5, 2.0, 4.0, 1.0, 3.0][:CLASSES]
    loss = dict(type="CrossEntropyLoss", avg_non_ignore=True, class_weight=weights)
    phases = dict(
        target=dict(labels="teacher", align=False, class_weight=counts),
        mixed=dict(type="ClassMixPhase", divisor="valid", class_weight=counts),
        masked=dict(type="MaskedPhase", block=4, class_weight=counts),
    )
    model = taught(phases=phases, decode_head=head_config(loss_decode=loss))
    seen = recorded(model, monkeypatch)
    model.loss(**taken(model))
    assert seen["source"].get("truth") is None  # it is all ground truth
    for name in phases:
        truth = seen[name]["truth"]
        if counts:
            assert truth is None
        elif name == "mixed":
            pasted = seen[name]["pixels"].logical_not()
            assert truth.equal(pasted)
            assert truth.any()
        else:
            assert not truth.any()


PHASES: dict[str, Any] = dict(
    mixed=dict(type="ClassMixPhase"),
    masked=dict(type="MaskedPhase", block=4),
    target=dict(labels="teacher", align=False),
)


@pytest.mark.usefixtures("at_step")
@pytest.mark.parametrize("name", PHASES)
def test_the_gradients_of_a_phase_reach_the_student_alone(name: str) -> None:
    phases = {"source": None, "target": None, name: PHASES[name]}
    model = taught(phases=phases)
    model.teacher.requires_grad_(True)  # what it says is without graph all the same
    losses = model.loss(**taken(model))
    model.parse_losses(losses)[0].backward()
    assert all(p.grad is None for p in model.teacher.parameters())
    student = [*model.backbone.parameters(), *model.decode_head.parameters()]
    assert all(p.grad is not None and p.grad.any() for p in student)


@pytest.mark.usefixtures("at_step")
@pytest.mark.parametrize("name", PHASES)
def test_phase_by_phase_is_one_call_and_moves_the_student_alone(name: str) -> None:
    phases = {**PHASES, name: dict(PHASES[name], align=True)}
    model = taught(alignments=dict(cosine=cosine_config()), phases=phases)
    once = taught(alignments=dict(cosine=cosine_config()), phases=phases)
    once.load_state_dict(model.state_dict())
    before = {k: v.clone() for k, v in model.teacher.state_dict().items()}
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.0))
    wrapper.zero_grad = lambda: None
    model.teacher.update = lambda *_: None
    logs = model.train_step(batch(0, size=2), wrapper)
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    assert {n.split(".")[0] for n in gradients} == {"backbone", "decode_head"}
    after = model.teacher.state_dict()
    assert all(after[key].equal(value) for key, value in before.items())

    total, parsed = once.parse_losses(once.loss(**taken(once)))
    total.backward()
    for key, parameter in once.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, gradients.pop(key))
    assert not gradients
    assert {*logs} == {*parsed}
    for phase in PHASES:
        assert f"{phase}.decode.loss_ce" in logs
    assert parsed["cosine.loss"] > 0
    for key, value in parsed.items():
        torch.testing.assert_close(logs[key], value.detach())


def aligned(name: str) -> dict[str, Any]:
    return {**BOTH, name: dict(BOTH[name], align=True)}


@pytest.mark.usefixtures("at_step")
@pytest.mark.parametrize("name", ["mixed", "masked"])
def test_the_cosine_loss_compares_what_the_student_saw(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = taught(alignments=dict(cosine=cosine_config()), phases=aligned(name))
    seen = recorded(model, monkeypatch)
    shown: list[Any] = []
    on_target = model.alignments["cosine"].on_target

    def watch(domain: DomainBatch) -> dict[str, Tensor]:
        shown.append(domain)
        return dict(on_target(domain))

    monkeypatch.setattr(model.alignments["cosine"], "on_target", watch)
    data = taken(model)
    losses = model.loss(**data)
    assert losses["cosine.loss"] > 0
    assert losses["cosine.loss"].requires_grad
    (domain,) = shown
    torch.testing.assert_close(
        domain.features["backbone[-1]"],
        model.extract_feat(seen[name]["images"])[-1],
    )
    teacher = model.teacher.label(model, data["inputs"]["target"])
    own = seen[name]["pixels"]
    sure = teacher.confident if own is None else teacher.confident & own
    assert 0 < sure.float().mean() < 1
    assert domain.labels.equal(torch.where(sure, teacher.labels, IGNORE))
    assert domain.pixels is own


@pytest.mark.usefixtures("at_step")
def test_pasted_pixels_are_nothing_to_the_cosine_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What their features are is of no matter, as it is for padding."""
    model = taught(alignments=dict(cosine=cosine_config()), phases=aligned("mixed"))
    cosine = model.alignments["cosine"]
    on_target, found = cosine.on_target, []

    def twice(domain: DomainBatch) -> dict[str, Tensor]:
        assert domain.pixels is not None
        feature = domain.features["backbone[-1]"]
        shown = domain.pixels[:, 2::4, 2::4].unsqueeze(1)
        assert 0 < shown.float().mean() < 1
        noise = torch.where(shown, feature, feature.roll(1, 1))
        for each in (feature, noise):
            logs = on_target(replace(domain, features={"backbone[-1]": each}))
            found.append(logs["loss"])
        return dict(logs)

    monkeypatch.setattr(cosine, "on_target", twice)
    model.loss(**taken(model))
    assert found[0].equal(found[1])
    assert found[0] > 0


def test_a_step_asks_a_device_for_nothing() -> None:
    """On the meta device each question raises."""
    model = build(
        phases=aligned("mixed"),
        teacher=TEACHER,
        alignments=dict(cosine=cosine_config()),
    ).to("meta")
    for phase in model.phases.values():
        if hasattr(phase, "jitter_probability"):
            phase.jitter_probability = phase.blur_probability = 1
    data = batch(0, size=2)
    for branch in data.values():
        branch["inputs"] = [each.to("meta") for each in branch["inputs"]]
        branch["data_samples"] = [each.to("meta") for each in branch["data_samples"]]
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.1))
    model.train_step(data, wrapper)
    with LiveMemory() as memory:
        model.train_step(data, wrapper)
    assert memory.syncs == 0


@pytest.mark.usefixtures("at_step")
def test_under_autocast_images_stay_in_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = taught()
    seen = recorded(model, monkeypatch)
    losses = model.loss(**taken(model))
    full = {name: dict(each) for name, each in seen.items()}
    with torch.autocast("cpu", torch.bfloat16):
        half = model.loss(**taken(model))
    for name in ("mixed", "masked"):
        assert seen[name]["images"].equal(full[name]["images"])
        key = f"{name}.decode.loss_ce"
        assert half[key].dtype == torch.float32
        torch.testing.assert_close(half[key], losses[key], rtol=0.1, atol=0.01)


def test_auxiliary_heads_learn_the_same_labels() -> None:
    model = taught(auxiliary_head=head_config(in_index=0))
    losses = model.loss(**taken(model))
    assert {"mixed.aux.loss_ce", "masked.aux.loss_ce"} <= set(losses)
    assert losses["mixed.confident"] == losses["masked.confident"]
    assert model.decode_head.num_classes == CLASSES


def test_without_a_teacher_there_is_one_line() -> None:
    with pytest.raises(ValueError, match=r"model.phases.mixed asks for a teacher"):
        build(phases=BOTH)


def test_two_processes_equal_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_ranks(taught_ranks.train_rank, free_port(), str(tmp_path), processes=2)
    ranks = [torch.load(tmp_path / f"{rank}.pth") for rank in range(2)]
    hub = MessageHub.get_current_instance()
    monkeypatch.setattr(hub, "_runtime_info", type(hub.runtime_info)(hub.runtime_info))
    single = taught_ranks.student()
    taught_ranks.train(single, single, None)
    state = single.state_dict()
    assert any(name.startswith("teacher.backbone") for name in state)
    for name, value in state.items():
        assert torch.equal(ranks[0][name], ranks[1][name]), name
        if not name.endswith(("stamps", "pushes")):  # a push is of each process
            torch.testing.assert_close(ranks[0][name], value, rtol=1e-4, atol=1e-6)
