"""Pairs of a source and a target sample, as a function of (seed, position)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from mmengine.dataset import Compose
from mmseg.registry import DATASETS
from torch.utils.data import Dataset

from mmseg_cosda.datasets.label_facts import require_label
from mmseg_cosda.option_checks import require_choices
from mmseg_cosda.randomness import derive_seed, derived_randomness

DOMAINS = ("source", "target")


class EpochPermutation:
    """Maps a position of an endless stream to an index of a finite dataset.

    Each epoch of ``size`` positions is a permutation of its own, a pure function
    of (seed, epoch).

    Args:
        size: Number of samples.
        seed: Non-negative integer.

    Examples:
        >>> order = EpochPermutation(3, seed=0)
        >>> sorted(order[i] for i in range(3)), sorted(order[i] for i in range(3, 6))
        ([0, 1, 2], [0, 1, 2])
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed = size, seed
        self._epoch = -1
        self._permutation = np.empty(0, dtype=np.int64)

    def __getitem__(self, position: int) -> int:
        """Return the index of the sample at ``position``."""
        epoch, offset = divmod(position, self.size)
        if epoch != self._epoch:
            generator = np.random.default_rng(derive_seed(self.seed, epoch))
            self._permutation = generator.permutation(self.size)
            self._epoch = epoch
        return int(self._permutation[offset])


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
            iteration: a training on the target's ground truth is no adaptation.
        pair_transforms: Transforms of the pair ``dict(source=..., target=...)``, in
            their order, behind both domains' pipelines; what they draw at random is a
            function of (seed, position) too. By default none.

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
        self._order = {
            name: EpochPermutation(len(dataset), derive_seed(self.seed, index))
            for index, (name, dataset) in enumerate(self.domains.items())
        }

    @property
    def domains(self) -> dict[str, Any]:
        """The two datasets by name."""
        return {"source": self.source, "target": self.target}

    @property
    def metainfo(self) -> dict[str, Any]:
        """The target's meta information: what is evaluated and shown."""
        return copy.deepcopy(dict(self.target.metainfo))

    def full_init(self) -> None:
        """Load both domains' annotations, as the host's datasets do."""
        for dataset in self.domains.values():
            dataset.full_init()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, position: int) -> dict[str, Any]:
        """Return ``dict(source=..., target=...)`` at a position of the stream."""
        sample = {}
        for index, (name, dataset) in enumerate(self.domains.items()):
            with derived_randomness(derive_seed(self.seed, index, position)):
                sample[name] = dataset[self._order[name][position]]
        require_label(sample["source"], "train_dataloader.dataset.source")
        with derived_randomness(derive_seed(self.seed, len(DOMAINS), position)):
            paired: dict[str, Any] = self.pair_transforms(sample)
        return paired

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
