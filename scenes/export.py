"""A scene as files, in the formats that the command line and the nodes read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from einops import rearrange, repeat

from ..control.camera.formats import write_camera
from ..control.files import atomic_path
from ..control.media import write_image, write_video
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
    and depth.npy (metric z, (F,H,W) float32); per slot k: reference_k.png, reference_k_mask.png and track_k.mp4;
    caption.txt and plain_caption.txt.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    clips = render([seed], frames, height, width, options=options)
    files = {"video": folder / "video.mp4", "camera": folder / "camera.json"}
    write_video(files["video"], rearrange(clips.video[0], "c t h w -> t h w c").numpy(), clips.fps)
    write_camera(clips.trajectory(0), files["camera"])
    for write in (_write_depth, _write_identities, _write_captions):
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
        write_video(files[track], _to_rgb((clips.identity[0] == k).float().numpy()), clips.fps)
    return files


def _write_captions(clips: Clips, folder: Path) -> dict[str, Path]:
    files = {}
    for name, text in (("caption", clips.captions[0]), ("plain_caption", clips.plain_captions[0])):
        files[name] = folder / f"{name}.txt"
        with atomic_path(files[name]) as path:
            path.write_text(text + "\n", encoding="utf-8")
    return files
