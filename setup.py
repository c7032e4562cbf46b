from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def version() -> str:
    scope: dict[str, str] = {}
    exec((ROOT / "mmseg_cosda" / "version.py").read_text("utf-8"), scope)
    return scope["__version__"]


def long_description() -> str:
    readme = ROOT / "README.md"
    return readme.read_text("utf-8") if readme.exists() else ""


PLOTS = ["matplotlib>=3.7"]
# They run what is in benchmarks/.
CHECKOUT_ONLY = ("benchmark", "prepare_camvid", "render_streets")

setup(
    name="mmseg_cosda",
    version=version(),
    description=(
        "Unsupervised domain adaptation for semantic segmentation by class-wise "
        "cosine similarity, as a plugin of MMSegmentation 1.x"
    ),
    long_description=long_description(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["mmseg_cosda", "mmseg_cosda.*"]),
    # `mmseg_cosda::...` in a config of another project is looked up in .mim, whose
    # entries are links to the repository's own files.
    package_data={
        "mmseg_cosda": [
            ".mim/model-index.yml",
            ".mim/configs/**/*",
            ".mim/tools/*.py",
            ".mim/tools/*.sh",
        ]
    },
    exclude_package_data={
        "mmseg_cosda": [f".mim/tools/{name}.py" for name in CHECKOUT_ONLY]
    },
    entry_points={"console_scripts": ["mmseg-cosda = mmseg_cosda.__main__:run"]},
    include_package_data=False,
    zip_safe=False,
    # The host is not named here: whoever has one keeps it as it is. Its packages
    # bring OpenCV and Pillow.
    install_requires=["torch>=2.4", "numpy"],
    extras_require={
        "onedl": [
            "onedl-mmengine>=0.10.12",
            "onedl-mmcv>=2.3.6",
            "onedl-mmsegmentation>=1.4.2",
        ],
        "openmmlab": [
            "mmengine>=0.10.7",
            "mmcv>=2.1.0,<2.2.0",
            "mmsegmentation>=1.2.2",
            "ftfy",
            "regex",
            "setuptools<81",
        ],
        "plots": PLOTS,
        # tools/export.py --onnx
        "export": ["onnx>=1.16", "onnxruntime>=1.18"],
        # TensorboardVisBackend of a config (docs/own_data.md)
        "tensorboard": ["tensorboard"],
        # tools/render_streets.py; OpenCV and Pillow come with the host.
        "renderer": ["moderngl>=5.10"],
        # setuptools: a test builds the wheel. kornia: the outside reference of the
        # color jitter; it brings kornia-rs alone. hypothesis: sortedcontainers.
        "tests": [
            *PLOTS,
            "hypothesis>=6.100",
            "kornia>=0.7",
            "mypy",
            "pytest",
            "pytest-xdist",
            "ruff",
            "setuptools>=70.1",
        ],
    },
)
