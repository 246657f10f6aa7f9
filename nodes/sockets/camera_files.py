"""Camera paths from the host's input folder and into its output folder."""

from __future__ import annotations

from pathlib import Path

from ...control.camera import CameraTrajectory, formats
from .. import folders

KEYED_FRAMES = 17  # of a file that holds keyframes instead of a pose per frame, where no length is asked for
PROPERTIES = ("poses", "intrinsics", "principal point", "fps", "unit")


def load_camera(
    name: str, frames: int, scale: float, aspect: float, camera: str = "", mirror: str = "none"
) -> CameraTrajectory:
    """Return the path in a file of the input folder, its distances multiplied by `scale`.

    frames: the whole path is spread over these; 0 keeps the poses of the file. aspect: width / height of the image, for
    files that do not say. camera, mirror: as `read_camera` takes them. Raises UserError for a file that is missing or
    cannot be read.
    """
    file = folders.input_file(name)
    path = formats.read_camera(
        file,
        frames or None,
        default_frames=frames or KEYED_FRAMES,
        aspect=aspect,
        camera=camera.strip(),
        mirror=mirror,
    )
    return path.scaled(scale) if scale != 1 else path


def save_camera(camera: CameraTrajectory, format: str, prefix: str) -> tuple[Path, str]:
    """Write a path into a new file of the output folder; return the file, and a report in lines."""
    entry = formats.FORMATS[format]
    file = folders.new_output_file(prefix, entry.extensions[0])
    formats.write_camera(camera, file, format)
    kept = ", ".join(name for name in PROPERTIES if name in entry.preserves)
    return file, f"{camera.frames} frames in output/{folders.relative_to_output(file)}\nkeeps {kept}"
