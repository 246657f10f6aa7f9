"""Load FullDiT: a checkpoint as the host's own MODEL, CLIP and VAE."""

from __future__ import annotations

from comfy_api.latest import io

from .bridge import paths


class FullDiTLoad(io.ComfyNode):
    """The embedded model, or another FullDiT checkpoint, in host types."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTLoad",
            display_name="Load FullDiT",
            category="FullDiT",
            description=(
                "Loads a FullDiT checkpoint as MODEL, CLIP and VAE, so that stock samplers, text nodes, LoRA loaders "
                "and EasyCache work on it. 'embedded' is the miniature that comes with this pack. A condition file "
                "makes a FullDiT of a plain Wan model."
            ),
            search_aliases=["FullDiT loader", "checkpoint", "embedded model", "condition file"],
            inputs=[
                io.Combo.Input(
                    "checkpoint",
                    options=paths.checkpoint_names(),
                    default=paths.EMBEDDED,
                    tooltip=(
                        "'embedded', its faster kin for a few steps without guidance, or a file from ComfyUI's folder "
                        "models/fulldit: a checkpoint, or a condition file."
                    ),
                ),
                io.Combo.Input(
                    "vae",
                    options=paths.vae_names(),
                    default=paths.EMBEDDED,
                    tooltip="The VAE that the checkpoint was trained with; another one is refused.",
                ),
                io.Combo.Input(
                    "precision",
                    options=["default", "fp32", "bf16", "fp16"],
                    default="default",
                    advanced=True,
                    optional=True,
                    tooltip="Number format of the network. default lets ComfyUI choose for your device.",
                ),
                io.Combo.Input(
                    "wan_model",
                    options=[paths.NONE, *paths.video_model_names()],
                    default=paths.NONE,
                    optional=True,
                    tooltip=(
                        "For a condition file: the plain Wan from models/diffusion_models that it was trained on, in "
                        "any number format. Others are refused."
                    ),
                ),
            ],
            outputs=[
                io.Model.Output(tooltip="The network, for samplers."),
                io.Clip.Output(
                    tooltip=(
                        "The text encoder of the checkpoint, for CLIP Text Encode. A Wan model has none of its own: "
                        "use Load CLIP (type wan)."
                    )
                ),
                io.Vae.Output(tooltip="The VAE, for VAE Decode."),
            ],
        )

    @classmethod
    def execute(
        cls, checkpoint: str, vae: str, precision: str = "default", wan_model: str = paths.NONE
    ) -> io.NodeOutput:
        from .bridge.attached import load_attached
        from .bridge.loaders import load_all

        file, vae_file = paths.checkpoint_file(checkpoint), paths.vae_file(vae)
        if wan_model == paths.NONE:
            return io.NodeOutput(*load_all(file, vae_file, precision))
        return io.NodeOutput(*load_attached(paths.video_model_file(wan_model), file, vae_file, precision))
