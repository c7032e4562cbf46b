"""What must agree before a training or a test begins: pure functions of facts."""

from __future__ import annotations

from collections.abc import Iterator

from mmseg_cosda.commands import command
from mmseg_cosda.preflight.facts import (
    DataFacts,
    Facts,
    Finding,
    Level,
    SampleFacts,
    Size,
)
from mmseg_cosda.preflight.loaded_classes import compare_loaded

TRAINED = ("source", "target")


def compare(facts: Facts, sampled: bool = True) -> list[Finding]:
    """Compare what must agree.

    Args:
        facts: What is known of data, model and training.
        sampled: Whether to judge images and the source's classes by the samples; False
            where all files are read.

    Returns:
        What was found, errors first; nothing where all is well.

    Examples:
        >>> road, sky = DataFacts("a", "source"), DataFacts("b", "target")
        >>> compare(Facts(data=(road, sky)))
        []
        >>> compare(Facts(num_classes=(("decode_head", 3), ("cosine", 2))))[0].level
        'error'
    """
    found = [
        *_class_names(facts.data),
        *_class_numbers(facts),
        *_loaded_classes(facts),
        *_positions(facts),
        *_provenance(facts),
        *_schedules(facts),
        *_idle_parts(facts),
    ]
    for data in facts.data:
        found += [*_ids(data), *_sizes(data)]
        found += (*_absent_classes(data), *_lost(data)) if sampled else ()
    order = ("error", "warning", "info")
    return sorted(found, key=lambda finding: order.index(finding.level))


def _class_names(data: tuple[DataFacts, ...]) -> Iterator[Finding]:
    named = [each for each in data if each.classes]
    for other in named[1:]:
        first = named[0]
        if other.classes == first.classes:
            continue
        if sorted(other.classes) == sorted(first.classes):
            how = "are in another order"
        else:
            how = "differ"
        yield Finding(
            "error",
            f"the classes of {first.key} and {other.key} {how}: "
            f"{list(first.classes)} and {list(other.classes)}. Give both the same "
            f"metainfo=dict(classes=...), in the order of the label files' ids",
        )


def _class_numbers(facts: Facts) -> Iterator[Finding]:
    """Heads, alignments and discriminators against the data, or each other."""
    named = [data for data in facts.data if data.classes]
    if named:
        expected, origin = len(named[0].classes), f"the {named[0].key} names"
    elif facts.num_classes:
        key, expected = facts.num_classes[0]
        origin = f"{key}.num_classes is"
    for key, number in facts.num_classes:
        if number != expected:
            yield Finding(
                "error",
                f"{key}.num_classes={number}, but {origin} {expected}"
                f"{' classes' if named else ''}: set {key}.num_classes={expected}"
                f"{', or give the datasets their metainfo' if named else ''}",
            )


def _loaded_classes(facts: Facts) -> Iterator[Finding]:
    """The checkpoint's classes against the data's, where their numbers agree."""
    data = next((data for data in facts.data if data.classes), None)
    if facts.loaded is None or data is None:
        return
    if any(number != len(data.classes) for _, number in facts.num_classes):
        return
    loaded, trains = facts.loaded, facts.training is not None
    finding = compare_loaded(
        loaded.name, loaded.classes, data.key, data.classes, trains
    )
    if finding is not None:
        yield finding


def _positions(facts: Facts) -> Iterator[Finding]:
    training = facts.training
    if training is None or not training.pairs:
        return
    why = (
        "DomainPairDataset draws augmentation and pairs from the position, which would "
        "repeat with the same crops: take"
    )
    cure = (
        'sampler=dict(type="InfiniteSampler", shuffle=False) and '
        'train_cfg=dict(type="IterBasedTrainLoop", max_iters=...)'
    )
    if training.by_epoch:
        yield Finding("error", f"train_cfg.type={training.loop}: {why} {cure}")
    if training.shuffle:
        place = f"train_dataloader.sampler={training.sampler}(shuffle=True)"
        yield Finding(
            "error", f"{place}: {why} {cure} (the dataset shuffles by itself)"
        )


def _provenance(facts: Facts) -> Iterator[Finding]:
    training = facts.training
    if training is None or training.target_labels == "ground_truth":
        return
    for data in facts.data:
        if data.role == "target" and data.labelled:
            files = [s.place for s in data.samples if s.label is not None]
            named = f" (such as {files[0]})" if files else ""
            yield Finding(
                "error",
                f"{data.key}: {', '.join(data.labelled)} hands the target's own labels"
                f"{named} to training, which would be supervised. Take the labels out "
                f"(no data_prefix.seg_map_path, no LoadAnnotations, with_labels=False),"
                f" wrap it in a PseudoLabelDataset, or, where ground truth is meant, "
                f'set train_dataloader.dataset.target_labels="ground_truth"',
            )


def _ids(data: DataFacts) -> Iterator[Finding]:
    if not data.classes:
        return
    count = len(data.classes)
    for sample in data.samples:
        wrong = [
            label
            for label in sample.ids
            if label != data.ignore_index and not 0 <= label < count
        ]
        if wrong:
            yield Finding("error", _wrong_ids(data, sample, wrong))
            break
    labelled = [sample for sample in data.samples if sample.label is not None]
    if not labelled or data.role == "target":
        return
    if all(set(sample.ids) <= {data.ignore_index} for sample in labelled):
        level: Level = "error" if data.role == "source" else "warning"
        yield Finding(
            level,
            f"{data.key}: {labelled[0].place} and the other {len(labelled) - 1} labels "
            f"that were looked at hold nothing but ignored pixels "
            f"({data.ignore_index}): check that the folder holds this dataset's label "
            f"ids, not its colors, and the id_map",
        )


def _wrong_ids(data: DataFacts, sample: SampleFacts, wrong: list[int]) -> str:
    count = len(data.classes)
    valid = [label for label in sample.ids if label != data.ignore_index]
    hint = "check that the folder holds this dataset's labels, and their id_map"
    if valid and min(valid) >= 1 and max(valid) == count:
        hint = f"is 0 unlabelled? Then set reduce_zero_label=True of {data.key}"
    return (
        f"{data.key}: {sample.place} holds the labels {wrong}, but there are {count} "
        f"classes (0 to {count - 1}, and {data.ignore_index} to ignore); {hint}"
    )


def _sizes(data: DataFacts) -> Iterator[Finding]:
    for sample in data.samples:
        text = _size_problem(data, sample)
        if text:
            yield Finding("error", f"{data.key}: {text}")
            return


def _size_problem(data: DataFacts, sample: SampleFacts) -> str | None:
    """Return what is wrong with the sizes of a sample, or None."""
    if sample.label is None:
        return None
    if data.role not in TRAINED:
        if sample.original in (None, sample.label):
            return None
        return (
            f"{sample.place} is {_wxh(sample.label)} behind its pipeline, but the "
            f"prediction is evaluated at the file's {_wxh(sample.original)}: load the "
            f"labels behind the resize (LoadAnnotations after it in test_pipeline)"
        )
    if sample.loaded is not None and data.same_size:
        image, label = sample.loaded
        if image != label:
            return (
                f"the image {sample.image_path} is {_wxh(image)}, its label "
                f"{sample.place} {_wxh(label)}: one of both belongs to another image "
                f"or was turned; set same_size=False of the dataset if it is meant"
            )
    if sample.image in (None, sample.label):
        return None
    return (
        f"behind its pipeline the image {sample.image_path} is {_wxh(sample.image)}, "
        f"its label {sample.place} {_wxh(sample.label)}: let every transform change "
        f"both alike, and let the files have one size before a crop"
    )


def _lost(data: DataFacts) -> Iterator[Finding]:
    if data.lost is not None:
        yield Finding("warning", f"{data.key}: {data.lost}")


def _absent_classes(data: DataFacts) -> Iterator[Finding]:
    labelled = [sample for sample in data.samples if sample.label is not None]
    if data.role != "source" or not labelled or not data.classes:
        return
    seen = set().union(*(sample.ids for sample in labelled)) - {data.ignore_index}
    absent = [name for label, name in enumerate(data.classes) if label not in seen]
    # A few images of a benchmark may well lack most of its classes.
    if not seen or not absent or (data.benchmark and len(seen) > 1):
        return
    of_all = "" if data.length == len(labelled) else f" of {data.length:,}"
    yield Finding(
        "warning",
        f"{data.key}: none of {len(labelled)} source images{of_all} holds the class "
        f"{', '.join(absent)}; their labels are {sorted(seen)}. Check the ids of the "
        f"label files (`{command('check_dataset')}` reads all of them)",
    )


def _schedules(facts: Facts) -> Iterator[Finding]:
    training = facts.training
    if training is None or training.max_iters is None or not training.schedules:
        return
    last = max(training.schedules, key=lambda schedule: schedule.end)
    ends = training.max_iters
    if last.end == ends:
        return
    rate = "" if last.final is None else f"; at the end the rate is {last.final:.3g}"
    if last.end > ends:
        planned = "" if last.planned is None else f", not {last.planned:.3g}"
        text = f"training stops before that, at {ends:,}{rate}{planned}"
    else:
        text = f"training goes on to {ends:,} at a rate that stays{rate}"
    idle = last.end < ends and last.final == 0
    yield Finding(
        "warning" if idle else "info",
        f"{last.key} ({last.type}) ends at iteration {last.end:,}, {text}. If that "
        f"isn't meant, give it end={ends}",
    )


def _idle_parts(facts: Facts) -> Iterator[Finding]:
    training = facts.training
    if training is None or training.max_iters is None:
        return
    for key, start in training.starts:
        if start >= training.max_iters:
            yield Finding(
                "warning",
                f"{key}={start}: it never runs, training stops at "
                f"train_cfg.max_iters={training.max_iters}. Let it start earlier, or "
                f"take it out with {key.rpartition('.')[0]}=None",
            )


def _wxh(size: Size | None) -> str:
    assert size is not None
    return f"{size[1]}x{size[0]}"
