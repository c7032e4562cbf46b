from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.training_files import write_state

from mmseg_cosda.checkpoint.newest import newest_whole


def test_the_newest_is_what_the_files_say(tmp_path: Path) -> None:
    assert newest_whole(tmp_path / "missing").path is None
    write_state(tmp_path, 4000, "20260101_000000")  # an earlier training's
    write_state(tmp_path, 200, "20260102_000000")
    last = write_state(tmp_path, 1000, "20260102_000000")
    torch.save({"state_dict": {}, "meta": {}}, tmp_path / "best_mIoU_iter_9000.pth")
    found = newest_whole(tmp_path)
    assert (found.path, found.iteration, found.damaged) == (last, 1000, ())


@pytest.mark.parametrize("fault", ["empty", "truncated", "a byte", "weights alone"])
def test_one_that_is_not_whole_is_passed_over(tmp_path: Path, fault: str) -> None:
    before, newest = write_state(tmp_path, 20), write_state(tmp_path, 40)
    state = torch.load(newest)
    torch.save({**state, "w": torch.full((999,), 7.0)}, newest)
    whole = newest.read_bytes()
    if fault == "weights alone":
        torch.save({"state_dict": {}, "meta": {}}, newest)
    else:
        value = bytes(torch.full((1,), 7.0).numpy().data)
        contents = {
            "empty": b"",
            "truncated": whole[: len(whole) // 2],
            "a byte": whole.replace(value * 9, value * 8 + b"\0\0\0\0", 1),
        }
        newest.write_bytes(contents[fault])
    found = newest_whole(tmp_path)
    assert found.path == before
    (named,) = found.damaged
    assert named[0] == "iter_40.pth"
    before.unlink()
    assert newest_whole(tmp_path).path is None
