"""Fingerprints of weights: which weights made a result, or which latents a network was trained on."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def weights_fingerprint(*modules: nn.Module, prefixes: tuple[str, ...] = ("",), digits: int = 64) -> str:
    """Return the first `digits` hexadecimal digits of a SHA-256 over names and float32 values of the modules' weights.

    Only weights whose name starts with one of `prefixes` count. A file and its load in float32 or the file's own format
    have one fingerprint. Files hold fingerprints, so how they are computed never changes.
    """
    digest = hashlib.sha256()
    for module in modules:
        for name, value in sorted(module.state_dict().items()):
            if name.startswith(prefixes):
                digest.update(name.encode())
                digest.update(value.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()[:digits]
