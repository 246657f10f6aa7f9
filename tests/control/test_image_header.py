"""Pictures as cameras write them, turned by their marks in every format, and measured before they are decoded."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from comfyui_fulldit.control import media
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.identity.mask_images import read_mask_image
from comfyui_fulldit.control.image_header import ImageHeader, read_header

cv2 = pytest.importorskip("cv2")

UPRIGHT = {
    1: lambda image: image,
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image, 2).swapaxes(0, 1),
    8: lambda image: np.rot90(image, 1),
}


def picture(channels: int) -> np.ndarray:
    """A bright and a gray quarter, so that each turn and mirror looks different; alpha, where asked for, is half."""
    image = np.zeros((24, 40, channels), np.float32)
    image[:12, :20] = 1
    image[:12, 20:] = 0.5
    image[..., 3:] = 0.5
    return image if channels > 1 else image[..., 0]


def exif(orientation: int, order: str = "<") -> bytes:
    start = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8)
    return start + struct.pack(f"{order}HHHIHHI", 1, 274, 3, 1, orientation, 0, 0)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def tiff(image: np.ndarray, orientation: int) -> bytes:
    """An uncompressed TIFF."""
    image = np.ascontiguousarray(np.round(image * 255).astype(np.uint8))
    height, width, count = *image.shape[:2], image.size // (image.shape[0] * image.shape[1])
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 2 if count > 2 else 1), (273, 4, 0)]
    tags += [(274, 3, orientation), (277, 3, count), (278, 4, height), (279, 4, image.nbytes), (284, 3, 1)]
    tags += [(338, 3, 2)] if count == 4 else []
    behind = 8 + 2 + 12 * len(tags) + 4
    data = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    for tag, kind, value in tags:
        if tag == 258 and count > 1:
            data += struct.pack("<HHII", tag, kind, count, behind)
        else:
            value = behind + 8 if tag == 273 else value
            data += struct.pack("<HHI", tag, kind, 1) + struct.pack(
                "<HH" if kind == 3 else "<I", *([value, 0][: 5 - kind])
            )
    return data + bytes(4) + struct.pack("<4H", 8, 8, 8, 8) + image.tobytes()


def marked(ending: str, image: np.ndarray, orientation: int) -> bytes:
    """An image file with an EXIF orientation."""
    if ending == "tif":
        return tiff(image, orientation)
    stored = np.round(image * 255).astype(np.uint8)
    data = cv2.imencode(f".{ending}", stored)[1].tobytes()
    if ending == "jpg":
        body = b"Exif\0\0" + exif(orientation, ">")
        return data[:2] + struct.pack(">HH", 0xFFE1, len(body) + 2) + body + data[2:]
    if ending == "png":
        return data[:33] + chunk(b"eXIf", exif(orientation)) + data[33:]
    height, width = image.shape[:2]
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    whole = b"VP8X" + struct.pack("<II", 10, 0x08 | (0x10 if stored.shape[2:] == (4,) else 0)) + size
    frame = data[12:] if data[12:16] != b"VP8X" else data[30:]
    body = exif(orientation)
    whole += frame + b"EXIF" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(whole)) + b"WEBP" + whole


KINDS = [(ending, count) for ending in ("jpg", "png", "webp", "tif") for count in (1, 3, 4)]


@pytest.mark.parametrize(("ending", "channels"), [kind for kind in KINDS if kind not in (("jpg", 4), ("webp", 1))])
def test_every_picture_is_turned_as_its_mark_says(tmp_path, ending, channels):
    for orientation, upright in UPRIGHT.items():
        path = tmp_path / f"{orientation}.{ending}"
        path.write_bytes(marked(ending, picture(channels), orientation))
        read, want = media.read_image(path), upright(picture(channels))
        assert read.shape == (*want.shape[:2], 4 if channels == 4 else 3), orientation
        gray = want if channels == 1 else want[..., 0]
        # OpenCV multiplies the colors of a TIFF by its alpha.
        assert np.abs(read[..., 0] / read[..., 0].max() - gray).mean() < 0.05, orientation


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp", "tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_headers_have_the_size_of_the_image(ending, channels):
    if ending == "jpg" and channels == 4:
        channels = 3
    image = np.round(picture(channels) * 255).astype(np.uint8)
    data = cv2.imencode(f".{ending}", image)[1].tobytes()
    assert read_header(data) == ImageHeader(24, 40)
    for kept in range(0, min(len(data), 120)):
        read_header(data[:kept])  # a header that is cut short is None or what stood before the cut, never an exception


def test_a_directory_beyond_every_file_is_no_header():
    """A TIFF of 64 bits, as a file of its own and as the EXIF data of a JPEG."""
    far = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 2**64 - 2)
    assert read_header(far + bytes(100)) is None
    data = cv2.imencode(".jpg", np.zeros((24, 40, 3), np.uint8))[1].tobytes()
    body = b"Exif\0\0" + far
    assert read_header(data[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(body)) + body + data[2:]) == ImageHeader(
        24, 40
    )


def test_lossless_webp_is_measured():
    data = cv2.imencode(".webp", np.zeros((24, 40, 3), np.uint8), [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    assert data[12:16] == b"VP8L" and read_header(data) == ImageHeader(24, 40)


def bomb(ending: str) -> bytes:
    """An image of a few hundred bytes that says it has 60000 x 50000 pixels."""
    data = bytearray(marked(ending, picture(3), 1) if ending != "bmp" else cv2.imencode(".bmp", np.zeros((4, 4, 3)))[1])
    if ending == "png":
        data[8:33] = chunk(b"IHDR", struct.pack(">II", 60000, 50000) + bytes(data[24:29]))
    elif ending == "jpg":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", 50000, 60000)
    elif ending == "webp":
        data[24:30] = struct.pack("<I", 59999)[:3] + struct.pack("<I", 49999)[:3]
    elif ending == "bmp":
        data[18:26] = struct.pack("<ii", 60000, -50000)
    else:
        data[18:22], data[30:34] = struct.pack("<I", 60000), struct.pack("<I", 50000)
    return bytes(data)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp", "tif"])
def test_images_are_measured_before_they_are_decoded(tmp_path, monkeypatch, ending):
    def never(*args):
        raise AssertionError("it was decoded")

    path = tmp_path / f"bomb.{ending}"
    path.write_bytes(bomb(ending))
    monkeypatch.setattr(cv2, "imdecode", never)
    for read in (media.read_image, read_mask_image):
        with pytest.raises(UserError, match=rf"bomb.{ending}' says that it has 60000 x 50000 pixels; at most 134"):
            read(path)


def test_broken_marks_are_no_marks(tmp_path):
    data = marked("png", picture(3), 1)
    for body in (b"", b"II*\0", exif(6)[:12], exif(0), exif(77), b"nonsense"):
        (tmp_path / "a.png").write_bytes(data[:33] + chunk(b"eXIf", body) + data[33 + 12 + len(exif(1)) :])
        assert media.read_image(tmp_path / "a.png").shape == (24, 40, 3)
