"""Names from lists and data sets never leave the output folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.torcs2camvid import camvid_prepare
from benchmarks.torcs2camvid.street_renderer.job import pair_of
from mmseg_cosda.errors import UserError
from mmseg_cosda.evaluation import SubsetIoUMetric
from mmseg_cosda.files import inside
from mmseg_cosda.pseudo_labels.spool import Spool


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An output folder with links that lead out of it and links that don't."""
    folder, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    (folder / "real").mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "kept.png").write_bytes(b"mine")
    (folder / "away").symlink_to(elsewhere)
    (folder / "file.png").symlink_to(elsewhere / "kept.png")
    (folder / "dangling.png").symlink_to(elsewhere / "new.png")
    (folder / "within").symlink_to(folder / "real")
    return folder


ESCAPES = [
    "../a.png",
    "real/../../a.png",
    "{above}/a.png",
    "{above}/out/a.png",
    "real/../a.png",
    "away/a.png",
    "away/kept.png",
    "file.png",
    "dangling.png",
    "",
    ".",
    "..",
]


@pytest.mark.parametrize("name", ESCAPES)
def test_a_name_that_leads_out_is_refused(out: Path, name: str) -> None:
    name = name.format(above=out.parent)
    with pytest.raises(UserError, match="leaves the output folder") as error:
        inside(out, name)
    assert repr(name) in str(error.value)


@pytest.mark.parametrize("name", ["a.png", "ulm/b/a.png", "..a.png", "within/a.png"])
def test_other_names_are_fine_also_below_a_linked_folder(out: Path, name: str) -> None:
    assert inside(out, name) == out / name
    link = out.parent / "link"
    link.symlink_to(out)
    assert inside(link, name) == link / name
    assert inside("not/yet/there", name) == Path("not/yet/there", name)


@pytest.mark.parametrize("name", ESCAPES[:9])
@pytest.mark.parametrize("overwrite", [False, True])
def test_pseudo_labels_stay_in_their_folder(
    out: Path, name: str, overwrite: bool
) -> None:
    name, spool = name.format(above=out.parent), Spool(out)
    with pytest.raises(UserError, match="leaves the output folder"):
        spool.open({"weights": "a"}, ["a.png", name], overwrite)
    spool.folder.mkdir()
    with pytest.raises(UserError, match="leaves the output folder"):
        spool.publish(name, b"label")
    elsewhere = out.parent / "elsewhere"
    assert [p.name for p in elsewhere.iterdir()] == ["kept.png"]
    assert (elsewhere / "kept.png").read_bytes() == b"mine"
    assert not (out.parent / "a.png").exists()


@pytest.mark.parametrize("link", [".unfinished", "report.json"])
def test_the_spool_s_own_files_follow_no_link(tmp_path: Path, link: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / link).symlink_to(elsewhere)
    with pytest.raises(UserError, match="leaves the output folder"):
        Spool(tmp_path / "out").open({"weights": "a"}, ["a.png"], True)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", ["file", "dangling"])
def test_the_metric_s_predictions_follow_no_link(out: Path, name: str) -> None:
    metric = SubsetIoUMetric(output_dir=str(out), format_only=True)
    metric.dataset_meta = {"classes": ["a", "b"]}
    prediction = torch.zeros(1, 2, 2, dtype=torch.long)

    def process(path: str) -> None:
        sample: dict[str, Any] = {"pred_sem_seg": {"data": prediction}}
        metric.process({}, [{**sample, "img_path": path}])

    with pytest.raises(UserError, match="leaves the output folder"):
        process(f"data/{name}.jpg")
    process("data/../../fine.jpg")  # named by its last part, as the host does
    assert (out / "fine.png").is_file()
    elsewhere = out.parent / "elsewhere"
    assert (elsewhere / "kept.png").read_bytes() == b"mine"
    assert not (elsewhere / "new.png").exists()


def test_rendered_and_prepared_files_follow_no_link(tmp_path: Path) -> None:
    elsewhere = tmp_path / "mine.png"
    elsewhere.write_bytes(b"mine")
    for labels, name in (("source", "syn_00003"), ("target/val", "0016E5_07959")):
        (tmp_path / labels / "labels").mkdir(parents=True)
        (tmp_path / labels / "labels" / f"{name}.png").symlink_to(elsewhere)
    with pytest.raises(UserError, match="leaves the output folder"):
        pair_of(tmp_path, 3)
    assert pair_of(tmp_path, 4).labels.name == "syn_00004.png"
    with pytest.raises(UserError, match="leaves the output folder"):
        camvid_prepare.list_frames(camvid_prepare.SEGNET, tmp_path, tmp_path, "val")
