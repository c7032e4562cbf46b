from __future__ import annotations

import os
from pathlib import Path

from mmseg_cosda.inference.prediction_folder import PredictionFolder


def test_what_a_killed_writer_left_goes_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "labels" / "ulm"
    folder.mkdir(parents=True)
    names = (".a.png.abcd1234", ".b.png.abcd1234", ".c.png", "d.png.abcd1234")
    for name in names:
        (folder / name).touch()
        if name != ".b.png.abcd1234":  # it is being written
            os.utime(folder / name, (0, 0))
    PredictionFolder(tmp_path, "run").open({})
    assert {path.name for path in folder.iterdir()} == set(names[1:])
