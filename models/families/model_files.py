"""The files of the public models that this pack drives, as ComfyUI reads them, and Wan's own negative prompt.

Sizes are those of the repositories, or parameters times bytes. Where a repository of another person names no license,
the authors' is given, and that is said.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from .family import ModelFile, Role

APACHE = "Apache-2.0"
UNKNOWN = "license not stated by its authors"
APACHE_OF_THE_CODE = "Apache-2.0 by the authors' repository; that of the weights' page was not seen"
APACHE_OF_THE_AUTHORS = "Apache-2.0 by the authors; the repository with this copy names none"

# Wan's own, and that of the models made from it.
NEGATIVE = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，"
    "丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，"
    "静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
)

_WAN_21 = "Comfy-Org/Wan_2.1_ComfyUI_repackaged"
_WAN_22 = "Comfy-Org/Wan_2.2_ComfyUI_Repackaged"
_BERNINI = "Comfy-Org/Bernini-R"
_KIJAI = "Kijai/WanVideo_comfy"

_FOLDERS: dict[Role, str] = {
    "text encoder": "text_encoders",
    "vae": "vae",
    "lora": "loras",
    "clip vision": "clip_vision",
    "control net": "model_patches",
}


def _file(role: Role, repository: str, path: str, gigabytes: float = 0, license: str = APACHE) -> ModelFile:
    """Return a file by its path without the ending."""
    path = f"{path}.safetensors"
    folder = _FOLDERS.get(role, "diffusion_models")
    return ModelFile(role, PurePosixPath(path).name, repository, path, folder, license, round(gigabytes * 1e9))


def _repackaged(role: Role, repository: str, name: str, gigabytes: float = 0) -> ModelFile:
    """Return a file of Comfy-Org's repackaging of Wan."""
    return _file(role, repository, f"split_files/{_FOLDERS.get(role, 'diffusion_models')}/{name}", gigabytes)


TEXT_ENCODER = _repackaged("text encoder", _WAN_21, "umt5_xxl_fp8_e4m3fn_scaled", 6.74)
TEXT_ENCODER_FP16 = _repackaged("text encoder", _WAN_21, "umt5_xxl_fp16", 11.4)
VAE = _repackaged("vae", _WAN_21, "wan_2.1_vae", 0.254)
VAE_5B = _repackaged("vae", _WAN_22, "wan2.2_vae")
# What every model of Wan 2.1's latents needs beside itself.
SHARED = (TEXT_ENCODER, TEXT_ENCODER_FP16, VAE)

T2V_1_3B = _repackaged("model", _WAN_21, "wan2.1_t2v_1.3B_fp16", 2.84)
T2V_14B = (
    _repackaged("model", _WAN_21, "wan2.1_t2v_14B_fp8_scaled", 14.3),
    _repackaged("model", _WAN_21, "wan2.1_t2v_14B_fp16", 28.6),
)
T2V_A14B = (
    _repackaged("model", _WAN_22, "wan2.2_t2v_high_noise_14B_fp8_scaled", 14.3),
    _repackaged("second expert", _WAN_22, "wan2.2_t2v_low_noise_14B_fp8_scaled", 14.3),
)
TI2V_5B = _repackaged("model", _WAN_22, "wan2.2_ti2v_5B_fp16", 10.0)

DEPTH_LORA = _file(
    "lora", "spacepxl/Wan2.1-control-loras", "1.3b/depth/wan2.1-1.3b-control-lora-depth-v0.1_comfy", 0.378
)

BERNINI_1_3B = _file("model", _BERNINI, "diffusion_models/wan2.1_bernini_1.3B_fp16", 2.84)
_EXPERTS: tuple[tuple[Role, str], ...] = (("model", "high"), ("second expert", "low"))
BERNINI_A14B = tuple(
    _file(role, _BERNINI, f"diffusion_models/wan2.2_bernini_r_{expert}_noise_{form}", gigabytes)
    for form, gigabytes in (("fp8_scaled", 15.6), ("mxfp8", 15.0), ("fp16", 28.6))
    for role, expert in _EXPERTS
)

PHANTOM_1_3B = _file("model", _KIJAI, "Phantom-Wan-1_3B_fp16", 2.87, APACHE_OF_THE_AUTHORS)
PHANTOM_14B = (
    _file("model", _KIJAI, "Phantom-Wan-14B_fp8_e4m3fn", 14.3, APACHE_OF_THE_AUTHORS),
    _file("model", _KIJAI, "Phantom-Wan-14B_fp16", 28.6, APACHE_OF_THE_AUTHORS),
)

CLIP_VISION = _repackaged("clip vision", _WAN_21, "clip_vision_h")
FUN_CAMERA_1_3B = _repackaged("model", _WAN_21, "wan2.1_fun_camera_v1.1_1.3B_bf16", 3.23)
FUN_CAMERA_14B = _repackaged("model", _WAN_21, "wan2.1_fun_camera_v1.1_14B_bf16", 33.8)
FUN_CONTROL_1_3B = _repackaged("model", _WAN_21, "wan2.1_fun_control_1.3B_bf16", 3.13)
FUN_CAMERA_A14B, FUN_CONTROL_A14B = (
    tuple(
        _repackaged(role, _WAN_22, f"wan2.2_fun_{kind}_{expert}_noise_14B_{form}", gigabytes)
        for form, gigabytes in (("fp8_scaled", small), ("bf16", 2 * small))
        for role, expert in _EXPERTS
    )
    for kind, small in (("camera", 14.8), ("control", 14.3))
)

RECAMMASTER = _file("model", _KIJAI, "Wan2_1_kwai_recammaster_1_3B_step20000_bf16", 2.98, APACHE_OF_THE_AUTHORS)

# OmniCamera's authors publish a pickle, which a user has to convert.
OMNICAMERA_PICKLE = "joint_params_step61000.pth of wykup316/OmniCamera"
PICKLE_TO_SAFETENSORS = (
    'python -c "import sys, torch; from safetensors.torch import save_file; save_file({name: value.contiguous() for '
    "name, value in torch.load(sys.argv[1], map_location='cpu', weights_only=True).items()}, sys.argv[2])\" "
    "IN OUT.safetensors"
)

VACE_1_3B = _repackaged("model", _WAN_21, "wan2.1_vace_1.3B_fp16", 4.31)
VACE_14B = _repackaged("model", _WAN_21, "wan2.1_vace_14B_fp16", 34.7)

SCAIL_2 = tuple(
    _file("model", "Comfy-Org/SCAIL-2", f"diffusion_models/wan2.1_14B_SCAIL_2_{form}", gigabytes, APACHE_OF_THE_CODE)
    for form, gigabytes in (("fp8_scaled", 17.7), ("mxfp8", 17.2), ("fp16", 32.8))
)
UNI3C = _file("control net", _KIJAI, "Wan21_Uni3C_controlnet_fp16", 2.33, UNKNOWN)
