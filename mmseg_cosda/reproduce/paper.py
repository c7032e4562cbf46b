"""What is published: mIoU on Cityscapes' validation images, in percent."""

from __future__ import annotations

from collections.abc import Mapping

from mmseg_cosda.datasets.label_maps import CITYSCAPES_CLASSES, CLASS_SUBSETS

# (net, task) -> row -> mIoU (mIoU13 for SYNTHIA with DeepLabV2, mIoU16 with FCN-8s).
FIGURES: Mapping[tuple[str, str], Mapping[str, float]] = {
    ("deeplabv2", "gta2cs"): {
        "adversarial-no-pl": 45.1,
        "cosine-no-pl": 46.6,
        "cosine": 49.7,
        "no-queue": 49.33,
        "no-class-split": 48.93,
        "with-adversarial": 48.71,
        "only-ssl": 48.65,
        "ssl-adversarial": 48.41,
        "threshold-0.5": 48.92,
        "threshold-0.55": 49.15,
        "threshold-0.65": 49.06,
        "threshold-0.7": 49.47,
        "queue-1000": 49.07,
        "queue-1500": 49.51,
        "queue-2000": 49.26,
        "queue-3000": 49.13,
    },
    ("deeplabv2", "synthia2cs"): {
        "adversarial-no-pl": 48.5,
        "cosine-no-pl": 48.6,
        "cosine": 53.2,
        "no-queue": 52.64,
        "no-class-split": 52.67,
        "with-adversarial": 52.75,
        "only-ssl": 52.48,
        "ssl-adversarial": 52.56,
    },
    ("fcn8s", "gta2cs"): {
        "adversarial-no-pl": 40.7,
        "cosine-no-pl": 41.8,
        "cosine": 44.3,
        "only-ssl": 43.52,
    },
    ("fcn8s", "synthia2cs"): {
        "adversarial-no-pl": 36.2,
        "cosine-no-pl": 36.5,
        "cosine": 41.2,
        "only-ssl": 40.81,
    },
}
"""Tables 1, 4 and 6; the "Ours" rows of Tables 2 and 3 are those of Table 4."""

PUBLISHED: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("deeplabv2", "gta2cs"): {
        "cosine-no-pl": "46.6 (translated images)",
        "cosine": "49.7 (translated images)",
        "dacs": "52.1",
        "fda": "50.45 (three bands, two rounds)",
    },
    ("deeplabv2", "synthia2cs"): {
        "cosine-no-pl": "48.6 (translated images)",
        "cosine": "53.2 (translated images)",
    },
    ("deeplabv2", "synthia2cs_19way"): {"dacs": "48.3"},
    ("daformer", "gta2cs"): {"daformer": "68.3"},
    ("daformer", "synthia2cs"): {},
    ("daformer", "synthia2cs_19way"): {"daformer": "60.9"},
}
"""What the methods' own papers report, by (net, task) and row, and what differs from
the row; mIoU13 for ``synthia2cs`` with DeepLabV2, mIoU16 for ``synthia2cs_19way``."""

_PER_CLASS = {
    ("deeplabv2", "gta2cs"): (
        "92.6 54.0 85.4 35.0 26.0 32.4 41.2 29.7 85.1 40.9 85.4 62.6 34.7 85.7 35.6 "
        "50.8 2.4 31.0 34.0"
    ),
    ("fcn8s", "gta2cs"): (
        "90.3 42.6 82.2 29.7 22.2 18.5 32.8 26.8 84.3 37.1 80.2 55.2 26.4 83.0 30.3 "
        "35.1 7.0 29.6 28.9"
    ),
    ("deeplabv2", "synthia2cs"): (
        "88.3 47.3 80.1 21.6 20.2 79.6 82.1 59.0 28.2 82.0 39.2 17.3 46.7"
    ),
    ("fcn8s", "synthia2cs"): (
        "73.6 30.6 77.5 0.8 0.4 26.7 14.1 29.3 80.9 80.6 57.9 24.7 76.5 27.2 10.8 47.8"
    ),
}
_CLASSES = {
    ("deeplabv2", "synthia2cs"): CLASS_SUBSETS["mIoU13"],
    ("fcn8s", "synthia2cs"): CLASS_SUBSETS["mIoU16"],
}

HYPER_PARAMETERS: Mapping[tuple[str, str], tuple[float, int, float]] = {
    ("deeplabv2", "gta2cs"): (0.6, 2500, 0.01),
    ("fcn8s", "gta2cs"): (0.4, 2000, 0.001),
    ("deeplabv2", "synthia2cs"): (0.4, 2500, 0.01),
    ("fcn8s", "synthia2cs"): (0.2, 2000, 0.001),
}
"""Table 5: T_cos, dict-size and lambda_cos by (net, task)."""


def per_class(net: str, task: str) -> dict[str, float]:
    """Return the paper's IoU of each class ("Ours" in Tables 2 and 3).

    Args:
        net: "deeplabv2" or "fcn8s".
        task: "gta2cs", "synthia2cs" or another, of which the paper says nothing.

    Returns:
        Percent by class name; empty for other tasks.

    Examples:
        >>> per_class("fcn8s", "synthia2cs")["sky"], per_class("deeplabv2", "demo")
        (80.6, {})
    """
    figures = _PER_CLASS.get((net, task))
    if figures is None:
        return {}
    names = _CLASSES.get((net, task), CITYSCAPES_CLASSES)
    return dict(zip(names, map(float, figures.split()), strict=True))
