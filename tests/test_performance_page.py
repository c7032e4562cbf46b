"""The config that docs/performance.md shows is one."""

from __future__ import annotations

import re
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import TRANSFORMS

import mmseg_cosda  # noqa: F401  (registers what the config names)

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def test_the_cached_config_builds_its_pipelines(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    path = tmp_path / "cached.py"
    path.write_text(code)
    dataset = Config.fromfile(path).train_dataloader.dataset
    init_default_scope("mmseg")
    for domain, size in (("source", (1280, 720)), ("target", (1024, 512))):
        transforms = [TRANSFORMS.build(step) for step in dataset[domain].pipeline]
        assert transforms[0].size == size
        assert transforms[0].cache_dir == "data/cache"
    assert dataset.source.type == "GTA5Dataset"
