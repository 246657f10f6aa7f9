"""From what a user types to `Controls`: file names and short specifications.

camera: a file, or a preset as 'pan_right', 'pan_right:20' (amount) or 'pan_right:20,ease=linear,fov=60,seed=3', or
    several with the part of the clip that each takes: 'pan_right:20@0-0.5 + dolly_in:0.3@0.25-1' (camera/sequence.py).
identity: 'name=image,mask=file,track=file'; all but the image may be left out. In this order the words 'mask=' and
    'track=' may be left out too, and an empty place skips a file ('cup=cup.png,,where.mp4'). 'strength=0.8', 'start=0'
    and 'end=0.6' may follow.
depth: a video, a folder of images, one image for all frames, .npy (F, H, W), or EXR and 16-bit PNG of a renderer
    (EXR as 'depth' is in meters along the camera's axis).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .bundle import Controls, check_length, check_size
from .camera import CameraTrajectory
from .camera.formats import read_camera
from .camera.sequence import is_sequence, sequence
from .depth import DepthClip, normalize_depth
from .depth.files import open_depth
from .errors import UserError
from .files import existing
from .identity import Identity
from .identity.slots import check_range
from .images import indices, resize_clip
from .media import IMAGES, count_frames, read_image, read_mask, read_video

_FILES = ("image", "mask", "track")
_NUMBERS = ("strength", "start", "end")


def load_controls(
    frames: int,
    height: int,
    width: int,
    camera: str | os.PathLike | None = None,
    identities: Sequence[str] = (),
    depth: str | os.PathLike | None = None,
    depth_kind: str = "auto",
    fps: float = 8.0,
    fit: bool = False,
    slots: int = 3,
    camera_strength: float = 1.0,
    depth_strength: float = 1.0,
) -> Controls:
    """Read everything and check it against a video of `frames` frames of `height` x `width` at `fps`.

    Tracks and depth are resized to the video. fit: spread a camera, track or depth clip of another length over the
    video; without it another length is refused. Raises UserError, naming the file, for whatever cannot be used.
    """
    check_size(frames, height, width)
    if len(identities) > slots:
        raise UserError(f"{len(identities)} identities were given, but there are {slots} slots: leave some out")
    controls = Controls(
        camera=None if camera is None else load_camera(camera, frames, fps, width / height, fit),
        identities=tuple(
            load_identity(spec, frames, height, width, fit, default=f"identity {number + 1}")
            for number, spec in enumerate(identities)
        ),
        depth=None if depth is None else load_depth(depth, frames, height, width, depth_kind, fit),
        camera_strength=camera_strength,
        depth_strength=depth_strength,
    )
    controls.validate(frames, height, width, slots)
    return controls


def load_camera(
    spec: str | os.PathLike, frames: int, fps: float = 8.0, aspect: float = 1.5, fit: bool = False
) -> CameraTrajectory:
    """A camera from a file, or from a text of presets (a file of that name wins)."""
    text = os.fspath(spec)
    # os.path says no to a text that is too long for a file name, where Path raises.
    if not os.path.exists(os.path.expanduser(text)) and is_sequence(text):
        return sequence(text, frames, fps=fps, aspect=aspect)
    trajectory = read_camera(text, default_frames=frames, aspect=aspect)
    if trajectory.frames != frames:
        if not fit:
            check_length(trajectory.frames, frames, f"the camera path '{text}'")
        trajectory = trajectory.resample(frames, fps=fps)
    return trajectory.relative()


def load_identity(
    spec: str, frames: int, height: int, width: int, fit: bool = False, default: str = "identity"
) -> Identity:
    """An identity from its specification (see the top of this file). Raises UserError for anything else."""
    name, equals, rest = spec.partition("=")
    # A path may hold '=' too: a name has neither folder nor ending.
    if not equals or set(name) & set("./\\,"):
        name, rest = default, spec
    name = name.strip() or default
    files: dict[str, str] = {}
    numbers: dict[str, float] = {}
    for place, part in enumerate(part.strip() for part in rest.split(",")):
        key, equals, value = part.partition("=")
        if equals and key in _NUMBERS:
            try:
                numbers[key] = float(value)
            except ValueError as error:
                raise UserError(f"'{value}' was given as {key} of identity '{name}'; a number was expected") from error
        elif equals and key in _FILES:
            files[key] = value
        elif place < len(_FILES):
            files.setdefault(_FILES[place], part)
        else:
            raise UserError(
                f"'{part}' is too much for identity '{name}': write it as name=image[,mask=file][,track=file]"
                f" with {', '.join(_NUMBERS)} where wanted"
            )
    if not files.get("image"):
        raise UserError(f"identity '{name}' has no image: write it as name=image[,mask=file][,track=file]")
    mask, track = files.get("mask"), files.get("track")
    return Identity(
        name,
        (read_image(files["image"]),),
        mask=read_mask(mask) if mask else None,
        track=load_track(track, frames, height, width, fit, f"the track of identity '{name}'") if track else None,
        **numbers,
    )


def load_track(
    path: str, frames: int, height: int, width: int, fit: bool = False, what: str = "the track"
) -> np.ndarray:
    """A mask per frame (F, height, width), white = 1: a video, a folder of images, one image for all, or .npy."""
    if Path(path).suffix.lower() in IMAGES and not Path(path).expanduser().is_dir():
        clip = np.repeat(read_mask(path)[None], frames, 0)
    elif Path(path).suffix.lower() == ".npy":
        clip = _spread(_load_array(path, what), frames, fit, f"{what} '{path}'").astype(np.float32)
    else:
        clip = _video(path, frames, (height, width), fit, what).mean(-1)
    check_range(clip, f"{what} '{path}'")
    return np.clip(resize_clip(clip, height, width), 0, 1)


def load_depth(
    path: str | os.PathLike, frames: int, height: int, width: int, kind: str = "auto", fit: bool = False
) -> DepthClip:
    """A depth clip normalized over the whole clip, then resized to (height, width). See `normalize_depth` for kinds.

    Videos and images count as 'disparity' (near is bright) unless the kind says otherwise.
    """
    path = os.fspath(path)
    ending = Path(path).suffix.lower()
    if ending == ".npy":
        clip = _load_array(path, "depth clip")
    elif _rendered(path):
        # Images hold disparity and EXR distances, unless the kind says otherwise.
        kind = kind if kind != "auto" else "disparity" if _rendered(path) == ".png" else "depth"
        clip = np.stack(list(open_depth(path, "metres" if kind == "depth" else kind)))
        clip = np.repeat(clip, frames, 0) if len(clip) == 1 else clip
    elif ending in IMAGES and not Path(path).expanduser().is_dir():
        clip = np.repeat(read_image(path)[None, ..., :3].mean(-1), frames, 0)
    else:
        clip = _video(path, frames, None, fit, "the depth clip").mean(-1)
    clip = _spread(clip, frames, fit, f"the depth clip '{path}'")
    try:
        return normalize_depth(clip, kind).resized(height, width)
    except UserError as error:
        raise UserError(f"'{path}': {error.clause}") from error


def _video(path: str, frames: int, size: tuple[int, int] | None, fit: bool, what: str) -> np.ndarray:
    count = count_frames(path)
    if count != frames and not fit:
        check_length(count, frames, f"{what} '{path}'")
    return read_video(path, frames if fit else None, size)


def _rendered(path: str) -> str | None:
    """The ending of depth that is kept with more than 8 bits: EXR, or PNG of 16 bits, one or a folder of them."""
    first = Path(path).expanduser()
    if first.is_dir():
        first = min((p for p in first.iterdir() if p.suffix.lower() in (".exr", ".png")), default=first)
    if not first.is_file():
        return None
    if first.suffix.lower() == ".png":
        with first.open("rb") as file:
            return ".png" if file.read(25)[24:] == b"\x10" else None
    return ".exr" if first.suffix.lower() == ".exr" else None


def _spread(clip: np.ndarray, frames: int, fit: bool, what: str) -> np.ndarray:
    if len(clip) != frames:
        if not fit:
            check_length(len(clip), frames, what)
        clip = clip[indices(len(clip), frames)]
    return clip


def _load_array(path: str, what: str) -> np.ndarray:
    existing(path, what)
    try:
        clip = np.load(Path(path).expanduser(), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{what} '{path}' is truncated or no NumPy array of numbers ({error})") from error
    if not isinstance(clip, np.ndarray) or clip.dtype.kind not in "fiub" or clip.ndim != 3 or not clip.size:
        raise UserError(f"{what} '{path}' holds no numbers of shape (frames, height, width)")
    return clip
