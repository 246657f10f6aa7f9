"""The project's targets, line by line, from a result of `fulldit bench control`: what was measured, met or missed.

All lines but the last two are about a checkpoint and hold at any size. A ratio of distances from the floor whose
denominator is not above 0 (already as good as the truth) has no value; its line is met where the numerator is not above
0 by more than its standard error.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypedDict

from ...control.errors import UserError
from ...control.files import existing
from ...models.estimators.judge import OWN_ERRORS
from .ratios import ALL, GOVERNS, OBEYED, QUALITY, Figure, Ratios, Result, divided, ratios_of_result
from .trial_figures import FIGURE_NAMES, TrialFigures

NAMES = {
    "rot_err": "rotation (RotErr)",
    "trans_err": "translation (TransErr)",
    "cam_mc": "camera (CamMC)",
    "depth_mae": "depth MAE",
    "identity_accuracy": "identity accuracy",
    "mask_iou": "mask IoU",
    "known_psnr": "PSNR of known frames",
    "sound_match": "correlation of rise and loudness",
    "smoothness": "smoothness",
    "dynamic_degree": "dynamic degree",
    **{name: f"own error of control videos ({name.removeprefix('own_error_')})" for name in OWN_ERRORS},
    **FIGURE_NAMES,
}
LEFT = {"rot_err": 0.35, "trans_err": 0.35, "depth_mae": 0.4}
AT_LEAST = {"identity_accuracy": 0.8, "mask_iou": 0.6}
SWAP, TOGETHER, UNSEEN, PAINTED = 0.7, 1.25, 1.5, 0.9
KNOWN_LOSS, KNOWN_CAMERA, RESHOT, SAME_SCENE, CONTROLLED = 1.0, 1.0, 0.5, 0.5, 0.4
BOUNDS = {"smoothness": (0.98, None), "dynamic_degree": (0.7, 1.3)}
CLIP, SECONDS, CORES, MIB = (25, 96, 160), 15, 2, 32
GROUPS = {
    "obeyed": "how well conditions are obeyed",
    "together": "all conditions together",
    "unseen": "the unseen family (a result of `--family unseen`)",
    "painted": "painted masks (`--masks painted`)",
    "further": "known frames, source videos and control videos",
    "quality": "smoothness and dynamic degree",
    "cost": "time and size",
}


class Line(TypedDict):
    """One target: its group and text, the bound, the figure with its standard error, and whether the target is met.

    The figure is None where nothing was measured, and so is `met` where the figure decides nothing.
    """

    group: str
    line: str
    target: str
    value: float | None
    se: float | None
    met: bool | None


def figure(mean: float | None, error: float | None, digits: int) -> str:
    """`1.23 ± 0.04`, or a dash where nothing was measured."""
    if mean is None:
        return "-"
    return f"{mean:.{digits}f}" + (f" ± {error:.{digits}f}" if error is not None else "")


def read_result(path: str | Path) -> Result:
    """A result of `fulldit bench control --json`, of this version or an earlier one. Raises UserError for others."""
    path = existing(path, "result")
    try:
        result: Result = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"the result '{path}' is not JSON ({error}): was it cut?") from error
    rows = result.get("results") if isinstance(result, dict) else None
    whole = isinstance(rows, dict) and {"none", *GOVERNS.values(), ALL} <= set(rows) and "floor" in result
    if not whole and not (rows == {} and "trials" in result):
        raise UserError(f"'{path}' is no result of 'fulldit bench control --json'")
    if "anchor" in result["scenes"]:  # the name of earlier versions
        result["scenes"]["first_frame_pass"] = result["scenes"].pop("anchor")
    return result


def line(
    group: str,
    text: str,
    value: float | None,
    se: float | None,
    low: float | None = None,
    high: float | None = None,
    met: bool | None = None,
) -> Line:
    """One target: `met` is None where nothing was measured, and follows from the bounds where it is not given."""
    if met is None and value is not None:
        met = (low is None or value >= low) and (high is None or value <= high)
    bound = f"{low:g} to {high:g}" if None not in (low, high) else f"at most {high:g}" if low is None else None
    bound = bound or f"at least {low:g}"
    return {"group": group, "line": text, "target": bound, "value": value, "se": se, "met": met}


def targets(result: Result, unseen: Result | None = None) -> list[Line]:
    """Every target as {"line", "target", "value", "se", "met"}.

    `unseen`: the result of the same checkpoint on the unseen family; without it those lines are not measured. Raises
    UserError where the two are not of one checkpoint and one setting, or of other families.
    """
    if unseen is not None:
        check_pair(result, unseen)
    further = of_trials(result.get("trials", {}))
    if not result["results"]:
        return [*further, *of_size(result)]
    found = ratios_of_result(result)
    lines = []
    for metric, most in LEFT.items():
        one = found["left"][GOVERNS[metric]][metric]
        text = f"{NAMES[metric]}, {GOVERNS[metric]} given: left of `none`"
        lines.append(line("obeyed", text, one["ratio"], one["se"], high=most))
    row = result["results"]["identity"]
    for metric, least in AT_LEAST.items():
        lines.append(line("obeyed", f"{NAMES[metric]}, identity given", row[metric], row["se"][metric], least))
    swap = result["identity_swap"]
    text = "exchanged references exchange the objects (identity_swap)"
    lines.append(line("obeyed", text, swap["share"], swap["se"], SWAP))
    for metric in OBEYED:
        alone = GOVERNS[metric]
        note, one = of_excess(found, alone, found, ALL, metric, TOGETHER, found["together"][metric])
        lines.append(line("together", f"{NAMES[metric]}: all together, of {alone} alone{note}", **one))
    other = None if unseen is None else ratios_of_result(unseen)
    for metric in OBEYED:
        alone = GOVERNS[metric]
        note, one = "", {"value": None, "se": None, "high": UNSEEN}
        if other is not None:
            note, one = of_excess(found, alone, other, alone, metric, UNSEEN)
        lines.append(line("unseen", f"{NAMES[metric]}, {alone} given: unseen, of seen{note}", **one))
    for key, given in (("identity", "identity"), (ALL, "all")):
        for metric in AT_LEAST:
            one = found.get("painted", {}).get(key, {}).get(metric, {"ratio": None, "se": None})
            text = f"{NAMES[metric]}, {given} given: painted masks, of exact ones"
            lines.append(line("painted", text, one["ratio"], one["se"], PAINTED))
    lines += further
    for metric in QUALITY:
        lines += of_truth(found["truth"], metric)
    return [*lines, *of_size(result)]


def of_trials(trials: dict[str, TrialFigures]) -> list[Line]:
    """Trials of known frames, source videos and control videos, of a checkpoint that takes them."""
    lines = []
    for name, found in trials.items():
        condition = name.split(".")[0]
        both = f"camera+{condition}"
        if condition == "known":
            one = found["below"]["known"]["known_psnr"]
            text = f"{name}: dB of {NAMES['known_psnr']} below what the VAE alone makes of them"
            lines.append(line("further", text, one["mean"], one["se"], high=KNOWN_LOSS))
            for metric, one in found["of_camera"].get(both, {}).items():
                if metric == "cam_mc":
                    text = f"{name}: {NAMES[metric]} with known frames, of camera alone"
                    lines.append(line("further", text, one["ratio"], one["se"], high=KNOWN_CAMERA))
        if name == "source.reshot" and both in found["left"]:
            one = found["left"][both]["cam_mc"]
            lines.append(
                line("further", f"{name}: {NAMES['cam_mc']}: left of `none`", one["ratio"], one["se"], high=RESHOT)
            )
            for metric, one in found["of_other"][both].items():
                text = f"{name}: distance from the truth, of {NAMES[metric]}"
                lines.append(line("further", text, one["ratio"], one["se"], high=SAME_SCENE))
        if condition == "control":
            for metric, one in found["left"]["control"].items():
                lines.append(
                    line("further", f"{NAMES[metric]}: left of `none`", one["ratio"], one["se"], high=CONTROLLED)
                )
    return lines


def of_excess(
    below: Ratios, below_key: str, above: Ratios, above_key: str, metric: str, most: float, known: Figure | None = None
) -> tuple[str, dict[str, Any]]:
    """A ratio of two excesses: a note, and arguments of `line`; `known` where it was computed over pairs.

    Where the lower excess is at the floor, the upper has to be there too.
    """
    a, b = above["excess"][above_key][metric], below["excess"][below_key][metric]
    one = {"value": None, "se": None, "high": most}
    if a["mean"] is None or b["mean"] is None:
        return "", one
    if b["mean"] <= 0:
        return " (which is at the floor)", {**one, "met": a["mean"] <= (a["se"] or 0)}
    found = known or divided(a["mean"], a["se"], b["mean"], b["se"])
    return "", {**one, "value": found["ratio"], "se": found["se"]}


def of_truth(truth: dict[str, dict[str, Figure]], metric: str) -> Iterable[Line]:
    """Smoothness or dynamic degree by the ground truth's: with all conditions, and of the set that is furthest off."""
    low, high = BOUNDS[metric]
    ratios = {key: ratio for key, row in truth.items() if (ratio := row[metric]["ratio"]) is not None}
    if not ratios:
        return [line("quality", f"{NAMES[metric]}, of the truth's", None, None, low, high)]

    def off(key: str) -> float:
        ratio = ratios[key]
        return max(low - ratio, ratio - high if high is not None else low - ratio)

    worst = max(ratios, key=off)
    texts = {ALL: f"{NAMES[metric]}, all given: of the truth's"}
    texts.setdefault(worst, f"{NAMES[metric]}, the furthest off ({worst}): of the truth's")
    return [line("quality", text, ratios[key], truth[key][metric]["se"], low, high) for key, text in texts.items()]


def of_size(result: Result) -> list[Line]:
    """How long one clip takes and how large the weights are, where the result says it."""
    scenes, machine, clip = result["scenes"], result["machine"], result.get("clip", {})
    size = tuple(scenes[name] for name in ("frames", "height", "width"))
    shown = f"seconds a clip of {size[0]}x{size[1]}x{size[2]}, {scenes['steps']} steps"
    shown += f", {machine.get('threads', '?')} threads of {machine['cores']} cores ({machine['device']})"
    seconds = clip.get("seconds")
    met = None
    if seconds is not None and (machine["device"] != "cpu" or machine["cores"] > CORES):
        shown += ": another machine than the target's"
    elif seconds is not None:
        met = seconds <= SECONDS and all(a >= b for a, b in zip(size, CLIP, strict=True))
        if met and scenes["steps"] < clip["default_steps"]:
            met = None  # fewer steps than users take prove nothing
    wanted = "at most {} on {} cores, for {}x{}x{} or more".format(SECONDS, CORES, *CLIP)
    mib = clip.get("weights_mib")
    timed: Line = {"group": "cost", "line": shown, "target": wanted, "value": seconds, "se": clip.get("se"), "met": met}
    return [timed, line("cost", "MiB of weights: generator, VAE, estimators", mib, None, high=MIB)]


def check_pair(seen: Result, unseen: Result) -> None:
    """Raise UserError unless the two results differ by the family alone."""
    if seen["results"] and not unseen["results"]:
        raise UserError(
            "the unseen result has no sets of camera, identity and depth: measure it with the row 'own' too"
        )
    families = (seen["scenes"]["family"], unseen["scenes"]["family"])
    if families != ("seen", "unseen"):
        raise UserError(f"the results are of the families {families[0]} and {families[1]}: give seen and unseen")
    if seen["checkpoint"]["fingerprint"] != unseen["checkpoint"]["fingerprint"]:
        raise UserError("the two results are of different weights: measure both families with the same checkpoint")
    for name in ("frames", "height", "width", "steps", "guidance", "first_frame_pass", "world"):
        if seen["scenes"].get(name) != unseen["scenes"].get(name):
            raise UserError(
                f"the two results differ in {name} ({seen['scenes'].get(name)} and {unseen['scenes'].get(name)}):"
                " measure both families alike"
            )


def targets_table(lines: list[Line], approximate: bool = False) -> str:
    """The targets that were measured as a Markdown table; how many are met, and what was not measured."""
    rows = ["| target | asked | measured | |", "|---|---|---|---|"]
    missing = []
    for one in lines:
        if one["value"] is None and one["met"] is None:
            missing.append(GROUPS[one["group"]])
            continue
        word = {True: "met", False: "**missed**", None: ""}[one["met"]]
        digits = 1 if one["value"] is not None and abs(one["value"]) >= 10 else 3
        rows.append(f"| {one['line']} | {one['target']} | {figure(one['value'], one['se'], digits)} | {word} |")
    judged = [one["met"] for one in lines if one["met"] is not None]
    text = (
        f"{sum(judged)} of {len(judged)} measured targets are met. 'Left of `none`' is (given - truth) / (none -"
        " truth); the ratios of 'together' and 'unseen' are of distances from the truth's figure, the others of the"
        " figures themselves. Mean ± standard error."
    )
    if missing:
        text += f" Not or not wholly measured: {', '.join(dict.fromkeys(missing))}."
    if approximate:
        text += (
            " A result is of an earlier version: its errors take figures of the same scenes as independent and are too"
            " large."
        )
    return "\n".join([*rows, "", text])


def run_targets(path: str | Path, unseen: str | Path | None = None) -> tuple[list[Line], str]:
    """The targets of a result file, and their table. Raises UserError for files that are no results."""
    result = read_result(path)
    other = None if unseen is None else read_result(unseen)
    lines = targets(result, other)
    before = any(one is not None and one["results"] and "ratios" not in one for one in (result, other))
    return lines, targets_table(lines, before)
