"""Train FullDiT Conditions: a model tuned on one video, or on a folder of them, as a file and as a MODEL."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.conditions import Conditions
from . import folders, inputs
from .bridge import paths
from .progress import teller
from .sockets import types

NONE = paths.NONE
MOST_VARIATION = 2**32 - 1


class FullDiTTrainConditions(io.ComfyNode):
    """A LoRA on the blocks, new condition tokenizers where a plain Wan has none, by the pack's own trainer."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTTrainConditions",
            display_name="Train FullDiT Conditions",
            category="FullDiT",
            description=(
                "Tunes a FullDiT on one video or on a folder of them, and writes the result into models/fulldit: a "
                "checkpoint, or for a plain Wan a condition file. Cancel keeps what was learned; the same settings go "
                "on from there."
            ),
            search_aliases=["train LoRA", "fine-tune", "one-shot tuning", "Tune-A-Video", "finetune", "condition file"],
            inputs=[
                io.Combo.Input(
                    "checkpoint",
                    options=[*paths.checkpoint_names(), NONE],
                    default=paths.EMBEDDED,
                    tooltip=(
                        "What to begin with, as in Load FullDiT. none: the wan_model alone, which gets new condition "
                        "tokenizers."
                    ),
                ),
                io.Combo.Input(
                    "vae",
                    options=paths.vae_names(),
                    default=paths.EMBEDDED,
                    tooltip="The VAE that the model was trained with; another one is refused.",
                ),
                io.Combo.Input(
                    "wan_model",
                    options=[NONE, *paths.video_model_names()],
                    default=NONE,
                    tooltip="For a condition file, or for new ones: a plain Wan 2.1 from models/diffusion_models.",
                ),
                io.String.Input(
                    "name",
                    default="my_model",
                    tooltip="The file in models/fulldit, and the folder of the run in output/fulldit/training.",
                ),
                io.Combo.Input(
                    "folder",
                    options=[NONE, *folders.clip_folders()],
                    default=NONE,
                    tooltip=(
                        "A folder of videos in ComfyUI's input folder, each with a text of the same name that says "
                        "what it shows; or with a manifest.jsonl, which names cameras, masks and depth as well."
                    ),
                ),
                io.String.Input(
                    "prompt",
                    multiline=True,
                    default="",
                    tooltip="What the one video shows, in plain words. Not for a folder, which has its own texts.",
                ),
                io.Int.Input(
                    "steps",
                    default=200,
                    min=2,
                    max=100000,
                    tooltip="How long it learns. More may be added to a run that is finished.",
                ),
                io.Float.Input(
                    "learning_rate",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.00001,
                    round=0.0000001,
                    tooltip="How much each step changes. 0: 0.005 for a FullDiT checkpoint, 0.0001 for a Wan.",
                ),
                io.Int.Input(
                    "rank",
                    default=16,
                    min=1,
                    max=256,
                    tooltip="Rank of the LoRA: how much it can learn. For a condition file at least its own.",
                ),
                io.Int.Input(
                    "batch",
                    default=2,
                    min=1,
                    max=64,
                    tooltip="Clips in each step, one after the other; more are slower and steadier, not larger.",
                ),
                io.Int.Input(
                    "variation",
                    default=0,
                    min=0,
                    max=MOST_VARIATION,
                    tooltip=(
                        "Another number draws other noise and times. The same one with the same settings: the same "
                        "file."
                    ),
                ),
                io.Boolean.Input(
                    "resume",
                    default=True,
                    tooltip=(
                        "On: go on where a run of this name stopped, which needs the same model, clips and rank. Off: "
                        "begin anew."
                    ),
                ),
                io.Image.Input(
                    "images", optional=True, tooltip="The one video, frame by frame as the conditions describe it."
                ),
                types.Conditions.Input(
                    "conditions",
                    optional=True,
                    tooltip=(
                        "What describes the one video, and its size and length. Without it, the prompt alone at the "
                        "model's own size."
                    ),
                ),
                io.Clip.Input("clip", optional=True, tooltip="For a Wan: umt5_xxl from Load CLIP, with the type wan."),
                io.Boolean.Input(
                    "tokenizers",
                    default=False,
                    advanced=True,
                    optional=True,
                    tooltip=(
                        "Train the condition tokenizers too, which a FullDiT has learned already. New ones always are."
                    ),
                ),
                *_folder_size(),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The tuned model, for FullDiT Sampler."),
                types.LossMap.Output(display_name="loss_map", tooltip="The loss of every step, for Plot Loss Graph."),
                io.String.Output(
                    display_name="file", tooltip="The file's name in the list of Load FullDiT, once R refreshed it."
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="What was learned, how the loss fell, and what was left out. The node shows it too.",
                ),
            ],
            hidden=[io.Hidden.unique_id],  # for the text that it shows while it works
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(
        cls, checkpoint: str | None, vae: str | None, wan_model: str | None, name: str | None, folder: str | None
    ) -> bool | str:
        """Refuse files, folders and names that cannot be used before anything runs; None comes from another node."""

        def check() -> None:
            if checkpoint not in (None, NONE):
                paths.checkpoint_file(checkpoint)
            if wan_model not in (None, NONE):
                paths.video_model_file(wan_model)
            if vae is not None:
                paths.vae_file(vae)
            if name is not None:
                paths.new_checkpoint_file(name)
            if folder not in (None, NONE):
                folders.clip_folder(folder)

        return inputs.validity(check)

    @classmethod
    def fingerprint_inputs(cls, folder: str | None, **_: object) -> str:
        """Return another text when a file of the folder changed, so that the node runs again."""
        return "" if folder in (None, NONE) else folders.clip_folder_fingerprint(folder)

    @classmethod
    def execute(
        cls,
        checkpoint: str,
        vae: str,
        wan_model: str,
        name: str,
        folder: str,
        prompt: str,
        steps: int,
        learning_rate: float,
        rank: int,
        batch: int,
        variation: int,
        resume: bool,
        images: types.ImageTensor | None = None,
        conditions: Conditions | None = None,
        clip: types.HostClip | None = None,
        tokenizers: bool = False,
        frames: int = 0,
        width: int = 0,
        height: int = 0,
    ) -> io.NodeOutput:
        from ..training.tuning.settings import TuneOptions
        from ..training.tuning.start import Start
        from .bridge.training import clips_to_learn, train

        start = Start(
            paths.vae_file(vae),
            None if checkpoint == NONE else paths.checkpoint_file(checkpoint),
            None if wan_model == NONE else paths.video_model_file(wan_model),
        )
        root = None if folder == NONE else folders.clip_folder(folder)
        clips = clips_to_learn(start, root, (frames, width, height), images, conditions, prompt)
        options = TuneOptions(steps, learning_rate or None, rank, batch, variation, tokenizers)
        file = paths.new_checkpoint_file(name)
        run = folders.training_folder(file.stem)
        model, losses, report = train(start, clips, options, run, file, resume, clip, teller(cls))
        return io.NodeOutput(model, {"loss": losses}, file.name, report, ui={"text": [report]})


def _folder_size() -> list[io.Int.Input]:
    """Return the inputs for the size and length at which a folder is learned."""
    return [
        io.Int.Input(
            name,
            default=0,
            min=0,
            max=4096,
            advanced=True,
            optional=True,
            tooltip=f"{what} at which a folder is learned. 0: the model's own.",
        )
        for name, what in (("frames", "Frames"), ("width", "Width in pixels"), ("height", "Height in pixels"))
    ]
