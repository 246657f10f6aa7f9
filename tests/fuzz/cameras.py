"""The door of camera files: every format that is read, also as other programs write it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random

import numpy as np

from comfyui_fulldit.control.camera.even_times import MAX_FRAMES
from comfyui_fulldit.control.camera.formats import FORMATS, MIRRORS, read_camera, write_camera
from comfyui_fulldit.control.camera.presets import preset

from .door import FileDoor

FIXTURES = Path(__file__).parents[1] / "control" / "camera_files"
SCENES = (".fbx", ".usdc", ".usda", ".usdz")  # are read by processes of their own
CHUNK = (
    '<?xml version="1.0"?><document><chunk label="a"><sensors><sensor id="0" type="frame">'
    '<calibration class="adjusted"><resolution width="200" height="100"/><f>50</f><cx>1</cx><k1>0.1</k1>'
    "</calibration></sensor></sensors><cameras>"
    '<camera sensor_id="0" label="f1"><transform>1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1</transform></camera>'
    '<camera sensor_id="0" label="f4"><transform>1 0 0 3 0 1 0 0 0 0 1 0 0 0 0 1</transform></camera>'
    "</cameras></chunk><chunk/></document>"
)
LINES = "".join(f"{frame * 40000} 0.5 0.9 0.5 0.5 0 0 1 0 0 -{frame} 0 1 0 0 0 0 1 0\n" for frame in (0, 1, 2, 5))
# Of formats that are read but not written here, and of texts in other dress.
READ_ONLY = {
    "table.csv": b"timestamp [ns],tx,ty,tz,qx,qy,qz,qw\n"
    + b"".join(b"%d,1,2,3,0,0,0,1\n" % (10**7 * n) for n in (1, 2, 5)),
    "shot.chan": b"".join(b"%d 1 2 5 %d 3 0 40\n" % (frame, frame) for frame in (1001, 1002, 1005)),
    "metashape.xml": CHUNK.encode(),
    "utf16.txt": LINES.encode("utf-16"),
    "commas.csv": LINES.replace(".", ",").replace(" ", ";").encode(),
}
KEYS = {
    "format": "fulldit-camera",
    "version": 1,
    "ease": "smooth",
    "keys": [{"time": 0, "target": [0, 0, 1]}, {"time": 1, "position": [0.4, 0, 0], "turn": [1, 2, 3], "fov": 40}],
}


class CameraDoor(FileDoor):
    """Camera files but for USD and FBX."""

    name = "cameras"
    scenes = False

    def make(self) -> None:
        path = preset("arc_left", 4, fps=12)
        if not self.scenes:
            self._make_read_only()
        for name, entry in FORMATS.items():
            ending = entry.extensions[0]
            if entry.writable and bool(entry.requires) == self.scenes:
                write_camera(path, self.whole / f"{name}{ending}", name)
        for file in sorted(FIXTURES.iterdir()) if FIXTURES.is_dir() else []:
            if (file.suffix in SCENES) == self.scenes and file.suffix != ".md":
                (shutil.copytree if file.is_dir() else shutil.copy)(file, self.whole / file.name)

    def _make_read_only(self) -> None:
        (self.whole / "fulldit_keys.json").write_text(json.dumps(KEYS))
        for name, content in READ_ONLY.items():
            (self.whole / name).write_bytes(content)
        row = [0, 1, 0, 0, 100, 1, 0, 0, 7, 200, 0, 0, -1, 8, 50, 0.5, 9]
        np.save(self.whole / "poses_bounds.npy", np.array([row, row], np.float64))
        lens = np.tile([100.0, 100, 100, 50], (3, 1))
        matrices = np.tile(np.eye(4), (3, 1, 1))
        np.savez(self.whole / "vipe.npz", data=matrices, inds=np.array([0, 1, 4]), intrinsics=lens)

    def use(self, path: Path, chance: Random) -> None:
        if (bin := self.whole / "gltf.bin").exists() and path.suffix == ".gltf":
            shutil.copy(bin, path.parent)
        options = {}
        if chance.random() < 0.2:
            options = {"camera": chance.choice(("", "1", "cam06", "x" * 100)), "mirror": chance.choice(MIRRORS)}
        with np.errstate(all="ignore"):
            found = read_camera(path, **options)
            assert 1 <= found.frames <= MAX_FRAMES
            assert np.isfinite(found.relative().c2w).all() and np.isfinite(found.w2c()).all()
            assert 0 < found.fps < 1e6


class SceneDoor(CameraDoor):
    """USD and FBX, which are read in processes of their own."""

    name = "scenes"
    scenes = True
    seconds = 100.0
