"""A scene as files, in the formats that the command line and the nodes read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..control.camera.formats import write_camera
from ..control.conditions import CameraCondition, DepthCondition, IdentityCondition
from ..control.files import atomic_path
from ..control.media import write_image, write_video
from .clips import render
from .world import WorldOptions


def export_scene(
    seed: int,
    folder: str | os.PathLike,
    frames: int = 17,
    height: int = 64,
    width: int = 96,
    options: WorldOptions | None = None,
) -> dict[str, Path]:
    """Renders the scene of `seed` and writes it into `folder`; returns what was written, by name.

    video.mp4; camera.json (relative, in units of the first frame's median depth); depth.mp4 (near white, whole clip)
    and depth.npy (metric z, (F,H,W) float32); per slot k: reference_k.png, reference_k_mask.png and track_k.mp4;
    caption.txt and plain_caption.txt.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    clips = render([seed], frames, height, width, options=options)
    conditions = clips.conditions(0)
    written: dict[str, Path] = {}

    def place(name: str) -> Path:
        written[name.partition(".")[0]] = folder / name
        return folder / name

    def gray(masks: np.ndarray) -> np.ndarray:
        return np.repeat(masks[..., None], 3, axis=-1)

    write_video(place("video.mp4"), clips.video[0].permute(1, 2, 3, 0).numpy(), clips.fps)
    for condition in conditions.items:
        if isinstance(condition, CameraCondition):
            write_camera(condition.trajectory, place("camera.json"))
        elif isinstance(condition, DepthCondition):
            write_video(place("depth.mp4"), gray(condition.clip.values), clips.fps)
    written["depth_metric"] = folder / "depth.npy"
    with atomic_path(written["depth_metric"]) as path:
        np.save(path, clips.depth[0].numpy())
    identity_condition = conditions.get(IdentityCondition)
    for k, identity in enumerate(identity_condition.identities if identity_condition is not None else ()):
        write_image(place(f"reference_{k}.png"), identity.images[0])
        write_image(place(f"reference_{k}_mask.png"), gray(identity.mask))
        write_video(place(f"track_{k}.mp4"), gray(identity.track), clips.fps)
    for name, text in (("caption.txt", clips.captions[0]), ("plain_caption.txt", clips.plain_captions[0])):
        with atomic_path(place(name)) as path:
            path.write_text(text + "\n", encoding="utf-8")
    return written
