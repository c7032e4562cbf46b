"""Pairs of a source and a target sample, as a function of (seed, position)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from mmengine.dataset import Compose
from mmseg.registry import DATASETS, TASK_UTILS
from torch.utils.data import Dataset

from mmseg_cosda.datasets.label_facts import require_label
from mmseg_cosda.datasets.orders import EpochPermutation, Order
from mmseg_cosda.option_checks import require_choices
from mmseg_cosda.randomness import derive_seed, derived_randomness

DOMAINS = ("source", "target")


@DATASETS.register_module()
class DomainPairDataset(Dataset[dict[str, Any]]):
    """A source sample and a target sample at each position.

    Which target meets which source, and every random transform of a sample, is a
    function of (seed, position) alone: read it with the host's
    ``InfiniteSampler(shuffle=False)``, which hands out positions, slices them over
    the ranks and skips exactly on resume.

    Args:
        source: The labelled source domain, a dataset or its config.
        target: The target domain, unlabelled or a ``PseudoLabelDataset``.
        seed: Seed of the pairing and of the transforms; by default the run's
            (``randomness.seed``), read when the dataset is built.
        length: Virtual length, positions after which the stream starts again.
        target_labels: What the labels of target samples may be: ``"pseudo"``, those
            of a ``PseudoLabelDataset`` (or none); or ``"ground_truth"``, its own, for
            semi-supervised training. The preflight refuses others before the first
            iteration: a training on the target's ground truth is no adaptation. With
            ``"ground_truth"`` some images may have labels and others none: a
            ``ConcatDataset`` of a labelled and an unlabelled dataset.
        pair_transforms: Transforms of the pair ``dict(source=..., target=...)``, in
            their order, behind both domains' pipelines; what they draw at random is a
            function of (seed, position) too. By default none.
        source_order: Config of an ``Order`` of the source's images, such as
            ``dict(type="RareClassOrder")``. Default None: a permutation per epoch, as
            the target's always is.

    Raises:
        ValueError: If the classes of the domains differ, a domain is empty, or an
            option is out of range.

    Examples:
        >>> from mmseg_cosda.datasets import DemoStreetsDataset, DomainPairDataset
        >>> pairs = DomainPairDataset(
        ...     source=DemoStreetsDataset(domain="source", length=4),
        ...     target=DemoStreetsDataset(domain="target", length=4),
        ...     seed=0,
        ... )
        >>> sorted(pairs[0])
        ['source', 'target']
    """

    def __init__(
        self,
        source: dict[str, Any] | Dataset[Any],
        target: dict[str, Any] | Dataset[Any],
        seed: int | None = None,
        length: int = 1_000_000,
        target_labels: Literal["pseudo", "ground_truth"] = "pseudo",
        pair_transforms: Sequence[dict[str, Any] | Callable[..., Any]] = (),
        source_order: dict[str, Any] | None = None,
    ) -> None:
        require_choices(
            "train_dataloader.dataset",
            "pseudo",
            "ground_truth",
            target_labels=target_labels,
        )
        if length < 1:
            raise ValueError(
                f"length={length} of train_dataloader.dataset: must be positive"
            )
        if seed is not None and seed < 0:
            raise ValueError(
                f"seed={seed} of train_dataloader.dataset: must not be negative"
            )
        self.source: Any = (
            DATASETS.build(source) if isinstance(source, dict) else source
        )
        self.target: Any = (
            DATASETS.build(target) if isinstance(target, dict) else target
        )
        self._check_domains()
        # The Runner seeds torch before it builds a dataset.
        self.seed = torch.initial_seed() % 2**63 if seed is None else seed
        self.length = length
        self.target_labels = target_labels
        self.pair_transforms = Compose(pair_transforms)
        self._order: dict[str, Order] = {
            name: EpochPermutation(len(dataset), derive_seed(self.seed, index))
            for index, (name, dataset) in enumerate(self.domains.items())
        }
        if source_order is not None:
            self._order["source"] = self._build_order(source_order)

    @property
    def domains(self) -> dict[str, Any]:
        """The two datasets by name."""
        return {"source": self.source, "target": self.target}

    @property
    def metainfo(self) -> dict[str, Any]:
        """The target's meta information: what is evaluated and shown."""
        return copy.deepcopy(dict(self.target.metainfo))

    def full_init(self) -> None:
        """Load both domains' annotations, as the host's datasets do, and their orders'
        statistics."""
        for dataset in self.domains.values():
            dataset.full_init()
        for order in self._order.values():
            order.prepare()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, position: int) -> dict[str, Any]:
        """Return ``dict(source=..., target=...)`` at a position of the stream."""
        sample = {}
        for index, name in enumerate(self.domains):
            sample[name] = self._read(index, name, position)
        require_label(sample["source"], "train_dataloader.dataset.source")
        with derived_randomness(derive_seed(self.seed, len(DOMAINS), position)):
            paired: dict[str, Any] = self.pair_transforms(sample)
        return paired

    def _read(self, index: int, name: str, position: int) -> Any:
        """Return a domain's sample, made again while its order doesn't accept it."""
        order = self._order[name]
        for attempt in range(order.tries):
            # The first seed has no part of its own: it is that of a single attempt.
            parts = (index, position, attempt) if attempt else (index, position)
            with derived_randomness(derive_seed(self.seed, *parts)):
                sample = self.domains[name][order[position]]
            if order.accepts(position, sample):
                break
        return sample

    def _build_order(self, config: dict[str, Any]) -> Order:
        place = "train_dataloader.dataset.source_order"
        if "type" not in config:
            raise ValueError(f"{place}={config}: name its type, such as RareClassOrder")
        parts = {"dataset": self.source, "seed": derive_seed(self.seed, 0)}
        order: Any = TASK_UTILS.build(config, default_args=parts)
        if not isinstance(order, Order):
            raise ValueError(
                f"{place}: {type(order).__name__} is no order; derive it from "
                "mmseg_cosda.datasets.orders.Order"
            )
        return order

    def _check_domains(self) -> None:
        classes = {n: d.metainfo.get("classes") for n, d in self.domains.items()}
        if tuple(classes["source"] or ()) != tuple(classes["target"] or ()):
            raise ValueError(
                "train_dataloader.dataset: the domains' classes differ, source has "
                f"{classes['source']}, target has {classes['target']}; choose datasets "
                "(or their metainfo) with the same classes in the same order"
            )
        for name, dataset in self.domains.items():
            if len(dataset) == 0:
                raise ValueError(
                    f"train_dataloader.dataset.{name} has no images; check its "
                    "data_root and data_prefix"
                )
