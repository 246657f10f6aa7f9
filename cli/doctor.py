"""What works on this machine: versions, device, weights."""

from __future__ import annotations

import importlib
import importlib.metadata
import platform

import torch

from ..control.errors import UserError
from ..models.devices import pick_device, pick_dtype
from ..models.weights.checkpoint import embedded_path
from ..models.weights.tensor_file import read_metadata

PACKAGES = {
    "safetensors": "safetensors",
    "einops": "einops",
    "numpy": "numpy",
    "cv2": "opencv-python-headless",
    "av": "av",
    "scipy": "scipy",
    "accelerate": "accelerate",
}
WEIGHTS = ("fulldit_mini", "fulldit_mini_vae", "fulldit_mini_estimators")


def examine() -> dict[str, str]:
    """One line per thing: its version or state, or what to do about it."""
    device = pick_device("auto")
    found = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": f"{device}, {str(pick_dtype(device)).removeprefix('torch.')}, {torch.get_num_threads()} threads",
    }
    if device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(device)
    for module, package in PACKAGES.items():
        try:
            imported = importlib.import_module(module)
            found[module] = getattr(imported, "__version__", None) or importlib.metadata.version(package)
        except ImportError:
            found[module] = f"missing: pip install {package}"
    for name in WEIGHTS:
        path = embedded_path(name)
        try:
            read_metadata(path)
            found[name] = f"{path.stat().st_size / 2**20:.1f} MiB"
        except UserError as error:
            found[name] = str(error)
    return found
