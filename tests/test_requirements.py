"""Installing the pack as ComfyUI-Manager, pip and uv do never replaces the package that provides `cv2`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROVIDERS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
    "opencv-python-rolling",
    "opencv-cuda",
)
NEEDED = ("torch", "safetensors", "einops", "opencv-python", "numpy", "huggingface_hub", "comfyui-frontend-package")


def lines() -> list[str]:
    """The requirements, one a line."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def wheel(folder: Path, name: str, version: str, module: str) -> None:
    """Write a wheel whose only module says where it is from."""
    plain = re.sub(r"[-_.]+", "_", name)
    info = f"{plain}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{plain}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{module}/__init__.py", f"source = '{name} {version}'\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", f"{module}/__init__.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> Path:
    """A folder of wheels: what the pack needs, and old and new releases of every provider of `cv2`."""
    folder = tmp_path_factory.mktemp("wheels")
    for name in NEEDED:
        if name != "opencv-python":
            wheel(folder, name, "1.0", name.replace("-", "_"))
    for name in PROVIDERS:
        wheel(folder, name, "4.11", "cv2")
        wheel(folder, name, "5.0", "cv2")
    return folder


class Environment:
    """A virtual environment without pip, which a pip or uv outside it fills from a folder of wheels."""

    def __init__(self, folder: Path, wheels: Path, tool: str) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        self.python, self.wheels, self.tool = folder / "bin" / "python", wheels, tool

    def install(self, *arguments: str) -> None:
        """Install with the tool; raises CalledProcessError where it fails."""
        if self.tool == "uv":
            command = [str(shutil.which("uv")), "pip", "install", "--python", str(self.python)]
        else:
            command = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--no-cache-dir"]
        command += ["--no-index", "--find-links", str(self.wheels), *arguments]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)

    def run(self, code: str) -> str:
        """Return what a program prints in this environment."""
        return subprocess.run([str(self.python), "-c", code], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def environment(tool, tmp_path, wheels) -> Environment:
    """An empty environment, filled by the test's tool."""
    if tool == "uv" and shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    if sys.platform == "win32":
        pytest.skip("the folders of a virtual environment have other names on Windows")
    return Environment(tmp_path / "env", wheels, tool)


# pip takes a second for what uv does in no time: it tries two of the six.
@pytest.mark.parametrize(
    ("tool", "provider"),
    [("pip", PROVIDERS[3]), ("pip", PROVIDERS[5]), *(("uv", provider) for provider in PROVIDERS)],
)
def test_installing_keeps_the_provider_of_cv2(environment, provider):
    environment.install(f"{provider}==4.11")
    environment.install("-r", str(ROOT / "requirements.txt"))  # as people do
    environment.install(next(line for line in lines() if "opencv" in line))  # as ComfyUI-Manager does, line by line
    assert environment.run("import cv2; print(cv2.source)") == f"{provider} 4.11"
    listed = environment.run("from importlib.metadata import distributions as d; print([x.name for x in d()])")
    assert [name for name in PROVIDERS if f"'{name}'" in listed] == [provider]
    assert all(f"'{name}'" in listed for name in NEEDED if name != "opencv-python")


@pytest.mark.parametrize("tool", ["pip"])
def test_install_py_names_any_provider_and_misses_cv2_where_there_is_none(environment):
    environment.install("-r", str(ROOT / "requirements.txt"))
    script = str(ROOT / "install.py")
    check = f"import runpy; runpy.run_path({script!r})['main'](['--check'])"
    assert "missing: opencv-python-headless. Install with" in environment.run(check)
    environment.install("opencv-cuda==4.11")
    said = environment.run(check)
    assert "OpenCV comes from opencv-cuda 4.11; it is kept as it is" in said and "missing" not in said
