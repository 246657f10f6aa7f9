"""From what a user types to the data of a condition: file names and short specifications.

camera: a file, also with the one of its cameras and the mirrored axis to read ('FILE,camera=cam06,mirror=y'), or a
    preset as 'pan_right', 'pan_right:20' (amount) or 'pan_right:20,ease=linear,fov=60,seed=3', or
    several with the part of the clip that each takes: 'pan_right:20@0-0.5 + dolly_in:0.3@0.25-1' (camera/sequence.py).
identity: 'name=image,mask=file,track=file'; all but the image may be left out. In this order the words 'mask=' and
    'track=' may be left out too, and an empty place skips a file ('cup=cup.png,,where.mp4'). 'strength=0.8', 'start=0'
    and 'end=0.6' may follow. The files that a track (a mask video) can be: identity/mask_files.py. Of label images that
    show several objects, one is chosen behind the name: 'cup=cup.png,labels.png#2,track=masks#2'.
depth: a video, a folder of images, one image for all frames, .npy (F, H, W), or EXR, 16-bit PNG, PGM and PFM of a
    renderer or a dataset: depth/readers.py.
source: a video, a folder of images, or one image for all frames.
control: 'kind=file' with the same files, or 'kind=detect:file', which makes the control video of the footage in the
    file; 'strength=0.8', 'start=0' and 'end=0.6' may follow. The kinds: control_video/kinds.py.

`load_...` return what is loaded; `read_...` return it with warnings about what was done to fit it to the video.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from .camera import CameraTrajectory
from .camera.formats import read_camera
from .camera.sequence import is_sequence, sequence
from .clip_files import choose_frames, fit_frames, open_color_clip, pick_frames
from .control_video.detect import detect
from .control_video.kinds import ControlVideo, check_kind
from .depth import DepthClip, normalize_stream
from .depth.readers import open_depth_clip
from .errors import UserError
from .fit import Fit, TimeFit, fit_indices
from .identity import Identity
from .identity.mask_files import read_mask_video
from .identity.mask_images import read_mask_image
from .media import read_image

# Crops to the video's proportions, and takes no other length.
DEFAULT_FIT = Fit()
_FILES = ("image", "mask", "track")
_NUMBERS = ("strength", "start", "end")
_CAMERA_OPTIONS = re.compile(r"(,(camera|mirror)=[^,]*)+$")
_FORM = "write it as name=image[,mask=file][,track=file]"


def read_camera_path(
    spec: str | os.PathLike[str], frames: int, fps: float = 8.0, aspect: float = 1.5, fit: Fit = DEFAULT_FIT
) -> tuple[CameraTrajectory, list[str]]:
    """Return a camera path of `frames` poses, relative to the first, and warnings.

    spec: a file, or a text of presets (a file of that name wins). fit: its choice in time, for a file of another
    length; resampling interpolates poses. Raises UserError for anything else.
    """
    text = os.fspath(spec)
    # os.path says no to a text that is too long for a file name, where Path raises.
    if not os.path.exists(os.path.expanduser(text)) and is_sequence(text):
        return sequence(text, frames, fps=fps, aspect=aspect), []
    file, options = parse_camera_file(text)
    camera, mirror = options.get("camera", ""), options.get("mirror", "none")
    path = read_camera(file, default_frames=frames, aspect=aspect, camera=camera, mirror=mirror)
    chosen, warnings = fit_indices(path.frames, frames, fit.time, f"the camera path '{text}'")
    if path.frames != frames and fit.time is TimeFit.RESAMPLE:
        path = path.resample(frames, fps=fps)
    elif path.frames != frames:
        path = path.replace(c2w=path.c2w[chosen], intrinsics=path.intrinsics[chosen], fps=fps)
    return path.relative(), warnings


def parse_camera_file(spec: str) -> tuple[str, dict[str, str]]:
    """Return the file and the options of a camera's specification (see the top of this file).

    A comma belongs to the file where a file has the whole name.
    """
    found = _CAMERA_OPTIONS.search(spec)
    if found is None or os.path.exists(os.path.expanduser(spec)):
        return spec, {}
    pairs = (part.split("=", 1) for part in found[0].split(",")[1:])
    return spec[: found.start()], {key: value.strip() for key, value in pairs}


def read_identity(
    spec: str, frames: int, height: int, width: int, fit: Fit = DEFAULT_FIT, default: str = "identity"
) -> tuple[Identity, list[str]]:
    """Return an identity from its specification (see the top of this file), and what was done to fit its mask video.

    default: its name where the specification has none. Raises UserError for anything else.
    """
    parsed = parse_identity(spec, default)
    mask, track = parsed.files.get("mask"), parsed.files.get("track")
    masks: np.ndarray | None = None
    warnings: list[str] = []
    if track:
        what = f"the track of identity '{parsed.name}'"
        masks, warnings = read_mask_video(track, frames, height, width, fit, what)
    identity = Identity(
        parsed.name,
        (read_image(parsed.files["image"]),),
        mask=read_mask_image(mask) if mask else None,
        mask_video=masks,
        **parsed.numbers,
    )
    return identity, warnings


@dataclass
class IdentitySpec:
    """An identity's specification in parts: its name, files by their words (_FILES), numbers by theirs (_NUMBERS)."""

    name: str
    files: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)


def parse_identity(spec: str, default: str = "identity") -> IdentitySpec:
    """Return the parts of an identity's specification (see the top of this file); it has an image at least.

    Raises UserError for anything else.
    """
    name, equals, rest = spec.partition("=")
    # A path may hold '=' too: a name has neither folder nor ending.
    if not equals or set(name) & set("./\\,"):
        name, rest = default, spec
    parsed = IdentitySpec(name.strip() or default)
    for place, part in enumerate(part.strip() for part in rest.split(",")):
        key, equals, value = part.partition("=")
        if equals and key in _NUMBERS:
            try:
                parsed.numbers[key] = float(value)
            except ValueError as error:
                raise UserError(f"the {key} of identity '{parsed.name}' is '{value}'; a number was expected") from error
        elif equals and key in _FILES:
            parsed.files[key] = value
        elif place < len(_FILES):
            parsed.files.setdefault(_FILES[place], part)
        else:
            raise UserError(
                f"'{part}' is too much for identity '{parsed.name}': {_FORM} with {', '.join(_NUMBERS)} where wanted"
            )
    if not parsed.files.get("image"):
        raise UserError(f"identity '{parsed.name}' has no image: {_FORM}")
    return parsed


def load_track(
    path: str | os.PathLike[str],
    frames: int,
    height: int,
    width: int,
    fit: Fit = DEFAULT_FIT,
    what: str = "the mask video",
) -> np.ndarray:
    """Return a mask per frame (frames, height, width), white = 1; see `identity.mask_files.read_mask_video`."""
    return read_mask_video(path, frames, height, width, fit, what)[0]


def load_depth(
    path: str | os.PathLike[str],
    frames: int,
    height: int,
    width: int,
    kind: str = "auto",
    fit: Fit = DEFAULT_FIT,
    *,
    convention: str = "auto",
    channel: str | None = None,
) -> DepthClip:
    """Return a depth clip (frames, height, width), normalized over the whole clip, then fitted in space.

    kind: as `normalize_depth` has it; 'auto' takes EXR for distances and 16-bit PNG for disparity, and looks at the
    values of everything else. convention, channel: as `depth.readers.open_depth_clip` has them. What was done is in the
    recipe's "warnings". The file is read twice, a frame at a time. Raises UserError, naming the file, for whatever
    cannot be used.
    """
    name = os.fspath(path)
    what = f"the depth clip '{name}'"
    clip = open_depth_clip(path, kind, convention, channel)
    chosen, warnings = choose_frames(clip, frames, fit.time, what)
    try:
        recipe, normalized = normalize_stream(lambda: pick_frames(clip.frames, chosen), clip.kind)
        values, more = fit_frames(normalized, frames, height, width, fit, what)
    except UserError as error:
        if name in error.clause:
            raise
        raise UserError(f"'{name}': {error.clause}") from error
    warnings = [*recipe.get("warnings", []), *clip.warnings, *warnings, *more]
    return DepthClip(np.clip(values, 0, 1), {**recipe, "warnings": warnings} if warnings else recipe)


def read_source(
    path: str | os.PathLike[str], frames: int, height: int, width: int, fit: Fit = DEFAULT_FIT
) -> tuple[np.ndarray, list[str]]:
    """Return a source video (frames, height, width, 3), 0..1, and warnings.

    The file is read a frame at a time. Raises UserError, naming the file, for whatever cannot be used.
    """
    return _read_color_clip(path, frames, height, width, fit, f"the source video '{os.fspath(path)}'")


def read_lowres(
    path: str | os.PathLike[str], frames: int, fit: Fit = DEFAULT_FIT, what: str = "the low-resolution video"
) -> tuple[np.ndarray, list[str]]:
    """Return a low-resolution video (frames, h, w, 3), 0..1, at its own size, and warnings.

    Raises UserError, naming the file, for whatever cannot be used.
    """
    what = f"{what} '{os.fspath(path)}'"
    clip = open_color_clip(Path(os.path.expanduser(path)))
    chosen, warnings = choose_frames(clip, frames, fit.time, what)
    return np.stack(list(pick_frames(clip.frames, chosen))), [*clip.warnings, *warnings]


def _read_color_clip(
    path: str | os.PathLike[str], frames: int, height: int, width: int, fit: Fit, what: str
) -> tuple[np.ndarray, list[str]]:
    clip = open_color_clip(Path(os.path.expanduser(path)))
    chosen, warnings = choose_frames(clip, frames, fit.time, what)
    fitted, more = fit_frames(pick_frames(clip.frames, chosen), frames, height, width, fit, what, (3,))
    return fitted, [*clip.warnings, *warnings, *more]


_WEIGHTS = re.compile(r"(,(strength|start|end)=[^,]*)+$")
_DETECT = "detect:"


def read_control_video(
    spec: str, frames: int, height: int, width: int, fit: Fit = DEFAULT_FIT, strength: float = 1.0
) -> tuple[ControlVideo, list[str]]:
    """Return a control video from its specification (see the top of this file), and what was done to fit it.

    strength: where the specification has none. Raises UserError for anything else.
    """
    kind, equals, rest = spec.partition("=")
    if not equals:
        raise UserError(f"the control video '{spec}' has no kind: write it as kind=file, for example canny=edges.mp4")
    check_kind(kind.strip())
    found = _WEIGHTS.search(rest)
    file = (rest if found is None else rest[: found.start()]).strip()
    weights = {"strength": strength, "start": 0.0, "end": 1.0, **_numbers("" if found is None else found[0], kind)}
    is_footage = file.startswith(_DETECT)
    what = f"the control video '{file}'"
    images, warnings = _read_color_clip(file.removeprefix(_DETECT), frames, height, width, fit, what)
    video = detect(kind.strip(), images) if is_footage else ControlVideo(kind.strip(), images)
    return replace(video, strength=weights["strength"], start=weights["start"], end=weights["end"]), warnings


def _numbers(text: str, kind: str) -> dict[str, float]:
    """Return the numbers in ',strength=0.8,start=0'."""
    numbers = {}
    for part in text.split(",")[1:]:
        name, _, value = part.partition("=")
        try:
            numbers[name] = float(value)
        except ValueError as error:
            raise UserError(f"the {name} of the control video '{kind}' is '{value}'; a number was expected") from error
    return numbers
