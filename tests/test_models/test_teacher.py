from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers.toys import CLASSES, batch, build, head_config
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from mmengine.runner.checkpoint import load_state_dict
from torch import Tensor

from mmseg_cosda.models.running_median import RunningMedian
from mmseg_cosda.models.teacher import EMATeacher

ONLINE: dict[str, Any] = dict(
    phases=dict(target=dict(labels="teacher")), teacher=dict(threshold=0.25)
)


def student(**teacher: Any) -> Any:
    model = build(
        phases=dict(target=dict(labels="teacher")),
        teacher=teacher,
        backbone=dict(type="ToyBackbone", norm=True),
        decode_head=head_config(dropout_ratio=0.5),
    )
    model.init_weights()
    return model


def weights(module: Any) -> dict[str, Tensor]:
    parts = ("backbone", "decode_head")
    return {
        f"{part}.{name}": value.clone()
        for part in parts
        for name, value in getattr(module, part).named_parameters()
    }


def test_it_is_the_published_average() -> None:
    """theta_T <- a theta_T + (1 - a) theta, a = min(1 - 1/(i+1), alpha)."""
    model = student(decay=0.9)
    expected: dict[str, Tensor] = {}
    for iteration in range(50):
        a = min(1 - 1 / (iteration + 1), 0.9)
        for name, value in weights(model).items():
            before = expected.get(name, torch.zeros_like(value)).double()
            expected[name] = a * before + (1 - a) * value.double()
        model.teacher.update(model, iteration)
        for name, value in weights(model.teacher).items():
            torch.testing.assert_close(
                value.double(), expected[name], rtol=0, atol=1e-6
            )
        with torch.no_grad():
            for parameter in model.backbone.parameters():
                parameter += 0.1 * torch.randn_like(parameter)
    assert not any(p.requires_grad for p in model.teacher.parameters())


def test_an_iteration_starts_with_its_update(monkeypatch: pytest.MonkeyPatch) -> None:
    """The teacher of iteration 1 is the mean of the weights before and after step 0."""
    model = student()
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.5))
    hub = MessageHub.get_current_instance()
    seen = []
    for iteration in range(2):
        monkeypatch.setitem(hub.runtime_info, "iter", iteration)
        seen.append(weights(model))
        model.train_step(batch(seed=iteration), wrapper)
    for name, value in weights(model.teacher).items():
        torch.testing.assert_close(value, (seen[0][name] + seen[1][name]) / 2)
    moved = "decode_head.conv_seg.weight"
    assert not torch.equal(weights(model.teacher)[moved], weights(model)[moved])


def test_accumulated_steps_update_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = student(decay=0.5)
    wrapper = OptimWrapper(
        torch.optim.SGD(model.parameters(), 0.5), accumulative_counts=2
    )
    wrapper.initialize_count_status(model, 0, 6)
    updates: list[int] = []
    monkeypatch.setattr(model.teacher, "update", lambda _, i: updates.append(i))
    hub = MessageHub.get_current_instance()
    for iteration in range(5):
        monkeypatch.setitem(hub.runtime_info, "iter", iteration)
        model.train_step(batch(seed=iteration), wrapper)
    assert updates == [0, 1, 2]


def test_buffers_are_copied_once_and_never_averaged() -> None:
    model = student()
    model.backbone.norm.running_mean.fill_(3.0)
    model.teacher.update(model, 0)
    assert (model.teacher.backbone.norm.running_mean == 3).all()
    model.backbone.norm.running_mean.fill_(5.0)
    model.teacher.update(model, 1)
    assert (model.teacher.backbone.norm.running_mean == 3).all()


@pytest.mark.parametrize("live", [True, False])
def test_norm_layers_alone_run_as_the_students_do(live: bool) -> None:
    model = student()
    model.train()
    model.backbone.norm.train(live)
    images = torch.randn(2, 3, 16, 32)
    moved = model.teacher.label(model, images)
    again = model.teacher.label(model, images)
    assert model.teacher.backbone.norm.training is live
    assert model.teacher.decode_head.dropout.training is False
    assert torch.equal(moved.labels, again.labels)  # no dropout
    assert model.teacher.training  # a switch of the student's changes nothing here
    still = model.teacher.backbone.norm.running_mean.eq(0).all()
    assert bool(still) is not live


def with_confidence(monkeypatch: pytest.MonkeyPatch, values: Tensor) -> Any:
    """A teacher of two classes whose confidence in class 0 is given, (B, H, W)."""
    model = build(
        decode_head=head_config(num_classes=2),
        phases=dict(target=dict(labels="teacher")),
        teacher=dict(ignore_top=1, ignore_bottom=2),
    )
    model.init_weights()
    # log p and log (1 - p): their softmax is p again
    logits = torch.stack([values.double(), 1 - values.double()], dim=1).log()
    monkeypatch.setattr(model.teacher.decode_head, "forward", lambda _: logits)
    return model


def test_the_batch_weighs_what_it_is_confident_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edge = torch.full((2, 4, 5), 0.9)
    edge[0, 0] = 0.9679
    edge[1, 3, :4] = 0.9681
    edge[0, 1, :3] = 0.99
    model = with_confidence(monkeypatch, edge)
    got = model.teacher.label(model, torch.zeros(2, 3, 4, 5))
    assert got.labels.eq(0).all()
    torch.testing.assert_close(got.confidence, edge)
    q = 7 / 40
    assert torch.equal(got.weight[:, 1:2], torch.full((2, 1, 5), q))
    assert got.weight[:, [0, 2, 3]].eq(0).all()  # the margins
    expected = torch.zeros(2, 4, 5, dtype=torch.bool)
    expected[0, 1, :3] = True
    assert torch.equal(got.confident, expected)


def test_padding_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    sure = torch.full((1, 4, 5), 0.99)
    sure[:, :, 0] = 0.6
    model = with_confidence(monkeypatch, sure)
    own = torch.ones(1, 4, 5, dtype=torch.bool)
    own[:, :, 3:] = False
    got = model.teacher.label(model, torch.zeros(1, 3, 4, 5), own)
    torch.testing.assert_close(got.weight[0, 1, :3], torch.full((3,), 8 / 12))
    assert got.weight[:, :, 3:].eq(0).all()
    assert not got.confident[:, :, 3:].any()


@pytest.mark.parametrize("weighting", ["pixel", "class_median"])
def test_other_weights_are_of_each_pixel(
    monkeypatch: pytest.MonkeyPatch, weighting: str
) -> None:
    values = torch.linspace(0.51, 0.97, 20).view(1, 4, 5)
    model = with_confidence(monkeypatch, values)
    model.teacher.weighting = weighting
    model.teacher.ignore_top = model.teacher.ignore_bottom = 0
    if weighting == "class_median":
        model.teacher.median = RunningMedian(2)
    got = model.teacher.label(model, torch.zeros(1, 3, 4, 5))
    limit = {"pixel": 0.968, "class_median": values.median().item() - 1e-3}[weighting]
    assert torch.equal(got.confident, values >= limit)
    assert torch.equal(got.weight, got.confident.float())


def test_the_running_median_follows_each_class() -> None:
    generator = torch.Generator().manual_seed(0)
    median = RunningMedian(3, cap=0.9)
    for step in range(30):
        labels = torch.randint(2, (500,), generator=generator)
        confidence = torch.rand(500, generator=generator) * 0.5
        confidence[labels == 1] += 0.5
        if step == 20:
            confidence[:] = 0.1  # a batch alone doesn't move it much
        median.update(confidence, labels)
        before = median.thresholds()
    assert before[0] == pytest.approx(0.25, abs=0.03)
    assert before[1] == pytest.approx(0.75, abs=0.03)
    assert before[2].item() == pytest.approx(0.9)  # never seen
    sure = torch.full((5000,), 0.99)
    for _ in range(100):
        median.update(sure, torch.ones(5000, dtype=torch.int64))
    assert median.thresholds()[1].item() == pytest.approx(0.9)
    assert torch.equal(median.thresholds()[0], before[0])  # absent: as it was


def test_a_model_at_inference_has_no_teacher() -> None:
    model = build(**ONLINE)
    assert not any(key.startswith("teacher.") for key in model.state_dict())
    trained = build(**ONLINE)
    trained.init_weights()
    state = trained.state_dict()
    assert any(key.startswith("teacher.backbone.") for key in state)
    for other in (model, build()):
        result = other.load_state_dict(state, strict=False)
        assert not result.missing_keys
        assert not result.unexpected_keys
    assert not model.teacher.built


def test_the_hosts_loader_passes_over_the_teacher(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = build(**ONLINE)
    trained.init_weights()
    state = trained.state_dict()
    load_state_dict(build(**ONLINE), state)
    load_state_dict(build(), state)
    plain = {k: v for k, v in state.items() if not k.startswith("teacher.")}
    load_state_dict(trained, plain)  # load_from: the teacher starts as a copy
    assert "teacher" not in caplog.text + "".join(capsys.readouterr())


def test_a_resumed_run_without_teacher_starts_with_a_copy() -> None:
    model = student()
    other = weights(model)
    plain = {k: v for k, v in model.state_dict().items() if "teacher." not in k}
    load_state_dict(model, {k: v + 1 for k, v in plain.items()})
    model.teacher.update(model, 7)
    for name, value in weights(model.teacher).items():
        assert torch.equal(value, weights(model)[name])
        assert not torch.equal(value, other[name])


def test_a_loaded_teacher_goes_on() -> None:
    model = student()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    for key in state:
        if key.startswith("teacher.") and state[key].is_floating_point():
            state[key] += 1
    load_state_dict(model, state)
    model.teacher.update(model, 1)
    for name, value in weights(model.teacher).items():
        torch.testing.assert_close(value, weights(model)[name] + 0.5)


def test_the_teachers_classes_are_pseudo_labels() -> None:
    model = build(**ONLINE)
    model.init_weights()
    data = model.data_preprocessor(batch(), True)
    losses = model.loss(**data)
    expected = model.teacher.label(model, data["inputs"]["target"])
    share = expected.confident.float().mean()
    assert losses["target.coverage"] == share
    assert share > 0
    labels = expected.labels.masked_fill(~expected.confident, 255)
    _, again = model.run(
        "target",
        data["inputs"]["target"],
        data["data_samples"]["target"],
        step=model._step(images=data["inputs"], samples=data["data_samples"]),
        labels=labels,
    )
    assert torch.equal(losses["target.decode.loss_ce"], again["target.decode.loss_ce"])


def test_labels_of_the_data_come_before_the_teachers() -> None:
    model = build(**ONLINE)
    model.init_weights()
    data = model.data_preprocessor(batch(target_labels=True), True)
    losses = model.loss(**data)
    truth = data["data_samples"]["target"][0].gt_sem_seg.data
    assert losses["target.coverage"] == (truth != 255).float().mean()


def test_some_images_have_ground_truth_in_a_mixed_image_too() -> None:
    model = build(
        phases=dict(target=None, mixed=dict(type="ClassMixPhase")), teacher=dict()
    )
    model.init_weights()
    data = model.data_preprocessor(batch(size=2), True)
    labelled = model.data_preprocessor(batch(size=2, target_labels=True), True)
    samples = data["data_samples"]["target"]
    samples[1] = labelled["data_samples"]["target"][1]
    truth = samples[1].gt_sem_seg.data[0]
    step = model._step(data["inputs"], data["data_samples"])
    got = step.target_labels()
    plain = model.teacher.label(model, data["inputs"]["target"])
    assert torch.equal(got.labels[0], plain.labels[0])
    assert torch.equal(got.weight[0], plain.weight[0])
    assert torch.equal(got.labels[1], truth)
    assert torch.equal(got.weight[1], (truth != 255).float())
    assert torch.equal(got.confident[1], truth != 255)
    assert model.loss(**data)["mixed.decode.loss_ce"] > 0


def test_the_gradients_reach_the_student_alone() -> None:
    model = build(**ONLINE)
    model.init_weights()
    losses = model.loss(**model.data_preprocessor(batch(), True))
    model.parse_losses(losses)[0].backward()
    assert all(p.grad is None for p in model.teacher.parameters())
    assert all(p.grad is not None for p in model.backbone.parameters())


def test_bf16_decides_in_float32() -> None:
    """0.968 is 0.96875 in bf16."""
    model = build(**ONLINE)
    model.init_weights()
    with torch.autocast("cpu", torch.bfloat16):
        got = model.teacher.label(model, torch.randn(1, 3, 16, 32))
    assert got.confidence.dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(decay=1.0), "decay=1.0 never takes"),
        (dict(decay=-0.1), "decay=-0.1 must be in"),
        (dict(threshold=1.5), "threshold=1.5"),
        (dict(weighting="image"), "weighting='image', choose 'batch' or"),
        (dict(ignore_top=-1), "ignore_top=-1"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EMATeacher(**options)


def test_a_teacher_that_is_needed_is_asked_for() -> None:
    with pytest.raises(ValueError, match=r"model.phases.target asks for a teacher"):
        build(phases=dict(target=dict(labels="teacher")))


def test_another_module_is_no_teacher() -> None:
    with pytest.raises(ValueError, match="FCNHead is no teacher"):
        build(teacher=dict(type="FCNHead", in_channels=2, channels=2, num_classes=2))


def test_classes_are_those_of_the_head() -> None:
    model = student(weighting="class_median")
    assert model.teacher.median.histogram.shape[0] == CLASSES
    assert "teacher.median.histogram" in model.state_dict()
