"""`fulldit bench blocks`: how much each block does to its tokens, to choose the blocks that conditions go through.

Block Importance (ShortGPT, arXiv 2403.03853) is 1 - cos(tokens before a block, tokens after it), the mean over tokens.
FullDiT2 (arXiv 2506.04213) keeps context in the first block, which projects its tokens, and in the four others of the
highest index. Condition tokens have an index only in blocks after which something reads them. Beside it stands what
the choice is about: how much the velocity changes, relative to its norm, where the video reads no conditions in one
block alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from ...control.errors import UserError
from ...control.files import write_json
from ...control.progress import Progress, quiet
from ...models.backbone.transformer import FullDiT
from ...models.conditioning.condition_streams import ConditionStreams
from ...models.conditioning.encoder import encode_frames
from ...models.pipeline import Pipeline
from ...models.sampling.flow import add_noise
from ..held_out_scenes import held_out_scenes

TIMES = (0.9, 0.75, 0.5, 0.25)  # of a clip, noise at 1
CONDITIONS, VIDEO, CHANGE = "condition_tokens", "video_tokens", "velocity_change"
_COLUMNS = {CONDITIONS: "importance for condition tokens", VIDEO: "for video tokens", CHANGE: "velocity's change"}

Figures = dict[int, float]  # by the number of a block


def importance(before: Tensor, after: Tensor) -> float:
    """Return the Block Importance of a block that made tokens (B, L, D) of tokens (B, L, D): 0 for none at all."""
    return float(1 - functional.cosine_similarity(before.float(), after.float(), dim=-1).mean())


@torch.no_grad()
def block_importance(
    model: FullDiT, x: Tensor, t: float, context: Tensor, conditions: ConditionStreams
) -> dict[str, Figures]:
    """Return the importance of every block for condition tokens and for the video's at a latent x of time t, and how
    much the velocity changes without the conditions in it. What a block has no figure of is left out."""
    found: dict[str, Figures] = {CONDITIONS: {}, VIDEO: {}, CHANGE: {}}

    def hook_of(number: int) -> Any:
        def hook(block: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: tuple[Tensor, Any]) -> None:
            kind = CONDITIONS if named.get("kind") == "condition" else VIDEO
            found[kind][number] = importance(inputs[0], output[0])

        return hook

    hooks = [block.register_forward_hook(hook_of(i), with_kwargs=True) for i, block in enumerate(model.blocks)]
    time = torch.tensor([1000 * t], device=x.device)
    try:
        cache = model.prefill(conditions, dtype=x.dtype)
        velocity = model(x, time, context, kv_cache=cache)
    finally:
        for hook in hooks:
            hook.remove()
    for number, layer in enumerate(cache.layers):
        if layer is not None:
            without = replace(cache, layers=(*cache.layers[:number], None, *cache.layers[number + 1 :]))
            change = model(x, time, context, kv_cache=without) - velocity
            found[CHANGE][number] = float(change.norm() / velocity.norm())
    return found


def choose_blocks(figures: Figures, count: int) -> tuple[int, ...]:
    """Return the first block and the `count` - 1 others of the largest figures, in order."""
    others = sorted((number for number in figures if number), key=lambda number: -figures[number])
    return (0, *sorted(others[: count - 1]))


def run_blocks(
    checkpoint: str | Path | None = None,
    vae: str | Path | None = None,
    scenes: int = 4,
    json: str | Path | None = None,
    family: str = "seen",
    device: str = "auto",
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Return the mean figures of every block over held-out scenes under all conditions and TIMES, and write them to
    `json`. Raises UserError for files that are missing or something else, and for a checkpoint of 'full' attention."""
    pipeline = Pipeline.load(checkpoint, vae, device)
    if pipeline.config.attention == "full":
        raise UserError(
            "In this checkpoint condition tokens attend to the video in every block (attention 'full'), and there is no"
            " choice of blocks: take one of 'decoupled' attention."
        )
    size = pipeline.config.video
    sums: dict[str, dict[int, list[float]]] = {name: defaultdict(list) for name in _COLUMNS}
    with progress(scenes, "bench blocks") as step:
        for scene in held_out_scenes(scenes, size.frames, size.height, size.width, family=family):
            conditions = pipeline.encode(scene.conditions)
            latent = encode_frames(pipeline.vae, rearrange(torch.from_numpy(scene.frames), "f h w c -> 1 c f h w"))
            latent = latent.to(pipeline.device)
            draw = torch.Generator().manual_seed(scene.seed)
            noise = torch.randn(latent.shape, generator=draw).to(latent)
            for t in TIMES:
                x = add_noise(latent, noise, torch.tensor([t], device=latent.device)).to(pipeline.dtype)
                one = block_importance(pipeline.model, x, t, pipeline.encode_text([scene.prompt]), conditions)
                for name, figures in one.items():
                    for number, value in figures.items():
                        sums[name][number].append(value)
            step()
    mean = {name: {i: sum(values) / len(values) for i, values in of.items()} for name, of in sums.items()}
    blocks = len(pipeline.model.blocks)
    result: dict[str, Any] = {"scenes": scenes, "times": list(TIMES)}
    result |= {name: [_rounded(of.get(i)) for i in range(blocks)] for name, of in mean.items()}
    if json:
        write_json(json, result)
    return result


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def table(result: dict[str, Any]) -> str:
    """Return the figures as a table in Markdown, and which half of the blocks either of them would choose."""
    lines = [f"| block | {' | '.join(_COLUMNS.values())} |", "|---|---|---|---|"]
    columns: list[Sequence[float | None]] = [result[name] for name in _COLUMNS]
    for number, row in enumerate(zip(*columns, strict=True)):
        lines.append(f"| {number} | {' | '.join('' if value is None else f'{value:.4f}' for value in row)} |")
    lines.append("")
    for name, title in _COLUMNS.items():
        figures = {i: value for i, value in enumerate(result[name]) if value is not None}
        half = len(result[name]) // 2
        lines.append(f"Half of the blocks by {title}: {list(choose_blocks(figures, half))}")
    return "\n".join(lines)
