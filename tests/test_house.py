"""The house stays as the design has it: who imports whom, small files, one door to the host, no pickles."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Each room and the rooms it may import.
ARROWS = {
    "control": set(),
    "view": {"control"},
    "scenes": {"control"},
    "models": {"control"},
    "dataset": {"models", "scenes", "control"},
    "evaluation": {"view", "models", "scenes", "control"},
    "training": {"evaluation", "dataset", "models", "scenes", "control"},
    "nodes": {"view", "models", "control"},
    "cli": {"training", "evaluation", "dataset", "view", "models", "scenes", "control"},
}
# One source of Extract Depth is a scene of the procedural world; one node trains.
EXCEPTIONS = {
    "nodes/sockets/depth_sources.py": {"scenes"},
    "nodes/bridge/training.py": {"training"},
    "nodes/train.py": {"training"},
}
ROOMS = tuple(ARROWS)
HOST = {
    "comfy",
    "comfy_api",
    "comfy_extras",
    "comfy_execution",
    "folder_paths",
    "server",
    "execution",
    "nodes",
    "latent_preview",
}
# Who knows how many frames, pixels and channels make one position of a latent.
GEOMETRY = ("models/geometry.py", "models/vae/")
# Arithmetic with the same numbers that is not about a latent: file -> expression -> what it is about.
HINT = "a step of an input's widget: what the model takes is checked when the node runs"
OTHER_ARITHMETIC = {
    "control/camera/formats/gltf_write.py": {"-len(text) % 4": "chunks of a GLB file are padded to 4 bytes"},
    "control/camera/from_video/reconstruction.py": {"count // 4": "the frame after a quarter of the clip"},
    "control/camera/from_video/tracks.py": {"frame % 4": "new points are looked for in every fourth frame"},
    "control/depth/measure.py": {
        "few.size // 4": "a quarter of the values",
        "len(few) // 4": "a quarter of the values",
    },
    "models/estimators/camera.py": {
        "HALF[0] // 8": "the estimator's own strides",
        "HALF[1] // 8": "the estimator's own strides",
    },
    "models/estimators/depth_anything_keys.py": {"layers * quarter // 4": "a quarter of the network's layers"},
    "nodes/camera_preview.py": {"step=16": HINT},
    "nodes/camera_to.py": {"step=4": HINT},
    "nodes/conditions.py": {"step=16": HINT},
    "nodes/depth_images.py": {"step=16": HINT},
    "nodes/inputs.py": {"step=16": HINT},
    "nodes/preview.py": {"step=16": HINT},
    "nodes/render_along.py": {"step=16": HINT},
    "training/estimators/estimator_clips.py": {
        "size[0] // 8": "size of the noise's blotches",
        "size[1] // 8": "size of the noise's blotches",
    },
}
SOURCES = sorted(p for room in ROOMS for p in (ROOT / room).rglob("*.py"))
FOLDERS = sorted({path.parent for path in SOURCES})
# How a folder's docstring names a file (name.py) and a folder (`name/`) in it; those with a path are elsewhere.
NAMED_FILE = re.compile(r"(?<![/\w.])\w+\.py\b")
NAMED_FOLDER = re.compile(r"`(\w+)/`")


def imported(path: Path) -> list[tuple[int, str]]:
    """Every import of a file as (level, dotted name), those inside functions included."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.module:
                found.append((node.level, node.module))
            else:
                found += [(node.level, alias.name) for alias in node.names]
    return found


def rooms_reached(path: Path) -> set[str]:
    """The rooms that a file imports by relative imports."""
    depth = len(path.relative_to(ROOT).parts) - 1
    parents = path.relative_to(ROOT).parts[:-1]
    reached = set()
    for level, name in imported(path):
        if level == 0:
            continue
        base = list(parents[: depth - (level - 1)])
        reached.add((base + name.split("."))[0])
    return reached & set(ROOMS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_and_size(path):
    room = path.relative_to(ROOT).parts[0]
    allowed = ARROWS[room] | EXCEPTIONS.get(path.relative_to(ROOT).as_posix(), set())
    assert rooms_reached(path) - {room} <= allowed
    for level, name in imported(path):
        top = name.split(".")[0]
        assert level > 0 or top != "comfyui_fulldit", "inside the package, imports are relative"
        if room != "nodes" and level == 0:
            assert top not in HOST, f"{path} imports the host outside nodes/"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def imported_files(path: Path) -> set[Path]:
    """The files of this repository that a file imports, also for its types alone and inside functions."""
    found: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split(".") if node.module else ())
            for name in node.names:
                found |= {base / f"{name.name}.py", base.with_suffix(".py")}
    return {file for file in found if file.is_file()}


def test_no_files_import_each_other_in_a_circle():
    """Not even through others, nor for their types."""
    ways = {path: imported_files(path) - {path} for path in SOURCES}
    while free := [path for path, targets in ways.items() if not targets & ways.keys()]:
        for path in free:
            del ways[path]
    assert not ways, sorted(path.relative_to(ROOT).as_posix() for path in ways)


def overview(folder: Path) -> str:
    """The docstring of a package folder, which says what every file in it is for."""
    return ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""


def subfolders(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir() if p.is_dir() and p.name != "__pycache__"}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_folder_says_what_each_of_its_files_and_folders_is_for(folder):
    assert len(overview(folder)) > 20
    files = {p.name for p in folder.glob("*.py")} - {"__init__.py"}
    assert sorted(files - set(NAMED_FILE.findall(overview(folder)))) == []
    assert sorted(subfolders(folder) - set(NAMED_FOLDER.findall(overview(folder)))) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_folder_names_a_file_or_folder_that_does_not_exist(folder):
    assert [name for name in NAMED_FILE.findall(overview(folder)) if not (folder / name).is_file()] == []
    assert sorted(set(NAMED_FOLDER.findall(overview(folder))) - subfolders(folder)) == []


def latent_arithmetic(path: Path) -> set[str]:
    """The expressions of a file that may divide a video into a latent: x // 8, x % 16, 4 * k + 1, step=16, ..."""
    expressions = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.BinOp(op=ast.FloorDiv() | ast.Mod(), right=ast.Constant(value=4 | 8 | 16)):
                expressions.add(ast.unparse(node))
            case ast.BinOp(
                left=ast.BinOp(left=ast.Constant(value=4), op=ast.Mult())
                | ast.BinOp(op=ast.Mult(), right=ast.Constant(value=4)),
                op=ast.Add(),
                right=ast.Constant(value=1),
            ):
                expressions.add(ast.unparse(node))
            case ast.keyword(arg="step", value=ast.Constant(value=4 | 8 | 16)):
                expressions.add(f"step={ast.unparse(node.value)}")
    return expressions


def test_the_numbers_of_the_latents_geometry_are_said_once():
    """A video becomes a latent by `LatentGeometry`, so that a model with another compression needs no other change."""
    paths = {path.relative_to(ROOT).as_posix(): path for path in SOURCES}
    arithmetic = {name: latent_arithmetic(path) for name, path in paths.items() if not name.startswith(GEOMETRY)}
    assert {name: found for name, found in arithmetic.items() if found} == {
        name: set(reasons) for name, reasons in OTHER_ARITHMETIC.items()
    }


def test_no_code_path_loads_a_pickle():
    for path in [*SOURCES, ROOT / "__init__.py", ROOT / "install.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called = ast.unparse(node.func)
                assert called not in ("torch.load", "pickle.load", "pickle.loads", "torch.hub.load"), path
                if called in ("np.load", "numpy.load"):
                    pickles = [k for k in node.keywords if k.arg == "allow_pickle"]
                    assert all(isinstance(k.value, ast.Constant) and k.value.value is False for k in pickles), path


def test_nothing_large_but_the_weights():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split(
        "\n"
    )
    files = [ROOT / name for name in listed if name and (ROOT / name).is_file()]
    weights = sum(p.stat().st_size for p in files if p.suffix == ".safetensors")
    assert weights <= 48 * 2**20
    for path in files:
        if path.suffix != ".safetensors":
            assert path.stat().st_size <= 2 * 2**20, path


def test_requirements_have_no_upper_pins():
    names = [
        line.split(";")[0].strip()
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line and line[0] != "#"
    ]
    assert names == [
        "torch",
        "safetensors",
        "einops",
        "opencv-python",
        "numpy",
        "huggingface_hub",
        "comfyui-frontend-package",
    ]


def test_every_json_in_the_repository_is_json():
    for folder in ("workflows", "training/configs", "locales", "assets"):
        for path in (ROOT / folder).rglob("*.json"):
            json.loads(path.read_text(encoding="utf-8"))


def test_the_pack_imports_without_comfyui_and_without_torch():
    code = (
        "import sys, importlib.util;"
        "sys.modules['torch'] = None;"
        f"spec = importlib.util.spec_from_file_location('pack', r'{ROOT / '__init__.py'}',"
        f" submodule_search_locations=[r'{ROOT}']);"
        "module = importlib.util.module_from_spec(spec); sys.modules['pack'] = module;"
        "spec.loader.exec_module(module);"
        "assert callable(module.comfy_entrypoint) and module.WEB_DIRECTORY"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
