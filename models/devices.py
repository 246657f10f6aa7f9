"""Which device and which number format to compute in, where the user does not choose."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from ..control.errors import UserError

# Others, such as DirectML, raise where torch is asked about autocast.
_AUTOCAST = ("cpu", "cuda", "xpu", "mps")


def pick_device(name: str | torch.device = "auto") -> torch.device:
    """Return the device `name`; 'auto' is the first GPU (CUDA or ROCm, XPU, MPS), else the CPU.

    Raises UserError for one that is not there.
    """
    if str(name) == "auto":
        for kind, backend in (("cuda", torch.cuda), ("xpu", getattr(torch, "xpu", None)), ("mps", torch.backends.mps)):
            if backend is not None and backend.is_available():
                return torch.device(kind)
        return torch.device("cpu")
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
    if device.type in ("cuda", "xpu"):
        backend = torch.cuda if device.type == "cuda" else torch.xpu
        # Older GPUs emulate it, many times slower than float32.
        return torch.bfloat16 if backend.is_bf16_supported(including_emulation=False) else torch.float32
    onednn = torch.backends.mkldnn
    if (
        device.type == "cpu"
        and onednn.is_available()  # type: ignore[no-untyped-call]  # torch gives it no types
        and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    ):
        return torch.bfloat16
    return torch.float32


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """Return the format that autocast asks for on a device, or None where it is off, or the backend has none."""
    if device.type not in _AUTOCAST or not torch.is_autocast_enabled(device.type):
        return None
    return torch.get_autocast_dtype(device.type)


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which autocast is off, on every backend."""
    return torch.autocast(device.type, enabled=False) if device.type in _AUTOCAST else nullcontext()
