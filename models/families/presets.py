"""The configs that a training starts from, by name: the debug size, the miniatures, and Wan's widths."""

from __future__ import annotations

from dataclasses import replace

from ..config import FullDiTConfig
from ..geometry import WAN_2_2_5B

# In a clip of a hundred pixels a map cut as coarsely as the registry says has several objects in one token, and the
# references are not bound to their places (checkpoints/README.md, "What was tried").
_MINI = FullDiTConfig(patches=(("identity_map", (1, 2, 2)),), first_frame_pass=0.3)

_WAN = FullDiTConfig(
    dim=1536,
    ffn_dim=8960,
    num_layers=30,
    num_heads=12,
    text_dim=4096,
    text_len=512,
    text="umt5",
    frames=77,
    height=384,
    width=672,
    fps=15.0,
    steps=50,
    guidance=5.0,
)

PRESETS: dict[str, FullDiTConfig] = {
    "debug": FullDiTConfig(
        dim=48, ffn_dim=96, num_layers=2, num_heads=2, text_dim=32, freq_dim=32, frames=5, height=32, width=48, steps=4
    ),
    "mini-cpu": _MINI,
    "mini": replace(_MINI, dim=256, ffn_dim=1024, num_layers=8, num_heads=8, frames=25, height=96, width=160),
    "wan-1.3b": _WAN,
    "wan-14b": replace(_WAN, dim=5120, ffn_dim=13824, num_layers=40, num_heads=40),
    "wan2.2-5b": replace(
        _WAN,
        dim=3072,
        ffn_dim=14336,
        num_heads=24,
        in_dim=WAN_2_2_5B.channels,
        out_dim=WAN_2_2_5B.channels,
        temporal_compression=WAN_2_2_5B.temporal,
        spatial_compression=WAN_2_2_5B.spatial,
    ),
}
