"""All estimators in one safetensors file: the weights in half precision, running statistics in float32."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ...control.errors import UserError
from ..weights.tensor_file import check_finite, read_metadata, read_tensors, write_tensors
from .camera import CameraNet
from .identity import IdentityNet
from .perception import Perception

FORMAT = "fulldit-estimators-1"


@dataclass
class Estimators:
    """The three networks and what is known about them (`about`: how they were trained, floors on held-out renders)."""

    perception: Perception = field(default_factory=Perception)
    identity: IdentityNet = field(default_factory=IdentityNet)
    camera: CameraNet = field(default_factory=CameraNet)
    about: dict[str, Any] = field(default_factory=dict)

    def modules(self) -> dict[str, torch.nn.Module]:
        """Return the networks by the prefix of their keys in the file."""
        return {"perception": self.perception, "identity": self.identity, "camera": self.camera}


def save_estimators(path: str | Path, estimators: Estimators) -> Path:
    """Write the estimators to a file, whole or not at all; return its path."""
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
    """Return the estimators of a file, in float32 and ready to use.

    Raises UserError for a file that is missing, cut short or foreign.
    """
    metadata, tensors, estimators = read_metadata(path), read_tensors(path), Estimators()
    if metadata.get("format") != FORMAT:
        raise UserError(
            f"'{path}' does not hold estimators: its format is {metadata.get('format')!r}, {FORMAT!r} was expected."
        )
    for name, module in estimators.modules().items():
        own = {key: value for key, value in module.state_dict().items() if not key.endswith("num_batches_tracked")}
        stored = {key.removeprefix(f"{name}."): t.float() for key, t in tensors.items() if key.startswith(f"{name}.")}
        shapes = {key: tuple(value.shape) for key, value in own.items()}
        if {key: tuple(value.shape) for key, value in stored.items()} != shapes:
            odd = sorted(set(stored) ^ set(own)) or sorted(k for k in own if own[k].shape != stored[k].shape)
            raise UserError(f"'{path}' does not fit this version: {name} differs in {', '.join(odd[:3])}.")
        check_finite(stored, path)
        module.load_state_dict(stored, strict=False)
        module.to(device).eval().requires_grad_(False)
    try:
        estimators.about = dict(json.loads(metadata.get("about", "{}")))
    except (ValueError, TypeError) as error:
        raise UserError(f"'{path}' says nothing readable about its estimators ({error}). Download it again.") from error
    return estimators
