"""Run by ComfyUI-Manager after cloning: report what the nodes need, and install the small packages that are missing.

Standard library only and safe to run again. torch is never touched: ComfyUI brings its own, and another build would
break it. OpenCV is left alone when `cv2` is there, whoever provides it, because two providers overwrite one another.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import subprocess
import sys

SMALL_PACKAGES = {  # module -> the name that pip knows
    "safetensors": "safetensors",
    "einops": "einops",
    "numpy": "numpy",
    "huggingface_hub": "huggingface_hub",
}


def missing_packages() -> list[str]:
    """Return the small packages that cannot be imported, by the names that pip knows."""
    return [pip_name for module, pip_name in SMALL_PACKAGES.items() if importlib.util.find_spec(module) is None]


def cv2_providers() -> list[str]:
    """Return the installed distributions that provide `cv2`, each as `name version`."""
    names = sorted(set(importlib.metadata.packages_distributions().get("cv2", [])))
    return [f"{name} {importlib.metadata.version(name)}" for name in names]


def report_cv2(providers: list[str]) -> None:
    """Print where `cv2` comes from."""
    print(f"FullDiT: OpenCV comes from {', '.join(providers)}; it is kept as it is.")
    if len(providers) > 1:
        print("FullDiT: several packages provide cv2; if `import cv2` fails, keep one and reinstall it.")


def pip_install(packages: list[str]) -> int:
    """Install packages and return pip's exit code."""
    print(f"FullDiT: installing {', '.join(packages)} (torch is not touched)")
    # `--no-deps` keeps pip from moving a version in a working ComfyUI; none of these needs more than it has.
    command = [sys.executable, "-m", "pip", "install", "--no-deps", *packages]
    return subprocess.run(command, check=False).returncode


def main(arguments: list[str] | None = None) -> int:
    """Report, and install the small packages that are missing; return 0, or 1 if something is still missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="report only, install nothing")
    check_only = parser.parse_args(arguments).check

    lacks_torch = importlib.util.find_spec("torch") is None
    if lacks_torch:
        print("FullDiT: torch is missing. ComfyUI installs it; run this with ComfyUI's Python.")
    packages = missing_packages()
    providers = cv2_providers()
    if providers:
        report_cv2(providers)
    elif importlib.util.find_spec("cv2") is None:
        packages.append("opencv-python-headless")

    if not packages:
        if not lacks_torch:
            print("FullDiT: every package that the nodes need is installed.")
        return int(lacks_torch)
    if check_only:
        listed = " ".join(packages)
        print(f"FullDiT: missing: {', '.join(packages)}. Install with: {sys.executable} -m pip install {listed}")
        return 1
    has_failed = pip_install(packages) != 0
    return int(lacks_torch or has_failed)


if __name__ == "__main__":
    sys.exit(main())
