"""A flipped bit in a checkpoint is noticed when it is loaded."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
import torch

from mmseg_cosda.checkpoint import load_checkpoint_file
from mmseg_cosda.errors import UserError


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "net.pth"
    weights = {"first": torch.arange(512.0), "second": torch.full((512,), 0.75)}
    torch.save({"state_dict": weights, "meta": {"note": "as it was"}}, path)
    return path


def flipped(path: Path, member: str) -> bytes:
    """Flip a bit in the middle of a member; return the file."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        piece = archive.read(member)
    content[content.index(piece) + len(piece) // 2] ^= 1
    return bytes(content)


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("member", ["net/data/0", "net/data/1"])
def test_a_flipped_bit_in_weights_names_file_and_member(
    saved: Path, member: str, mmap: bool
) -> None:
    saved.write_bytes(flipped(saved, member))
    torch.load(saved, weights_only=True)  # torch alone doesn't notice
    with pytest.raises(UserError, match=rf"{saved} is damaged: its part {member} "):
        load_checkpoint_file(saved, mmap=mmap)


def test_a_flipped_bit_in_the_pickle_is_noticed_before_it_is_read(saved: Path) -> None:
    content = saved.read_bytes().replace(b"as it was", b"as it wac")
    saved.write_bytes(content)
    assert torch.load(saved, weights_only=True)["meta"] == {"note": "as it wac"}
    with pytest.raises(UserError, match=r"damaged: its part net/data\.pkl "):
        load_checkpoint_file(saved)


def test_an_open_file_is_checked_and_read_from_where_it_stands(saved: Path) -> None:
    whole, bad = saved.read_bytes(), flipped(saved, "net/data/0")
    loaded = load_checkpoint_file(io.BytesIO(whole))
    assert loaded["state_dict"]["first"][3] == 3
    with pytest.raises(UserError, match=r"checkpoint s3://a\.pth is damaged"):
        load_checkpoint_file(io.BytesIO(bad), name="s3://a.pth")


def test_a_damaged_list_of_members_is_one_line(saved: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[content.rindex(b"PK\x01\x02")] ^= 1
    saved.write_bytes(content)
    with pytest.raises(UserError, match=r"net\.pth") as error:
        load_checkpoint_file(saved)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(
    not hasattr(torch.serialization, "set_crc32_options"), reason="before torch 2.6"
)
def test_a_file_that_was_saved_without_crc_is_read(saved: Path) -> None:
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": torch.ones(3)}, saved)
    finally:
        torch.serialization.set_crc32_options(before)
    assert load_checkpoint_file(saved)["a"].tolist() == [1, 1, 1]
