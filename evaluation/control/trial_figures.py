"""What trials gave over all scenes: means, and how they stand to the floor, to no condition, and to another scene."""

from __future__ import annotations

from typing import Any, TypedDict

from ...models.estimators import metrics
from ...models.estimators.scene_likeness import SCENE
from .ratios import Figure, excess
from .trials import CAMERA, EDITED

Values = list[float | None]

FIGURE_NAMES = {
    "scene_colors": "another scene's colors",
    "scene_looks": "another scene's looks",
    EDITED: "nearer to the asked than to the source",
}


class TrialFigures(TypedDict):
    """Of a trial, by figure: `rows` and `references`, mean and se of each; `n`, its scenes. By set and figure, ratios
    and their se: `left`, the excess over the floor by that of none; `of_camera`, the same by that of the camera alone;
    `of_other`, the figure by another scene's. `below`: mean and se of the excess itself.

    The floor is the truth's figure for the camera, what the VAE makes of the truth for everything else.
    """

    n: int
    rows: dict[str, dict[str, Figure]]
    references: dict[str, dict[str, Figure]]
    left: dict[str, dict[str, Figure]]
    of_camera: dict[str, dict[str, Figure]]
    of_other: dict[str, dict[str, Figure]]
    below: dict[str, dict[str, Figure]]


def trial_figures(records: list[dict[str, Any]]) -> dict[str, TrialFigures]:
    """Return the figures of every trial that any scene had, by its name, from what scenes gave (`SceneRun.record`)."""
    names = dict.fromkeys(name for record in records for name in record.get("trials", {}))
    return {name: _figures([r["trials"][name] for r in records if name in r.get("trials", {})]) for name in names}


def _figures(tried: list[dict[str, Any]]) -> TrialFigures:
    keys, references = tried[0]["rows"], tried[0]["references"]
    figures = list(tried[0]["rows"]["none"])

    def row(key: str, figure: str) -> Values:
        return [one["rows"][key].get(figure) for one in tried]

    def reference(name: str, figure: str) -> Values:
        return [one["references"][name].get(figure) for one in tried]

    def far(key: str, figure: str) -> Values:
        floor = reference("truth" if figure in CAMERA else "vae", figure)
        # More is better of the share that was edited; `excess` knows the others.
        sign = -1 if figure == EDITED else 1
        found = [excess(value, best, figure) for value, best in zip(row(key, figure), floor, strict=True)]
        return [None if one is None else sign * one for one in found]

    given = [key for key in keys if key not in ("none", "camera")]
    result: TrialFigures = {
        "n": len(tried),
        "rows": {key: {figure: _mean(row(key, figure)) for figure in figures} for key in keys},
        "references": {name: {figure: _mean(reference(name, figure)) for figure in figures} for name in references},
        "left": {key: {f: _ratio(far(key, f), far("none", f)) for f in figures} for key in given},
        "of_camera": {},
        "of_other": {
            key: {f: _ratio(row(key, f), reference("other", f)) for f in figures if f in SCENE} for key in given
        },
        "below": {key: {figure: _mean(far(key, figure)) for figure in figures} for key in given},
    }
    if "camera" in keys:
        with_camera = [key for key in given if key.startswith("camera+")]
        result["of_camera"] = {
            key: {f: _ratio(far(key, f), far("camera", f)) for f in figures if f in CAMERA} for key in with_camera
        }
    return result


def _mean(values: Values) -> Figure:
    mean, error, _ = metrics.mean_and_error(values)
    return {"mean": mean, "se": error}


def _ratio(above: Values, below: Values) -> Figure:
    ratio, error = metrics.ratio_and_error(above, below)
    return {"ratio": ratio, "se": error}
