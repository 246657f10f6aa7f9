"""Which device and which number format to compute in, where the user does not choose."""

from __future__ import annotations

import torch

from ..control.errors import UserError


def pick_device(name: str | torch.device = "auto") -> torch.device:
    """Return the device `name`; 'auto' is the first GPU, else the CPU. Raises UserError for one that is not there."""
    if str(name) == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        mps = getattr(torch.backends, "mps", None)
        return torch.device("mps" if mps is not None and mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # 'meta' makes tensors that hold nothing
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"The device {name!r} cannot be used ({reason}). Use 'auto', 'cpu', 'cuda' or 'cuda:0'."
        ) from error
    return device


def pick_dtype(device: str | torch.device) -> torch.dtype:
    """Return bfloat16 where the device computes in it, else float32.

    On a CPU this matters more than it looks: oneDNN has fast 3D convolutions of few channels in bfloat16 only, and the
    miniature's VAE consists of them.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    onednn = torch.backends.mkldnn
    if (
        device.type == "cpu"
        and onednn.is_available()  # type: ignore[no-untyped-call]  # torch gives it no types
        and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    ):
        return torch.bfloat16
    return torch.float32
