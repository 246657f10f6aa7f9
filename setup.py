"""Lists the packages: the repository's root is the package `comfyui_fulldit` (see `package-dir` in pyproject.toml)."""

from setuptools import find_packages, setup

HOUSE = ["cli", "control", "dataset", "evaluation", "models", "nodes", "scenes", "training", "view"]
inside = find_packages(include=[name for room in HOUSE for name in (room, f"{room}.*")])
setup(packages=["comfyui_fulldit", *(f"comfyui_fulldit.{name}" for name in inside)])
