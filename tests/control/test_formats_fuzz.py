"""Damaged camera files: no crash, no hang, no flood of memory; always a clear error or a valid path.

A few hundred files run with the tests. Many more: python tests/control/test_formats_fuzz.py 10000 [seed]
"""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from comfyui_fulldit.control.camera.even_times import MAX_FRAMES
from comfyui_fulldit.control.camera.formats import FORMATS, read_camera, write_camera
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.errors import UserError

FIXTURES = Path(__file__).parent / "camera_files"
SECONDS = 5.0
TOKENS = (
    b"NaN",
    b"Infinity",
    b"-1",
    b"0",
    b"1e308",
    b"1e-308",
    b"999999999999",
    b"null",
    b"true",
    b"[",
    b"]",
    b"{",
    b"}",
    b'"',
    b",",
    b"\n",
    b"\0",
    b"#",
    b" ",
    b"-",
    b".",
    b"e",
    b"[[[[[[[[",
    b"\xff\xfe",
    b"1" * 400,
    b"frame0",
    b"../..",
)
VALUES = (None, True, -1, 0, 1, 2**31, 2**63, 10**30, 1e308, -1e308, 0.5, "", "x", [], {}, [[]], "../../x", [0] * 16)
NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF, 0x7FF8000000000000)


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


def read_only_seeds(folder: Path) -> list[tuple[str, Path]]:
    """Whole files of READ_ONLY, of LLFF and of ViPE."""
    files = [folder / name for name in (*READ_ONLY, "poses_bounds.npy", "vipe.npz")]
    for name, content in READ_ONLY.items():
        (folder / name).write_bytes(content)
    row = [0, 1, 0, 0, 100, 1, 0, 0, 7, 200, 0, 0, -1, 8, 50, 0.5, 9]
    np.save(folder / "poses_bounds.npy", np.array([row, row], np.float64))
    lens = np.tile([100.0, 100, 100, 50], (3, 1))
    np.savez(folder / "vipe.npz", data=np.tile(np.eye(4), (3, 1, 1)), inds=np.array([0, 1, 4]), intrinsics=lens)
    return [(file.name, file) for file in files]


def seeds(folder: Path, slow: bool) -> list[tuple[str, Path]]:
    """Whole files of every format, by name: what is written here, and what Blender wrote. slow: USD and FBX alone."""
    found = []
    path = preset("arc_left", 4, fps=12)
    (folder / "fulldit_keys.json").write_text(
        json.dumps(
            {
                "format": "fulldit-camera",
                "version": 1,
                "ease": "smooth",
                "keys": [
                    {"time": 0, "target": [0, 0, 1]},
                    {"time": 1, "position": [0.4, 0, 0], "turn": [1, 2, 3], "fov": 40},
                ],
            }
        )
    )
    if not slow:
        found.append(("fulldit", folder / "fulldit_keys.json"))
        found += read_only_seeds(folder)
    for name, entry in FORMATS.items():
        if entry.writable and bool(entry.requires) == slow:
            target = folder / f"{name}{entry.extensions[0]}"
            write_camera(path, target, name)
            found.append((name, target))
    for file in sorted(FIXTURES.iterdir()) if FIXTURES.is_dir() else []:
        if (file.suffix in (".fbx", ".usdc", ".usda", ".usdz")) == slow and file.suffix != ".md":
            found.append((file.stem, file))
    return found


def mutated(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """The bytes with one to four faults."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        if chance.random() < 0.35:
            changed = _json(data, chance)
            if changed is not None:
                data = changed
                continue
        at = chance.randrange(len(data) + 1)
        length = chance.choice((1, 1, 2, 4, 8, 64))
        kind = chance.randrange(8)
        if kind == 0:
            data = data[:at]
        elif kind == 1:
            data = data[:at] + data[at + length :]
        elif kind == 2:
            data = data[:at] + data[at : at + length * 8] * chance.choice((1, 2, 20)) + data[at:]
        elif kind == 3:
            data = data[:at] + chance.choice(TOKENS) + data[at:]
        elif kind == 4:
            data = data[:at] + chance.choice(TOKENS) + data[at + length :]
        elif kind == 5:
            size = chance.choice((1, 2, 4, 8))
            number = chance.choice((*NUMBERS, chance.getrandbits(64))) & (256**size - 1)
            data = data[:at] + number.to_bytes(size, "little") + data[at + size :]
        elif kind == 6 and data:
            flipped = bytearray(data)
            for _ in range(length):
                flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            data = bytes(flipped)
        else:
            data = data[:at] + other[chance.randrange(len(other) + 1) :][: length * 16]
    return data[: 2**20]


def _json(data: bytes, chance: random.Random) -> bytes | None:
    """JSON (also that of a GLB) with one value replaced, removed or doubled; None where there is no JSON."""
    head, tail = b"", b""
    if data[:4] == b"glTF" and len(data) > 20:
        length = int.from_bytes(data[12:16], "little")
        head, data, tail = data[:20], data[20 : 20 + length], data[20 + length :]
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    places = []

    def walk(node) -> None:
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], (dict, list)):
                walk(node[key])

    if not isinstance(value, (dict, list)) or not value:
        return None
    walk(value)
    node, key = chance.choice(places)
    if chance.random() < 0.7:
        node[key] = chance.choice(VALUES)
    elif isinstance(node, dict) and chance.random() < 0.5:
        del node[key]
    elif isinstance(node, list) and chance.random() < 0.5:
        node.insert(key, node[key])
    else:
        node[key] = chance.choice(places)[0]
    try:
        text = json.dumps(value).encode()
    except (ValueError, RecursionError):
        return None
    if head:
        text += b" " * (-len(text) % 4)
        head = head[:12] + len(text).to_bytes(4, "little") + head[16:]
    return head + text + tail


def attack(source: Path, folder: Path, chance: random.Random, other: bytes) -> str:
    """Damage one file, read it and check what comes; 'read' or 'refused'."""
    shutil.rmtree(folder, ignore_errors=True)
    if source.is_dir():
        shutil.copytree(source, folder)
        victim, target = chance.choice(sorted(folder.iterdir())), folder
        content = victim.read_bytes()
    else:
        folder.mkdir()
        victim = target = folder / source.name
        content = source.read_bytes()
        if source.suffix == ".gltf" and source.with_suffix(".bin").exists():
            shutil.copy(source.with_suffix(".bin"), folder)
    victim.write_bytes(mutated(content, chance, other))
    began = time.perf_counter()
    try:
        with np.errstate(all="ignore"):
            path = read_camera(target)
            assert 1 <= path.frames <= MAX_FRAMES
            assert np.isfinite(path.relative().c2w).all() and np.isfinite(path.w2c()).all()
            assert 0 < path.fps < 1e6
        result = "read"
    except UserError as error:
        assert 20 < len(str(error)) < 1500 and target.name in str(error)
        result = "refused"
    assert time.perf_counter() - began < SECONDS * (20 if source.suffix in (".fbx", ".usda", ".usdc") else 1)
    return result


def campaign(folder: Path, count: int, seed: int = 0, slow: bool = False) -> Counter:
    """Attack `count` files, the seeds in turn. A failure leaves its file in `folder` and says which it was."""
    (folder / "whole").mkdir()
    files = seeds(folder / "whole", slow)
    # Parts of other formats for splicing.
    bits = [file.read_bytes() for _, file in files if file.is_file()]
    results: Counter = Counter()
    for number in range(count):
        chance = random.Random(seed * 1_000_003 + number)
        name, source = files[number % len(files)]
        try:
            results[name, attack(source, folder / "damaged", chance, chance.choice(bits))] += 1
        except Exception as error:
            kept = folder / f"failed_{number}"
            shutil.copytree(folder / "damaged", kept)
            raise AssertionError(f"file {number} of seed {seed} ({name}), kept as {kept}: {error!r}") from error
    return results


def test_damaged_files_are_read_or_refused(tmp_path):
    results = campaign(tmp_path, 400)
    assert sum(count for (_, result), count in results.items() if result == "refused") > 100
    assert sum(count for (_, result), count in results.items() if result == "read") > 20


@pytest.mark.skipif(
    importlib.util.find_spec("pxr") is None or importlib.util.find_spec("ufbx") is None,
    reason="usd-core and ufbx are not installed",
)
def test_damaged_scenes_are_read_or_refused(tmp_path):
    assert sum(campaign(tmp_path, 6, slow=True).values()) == 6


def main() -> None:
    """Attack as many files as asked for, one in ten of them USD or FBX, and print what came of it."""
    import resource

    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
    began = time.time()
    for slow, share in ((False, count - count // 10), (True, count // 10)):
        folder = tempfile.mkdtemp()
        results = campaign(Path(folder), share, seed, slow)
        shutil.rmtree(folder)
        for name in sorted({name for name, _ in results}):
            print(f"{name:24} read {results[name, 'read']:6}  refused {results[name, 'refused']:6}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"{count} files in {time.time() - began:.0f} s, at most {peak:.0f} MiB here and {children:.0f} MiB in workers"
    )


if __name__ == "__main__":
    main()
