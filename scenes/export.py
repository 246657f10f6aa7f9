"""A scene as files, in the formats that the command line and the nodes read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from einops import rearrange, repeat

from ..control.camera.formats import write_camera
from ..control.control_video import KINDS
from ..control.files import atomic_path
from ..control.media import write_image, write_video
from ..control.sound import write_tone
from .clips import Clips, render
from .world import WorldOptions


def export_scene(
    seed: int,
    folder: str | os.PathLike[str],
    frames: int = 17,
    height: int = 64,
    width: int = 96,
    options: WorldOptions | None = None,
) -> dict[str, Path]:
    """Render the scene of `seed` and write it into `folder`; return the written files, by name.

    video.mp4; camera.json (relative, in units of the first frame's median depth); depth.mp4 (near white, whole clip)
    and depth.npy (metric z, (F,H,W) float32); per slot k: reference_k.png, reference_k_mask.png, track_k.mp4 and
    track_k.npy (the masks exactly, (F,H,W) bytes of 0 and 1); control_KIND.mp4 of every kind of control video;
    sound.wav of scenes that have one; caption.txt and plain_caption.txt.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    clips = render([seed], frames, height, width, options=options)
    files = {"video": folder / "video.mp4", "camera": folder / "camera.json"}
    write_video(files["video"], rearrange(clips.video[0], "c t h w -> t h w c").numpy(), clips.fps)
    write_camera(clips.trajectory(0), files["camera"])
    for write in (_write_depth, _write_identities, _write_control_videos, _write_sound, _write_captions):
        files |= write(clips, folder)
    return files


def _to_rgb(gray: np.ndarray) -> np.ndarray:
    return repeat(gray, "... -> ... c", c=3)


def _write_depth(clips: Clips, folder: Path) -> dict[str, Path]:
    files = {"depth": folder / "depth.mp4", "depth_metric": folder / "depth.npy"}
    write_video(files["depth"], _to_rgb(clips.disparity()[0, 0].numpy()), clips.fps)
    with atomic_path(files["depth_metric"]) as path:
        np.save(path, clips.depth[0].numpy())
    return files


def _write_identities(clips: Clips, folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for k in range(int(clips.present[0].sum())):
        image, mask, track = f"reference_{k}", f"reference_{k}_mask", f"track_{k}"
        files |= {image: folder / f"{image}.png", mask: folder / f"{mask}.png", track: folder / f"{track}.mp4"}
        write_image(files[image], rearrange(clips.references[0, k], "c h w -> h w c").numpy())
        write_image(files[mask], _to_rgb(clips.reference_masks[0, k].numpy()))
        masks = (clips.identity[0] == k).numpy()
        write_video(files[track], _to_rgb(masks.astype(np.float32)), clips.fps)
        files[f"{track}_exact"] = folder / f"{track}.npy"
        with atomic_path(files[f"{track}_exact"]) as path:
            np.save(path, masks.astype(np.uint8))
    return files


def _write_control_videos(clips: Clips, folder: Path) -> dict[str, Path]:
    files = {}
    has_figure = any(item.joints is not None for item in clips.scenes[0].objects)
    for video in clips.control_videos(0, [kind for kind in KINDS if kind != "pose" or has_figure]):
        files[f"control_{video.kind}"] = folder / f"control_{video.kind}.mp4"
        write_video(files[f"control_{video.kind}"], video.frames, clips.fps)
    return files


def _write_sound(clips: Clips, folder: Path) -> dict[str, Path]:
    loudness = clips.scenes[0].loudness
    if loudness is None:
        return {}
    write_tone(folder / "sound.wav", loudness, clips.fps)
    return {"sound": folder / "sound.wav"}


def _write_captions(clips: Clips, folder: Path) -> dict[str, Path]:
    files = {}
    for name, text in (("caption", clips.captions[0]), ("plain_caption", clips.plain_captions[0])):
        files[name] = folder / f"{name}.txt"
        with atomic_path(files[name]) as path:
            path.write_text(text + "\n", encoding="utf-8")
    return files
