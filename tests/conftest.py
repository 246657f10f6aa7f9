"""What every test may rely on: one thread, no network."""

from __future__ import annotations

import os
import socket

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Workers run side by side; more threads than cores slow all of them down."""
    try:
        import torch
    except ImportError:  # the host tests may run where torch is the host's
        return
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_network(request, monkeypatch):
    """A test that reaches for the network fails; the host tests talk to their own server."""
    if request.node.get_closest_marker("comfyui"):
        return

    def refuse(self, address):
        raise OSError(f"tests must not use the network, but one tried to reach {address}")

    real = socket.socket.connect
    monkeypatch.setattr(
        socket.socket,
        "connect",
        lambda s, a: real(s, a) if s.family == getattr(socket, "AF_UNIX", None) else refuse(s, a),
    )
