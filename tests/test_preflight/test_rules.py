"""The comparison, on plain facts: what is found, and what is left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmseg_cosda.preflight.facts import (
    DataFacts,
    Facts,
    SampleFacts,
    ScheduleFacts,
    TrainingFacts,
)
from mmseg_cosda.preflight.rules import compare

CLASSES = ("road", "tree", "car")
LABELLED = SampleFacts((4, 8), (4, 8), (4, 8), (0, 1, 2, 255), "a.jpg", "a.png")
UNLABELLED = SampleFacts((4, 8), None, (4, 8), (), "b.jpg")


def data(role: str, sample: SampleFacts = LABELLED, **options: object) -> DataFacts:
    facts = DataFacts(
        key=role,
        role=role,
        classes=CLASSES,
        length=9,
        ignore_index=255,
        samples=(sample, sample),
    )
    return replace(facts, **options)  # type: ignore[arg-type]


GOOD = Facts(
    data=(data("source"), data("target", UNLABELLED), data("val"), data("test")),
    num_classes=(("model.decode_head", 3), ("model.alignments.cosine", 3)),
    training=TrainingFacts(pairs=True, sampler="InfiniteSampler", max_iters=40),
)


def with_data(**changed: DataFacts) -> Facts:
    return replace(GOOD, data=tuple(changed.get(each.role, each) for each in GOOD.data))


def found(facts: Facts) -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in compare(facts)]


def the_error(facts: Facts) -> str:
    ((level, text),) = found(facts)
    assert level == "error"
    assert "\n" not in text
    return text


def test_what_agrees_is_silent() -> None:
    assert found(GOOD) == []
    assert found(Facts()) == []


def test_classes_of_validation_in_another_order_or_others() -> None:
    moved = data("val", classes=("car", "tree", "road"))
    text = the_error(with_data(val=moved))
    assert "the classes of source and val are in another order" in text
    assert "['car', 'tree', 'road']" in text
    other = data("test", classes=("road", "tree", "bus"))
    assert "source and test differ" in the_error(with_data(test=other))


@pytest.mark.parametrize(
    "key", ["model.decode_head", "model.auxiliary_head[0]", "model.alignments.cosine"]
)
def test_another_number_of_classes_names_its_key(key: str) -> None:
    text = the_error(replace(GOOD, num_classes=(("model.decode_head", 3), (key, 10))))
    assert f"{key}.num_classes=10, but the source names 3 classes" in text
    assert f"set {key}.num_classes=3" in text


def test_without_class_names_the_parts_are_compared_with_each_other() -> None:
    facts = Facts(num_classes=(("head", 3), ("cosine", 2)))
    assert the_error(facts).startswith(
        "cosine.num_classes=2, but head.num_classes is 3"
    )


def test_loops_and_samplers_that_repeat_positions() -> None:
    training = TrainingFacts(pairs=True, loop="EpochBasedTrainLoop", by_epoch=True)
    text = the_error(replace(GOOD, training=training))
    assert "train_cfg.type=EpochBasedTrainLoop" in text
    assert "IterBasedTrainLoop" in text
    training = TrainingFacts(pairs=True, sampler="DefaultSampler", shuffle=True)
    text = the_error(replace(GOOD, training=training))
    assert "train_dataloader.sampler=DefaultSampler(shuffle=True)" in text
    plain = TrainingFacts(by_epoch=True, shuffle=True)
    assert found(replace(GOOD, training=plain)) == []


def test_the_targets_own_labels_are_refused_unless_meant() -> None:
    leak = with_data(target=data("target", labelled=("FolderSegDataset",)))
    text = the_error(leak)
    assert (
        "target: FolderSegDataset hands the target's own labels (such as a.png)" in text
    )
    assert 'target_labels="ground_truth"' in text
    meant = TrainingFacts(pairs=True, target_labels="ground_truth")
    assert found(replace(leak, training=meant)) == []
    # In a test there is no training to leak into.
    assert found(replace(leak, training=None)) == []


def test_ids_outside_the_classes() -> None:
    shifted = replace(LABELLED, ids=(1, 2, 3, 255))
    text = the_error(with_data(val=data("val", shifted)))
    assert "val: a.png holds the labels [3], but there are 3 classes" in text
    assert "reduce_zero_label=True of val" in text
    text = the_error(with_data(val=data("val", replace(LABELLED, ids=(0, 1, 2, 7)))))
    assert "[7]" in text
    assert "reduce_zero_label" not in text


def test_nothing_but_ignored_pixels() -> None:
    empty = replace(LABELLED, ids=(255,))
    text = the_error(with_data(source=data("source", empty)))
    assert "nothing but ignored pixels (255)" in text
    one = data("source", samples=(empty, LABELLED))
    assert found(with_data(source=one)) == []
    ((level, _),) = found(with_data(val=data("val", empty)))
    assert level == "warning"


def test_a_class_in_no_sampled_source_image() -> None:
    facts = with_data(source=data("source", replace(LABELLED, ids=(0, 1, 255))))
    ((level, text),) = found(facts)
    assert level == "warning"
    assert (
        "none of 2 source images of 9 holds the class car; their labels are [0, 1]"
        in text
    )
    known = data("source", replace(LABELLED, ids=(0, 1)), benchmark=True)
    assert found(with_data(source=known)) == []
    one_id = data("source", replace(LABELLED, ids=(0, 255)), benchmark=True)
    assert "tree, car" in found(with_data(source=one_id))[0][1]


def test_an_image_and_its_label_of_other_sizes() -> None:
    turned = replace(LABELLED, loaded=((4, 8), (8, 4)))
    text = the_error(with_data(source=data("source", turned)))
    assert "the image a.jpg is 8x4, its label a.png 4x8" in text
    translated = data("source", turned, same_size=False)
    assert found(with_data(source=translated)) == []
    cut = replace(LABELLED, label=(2, 8))
    text = the_error(with_data(source=data("source", cut)))
    assert "behind its pipeline the image a.jpg is 8x4, its label a.png 8x2" in text


def test_labels_resized_before_evaluation() -> None:
    early = replace(LABELLED, original=(8, 16))
    for role in ("val", "test"):
        text = the_error(with_data(**{role: data(role, early)}))
        assert f"{role}: a.png is 8x4 behind its pipeline" in text
        assert "16x8" in text
        assert "behind the resize" in text
    assert found(with_data(source=data("source", early))) == []


def test_a_schedule_that_ends_elsewhere() -> None:
    def lines(
        end: int, final: float | None, planned: float = 0.0
    ) -> list[tuple[str, str]]:
        schedule = ScheduleFacts("param_scheduler[0]", "PolyLR", end, final, planned)
        assert GOOD.training is not None
        training = replace(GOOD.training, schedules=(schedule,))
        return found(replace(GOOD, training=training))

    assert lines(40, 0.0) == []
    ((level, text),) = lines(200, 3e-4)
    assert level == "info"
    assert "ends at iteration 200, training stops before that, at 40" in text
    assert "at the end the rate is 0.0003, not 0" in text
    ((level, text),) = lines(20, 0.0)
    assert level == "warning"
    assert "at a rate that stays; at the end the rate is 0" in text
    ((level, text),) = lines(20, None)
    assert level == "info"


def test_what_starts_behind_the_end_never_runs() -> None:
    def lines(start: int, max_iters: int | None = 40) -> list[tuple[str, str]]:
        assert GOOD.training is not None
        key = "model.phases.masked.start_iter"
        starts = ((key, start), ("model.phases.mixed.start_iter", 1))
        training = replace(GOOD.training, starts=starts, max_iters=max_iters)
        return found(replace(GOOD, training=training))

    assert lines(39) == []  # it runs once
    assert lines(400, None) == []  # by epoch: the number of iterations is unknown
    ((level, text),) = lines(40)
    assert level == "warning"
    assert text.startswith("model.phases.masked.start_iter=40: it never runs")
    assert "train_cfg.max_iters=40" in text
    assert text.endswith("take it out with model.phases.masked=None")


def test_errors_come_first() -> None:
    facts = replace(GOOD, num_classes=(("head", 2),))
    facts = replace(
        facts,
        data=(data("source", replace(LABELLED, ids=(0, 1))), *facts.data[1:]),
    )
    assert [level for level, _ in found(facts)] == ["error", "warning"]
