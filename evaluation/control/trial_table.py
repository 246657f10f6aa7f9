"""Trials of further conditions as a table: figures without the condition, with it, and at floor and ceiling."""

from __future__ import annotations

from ...models.estimators.control_error import UNITS
from ...models.estimators.scene_likeness import SCENE
from .ratios import Figure
from .targets import NAMES, figure
from .trial_figures import TrialFigures
from .trials import CAMERA

# Sets and references by column, the first that a trial has.
COLUMNS = (
    ("none", ("none",)),
    ("camera", ("camera",)),
    ("given", ()),
    ("camera and given", ()),
    ("ground truth", ("truth",)),
    ("through the VAE", ("vae",)),
    ("another scene", ("other",)),
    ("the source itself", ("unchanged",)),
)


def trial_lines(trials: dict[str, TrialFigures]) -> list[str]:
    """Return the lines of the table; none without trials."""
    if not trials:
        return []
    heads = [title for title, _ in COLUMNS]
    lines = ["", "Further conditions: the figures without them, with them, and at the floor and another scene:", ""]
    lines += ["| trial | figure | " + " | ".join(heads) + " | |", "|---" * (len(heads) + 3) + "|"]
    for name, found in trials.items():
        condition = name.split(".")[0]
        for metric in found["rows"]["none"]:
            cells = [_cell(found, condition, title, keys, metric) for title, keys in COLUMNS]
            if set(cells) == {"-"}:
                continue  # of a condition without figures of its own, what no scene has
            lines.append(
                f"| {name} | {_title(metric)} | " + " | ".join(cells) + f" | {_said(found, condition, metric)} |"
            )
    return lines


def _title(metric: str) -> str:
    unit = UNITS.get(metric.removeprefix("own_error_"), "") if metric.startswith("own_error_") else ""
    short = f"own error ({unit})" if unit else NAMES.get(metric, metric)
    return f"distance from the truth: {NAMES[metric].removeprefix('another scene')[3:]}" if metric in SCENE else short


def _cell(found: TrialFigures, condition: str, title: str, keys: tuple[str, ...], metric: str) -> str:
    keys = keys or ((condition,) if title == "given" else (f"camera+{condition}",))
    one: Figure | None = next(
        (rows[key].get(metric) for rows in (found["rows"], found["references"]) for key in keys if key in rows), None
    )
    return "-" if one is None else figure(one["mean"], one["se"], 1 if (one["mean"] or 0) >= 10 else 3)


def _said(found: TrialFigures, condition: str, metric: str) -> str:
    """What the figures come to, as the targets ask for it."""
    both = f"camera+{condition}"
    key = both if both in found["rows"] else condition
    if metric == "known_psnr":
        one = found["below"][condition][metric]
        return f"{figure(one['mean'], one['se'], 1)} dB below the VAE"
    if metric in SCENE:
        one = found["of_other"][key][metric]
        return f"{figure(one['ratio'], one['se'], 2)} of another scene's"
    if metric in CAMERA and condition == "known":
        one = found["of_camera"].get(both, {}).get(metric, {"ratio": None, "se": None})
        return f"{figure(one['ratio'], one['se'], 2)} of the camera alone"
    one = found["left"][key][metric]
    return f"{figure(one['ratio'], one['se'], 2)} left of none"
