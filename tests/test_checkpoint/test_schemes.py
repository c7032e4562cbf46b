from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as host_checkpoint

import mmseg_cosda  # noqa: F401  (registers the loaders)
from mmseg_cosda.errors import UserError


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "hub" / "checkpoints"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Serve a folder on this machine."""
    folder = tmp_path / "site"
    folder.mkdir()
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class RunsCode:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def stored_under_its_digest(folder: Path, content: object, legacy: bool = False) -> str:
    """Save a checkpoint as ``net-DIGEST.pth``, as hubs name their files."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "net.pth"
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    return file.rename(folder / f"net-{digest}.pth").name


def flip_bit(file: Path, piece: bytes) -> None:
    """Flip the lowest bit of a file in the middle of a piece of it."""
    content = bytearray(file.read_bytes())
    place = content.index(piece) + len(piece) // 2
    content[place] ^= 1
    file.write_bytes(content)


def test_no_loader_of_the_host_is_left() -> None:
    schemes = CheckpointLoader._schemes
    assert {"", "http://", "https://", "open-mmlab://", "torchvision://"} <= set(
        schemes
    )
    owners = {prefix: loader.__module__ for prefix, loader in schemes.items()}
    assert set(owners.values()) == {"mmseg_cosda.checkpoint.schemes"}, owners


def test_a_url_is_fetched_once(hub: Path, site: tuple[Path, str]) -> None:
    folder, address = site
    torch.save({"weight": torch.ones(2)}, folder / "net.pth")
    load = CheckpointLoader.load_checkpoint
    assert load(f"{address}/net.pth", "cpu")["weight"].tolist() == [1, 1]
    (folder / "net.pth").unlink()
    assert load(f"{address}/net.pth", "cpu")["weight"].tolist() == [1, 1]
    assert [path.name for path in hub.iterdir()] == ["net.pth"]


def test_a_url_to_a_file_that_runs_code_is_refused(
    tmp_path: Path, hub: Path, site: tuple[Path, str]
) -> None:
    folder, address = site
    marker = tmp_path / "ran"
    torch.save(RunsCode(marker), folder / "evil.pth")
    with pytest.raises(UserError, match=r"evil\.pth is refused"):
        CheckpointLoader.load_checkpoint(f"{address}/evil.pth", "cpu")
    assert not marker.exists()


def test_an_unreachable_url_names_every_way_that_works_offline(hub: Path) -> None:
    # Port 9 of this machine: refused at once, no network asked.
    with pytest.raises(UserError, match="cannot be fetched") as error:
        CheckpointLoader.load_checkpoint("http://127.0.0.1:9/a/net.pth", "cpu")
    message = str(error.value)
    for way in (str(hub / "net.pth"), "local path", "load_from", "init_cfg=None"):
        assert way in message


def test_a_pretrained_part_tells_it_when_weights_are_initialized(hub: Path) -> None:
    # What the Runner calls before the first iteration.
    url = "http://127.0.0.1:9/a/net.pth"
    net = BaseModule(init_cfg={"type": "Pretrained", "checkpoint": url})
    with pytest.raises(UserError, match="cannot be fetched"):
        net.init_weights()


def test_a_file_of_the_url_s_name_in_the_hub_folder_works_offline(hub: Path) -> None:
    hub.mkdir(parents=True)
    torch.save({"weight": torch.ones(1)}, hub / "net.pth")
    loaded = CheckpointLoader.load_checkpoint("http://127.0.0.1:9/a/net.pth", "cpu")
    assert loaded["weight"].tolist() == [1]


def test_hub_names_are_looked_up_in_the_host_s_tables(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = stored_under_its_digest(hub, {"a": 1})
    table = {
        **host_checkpoint.get_external_models(),
        "detectron2/resnet101_caffe": f"http://127.0.0.1:9/{name}",
    }
    monkeypatch.setattr(host_checkpoint, "get_external_models", lambda: table)
    load = CheckpointLoader.load_checkpoint
    assert load("open-mmlab://detectron2/resnet101_caffe", "cpu") == {"a": 1}
    with pytest.raises(UserError, match="open-mmlab://no_such_net: no such name"):
        load("open-mmlab://no_such_net", "cpu")


def test_a_classifier_s_backbone_is_cut_out(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = {"backbone.conv.weight": torch.ones(1), "head.fc.weight": torch.ones(1)}
    file = stored_under_its_digest(hub, {"state_dict": weights})
    table = {"net": f"http://127.0.0.1:9/{file}"}
    monkeypatch.setattr(host_checkpoint, "get_mmcls_models", lambda: table)
    loaded = CheckpointLoader.load_checkpoint("mmcls://net", "cpu")
    assert list(loaded["state_dict"]) == ["conv.weight"]


@pytest.mark.parametrize("legacy", [False, True])
def test_the_digest_of_a_url_s_name_is_kept(
    hub: Path, site: tuple[Path, str], legacy: bool
) -> None:
    folder, address = site
    name = stored_under_its_digest(folder, {"weight": torch.ones(64)}, legacy)
    load = CheckpointLoader.load_checkpoint
    assert load(f"{address}/{name}", "cpu")["weight"].sum() == 64
    flip_bit(hub / name, torch.ones(64).numpy().tobytes())  # the cached file
    with pytest.raises(UserError, match=rf"{name} is damaged.*promises {name[4:12]}"):
        load(f"{address}/{name}", "cpu")
    (hub / name).unlink()
    flip_bit(folder / name, torch.ones(64).numpy().tobytes())  # the served one
    with pytest.raises(UserError, match=rf"{name}: what was fetched is not the file"):
        load(f"{address}/{name}", "cpu")
    assert list(hub.iterdir()) == []


def test_an_old_file_without_a_digest_is_read_as_it_is(hub: Path) -> None:
    hub.mkdir(parents=True)
    for name in ("net.pth", "net-20220316.pth"):  # a date is no digest
        torch.save(
            {"weight": torch.ones(1)}, hub / name, _use_new_zipfile_serialization=False
        )
        loaded = CheckpointLoader.load_checkpoint(f"http://127.0.0.1:9/{name}", "cpu")
        assert loaded["weight"].tolist() == [1]
