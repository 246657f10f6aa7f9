"""`fulldit gallery`: what a checkpoint does with held-out scenes, failures included.

The first scenes are shown as they come, unchosen; after them, of a larger pool, the one in which the camera, the
identities and the depth are obeyed worst. Each is shown with its conditions and with the same seed after each of them
was taken away. Everything follows from the weights and the numbers asked: the same call writes the same files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...control.ablations import ablations
from ...control.errors import UserError
from ...control.files import atomic_path, write_json
from ...control.images import resize
from ...control.media import write_image
from ...control.progress import Progress, quiet
from ...models.estimators.judge import OF_CONDITION, Judge, Measured
from ...models.pipeline import Pipeline
from ...view.animation import write_animation
from ...view.canvas import Canvas
from ...view.sheet import condition_frames, contact_sheet
from ..held_out_scenes import FAMILIES, WORLD_VERSION, HeldOutScene, held_out_scenes
from .ratios import OWN, excess

ALL_CONDITIONS = "all conditions"
CELL = 96  # pixels that a cell is high, at least
GAP, HEAD, LABEL, FIGURES = 8, 26, 18, 18
MOST_BYTES = 300_000


@dataclass
class Shown:
    """A scene with what was made of it: clips and figures by the titles of `ablations`, and why it is shown."""

    number: int
    scene: HeldOutScene
    truth: Measured
    clips: dict[str, np.ndarray] = field(default_factory=dict)
    measured: dict[str, Measured] = field(default_factory=dict)
    worst: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of its files."""
        return "_".join([f"scene_{self.number:02d}", *(f"worst_{condition}" for condition in self.worst)])

    def title(self, pool: int) -> str:
        """Which scene it is, and why."""
        text = f"Held-out scene {self.number}"
        return f"{text}, the worst of {pool} in {' and '.join(self.worst)}" if self.worst else text


def run_gallery(
    out: str | Path,
    scenes: int = 4,
    pool: int = 16,
    progress: Progress = quiet,
    *,
    checkpoint: str | Path | None = None,
    vae: str | Path | None = None,
    estimators: str | Path | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    family: str = "seen",
    world: int = WORLD_VERSION,
    size: Sequence[int | None] = (),
    pipeline: Pipeline | None = None,
    judge: Judge | None = None,
) -> dict[str, Any]:
    """Write `NAME.jpg` and `NAME.webp` for each scene shown, `gallery.md` and `gallery.json` to `out`; returns the
    last.

    scenes: how many are shown as they come. pool: among how many the worst are looked for. steps and guidance: default,
    the checkpoint's. The rest is as `bench.run_control` has it. Raises UserError before anything is generated for
    missing files and for numbers below 1.
    """
    check_numbers(scenes, pool, steps, family)
    judge = judge or Judge.load(estimators)
    pipeline = pipeline or Pipeline.load(checkpoint, vae)
    if size:
        pipeline = pipeline.of_size(*size)
    config = pipeline.config
    how = dict(zip(("steps", "guidance", "first_frame_pass"), config.sampling_values(steps, guidance), strict=True))
    pool = max(scenes, pool)
    seen = look_at_scenes(pipeline, judge, pool, family, world, how, progress)
    for condition in OWN if pool > 1 else ():
        max(seen, key=lambda one: badness(one, condition)).worst.append(condition)
    chosen = [one for one in seen if one.number < scenes or one.worst]
    out = Path(out)
    rows = []
    with progress(len(chosen), "gallery: drawing") as step:
        for one in chosen:
            rest = ablations(one.scene.conditions.names, ALL_CONDITIONS)
            rest.pop(ALL_CONDITIONS)
            generate(pipeline, judge, one, rest, how)
            rows.append(write_scene(out, one, pool))
            step()
    report = {
        "scenes": rows,
        "pool": pool,
        "family": family,
        "world": world,
        "size": [config.frames, config.height, config.width],
        **how,
        "checkpoint": Path(checkpoint).name if checkpoint else "fulldit_mini.safetensors",
    }
    with atomic_path(out / "gallery.md") as part:
        part.write_text(page(report), encoding="utf-8")
    write_json(out / "gallery.json", report)
    return report


def check_numbers(scenes: int, pool: int, steps: int | None, family: str) -> None:
    """Raise UserError for numbers below 1, and for a family of scenes that does not exist."""
    if scenes < 1 or pool < 1:
        raise UserError(f"{scenes} scenes of a pool of {pool} were asked for; at least 1 of both was expected.")
    if steps is not None and steps < 1:
        raise UserError(f"{steps} steps were asked for; at least 1 was expected.")
    if family not in FAMILIES:
        raise UserError(f"family is '{family}'; expected one of {', '.join(FAMILIES)}.")


def look_at_scenes(
    pipeline: Pipeline, judge: Judge, pool: int, family: str, world: int, how: dict[str, Any], progress: Progress
) -> list[Shown]:
    """Return the first `pool` held-out scenes of a family, each with its clip under all conditions and its figures."""
    config = pipeline.config
    seen = []
    with progress(pool, "gallery: looking") as step:
        scenes = held_out_scenes(
            pool,
            config.frames,
            config.height,
            config.width,
            family=family,
            names=config.conditions,
            kinds=config.streams,
            world=world,
        )
        for number, scene in enumerate(scenes):
            scene = replace(scene, conditions=scene.conditions.only(config.conditions))
            one = Shown(number, scene, judge.measure(scene.frames, scene.conditions))
            generate(pipeline, judge, one, {ALL_CONDITIONS: scene.conditions.names}, how)
            seen.append(one)
            step()
    return seen


def generate(
    pipeline: Pipeline, judge: Judge, one: Shown, runs: dict[str, tuple[str, ...]], how: dict[str, Any]
) -> None:
    """Add the clips of `runs`, sets of conditions by title, and their figures against all conditions: one seed."""
    scene = one.scene
    streams = pipeline.encode(scene.conditions)
    for title, names in runs.items():
        result = pipeline.generate(
            scene.prompt, scene.conditions.only(names), seed=scene.seed, **how, streams=streams.select(names)
        )
        one.clips[title] = result.frames
        one.measured[title] = judge.measure(result.frames, scene.conditions)


def badness(one: Shown, condition: str) -> float:
    """How much worse than the truth a condition is obeyed where all are present: of its figures, those with a unit of
    their own (identities: the sum of both shares)."""
    names = ("cam_mc",) if condition == "camera" else OF_CONDITION[condition]
    values = one.measured[ALL_CONDITIONS].values
    return sum(excess(values[name], one.truth.values[name], name) or 0.0 for name in names)


def write_scene(out: Path, one: Shown, pool: int) -> dict[str, Any]:
    """The sheet and the animation of a scene; returns its row of `gallery.json`."""
    title, conditions = one.title(pool), one.scene.conditions
    rows = [
        *condition_frames(conditions, *one.scene.frames.shape[1:3]),
        ("ground truth", one.scene.frames),
        *one.clips.items(),
    ]
    sheet = contact_sheet(rows)
    head = Canvas(30, sheet.shape[1])
    head.text(title, 8, 20, 0.5)
    write_image(out / f"{one.name}.jpg", np.concatenate([head.image(), sheet]))
    size = write_animation(out / f"{one.name}.webp", board(one, title), conditions.fps, MOST_BYTES)
    measured = {"ground truth": one.truth, **one.measured}
    return {
        "number": one.number,
        "seed": one.scene.seed,
        "title": title,
        "worst": one.worst,
        "prompt": one.scene.prompt,
        "sheet": f"{one.name}.jpg",
        "animation": f"{one.name}.webp",
        "animation_bytes": size,
        "measured": {
            run: {name: None if v is None else round(v, 4) for name, v in m.values.items()}
            for run, m in measured.items()
        },
    }


def board(one: Shown, title: str) -> np.ndarray:
    """The frames (F, H, W, 3) of the animation: conditions and the truth above, results below, figures under them."""
    frames, height, width = one.scene.frames.shape[:3]
    scale = max(1.0, CELL / height)
    cell = (round(height * scale), round(width * scale))
    asked = condition_frames(one.scene.conditions, *cell)
    references = [clip for name, clip in asked if name.startswith("reference")]
    by_name, own = dict(asked), ("camera", "who is where", "depth")
    further = [(name, clip) for name, clip in asked if name not in own and not name.startswith("reference")]
    above: list[tuple[str, np.ndarray | None]] = [
        ("camera path", by_name.get("camera")),
        (f"{len(references)} references" if len(references) > 1 else "reference", side_by_side(references, *cell)),
        ("who is where", by_name.get("who is where")),
        ("depth", by_name.get("depth")),
        *further,
        ("ground truth", one.scene.frames),
    ]
    below: list[tuple[str, np.ndarray | None]] = list(one.clips.items())
    columns = max(len(above), len(below))
    line = LABEL + cell[0]
    total = HEAD + 2 * line + 2 * FIGURES + GAP, GAP + columns * (cell[1] + GAP)
    canvas = Canvas(*total)
    canvas.text(title, GAP, HEAD - 9, 0.46)
    places = []
    for row, cells in enumerate((above, below)):
        top = HEAD + row * (line + FIGURES)
        for column, (name, clip) in enumerate(cells):
            left = GAP + column * (cell[1] + GAP)
            canvas.text(name, left, top + LABEL - 6, 0.38)
            measured = one.truth if name == "ground truth" else one.measured.get(name)
            if measured is not None:
                canvas.text(figures(measured), left, top + line + FIGURES - 6, 0.3)
            if clip is not None:
                places.append((top + LABEL, left, clip))
    images = np.repeat(canvas.image()[None], frames, 0)
    for top, left, clip in places:
        for number in range(frames):
            images[number, top : top + cell[0], left : left + cell[1]] = np.clip(resize(clip[number], *cell), 0, 1)
    return images


def figures(measured: Measured) -> str:
    """The figures of a clip in a line that fits below its cell."""
    names = (("rot", "rot_err", 1), ("IoU", "mask_iou", 2), ("depth", "depth_mae", 0))
    figures = [(short, measured.values[name], digits) for short, name, digits in names]
    return "  ".join(f"{short} {value:.{digits}f}" for short, value, digits in figures if value is not None)


def side_by_side(clips: list[np.ndarray], height: int, width: int) -> np.ndarray | None:
    """Several reference clips (F, H, W, 3), all of a cell's size, in one cell, each cut to its middle."""
    if len(clips) < 2:
        return clips[0] if clips else None
    # Squares in the middle hold the object; two or three of them fill a cell between them.
    part = width // len(clips)
    small = []
    for clip in clips:
        side = min(height, width)
        left = (width - side) // 2
        square = clip[:1, :, left : left + side]
        edge = min(part, height)
        made = np.full((1, height, part, 3), 0.5, np.float32)
        top, across = (height - edge) // 2, (part - edge) // 2
        made[0, top : top + edge, across : across + edge] = resize(square[0], edge, edge)
        small.append(made)
    whole = np.full((1, height, width, 3), 0.5, np.float32)
    joined = np.concatenate(small, 2)
    whole[:, :, : joined.shape[2]] = joined
    return np.repeat(whole, len(clips[0]), 0)


def page(report: dict[str, Any]) -> str:
    """The gallery as a Markdown page."""
    frames, height, width = report["size"]
    lines = [
        "# Gallery",
        "",
        f"{len(report['scenes'])} held-out scenes ({report['family']} family) of {frames} frames, {height}x{width},"
        f" {report['steps']} steps, guidance {report['guidance']:g}, first-frame pass {report['first_frame_pass']:g}."
        " Above: what was asked, and the clip that it was taken from; below: what was made with all conditions, and the"
        " same seed with each taken away. Scenes are"
        f" shown in their order, unchosen; then, of the first {report['pool']}, those in which a condition is obeyed"
        " worst. rot: rotation error; IoU: of the masks asked and the objects seen; depth: mean absolute error"
        " (0-255).",
    ]
    for row in report["scenes"]:
        lines += [
            "",
            f"## {row['title']}",
            "",
            f"Prompt: {row['prompt']}",
            "",
            f"![{row['title']}]({row['animation']})",
        ]
        lines += ["", f"[Frame by frame]({row['sheet']})"]
    return "\n".join([*lines, ""])
