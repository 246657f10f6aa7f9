"""All estimators in one safetensors file. Halves for the weights, full floats for running statistics."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ...control.errors import UserError
from ..weights.tensor_file import read_metadata, read_tensors, write_tensors
from .camera import CameraNet
from .identity import IdentityNet
from .perception import Perception

FORMAT = "fulldit-estimators-1"


@dataclass
class Estimators:
    """The three networks and what is known about them (`about`: how trained, floors on held-out renders)."""

    perception: Perception = field(default_factory=Perception)
    identity: IdentityNet = field(default_factory=IdentityNet)
    camera: CameraNet = field(default_factory=CameraNet)
    about: dict = field(default_factory=dict)

    def modules(self) -> dict[str, torch.nn.Module]:
        """By the prefix of their keys in the file."""
        return {"perception": self.perception, "identity": self.identity, "camera": self.camera}


def save_estimators(path: str | Path, estimators: Estimators) -> Path:
    """Write the file whole or not at all."""
    tensors = {}
    for name, module in estimators.modules().items():
        for key, value in module.state_dict().items():
            if key.endswith("num_batches_tracked"):
                continue
            exact = "running_" in key or key == "mean"
            tensors[f"{name}.{key}"] = value.to(torch.float32 if exact else torch.float16)
    write_tensors(path, tensors, {"format": FORMAT, "about": json.dumps(estimators.about)})
    return Path(path)


def load_estimators(path: str | Path, device: torch.device | str = "cpu") -> Estimators:
    """The estimators of a file, in float32 and ready to use. Raises UserError for a missing, cut or foreign file."""
    metadata, tensors, estimators = read_metadata(path), read_tensors(path), Estimators()
    if metadata.get("format") != FORMAT:
        raise UserError(f"{path} holds no estimators (format {metadata.get('format')!r}, expected {FORMAT!r}).")
    for name, module in estimators.modules().items():
        own = {key: value for key, value in module.state_dict().items() if not key.endswith("num_batches_tracked")}
        given = {key.removeprefix(f"{name}."): t.float() for key, t in tensors.items() if key.startswith(f"{name}.")}
        shapes = {key: tuple(value.shape) for key, value in own.items()}
        if {key: tuple(value.shape) for key, value in given.items()} != shapes:
            odd = sorted(set(given) ^ set(own)) or sorted(k for k in own if own[k].shape != given[k].shape)
            raise UserError(f"{path} does not fit this version: {name} differs in {', '.join(odd[:3])}.")
        module.load_state_dict(given, strict=False)
        module.to(device).eval().requires_grad_(False)
    estimators.about = json.loads(metadata.get("about", "{}"))
    return estimators
