"""The doors of clips: masks, depth, and videos in color."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import av
import cv2
import numpy as np

from comfyui_fulldit.control.depth.conventions import CONVENTIONS
from comfyui_fulldit.control.fit import Fit, SpaceFit, TimeFit
from comfyui_fulldit.control.identity.mask_images import read_mask_image
from comfyui_fulldit.control.identity.state import state_from_json
from comfyui_fulldit.control.load import load_depth, load_track, read_source
from comfyui_fulldit.control.media import read_image, read_video, write_video

from ..control.exr_writer import write_exr, write_parts
from .door import FileDoor

FRAMES, HEIGHT, WIDTH = 5, 16, 24


def ramp() -> np.ndarray:
    """A clip (F, H, W) of a slope that moves, 0..1."""
    slope = np.linspace(0.2, 0.9, WIDTH)[None] + np.linspace(0, 0.1, FRAMES)[:, None]
    return np.repeat(slope[:, None], HEIGHT, 1).astype(np.float32)


def masks() -> np.ndarray:
    """A clip (F, H, W) of a white square that moves, bytes."""
    clip = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8)
    for frame in range(FRAMES):
        clip[frame, 4:12, 2 + frame : 12 + frame] = 255
    return clip


def write_clip(path: Path, frames: np.ndarray, codec: str, pixels: str, rate: int = 8) -> None:
    """Write frames (F, H, W, 3) or (F, H, W), bytes, as another container and codec than the pack writes."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], pixels
        for frame in frames:
            image = np.repeat(frame[..., None], 3, -1) if frame.ndim == 2 else frame
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(stream.encode())


def write_folder(folder: Path, frames: np.ndarray, name: str = "{:04}.png") -> None:
    """Write frames as an image each."""
    folder.mkdir()
    for number, frame in enumerate(frames):
        cv2.imwrite(str(folder / name.format(number)), frame)


def fits(chance: Random) -> tuple[int, int, int, Fit]:
    """A length and size that a clip is to have, and how it is fitted."""
    if chance.random() < 0.05:
        return 3, 16, 24, Fit()
    space, time = chance.choice(list(SpaceFit)), chance.choice((TimeFit.RESAMPLE, TimeFit.HOLD))
    return chance.choice((1, 5, 17)), chance.choice((16, 32)), chance.choice((16, 48)), Fit(space, time)


class MaskDoor(FileDoor):
    """Files of masks: white, alpha, labels, palettes; images, folders, arrays, videos; the painter's state."""

    name = "masks"

    def make(self) -> None:
        clip, whole = masks(), self.whole
        labels = (clip > 0).astype(np.uint8)
        labels[:, :3] = 2
        write_folder(whole / "white", clip)
        write_folder(whole / "labels", labels, "frame_{}_mask.png")
        write_folder(whole / "colors", np.stack([labels * 100, labels * 7, clip], -1), "{}.bmp")
        for ending in ("png", "jpg", "webp", "bmp", "tif"):
            cv2.imwrite(str(whole / f"one.{ending}"), clip[0])
        cv2.imwrite(str(whole / "fine.png"), labels[0].astype(np.uint16) * 20)
        cv2.imwrite(str(whole / "alpha.png"), np.stack([labels[0]] * 3 + [clip[0]], -1))
        self._write_palette(labels[0])
        np.save(whole / "clip.npy", clip > 0)
        np.save(whole / "labels.npy", labels)
        np.savez(whole / "clip.npz", masks=clip)
        write_video(whole / "clip.mp4", clip)
        write_clip(whole / "clip.mkv", clip, "ffv1", "gray")
        key = {"frame": 0, "shapes": [{"kind": "box", "centre": [0.5, 0.5], "size": [0.2, 0.2]}]}
        state = {"format": "fulldit-masks", "version": 1, "size": [24, 16], "frames": 5}
        (whole / "state.json").write_text(json.dumps({**state, "slots": [{"name": "a", "keys": [key]}]}))

    def _write_palette(self, labels: np.ndarray) -> None:
        from PIL import Image

        image = Image.fromarray(labels, "P")
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
        image.save(self.whole / "palette.png")

    def use(self, path: Path, chance: Random) -> None:
        if path.suffix == ".json":
            state_from_json(path.read_bytes().decode("utf-8", "replace"))
            return
        frames, height, width, fit = fits(chance)
        choice = chance.choice(("", "", "", "", "#1", "#2", "#ff0000", "#99999"))
        chosen = f"{path}{choice}"
        if chance.random() < 0.3 and not path.is_dir():
            mask = read_mask_image(chosen)
            assert mask.ndim == 2 and mask.min() >= 0 and mask.max() <= 1
            return
        track = load_track(chosen, frames, height, width, fit)
        assert track.shape == (frames, height, width) and np.isfinite(track).all()
        assert track.min() >= 0 and track.max() <= 1


class DepthDoor(FileDoor):
    """Files of depth: EXR, PNG, PGM, PFM, arrays, videos, also in colors."""

    name = "depth"

    def make(self) -> None:
        clip, whole = ramp(), self.whole
        meters = (2 / clip).astype(np.float32)
        (whole / "exr").mkdir()
        for number, frame in enumerate(meters):
            write_exr(whole / "exr" / f"d.{number:04}.exr", {"Z": frame}, "ZIP")
        for compression in ("none", "RLE", "ZIPS"):
            write_exr(whole / f"{compression}.exr", {"depth.Z": meters[0].astype(np.float16)}, compression)
        layers = {"R": clip[0], "G": clip[1], "B": clip[2], "ViewLayer.Depth.Z": meters[0]}
        write_exr(whole / "layers.exr", layers, "ZIP", (2, 3), (0, 0, 29, 19))
        write_parts(
            whole / "parts.exr", {"color": {"R": clip[0], "G": clip[0], "B": clip[0]}, "depth": {"Z": meters[0]}}
        )
        fine = (clip * 65535).astype(np.uint16)
        write_folder(whole / "fine", fine, "frame_{:04}_depth16.png")
        write_folder(whole / "coarse", (clip * 255).astype(np.uint8), "{}.jpg")
        (whole / "pgm").mkdir()
        for number, frame in enumerate(fine):
            (whole / "pgm" / f"{number}.pgm").write_bytes(b"P5\n# c\n24 16\n65535\n" + frame.astype(">u2").tobytes())
        (whole / "one.pfm").write_bytes(b"Pf\n24 16\n-1.0\n" + meters[0].astype("<f4").tobytes())
        (whole / "plain.pgm").write_bytes(b"P2\n24 16\n255\n" + b" ".join(b"%d" % v for v in (clip[0] * 255).ravel()))
        np.save(whole / "meters.npy", meters)
        write_video(whole / "gray.mp4", clip)
        turbo = np.stack([cv2.applyColorMap((frame * 255).astype(np.uint8), cv2.COLORMAP_TURBO) for frame in clip])
        write_video(whole / "turbo.mp4", turbo[..., ::-1])
        cv2.imwrite(str(whole / "turbo.png"), turbo[0])
        write_clip(whole / "gray.mkv", (clip * 255).astype(np.uint8), "ffv1", "gray16le")

    def use(self, path: Path, chance: Random) -> None:
        frames, height, width, fit = fits(chance)
        more = {}
        if chance.random() < 0.3:
            more = {"convention": chance.choice(("auto", *CONVENTIONS)), "channel": chance.choice((None, "Z", "x"))}
        kind = chance.choice(("auto", "auto", "depth", "disparity", "inverted"))
        with np.errstate(all="ignore"):
            clip = load_depth(path, frames, height, width, kind, fit, **more)
        assert clip.values.shape == (frames, height, width) and np.isfinite(clip.values).all()
        assert clip.values.min() >= 0 and clip.values.max() <= 1


class VideoDoor(FileDoor):
    """Videos and images in color, of several containers and codecs."""

    name = "videos"

    def make(self) -> None:
        random = np.random.default_rng(0)
        clip = (np.stack([ramp()] * 3, -1) * 200).astype(np.uint8)
        clip[:, :8] = random.integers(0, 256, (FRAMES, 8, WIDTH, 3))
        whole = self.whole
        write_video(whole / "h264.mp4", clip)
        kinds = {
            "mpeg4.avi": ("mpeg4", "yuv420p"),
            "mpeg4.mp4": ("mpeg4", "yuv420p"),
            "ffv1.mkv": ("ffv1", "yuv420p10le"),
            "prores.mov": ("prores_ks", "yuv422p10le"),
            "vp9.webm": ("libvpx-vp9", "yuv420p"),
            "mjpeg.avi": ("mjpeg", "yuvj420p"),
            "anim.gif": ("gif", "rgb8"),
            "h264.ts": ("libx264", "yuv420p"),
            "raw.nut": ("rawvideo", "rgb24"),
        }
        for name, (codec, pixels) in kinds.items():
            try:
                write_clip(whole / name, clip, codec, pixels)
            except Exception:  # this build of ffmpeg has no such encoder
                (whole / name).unlink(missing_ok=True)
        write_folder(whole / "frames", clip, "shot.{:03}.png")
        for ending in ("png", "jpg", "webp", "bmp", "tif"):
            cv2.imwrite(str(whole / f"one.{ending}"), clip[0])

    def use(self, path: Path, chance: Random) -> None:
        which = chance.random()
        if which < 0.3:
            frames, height, width, fit = fits(chance)
            clip = read_source(path, frames, height, width, fit)[0]
            assert clip.shape == (frames, height, width, 3)
        elif which < 0.6 and path.is_file():
            clip = read_image(path)
            assert clip.ndim == 3
        else:
            clip = read_video(path, chance.choice((None, 3)))
            assert clip.ndim == 4
        assert np.isfinite(clip).all() and clip.min() >= -0.01 and clip.max() <= 1.01
