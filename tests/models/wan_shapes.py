"""Names and shapes of the weights of public Wan models, in their real sizes, without a tensor."""

from __future__ import annotations

from math import prod

Shapes = dict[str, tuple[int, ...]]

SMALL = {"dim": 1536, "ffn": 8960, "layers": 30}  # 1.3B
LARGE = {"dim": 5120, "ffn": 13824, "layers": 40}  # 14B
MIDDLE = {"dim": 3072, "ffn": 14336, "layers": 30}  # TI2V 5B


def parameters(shapes: Shapes) -> int:
    """How many numbers these weights are."""
    return sum(prod(shape) for shape in shapes.values())


def linear(name: str, out: int, width: int) -> Shapes:
    return {f"{name}.weight": (out, width), f"{name}.bias": (out,)}


def block(name: str, dim: int, ffn: int, image: bool = False) -> Shapes:
    """One block; with `image` also the cross-attention to an image."""
    shapes: Shapes = {f"{name}.modulation": (1, 6, dim), f"{name}.norm3.weight": (dim,), f"{name}.norm3.bias": (dim,)}
    for attention in ("self_attn", "cross_attn"):
        for layer in "qkvo":
            shapes |= linear(f"{name}.{attention}.{layer}", dim, dim)
        shapes |= {f"{name}.{attention}.norm_{one}.weight": (dim,) for one in "qk"}
    if image:
        shapes |= linear(f"{name}.cross_attn.k_img", dim, dim) | linear(f"{name}.cross_attn.v_img", dim, dim)
        shapes[f"{name}.cross_attn.norm_k_img.weight"] = (dim,)
    return shapes | linear(f"{name}.ffn.0", ffn, dim) | linear(f"{name}.ffn.2", dim, ffn)


def t2v(dim: int, ffn: int, layers: int, channels: int = 16, out: int = 16, image: bool = False) -> Shapes:
    """Wan text-to-video, with `image` image-to-video."""
    shapes: Shapes = {"patch_embedding.weight": (dim, channels, 1, 2, 2), "patch_embedding.bias": (dim,)}
    shapes |= linear("text_embedding.0", dim, 4096) | linear("text_embedding.2", dim, dim)
    shapes |= linear("time_embedding.0", dim, 256) | linear("time_embedding.2", dim, dim)
    shapes |= linear("time_projection.1", 6 * dim, dim) | linear("head.head", 4 * out, dim)
    shapes["head.modulation"] = (1, 2, dim)
    if image:
        shapes |= {"img_emb.proj.0.weight": (1280,), "img_emb.proj.0.bias": (1280,)}
        shapes |= linear("img_emb.proj.1", 1280, 1280) | linear("img_emb.proj.3", dim, 1280)
        shapes |= {"img_emb.proj.4.weight": (dim,), "img_emb.proj.4.bias": (dim,)}
    for number in range(layers):
        shapes |= block(f"blocks.{number}", dim, ffn, image)
    return shapes


def vace(dim: int, ffn: int, layers: int, blocks: int) -> Shapes:
    shapes = t2v(dim, ffn, layers)
    shapes |= {"vace_patch_embedding.weight": (dim, 96, 1, 2, 2), "vace_patch_embedding.bias": (dim,)}
    shapes |= linear("vace_blocks.0.before_proj", dim, dim)
    for number in range(blocks):
        shapes |= block(f"vace_blocks.{number}", dim, ffn) | linear(f"vace_blocks.{number}.after_proj", dim, dim)
    return shapes


def with_control_adapter(shapes: Shapes, dim: int) -> Shapes:
    """With the layers that read a camera's rays."""
    convolutions = {"residual_blocks.0.conv1": (dim, dim, 3, 3), "residual_blocks.0.conv2": (dim, dim, 3, 3)}
    adapter: Shapes = {}
    for name, shape in ({"conv": (dim, 1536, 2, 2)} | convolutions).items():
        adapter |= {f"control_adapter.{name}.weight": shape, f"control_adapter.{name}.bias": (dim,)}
    return shapes | adapter


def with_ref_conv(shapes: Shapes, dim: int, channels: int = 16) -> Shapes:
    return shapes | {"ref_conv.weight": (dim, channels, 2, 2), "ref_conv.bias": (dim,)}


def with_camera_layers(shapes: Shapes, dim: int, numbers: range) -> Shapes:
    """With ReCamMaster's two layers in these blocks."""
    for number in numbers:
        shapes = shapes | linear(f"blocks.{number}.cam_encoder", dim, 12)
        shapes |= linear(f"blocks.{number}.projector", dim, dim)
    return shapes


def lingbot() -> Shapes:
    dim = LARGE["dim"]
    shapes = t2v(**LARGE, channels=36) | linear("patch_embedding_wancamctrl", dim, 1536)
    for layer in ("c2ws_hidden_states_layer1", "c2ws_hidden_states_layer2"):
        shapes |= linear(layer, dim, dim)
    for number in range(LARGE["layers"]):
        for layer in ("cam_injector_layer1", "cam_injector_layer2", "cam_scale_layer", "cam_shift_layer"):
            shapes |= linear(f"blocks.{number}.{layer}", dim, dim)
    return shapes


def stand_in() -> Shapes:
    return {
        f"blocks.{number}.self_attn.{layer}_loras.{part}.weight": shape
        for number in range(LARGE["layers"])
        for layer in "qkv"
        for part, shape in (("down", (128, 5120)), ("up", (5120, 128)))
    }


def steadydancer() -> Shapes:
    dim = LARGE["dim"]
    return t2v(**LARGE, channels=36, image=True) | {
        "patch_embedding_fuse.weight": (dim, 68, 1, 2, 2),
        "patch_embedding_ref_c.weight": (dim, 16, 1, 2, 2),
        "condition_embedding_spatial.conv.weight": (16, 16, 3, 3),
        "condition_embedding_align.q.weight": (16, 16),
    }


def bindweave() -> Shapes:
    return t2v(**LARGE, channels=36, image=True) | linear("text_projector.0", 4096, 3584)


def uni3c() -> Shapes:
    shapes: Shapes = {
        "controlnet_patch_embedding.weight": (5120, 36, 1, 2, 2),
        "controlnet_patch_embedding.bias": (5120,),
        "controlnet_mask_embedding.mask_proj.0.weight": (256, 7, 4, 8, 8),
    } | linear("proj_in", 1024, 5120)
    for number in range(20):
        name = f"controlnet_blocks.{number}"
        for layer in ("to_q", "to_k", "to_v", "to_out.0"):
            shapes |= linear(f"{name}.self_attn.{layer}", 1024, 1024)
        shapes |= linear(f"{name}.norm1.linear", 3072, 5120) | linear(f"proj_out.{number}", 5120, 1024)
    return shapes


def depth_lora() -> Shapes:
    """The control LoRA; its file has `diffusion_model.` before each key."""
    shapes: Shapes = {
        "patch_embedding.reshape_weight": (5,),
        "patch_embedding.lora_A.weight": (128, 32, 1, 2, 2),
        "patch_embedding.lora_B.weight": (1536, 128, 1, 1, 1),
    }
    for number in range(SMALL["layers"]):
        for layer in ("self_attn.q", "self_attn.k", "ffn.0"):
            shapes |= {
                f"blocks.{number}.{layer}.lora_A.weight": (128, 1536),
                f"blocks.{number}.{layer}.lora_B.weight": (1536, 128),
            }
    return shapes
