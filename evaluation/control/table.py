"""The result of the benchmark as a table that people read."""

from __future__ import annotations

from typing import Any

from .ratios import Result, ratios_of_result
from .targets import figure, targets, targets_table
from .trial_table import trial_lines

COLUMNS = (
    ("rot_err", "RotErr", "lower", 3),
    ("trans_err", "TransErr", "lower", 3),
    ("cam_mc", "CamMC", "lower", 3),
    ("depth_mae", "depth MAE", "lower", 1),
    ("identity_accuracy", "identity accuracy", "higher", 3),
    ("mask_iou", "mask IoU", "higher", 3),
    ("smoothness", "smoothness", "higher", 3),
    ("dynamic_degree", "dynamic degree", "", 2),
)


def markdown_table(result: Result, unseen: Result | None = None) -> str:
    """Everything: FullDiT's own conditions, trials of further ones, warnings, and the targets. `unseen`: the result of
    the unseen family."""
    lines = own_lines(result) if result["results"] else []
    lines += trial_lines(result.get("trials", {}))
    lines += ["", warnings(result, result["scenes"])]
    approximate = "approximate" in (ratios_of_result(result) if result["results"] else {})
    approximate = approximate or (unseen is not None and "ratios" not in unseen)
    return "\n".join([*lines, "", "Targets:", "", targets_table(targets(result, unseen), approximate)])


def own_lines(result: Result) -> list[str]:
    """One row per set of FullDiT's own conditions and the floor, means with standard errors; then gains over none."""
    heads = [f"{title} ({better})" if better else title for _, title, better, _ in COLUMNS]
    lines = ["| conditions | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    rows = {**result["results"], "*ground truth (floor)*": result["floor"]}
    for name, row in rows.items():
        cells = [figure(row.get(metric), row["se"].get(metric), digits) for metric, _, _, digits in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "Improvement over `none`, paired over scenes and seeds, and its share of the way to the floor:"]
    lines += ["", "| conditions | " + " | ".join(title for _, title, _, _ in COLUMNS[:6]) + " |", "|---" * 7 + "|"]
    for name, row in result["paired"].items():
        cells = []
        for metric, _, _, digits in COLUMNS[:6]:
            gain = row[metric]
            text = figure(gain["mean"], gain["se"], digits)
            cells.append(text + (f" ({gain['share']:.0%})" if gain["share"] is not None else ""))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    ratios = ratios_of_result(result)
    lines += ["", "Of the ground truth's (1: as smooth, as much movement):", ""]
    lines += ["| conditions | smoothness | dynamic degree |", "|---|---|---|"]
    for name, row in ratios["truth"].items():
        smooth, moving = row["smoothness"], row["dynamic_degree"]
        cells = [figure(smooth["ratio"], smooth["se"], 4), figure(moving["ratio"], moving["se"], 2)]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} |")
    if "painted" in result:
        lines += ["", *painted_lines(result)]
    return lines


def painted_lines(result: Result) -> list[str]:
    """Masks as a person would paint them beside the exact ones."""
    painted = result["painted"]
    likeness = figure(painted["masks_iou"]["mean"], painted["masks_iou"]["se"], 2)
    lines = [
        f"Masks painted at every eighth frame instead of exact (they have {likeness} in common with the exact ones):",
        "",
        "| conditions | masks | identity accuracy | mask IoU | IoU with the exact masks |",
        "|---|---|---|---|---|",
    ]
    for name, row in painted["results"].items():
        exact, against = result["results"][name], painted["against_exact"][name]
        for word, one, other in (("exact", exact, exact), ("painted", row, against)):
            cells = [figure(one[m], one["se"][m], 3) for m in ("identity_accuracy", "mask_iou")]
            cells.append(figure(other["mask_iou"], other["se"]["mask_iou"], 3))
            lines.append(f"| {name} | {word} | " + " | ".join(cells) + " |")
    return lines


def warnings(result: Result, scenes: dict[str, Any]) -> str:
    """What the figures are of, in a few sentences."""
    swap = result.get("identity_swap", {"n": 0})
    failed = sum(row["n_failed"] for row in result["results"].values())
    exchanged = "No two references were exchanged."
    if swap["n"]:
        exchanged = (
            f"When two references are exchanged, the objects are in {figure(swap['share'], swap['se'], 2)} of"
            f" {swap['n']} scenes."
        )
    return (
        f"{scenes['count']} held-out scenes ({scenes['family']} family) of {scenes['frames']} frames,"
        f" {scenes['height']}x{scenes['width']}, {scenes['steps']} steps, guidance {scenes['guidance']:g},"
        f" first-frame pass {scenes.get('first_frame_pass', 0):g};"
        f" checkpoint `{result['checkpoint']['fingerprint']}`; {result['seconds']:.0f} s on"
        f" {result['machine']['cores']} cores ({result['machine']['device']})."
        f" Mean ± standard error. {failed} estimates failed (scored as the answer of a static camera). {exchanged}"
        " Smoothness: mean cosine of the features that the depth and object estimator has of neighboring frames (in"
        " the place of VBench's CLIP and DINO features). Dynamic degree: mean length in pixels of the fastest 5 % of"
        " the DIS motion vectors between neighboring frames (MiraData's, with DIS for RAFT)."
    )
