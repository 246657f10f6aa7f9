"""What ComfyUI-Manager runs after cloning: reports, and installs what is small and missing.

Standard library only and safe to run again. torch is never touched: ComfyUI brings its own, and another build would
break it. OpenCV is left alone when any provider of `cv2` is present, because two providers overwrite one another.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import subprocess
import sys

SMALL = {"safetensors": "safetensors", "einops": "einops", "numpy": "numpy", "huggingface_hub": "huggingface_hub"}
CV2_PROVIDERS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)


def missing_packages() -> list[str]:
    """Names, as pip knows them, of the small packages that cannot be imported."""
    return [pip_name for module, pip_name in SMALL.items() if importlib.util.find_spec(module) is None]


def cv2_providers() -> list[str]:
    """The installed distributions that provide `cv2`, each as `name version`."""
    found = []
    for name in CV2_PROVIDERS:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def main(arguments: list[str] | None = None) -> int:
    """Report, and install what is small and missing; returns 0, or 1 where something still lacks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="report only, install nothing")
    check = parser.parse_args(arguments).check

    lacks = 0
    if importlib.util.find_spec("torch") is None:
        print("FullDiT: torch is missing. ComfyUI installs it; run this with ComfyUI's Python.")
        lacks = 1

    providers = cv2_providers()
    wanted = missing_packages()
    if providers:
        print(f"FullDiT: OpenCV comes from {', '.join(providers)}; it is kept as it is.")
        if len(providers) > 1:
            print("FullDiT: several packages provide cv2; if `import cv2` fails, keep one and reinstall it.")
        print("FullDiT: to keep it, install the rest of requirements.txt without its line opencv-python.")
    elif importlib.util.find_spec("cv2") is None:
        wanted.append("opencv-python-headless")

    if not wanted:
        print("FullDiT: every package that the nodes need is installed.")
        return lacks
    if check:
        print(
            f"FullDiT: missing: {', '.join(wanted)}. Install with: {sys.executable} -m pip install {' '.join(wanted)}"
        )
        return 1
    print(f"FullDiT: installing {', '.join(wanted)} (torch is not touched)")
    # `--no-deps` keeps pip from moving a version in a working ComfyUI; none of these needs more than it has.
    done = subprocess.run([sys.executable, "-m", "pip", "install", "--no-deps", *wanted], check=False)
    return lacks or int(done.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
