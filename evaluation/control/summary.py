"""From what every scene gave to means, standard errors and paired gains."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...models.estimators import metrics
from ...models.estimators.judge import HIGHER_IS_BETTER, METRICS
from .ratios import ratios
from .trial_figures import trial_figures

# More is better, or (dynamic degree) more is what a condition is expected to bring.
GAIN_IS_MORE = (*HIGHER_IS_BETTER, "smoothness", "dynamic_degree")


def key_of(names: Iterable[str]) -> str:
    """Return how a set of conditions is called in the result: 'none', 'camera', 'camera+depth', ..."""
    return "+".join(names) or "none"


def summarize(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Return means, standard errors and paired improvements over the scenes.

    `results`, `floor`, `paired`, `identity_swap`, `ratios` (ratios.py) and, where masks were painted, `painted`;
    `trials` (trial_figures.py), where nothing else was measured with empty `results` alone.
    """
    trials = trial_figures(records)
    if not any(record["results"] for record in records):
        return {"results": {}, "trials": trials}
    keys = list(dict.fromkeys(key for record in records for key in record["results"]))
    results = {
        key: mean_figures([record["results"][key] for record in records if key in record["results"]]) for key in keys
    }
    floor = mean_figures([record["floor"] for record in records])
    swaps = [float(record["swap"]) for record in records if record["swap"] is not None]
    mean, error, count = metrics.mean_and_error(swaps)
    summary: dict[str, Any] = {
        "results": results,
        "floor": floor,
        "paired": {
            key: {metric: paired_gain(records, key, metric, results, floor) for metric in METRICS}
            for key in keys
            if key != "none"
        },
        "identity_swap": {"share": mean, "se": error, "n": count},
    }
    with_painted = [record["painted"] for record in records if record["painted"] is not None]
    if with_painted:
        summary["painted"] = painted_figures(with_painted)
    painted_keys = tuple(with_painted[0]["results"]) if with_painted else ()
    summary["ratios"] = ratios(records, painted_keys)
    summary["trials"] = trials
    return summary


def painted_figures(painted: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of the sets with painted masks, and how much those masks share with the exact ones."""
    mean, error, _ = metrics.mean_and_error([one["iou"] for one in painted])
    figures: dict[str, Any] = {"masks_iou": {"mean": mean, "se": error}}
    for name in ("results", "against_exact"):
        figures[name] = {key: mean_figures([one[name][key] for one in painted]) for key in painted[0][name]}
    return figures


def paired_gain(
    records: list[dict[str, Any]], key: str, metric: str, results: dict[str, Any], floor: dict[str, Any]
) -> dict[str, float | None]:
    """Return the mean gain of a set over `none` in a metric, its error, and its share of the way to the floor."""
    sign = 1 if metric in GAIN_IS_MORE else -1
    pairs = [
        (record["results"][key]["values"].get(metric), record["results"]["none"]["values"].get(metric))
        for record in records
        if key in record["results"]
    ]
    gains = [sign * (with_it - without) for with_it, without in pairs if None not in (with_it, without)]
    mean, error, _ = metrics.mean_and_error(gains)
    return {"mean": mean, "se": error, "share": share_of_the_way(mean, sign, results["none"][metric], floor[metric])}


def share_of_the_way(gain: float | None, sign: int, without: float | None, best: float | None) -> float | None:
    """Return a gain as a share of the distance from no condition to the truth's figure; None where there is none."""
    if gain is None or without is None or best is None or abs(best - without) < 1e-9:
        return None
    return gain / (sign * (best - without))


def mean_figures(measured: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the mean of every metric, `se`, the number of clips `n` and of clips with a failed estimate `n_failed`."""
    means, errors = {}, {}
    for metric in METRICS:
        means[metric], errors[metric], _ = metrics.mean_and_error([one["values"].get(metric) for one in measured])
    return {
        **means,
        "se": errors,
        "n": len(measured),
        "n_failed": sum(bool(one["failed"]) for one in measured),
    }
