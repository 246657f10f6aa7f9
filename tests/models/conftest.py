"""What the tests of the models share."""

from __future__ import annotations

import pytest

from .fake_hub import FakeHub


@pytest.fixture
def hub(monkeypatch) -> FakeHub:
    """A hub in memory in the place of the real one, online."""
    fake = FakeHub(
        {"config.json": b'{"model_type": "depth_anything"}', "model.safetensors": bytes(range(256)) * 12_000}
    )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.HfApi", fake.api)
    monkeypatch.setattr("huggingface_hub.HfFileSystem", fake.file_system)
    monkeypatch.setattr("comfyui_fulldit.models.weights.downloads.PIECE", 2**14)
    return fake
