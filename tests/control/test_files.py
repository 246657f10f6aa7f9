"""Sizes in words."""

from __future__ import annotations

import pytest

from comfyui_fulldit.control.files import size_text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 MB"),
        (3_072_000, "3.1 MB"),
        (378e6, "378 MB"),
        (999e6, "999 MB"),
        (15_574_833_216, "15.57 GB"),
        (2e10, "20 GB"),
    ],
)
def test_a_size_is_said_in_words(count, text):
    assert size_text(count) == text
