"""Images by name."""

from __future__ import annotations

import pytest

from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.image_names import find_images


def test_images_are_found_by_name() -> None:
    names = ["ulm/a", "bonn/a", "bonn/b.v2", "c"]
    wanted = ["ulm/a", "bonn/a_img.png", "b.v2", "b.v2.png", "c.jpg", "c_img"]
    assert find_images(wanted, names, "_img") == [0, 1, 2, 2, 3, 3]
    with pytest.raises(UserError, match="there are ulm/a, bonn/a; give the folder"):
        find_images(["a"], names)
    with pytest.raises(
        UserError, match=r"b\.v3: no image has that name; closest: bonn/b\.v2"
    ):
        find_images(["bonn/b.v3"], names)
