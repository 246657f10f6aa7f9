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
    "transformers": "transformers",
    "sentencepiece": "sentencepiece",
}
WEIGHTS = ("fulldit_mini", "fulldit_mini_vae", "fulldit_mini_estimators")


def examine() -> dict[str, str]:
    """Return the version or state of everything that matters by its name, or what to do about it."""
    device = pick_device("auto")
    report = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": f"{device}, {str(pick_dtype(device)).removeprefix('torch.')}, {torch.get_num_threads()} threads",
    }
    if device.type == "cuda":
        report["gpu"] = torch.cuda.get_device_name(device)
    for module, package in PACKAGES.items():
        try:
            imported = importlib.import_module(module)
            report[module] = getattr(imported, "__version__", None) or importlib.metadata.version(package)
        except ImportError:
            report[module] = f"missing: pip install {package}"
    for name in WEIGHTS:
        path = embedded_path(name)
        try:
            read_metadata(path)
            report[name] = f"{path.stat().st_size / 2**20:.1f} MiB"
        except UserError as error:
            report[name] = str(error)
    return report
