"""Text as people save it: encodings, line ends, decimal commas, separators and comments."""

from __future__ import annotations

import json

import numpy as np
import pytest

from comfyui_fulldit.control.camera.formats import read_camera
from comfyui_fulldit.control.camera.formats.source import decode, wide_encoding
from comfyui_fulldit.control.errors import UserError

ROWS = [[n * 40000, 0.5, 0.9, 0.5, 0.5, 0, 0, 1, 0, 0, -0.25 * n, 0, 1, 0, 0, 0, 0, 1, 0] for n in range(5)]
PLAIN = "\n".join(" ".join(map(str, row)) for row in ROWS)
COMMA = PLAIN.replace(".", ",")
TEXTS = {
    "header with an accent, Latin-1": ("caf\xe9-7, \xe0 c\xf4t\xe9\n" + PLAIN).encode("latin-1"),
    "comments in Chinese, GBK": ("# 相机轨迹\n" + PLAIN + "\n# 结束").encode("gbk"),
    "comments in Chinese, UTF-8": ("% 相机轨迹\n// 结束\n" + PLAIN).encode(),
    "UTF-16 of Windows": ("https://a\r\n" + PLAIN.replace("\n", "\r\n")).encode("utf-16"),
    "UTF-16 little-endian without a mark": PLAIN.encode("utf-16-le"),
    "UTF-16 big-endian without a mark": PLAIN.encode("utf-16-be"),
    "UTF-32": PLAIN.encode("utf-32"),
    "UTF-8 with a mark": PLAIN.encode("utf-8-sig"),
    "line ends of old Macs": PLAIN.replace("\n", "\r").encode(),
    "decimal commas": COMMA.encode(),
    "decimal commas below a header": ("Kamera, Szene 3\n" + COMMA).encode(),
    "semicolons and decimal commas": COMMA.replace(" ", ";").encode(),
    "semicolons and points": PLAIN.replace(" ", "; ").encode(),
    "tabs": PLAIN.replace(" ", "\t").encode(),
    "commas": PLAIN.replace(" ", ",").encode(),
    "commas, quoted": "\n".join(",".join(f'"{value}"' for value in row) for row in ROWS).encode(),
    "commas and blanks": PLAIN.replace(" ", ", ").encode(),
    "a minus sign of typesetters": PLAIN.replace("-", "\u2212").encode(),
}


@pytest.mark.parametrize("content", TEXTS.values(), ids=TEXTS)
def test_text_is_read_however_it_was_saved(tmp_path, content):
    (tmp_path / "a.txt").write_bytes(content)
    path = read_camera(tmp_path / "a.txt")
    assert path.c2w[:, 0, 3] == pytest.approx(0.25 * np.arange(5)) and path.fps == 25
    assert path.intrinsics[0] == pytest.approx([0.5, 0.9, 0.5, 0.5]) and path.notes == ()


def test_json_in_utf_16_is_json(tmp_path):
    text = json.dumps([np.eye(4).tolist()] * 3)
    for encoding in ("utf-16", "utf-16-le", "utf-8-sig"):
        (tmp_path / "a.json").write_bytes(text.encode(encoding))
        assert read_camera(tmp_path / "a.json").frames == 3


def test_a_colmap_model_may_have_image_names_in_any_encoding(tmp_path):
    (tmp_path / "cameras.txt").write_text("1 PINHOLE 30 20 30 30 15 10\n")
    (tmp_path / "images.txt").write_bytes("2 1 0 0 0 -2 0 0 1 帧2.png\n\n1 1 0 0 0 -1 0 0 1 帧1.png\n\n".encode("gbk"))
    assert read_camera(tmp_path).c2w[:, 0, 3] == pytest.approx([1, 2])


def test_integers_separated_by_commas_are_no_decimals(tmp_path):
    """1,0,0,... are twelve numbers; taken for decimals they would be six."""
    (tmp_path / "a.txt").write_text("1,0,0,4,0,1,0,0,0,0,1,0\n1,0,0,5,0,1,0,0,0,0,1,0\n")
    assert read_camera(tmp_path / "a.txt").c2w[:, 0, 3] == pytest.approx([4, 5])


def test_bytes_that_are_no_text_are_not_taken_for_some():
    for data in (bytes(range(128, 256)) * 4, b"\x01\x02 1 2 3 \xff", b"\xff\xfe1"):
        with pytest.raises(UserError, match="neither text"):
            decode(data, wide_encoding(data) or "utf-8-sig")
    assert wide_encoding(bytes(100)) is None and wide_encoding(b"\0a" * 4) is None, "zeros, and too short to say"
