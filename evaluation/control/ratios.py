"""What the targets are made of: distances from the floor, and ratios of them.

The floor is what the estimators make of the ground truth; nothing can be expected below it. The excess of a figure is
its distance from the floor in the direction that is worse, so that 0 is as good as the truth. Ratios are ratios of
means over scenes; their standard errors take into account that the same scenes stand above and below.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from ...models.estimators import metrics
from ...models.estimators.judge import HIGHER_IS_BETTER, METRICS, OF_CONDITION

# FullDiT's own conditions, of which every set is measured; of further ones trials are (trials.py).
OWN = ("camera", "identity", "depth")
OBEYED = tuple(name for condition in OWN for name in OF_CONDITION[condition])
GOVERNS = {name: condition for condition in OWN for name in OF_CONDITION[condition]}
QUALITY = ("smoothness", "dynamic_degree")
ALL = "+".join(OWN)
Figure: TypeAlias = dict[str, float | None]  # "ratio" or "mean", and "se"
Ratios: TypeAlias = dict[str, Any]  # JSON: of `ratios`
Record: TypeAlias = dict[str, Any]  # JSON: of a scene, see `benchmark.SceneRun.record`
Result: TypeAlias = dict[str, Any]  # JSON: of `fulldit bench control`, this version or an earlier one


def excess(value: float | None, floor: float | None, metric: str) -> float | None:
    """How much worse than the floor."""
    if value is None or floor is None:
        return None
    return floor - value if metric in HIGHER_IS_BETTER else value - floor


def ratios(records: list[Record], painted: tuple[str, ...] = ()) -> Ratios:
    """From what every scene gave (`benchmark.SceneRun`):

    `excess`: of each set and figure, mean and se. `left`: the excess as a share of that of `none`. `together`: the
    excess with all conditions by that of the condition alone that governs the figure. `truth`: smoothness and dynamic
    degree by those of the ground truth. `painted` (for the sets named): figures with painted masks by those with exact
    ones.
    """
    floors = [record["floor"]["values"] for record in records]
    sets = list(dict.fromkeys(key for record in records for key in record["results"]))

    def values(key: str, metric: str) -> list[float | None]:
        # Not every scene has every condition.
        found = [record["results"].get(key) for record in records]
        return [None if one is None else one["values"].get(metric) for one in found]

    def far(key: str, metric: str) -> list[float | None]:
        pairs = zip(values(key, metric), floors, strict=True)
        return [excess(value, floor.get(metric), metric) for value, floor in pairs]

    def ratio(above: list[float | None], below: list[float | None]) -> Figure:
        found, error = metrics.ratio_and_error(above, below)
        return {"ratio": found, "se": error}

    result: Ratios = {"excess": {}, "left": {}, "together": {}, "truth": {}}
    for key in sets:
        result["excess"][key] = {}
        for metric in OBEYED:
            mean, error, _ = metrics.mean_and_error(far(key, metric))
            result["excess"][key][metric] = {"mean": mean, "se": error}
        if key != "none":
            result["left"][key] = {m: ratio(far(key, m), far("none", m)) for m in OBEYED}
        result["truth"][key] = {m: ratio(values(key, m), [floor[m] for floor in floors]) for m in QUALITY}
    for metric in OBEYED:
        result["together"][metric] = ratio(far(ALL, metric), far(GOVERNS[metric], metric))
    if painted:
        given = [record for record in records if record.get("painted") is not None]
        result["painted"] = {
            key: {
                metric: ratio(
                    [record["painted"]["results"][key]["values"].get(metric) for record in given],
                    [record["results"][key]["values"].get(metric) for record in given],
                )
                for metric in METRICS
            }
            for key in painted
        }
    return result


def ratios_of_result(result: Result) -> Ratios:
    """The same as `ratios` from a result: what stands in it, or, for files of before, from its means and errors.

    Then the errors are too large where the same scenes stand above and below (`approximate` is True): all but the
    gains over `none` are taken as independent.
    """
    if "ratios" in result:
        ratios: Ratios = result["ratios"]
        return ratios
    rows, floor = result["results"], result["floor"]
    found: Ratios = {"approximate": True, "excess": {}, "left": {}, "together": {}, "truth": {}}
    for key, row in rows.items():
        found["excess"][key] = {
            m: {"mean": excess(row[m], floor[m], m), "se": both(row["se"][m], floor["se"][m])} for m in OBEYED
        }
        found["truth"][key] = {m: divided(row[m], row["se"][m], floor[m], floor["se"][m]) for m in QUALITY}
    for key in rows:
        if key == "none":
            continue
        found["left"][key] = {}
        for metric in OBEYED:
            # What is left is 1 less the gain's share, and the gain's error is one over pairs.
            gain, whole = result["paired"][key][metric], found["excess"]["none"][metric]
            share = divided(gain["mean"], gain["se"], whole["mean"], whole["se"])
            left = None if share["ratio"] is None else 1 - share["ratio"]
            found["left"][key][metric] = {"ratio": left, "se": share["se"]}
    for metric in OBEYED:
        above, below = found["excess"][ALL][metric], found["excess"][GOVERNS[metric]][metric]
        found["together"][metric] = divided(above["mean"], above["se"], below["mean"], below["se"])
    return found


def both(one: float | None, other: float | None) -> float | None:
    """The error of a sum or difference of two independent figures."""
    return None if one is None or other is None else (one**2 + other**2) ** 0.5


def divided(above: float | None, above_se: float | None, below: float | None, below_se: float | None) -> Figure:
    """The ratio of two independent figures with its error; None where the lower is not above 0."""
    if above is None or below is None or below <= 0:
        return {"ratio": None, "se": None}
    ratio = above / below
    error = both(above_se, None if below_se is None else ratio * below_se)
    return {"ratio": ratio, "se": None if error is None else error / below}
