"""What compression does to a clip: JPEG frame by frame, and H.264 over time. Clips are (F, H, W, 3), 0..1."""

from __future__ import annotations

import io
from fractions import Fraction

import numpy as np

from ..libraries import opencv, pyav
from ..media import X264

RATE = Fraction(16)  # frames per second: the quality does not depend on it


def jpeg(clip: np.ndarray, quality: int) -> np.ndarray:
    """Return the clip after JPEG at a quality from 1 to 100."""
    cv2 = opencv("compressing images")
    frames = []
    for frame in _to_bytes(clip):
        _, data = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        frames.append(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])
    return _to_floats(np.stack(frames))


def h264(clip: np.ndarray, crf: int) -> np.ndarray:
    """Return the clip after H.264 at a constant rate factor from 0 to 51; the same clip gives the same bytes.

    The format wants even sides: the last line is doubled for it, and dropped again.
    """
    av = pyav()
    height, width = clip.shape[1:3]
    frames = np.pad(_to_bytes(clip), ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(crf), **X264}
        stream.codec_context.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return _to_floats(np.stack(decoded)[:, :height, :width])


def _to_bytes(clip: np.ndarray) -> np.ndarray:
    values: np.ndarray = np.round(clip.clip(0, 1) * 255).astype(np.uint8)
    return values


def _to_floats(clip: np.ndarray) -> np.ndarray:
    values: np.ndarray = clip.astype(np.float32) / 255
    return values
