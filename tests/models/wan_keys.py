"""Keys and shapes of the published Wan files, in the original layout, written out here on their own."""

from __future__ import annotations

Shapes = dict[str, tuple[int, ...]]


def _linear(shapes: Shapes, name: str, out: int, into: int) -> None:
    shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out, into), (out,)


def _block(shapes: Shapes, block: str, dim: int, ffn: int, image: bool) -> None:
    shapes[f"{block}.modulation"] = (1, 6, dim)
    shapes[f"{block}.norm3.weight"] = shapes[f"{block}.norm3.bias"] = (dim,)
    for kind in ("self_attn", "cross_attn"):
        for part in "qkvo":
            _linear(shapes, f"{block}.{kind}.{part}", dim, dim)
        shapes[f"{block}.{kind}.norm_q.weight"] = shapes[f"{block}.{kind}.norm_k.weight"] = (dim,)
    if image:
        _linear(shapes, f"{block}.cross_attn.k_img", dim, dim)
        _linear(shapes, f"{block}.cross_attn.v_img", dim, dim)
        shapes[f"{block}.cross_attn.norm_k_img.weight"] = (dim,)
    _linear(shapes, f"{block}.ffn.0", ffn, dim)
    _linear(shapes, f"{block}.ffn.2", dim, ffn)


def text_to_video(dim: int, ffn: int, layers: int, channels: int = 16, image: bool = False) -> Shapes:
    """Wan2.1-T2V."""
    shapes: Shapes = {
        "patch_embedding.weight": (dim, channels, 1, 2, 2),
        "patch_embedding.bias": (dim,),
        "head.modulation": (1, 2, dim),
    }
    _linear(shapes, "text_embedding.0", dim, 4096)
    _linear(shapes, "text_embedding.2", dim, dim)
    _linear(shapes, "time_embedding.0", dim, 256)
    _linear(shapes, "time_embedding.2", dim, dim)
    _linear(shapes, "time_projection.1", 6 * dim, dim)
    _linear(shapes, "head.head", 64, dim)
    for i in range(layers):
        _block(shapes, f"blocks.{i}", dim, ffn, image)
    return shapes


def image_to_video(dim: int, ffn: int, layers: int, first_and_last: bool = False) -> Shapes:
    """Wan2.1-I2V, or Wan2.1-FLF2V, whose two images have positions."""
    shapes = text_to_video(dim, ffn, layers, channels=36, image=True)
    for name, width in (("0", 1280), ("4", dim)):
        shapes[f"img_emb.proj.{name}.weight"] = shapes[f"img_emb.proj.{name}.bias"] = (width,)
    _linear(shapes, "img_emb.proj.1", 1280, 1280)
    _linear(shapes, "img_emb.proj.3", dim, 1280)
    if first_and_last:
        shapes["img_emb.emb_pos"] = (1, 514, 1280)
    return shapes


def vace(dim: int, ffn: int, layers: int, controls: int) -> Shapes:
    """Wan2.1-VACE, with this many control blocks."""
    shapes = text_to_video(dim, ffn, layers)
    shapes["vace_patch_embedding.weight"], shapes["vace_patch_embedding.bias"] = (dim, 96, 1, 2, 2), (dim,)
    for i in range(controls):
        _block(shapes, f"vace_blocks.{i}", dim, ffn, image=False)
        _linear(shapes, f"vace_blocks.{i}.after_proj", dim, dim)
    _linear(shapes, "vace_blocks.0.before_proj", dim, dim)
    return shapes
