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
                "and EasyCache work on it. 'embedded' is the miniature that comes with this pack."
            ),
            search_aliases=["FullDiT loader", "checkpoint", "embedded model"],
            inputs=[
                io.Combo.Input(
                    "checkpoint",
                    options=paths.checkpoint_names(),
                    default=paths.EMBEDDED,
                    tooltip="'embedded', or a file from ComfyUI's folder models/fulldit.",
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
            ],
            outputs=[
                io.Model.Output(tooltip="The network, for samplers."),
                io.Clip.Output(tooltip="The text encoder of the checkpoint, for CLIP Text Encode."),
                io.Vae.Output(tooltip="The VAE, for VAE Decode."),
            ],
        )

    @classmethod
    def execute(cls, checkpoint: str, vae: str, precision: str = "default") -> io.NodeOutput:
        from .bridge.loaders import load_all

        model, clip, autoencoder = load_all(
            paths.model_file(paths.FOLDER, checkpoint, "fulldit_mini"),
            paths.model_file("vae", vae, "fulldit_mini_vae"),
            precision,
        )
        return io.NodeOutput(model, clip, autoencoder)
