from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch
from helpers.toys import batch, build, cosine_config, head_config, segmentor_config
from mmengine.config import ConfigDict
from mmengine.optim import OptimWrapper
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_cosda.models.phases import Losses, Phase, Step

COSINE: dict[str, Any] = dict(alignments=dict(cosine=cosine_config()))


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {
        n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None
    }


@MODELS.register_module()
class AccuracyPhase(Phase):
    """Logs, and trains nothing."""

    def losses(self, segmentor: Any, step: Step) -> Losses:
        return {"accuracy": torch.ones(())}


class KeepGradients(OptimWrapper):
    """Steps nothing, so that the gradients can be read."""

    def step(self, **kwargs: Any) -> None: ...

    def zero_grad(self, **kwargs: Any) -> None: ...


def one_call(model: Any, data: Any) -> dict[str, Tensor]:
    losses = model.loss(**model.data_preprocessor(data, True))
    model.parse_losses(losses)[0].backward()
    return gradients(model)


def two_phases(model: Any, data: Any) -> dict[str, Tensor]:
    wrapper = KeepGradients(torch.optim.SGD(model.parameters(), 0.1))
    model.train_step(data, wrapper)
    return gradients(model)


@pytest.mark.parametrize("target_labels", [False, True])
@pytest.mark.parametrize("size", [1, 3])
def test_two_phases_give_the_gradients_of_one_call(
    target_labels: bool, size: int
) -> None:
    data = batch(size=size, target_labels=target_labels)
    expected = one_call(build(**COSINE), data)
    got = two_phases(build(**COSINE), data)
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, rtol=1e-5, atol=1e-8)


def test_the_loss_is_eq_12() -> None:
    model, data = build(**COSINE), batch(target_labels=True)
    inputs = model.data_preprocessor(data, True)
    losses = model.loss(**inputs)
    ce = {}
    for name in ("source", "target"):
        logits = model.decode_head(model.extract_feat(inputs["inputs"][name]))
        logits = nn.functional.interpolate(
            logits, (16, 32), mode="bilinear", align_corners=True
        )
        label = inputs["data_samples"][name][0].gt_sem_seg.data
        ce[name] = nn.functional.cross_entropy(logits, label, ignore_index=255)
    for name, value in ce.items():
        torch.testing.assert_close(losses[f"{name}.decode.loss_ce"], value)
    total = model.parse_losses(losses)[0]
    torch.testing.assert_close(total, sum(ce.values()) + losses["cosine.loss"])


def test_train_step_logs_the_sum_over_the_phases() -> None:
    data = batch(target_labels=True)
    expected = build(**COSINE).parse_losses(
        build(**COSINE).loss(**build().data_preprocessor(data, True))
    )[0]
    wrapper = KeepGradients(torch.optim.SGD(build().parameters(), 0.1))
    logs = build(**COSINE).train_step(data, wrapper)
    torch.testing.assert_close(logs["loss"], expected.detach())
    assert {"source.decode.loss_ce", "target.decode.loss_ce", "cosine.loss"} < set(logs)
    assert logs["target.coverage"] == pytest.approx(14 / 16)
    assert not any(value.requires_grad for value in logs.values())


@pytest.mark.parametrize("iterations", [6, 7, 8])
def test_accumulation_equals_a_hand_written_loop(iterations: int) -> None:
    model, by_hand = build(**COSINE), build(**COSINE)
    wrapper = OptimWrapper(
        torch.optim.SGD(model.parameters(), 0.1, momentum=0.9), accumulative_counts=3
    )
    wrapper.initialize_count_status(model, 0, iterations)
    optimizer = torch.optim.SGD(by_hand.parameters(), 0.1, momentum=0.9)
    for first in range(0, iterations, 3):
        window = range(first, min(first + 3, iterations))
        for i in window:
            data = batch(seed=i, target_labels=True)
            model.train_step(data, wrapper)
            losses = by_hand.loss(**by_hand.data_preprocessor(data, True))
            (by_hand.parse_losses(losses)[0] / len(window)).backward()
        optimizer.step()
        optimizer.zero_grad()
    for (name, got), expected in zip(
        model.state_dict().items(), by_hand.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-7, msg=name)
    assert all(p.grad is None for p in model.parameters())


def test_the_source_graph_is_freed_before_the_target_forward() -> None:
    model, alive = build(**COSINE), []
    references: list[weakref.ref[Tensor]] = []

    def watch(_module: Any, _args: Any, output: Any) -> None:
        gc.collect()
        alive.append(sum(reference() is not None for reference in references))
        references.extend(weakref.ref(feature) for feature in output)

    model.backbone.register_forward_hook(watch)
    two_phases(model, batch())
    assert alive == [0, 0]


def test_the_cosine_loss_reaches_the_backbone_alone() -> None:
    model, data = build(**COSINE), batch()
    batches = model.data_preprocessor(data, True)
    model.loss(**batches)["cosine.loss"].backward()
    names = set(gradients(model))
    assert names == {n for n, _ in model.named_parameters() if n.startswith("backbone")}


def test_source_only_never_forwards_the_target() -> None:
    model, calls = build(), []
    model.backbone.register_forward_hook(lambda *_: calls.append(1))
    two_phases(model, batch())
    assert len(calls) == 1


def test_target_bn_moves_the_statistics_and_no_gradient() -> None:
    options: dict[str, Any] = dict(backbone=dict(type="ToyBackbone", norm=True))
    plain, control = build(**options), build(target_bn=True, **options)
    data = batch()
    expected, got = two_phases(plain, data), two_phases(control, data)
    assert all(torch.equal(got[name], expected[name]) for name in expected)
    assert control.backbone.norm.num_batches_tracked == 2
    means = plain.backbone.norm.running_mean, control.backbone.norm.running_mean
    assert not torch.allclose(*means)


def test_auxiliary_heads_are_trained_on_both_domains() -> None:
    model = build(auxiliary_head=[head_config(in_index=0)])
    losses = model.loss(**model.data_preprocessor(batch(target_labels=True), True))
    assert {"source.aux_0.loss_ce", "target.aux_0.loss_ce"} < set(losses)


def test_losses_are_averages_over_images() -> None:
    model, data = build(), batch(size=2)
    data["source"]["data_samples"][0].gt_sem_seg.data[:, :9] = 255
    whole = model.loss(**model.data_preprocessor(data, True))
    parts = []
    for i in range(2):
        part = {
            domain: {key: value[i : i + 1] for key, value in branch.items()}
            for domain, branch in data.items()
        }
        parts.append(model.loss(**model.data_preprocessor(part, True)))
    key = "source.decode.loss_ce"
    torch.testing.assert_close(whole[key], (parts[0][key] + parts[1][key]) / 2)


def test_prediction_and_checkpoint_are_the_hosts() -> None:
    model = build(**COSINE).eval()
    config = segmentor_config(type="EncoderDecoder")
    config["data_preprocessor"] = config["data_preprocessor"]["target"]
    host = MODELS.build(ConfigDict(config)).eval()
    assert isinstance(host, EncoderDecoder)
    keys = host.load_state_dict(model.state_dict(), strict=False)
    assert keys.missing_keys == []
    assert all(key.startswith("alignments.") for key in keys.unexpected_keys)
    plain = batch()["target"]
    with torch.no_grad():
        ours, theirs = model.test_step(plain)[0], host.test_step(plain)[0]
    assert torch.equal(ours.seg_logits.data, theirs.seg_logits.data)


def test_none_removes_an_alignment() -> None:
    assert len(build(alignments=dict(cosine=None)).alignments) == 0


def test_wrong_parts_are_refused() -> None:
    with pytest.raises(ValueError, match=r"alignments\.x: ToyBackbone is no alignment"):
        build(alignments=dict(x=dict(type="ToyBackbone")))
    taps = dict(a=dict(feature="backbone.layer9", channels=6, threshold=0.5))
    with pytest.raises(ValueError, match="there is no 'layer9'"):
        build(alignments=dict(cosine=cosine_config(taps=taps)))
    head = head_config(type="OwnLossHead")
    with pytest.raises(ValueError, match="computes its loss in an own way"):
        build(decode_head=head)


def test_wrong_batches_are_refused() -> None:
    model = build()
    with pytest.raises(ValueError, match="expected source and target"):
        model.data_preprocessor({"source": batch()["source"]}, True)
    with pytest.raises(ValueError, match="use DomainPairDataset"):
        model.loss(torch.zeros(1, 3, 16, 32), [])
    unlabelled = {"source": batch()["target"], "target": batch()["target"]}
    inputs = model.data_preprocessor(unlabelled, True)
    with pytest.raises(ValueError, match="source domain has no labels"):
        model.loss(**inputs)


def test_channels_that_do_not_match_are_refused() -> None:
    taps = dict(last=dict(feature="backbone[-1]", channels=7, threshold=0.5))
    model = build(alignments=dict(cosine=cosine_config(taps=taps)))
    with pytest.raises(ValueError, match=r"taps\.last\.channels=7, .* has 6 channels"):
        two_phases(model, batch())


def test_phases_without_a_loss_are_refused() -> None:
    model = build()
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.1))
    model.phases = {"accuracy": AccuracyPhase()}
    with pytest.raises(ValueError, match="no phase of this iteration has a loss"):
        model.train_step(batch(), wrapper)


def test_phases_run_in_order_and_a_child_adds_changes_and_removes_them() -> None:
    assert list(build().phases) == ["source", "target"]
    added = build(phases=dict(accuracy=dict(type="AccuracyPhase"), target=None))
    assert list(added.phases) == ["source", "accuracy"]
    wrapper = KeepGradients(torch.optim.SGD(added.parameters(), 0.1))
    logs = added.train_step(batch(target_labels=True), wrapper)
    assert logs["accuracy"] == 1
    assert not any(key.startswith("target") for key in logs)
    with pytest.raises(ValueError, match=r"phases\.x: ToyBackbone is no phase"):
        build(phases=dict(x=dict(type="ToyBackbone")))
    with pytest.raises(ValueError, match=r"phases\.x=.* name its type"):
        build(phases=dict(x=dict(weight=1)))
    with pytest.raises(ValueError, match="nothing would train"):
        build(phases=dict(source=None, target=None))


def test_alignments_and_their_discriminator_default_to_the_heads_classes() -> None:
    cosine = {k: v for k, v in cosine_config().items() if k != "num_classes"}
    discriminator = dict(type="FCDiscriminator", base_channels=2)
    adversarial = dict(type="AdversarialLoss", discriminator=discriminator)
    alignments = dict(cosine=cosine, adversarial=adversarial)
    model = build(decode_head=head_config(num_classes=3), alignments=alignments)
    assert model.alignments["cosine"].num_classes == 3
    assert model.alignments["adversarial"].discriminator.num_classes == 3
    explicit = build(alignments=dict(cosine=cosine_config(num_classes=7)))
    assert explicit.alignments["cosine"].num_classes == 7
