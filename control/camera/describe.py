"""A camera path in plain words, for prompts: "The camera orbits left by 25 degrees, then moves forward."

The path is seen relative to its first frame and taken apart into channels: pan, tilt and roll in degrees, the way
traveled along the camera's own axes, and the logarithm of the focal length. Each channel is cut where it turns back or
rests (`runs.py`). Runs that belong together become one movement: a truck with the opposite pan is an orbit, a dolly
with the opposite zoom a dolly zoom. What happens at the same time is joined by "while", what follows by "then".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import rotations
from .runs import Run, cut_into_runs, overlap
from .trajectory import UNIT, CameraTrajectory

REST = 0.25  # share of the clip from which on a pause is worth a word
TOGETHER = 0.5  # share of the shorter of two movements from which on they happen at the same time
SIDE_SHARE = 0.2  # what is smaller than this share of the largest movement of its kind is not said
LEAST_DEGREES, LEAST_LENGTH, LEAST_ZOOM = 0.5, 0.01, 0.02  # nor what is smaller than this
SLIGHT, FAR = 0.15, 1.0  # lengths in distances of the subject
SPIRAL = 0.05  # the least radius of a spiral, in the same
RADIUS = (0.4, 2.5)  # a turn around a point so far away, in distances of the subject, is an orbit
UNSTEADY = 3  # a rotation of so many runs swings, and others that turn back at all with it
SWAY_DEGREES, SWAY_LENGTH, SWAY_RUNS = 6.0, 0.06, 5  # so many rotations up to this size are those of a hand
ROTATIONS, TRANSLATIONS = ("pan", "tilt", "roll"), ("right", "down", "forward")


@dataclass(frozen=True)
class _Movement:
    """One movement: its time (0..1), its rank in a sentence, and its words ("pans left") with their participle."""

    start: float
    end: float
    rank: int
    verb: str
    participle: str
    rest: str = ""

    def say(self, finite: bool) -> str:
        return f"{self.verb if finite else self.participle}{self.rest}"


def describe_camera(path: CameraTrajectory) -> str:
    """Return one sentence about how the camera moves, in English, with a full stop.

    Amounts are degrees and zoom factors; lengths are "slightly" and "far" where the path's unit says what they mean. A
    path without movement, or of one frame, gives "The camera stands still."
    """
    spiral = _spiral(path)
    if spiral:
        return spiral
    movements = _movements(path)
    if not movements:
        return "The camera stands still."
    return f"The camera {_joined(movements)}."


def _movements(path: CameraTrajectory) -> list[_Movement]:
    """Return all movements of a path, in the order of their beginning."""
    runs, forward = _channels(path)
    found: list[_Movement] = _sways(runs)
    found += _orbits(runs, forward)
    found += _dolly_zooms(runs, path)
    found += _translations(runs, path.unit == UNIT)
    found += [_zoom(run) for run in runs["zoom"]]
    for name in ROTATIONS:
        found += [_rotation(name, run) for run in runs[name]]
    return sorted(found, key=lambda movement: (movement.start, movement.rank))


def _channels(path: CameraTrajectory) -> tuple[dict[str, list[Run]], np.ndarray]:
    """Return the runs of every channel by its name, and the way traveled forward (F,)."""
    c2w = path.relative().c2w
    angles = np.degrees(np.unwrap(np.radians(rotations.to_pan_tilt_roll(c2w[:, :, :3])), axis=0))
    middle = rotations.slerp(np.arange(len(c2w)), c2w[:, :, :3], np.arange(len(c2w) - 1) + 0.5)
    steps = np.einsum("fji,fj->fi", middle, np.diff(c2w[:, :, 3], axis=0))
    traveled = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, 0)])
    zoom = np.log(path.intrinsics[:, :1] / path.intrinsics[0, 0])
    runs: dict[str, list[Run]] = {}
    for names, values, least in (
        (ROTATIONS, angles, LEAST_DEGREES),
        (TRANSLATIONS, traveled, LEAST_LENGTH),
        (("zoom",), zoom, LEAST_ZOOM),
    ):
        threshold = max(least, SIDE_SHARE * float(np.ptp(values, axis=0).max()))
        for name, channel in zip(names, values.T, strict=True):
            runs[name] = cut_into_runs(channel, threshold)
    return runs, traveled[:, 2]


def _sways(runs: dict[str, list[Run]]) -> list[_Movement]:
    """Take what turns back again and again out of the runs; return it as movements."""
    small = {name: [run for run in runs[name] if abs(run.amount) <= SWAY_DEGREES] for name in ROTATIONS}
    shaken = [run for name in ROTATIONS for run in small[name]]
    if len(shaken) >= SWAY_RUNS and sum(bool(found) for found in small.values()) > 1:
        for name in ROTATIONS:
            runs[name] = [run for run in runs[name] if run not in small[name]]
        for name in TRANSLATIONS:  # a hand shakes the place too
            runs[name] = [run for run in runs[name] if abs(run.amount) > SWAY_LENGTH]
        start, end = min(run.start for run in shaken), max(run.end for run in shaken)
        return [_Movement(start, end, 9, "sways", "swaying", " slightly like a handheld camera")]
    found: list[_Movement] = []
    if all(len(runs[name]) < UNSTEADY for name in ROTATIONS):
        return found
    for name, verb, participle, sides in (
        ("pan", "swings", "swinging", "from side to side"),
        ("tilt", "swings", "swinging", "up and down"),
        ("roll", "rolls", "rolling", "from side to side"),
    ):
        own = runs[name]
        if len(own) > 1:
            size = _degrees(max(abs(run.amount) for run in own))
            found.append(_Movement(own[0].start, own[-1].end, 8, verb, participle, f" {sides} by {size}"))
            runs[name] = []
    return found


def _orbits(runs: dict[str, list[Run]], forward: np.ndarray) -> list[_Movement]:
    """Take the pairs of a rotation and the opposite way along the image out of the runs; return them as movements."""
    found = []
    for side, turn, words in (("right", "pan", ("right", "left")), ("down", "tilt", ("down", "up"))):
        for rotation in list(runs[turn]):
            pair = next((run for run in runs[side] if _is_orbit(rotation, run, turn)), None)
            if pair is None:
                continue
            runs[turn].remove(rotation)
            runs[side].remove(pair)
            is_straight = _is_straight(rotation, pair, forward)
            if is_straight:
                runs["forward"] = [run for run in runs["forward"] if overlap(run, rotation) < TOGETHER]
            found.append(_orbit(rotation, pair, words[pair.amount < 0], is_straight))
    if len(found) == 2 and found[0].verb == found[1].verb == "orbits" and _at_once(*found):
        first, second = found
        return [_Movement(first.start, first.end, 0, "orbits", "orbiting", f"{first.rest} and{second.rest}")]
    return found


def _orbit(rotation: Run, pair: Run, side: str, is_straight: bool) -> _Movement:
    """Return the movement around a point, or straight past it."""
    if not is_straight:
        return _Movement(pair.start, pair.end, 0, "orbits", "orbiting", f" {side} by {_degrees(rotation.amount)}")
    verb, participle, rest = {"up": ("rises", "rising", ""), "down": ("sinks", "sinking", "")}.get(
        side, ("moves", "moving", f" {side}")
    )
    return _Movement(pair.start, pair.end, 0, verb, participle, f"{rest}, keeping the subject in the center")


def _is_straight(rotation: Run, way: Run, forward: np.ndarray) -> bool:
    """Whether a camera that faces a point moves straight past it: it then also moves away from it.

    A camera that began beside a point at distance d and turned by a is d / cos(a) away from it, on a circle d. forward
    (F,): the way traveled forward.
    """
    turned = np.radians(abs(rotation.amount))
    if turned > np.radians(80):
        return False
    distance = abs(way.amount) / turned
    first, last = (round(time * (len(forward) - 1)) for time in (rotation.start, rotation.end))
    away = distance * (1 / np.cos(turned) - 1)
    return bool(abs(forward[last] - forward[first] + away) < away / 2)


def _is_orbit(rotation: Run, way: Run, turn: str) -> bool:
    """Whether a rotation turns toward what the camera passes, at a distance that a subject may have."""
    # Moving right is faced by panning left, moving down by tilting up: pan and tilt count right and up as positive.
    facing = -rotation.amount if turn == "pan" else rotation.amount
    if facing * way.amount <= 0 or overlap(rotation, way) < TOGETHER:
        return False
    return bool(RADIUS[0] <= abs(way.amount) / np.radians(abs(rotation.amount)) <= RADIUS[1])


def _dolly_zooms(runs: dict[str, list[Run]], path: CameraTrajectory) -> list[_Movement]:
    """Take the pairs of a dolly and a zoom that keeps the subject's size out of the runs."""
    if path.unit != UNIT:
        return []
    found = []
    for way in list(runs["forward"]):
        for zoom in list(runs["zoom"]):
            if way.amount < 1 and overlap(way, zoom) > TOGETHER and abs(np.log1p(-way.amount) - zoom.amount) < 0.05:
                runs["forward"].remove(way)
                runs["zoom"].remove(zoom)
                side, other = ("forward", "out") if way.amount > 0 else ("backward", "in")
                rest = f" {side} while zooming {other}, so that the subject keeps its size"
                found.append(_Movement(way.start, way.end, 1, "moves", "moving", rest))
                break
    return found


def _translations(runs: dict[str, list[Run]], with_sizes: bool) -> list[_Movement]:
    """Return the ways along the camera's axes; those of the same time become one."""
    words = {"forward": ("forward", "backward"), "right": ("right", "left"), "down": ("down", "up")}
    all_runs = sorted(
        ((run, sides[run.amount < 0]) for name, sides in words.items() for run in runs[name]),
        key=lambda entry: entry[0].start,
    )
    groups: list[list[tuple[Run, str]]] = []
    for entry in all_runs:
        if groups and all(overlap(entry[0], other) > TOGETHER for other, _ in groups[-1]):
            groups[-1].append(entry)
        else:
            groups.append([entry])
    found = []
    for group in groups:
        length = float(np.linalg.norm([run.amount for run, _ in group]))
        size = "" if not with_sizes else " slightly" if length < SLIGHT else " far" if length > FAR else ""
        where = " and ".join(side for _, side in group)
        start, end = min(run.start for run, _ in group), max(run.end for run, _ in group)
        found.append(_Movement(start, end, 2, "moves", "moving", f"{size} {where}"))
    return found


def _zoom(run: Run) -> _Movement:
    factor = f"{np.exp(abs(run.amount)):.2g}"
    return _Movement(run.start, run.end, 3, "zooms", "zooming", f" {'in' if run.amount > 0 else 'out'} {factor} times")


def _rotation(name: str, run: Run) -> _Movement:
    verb, participle, positive, negative = {
        "pan": ("pans", "panning", "right", "left"),
        "tilt": ("tilts", "tilting", "up", "down"),
        "roll": ("rolls", "rolling", "clockwise", "counterclockwise"),
    }[name]
    side = positive if run.amount > 0 else negative
    return _Movement(run.start, run.end, 4, verb, participle, f" {side} by {_degrees(run.amount)}")


def _joined(movements: Sequence[_Movement]) -> str:
    """Return the movements as one clause: "pans left by 20 degrees while moving forward, then stands still"."""
    groups: list[list[_Movement]] = []
    for movement in movements:
        if groups and any(_at_once(movement, other) for other in groups[-1]):
            groups[-1].append(movement)
        else:
            groups.append([movement])
    clauses, time = [], 0.0
    for group in groups:
        if min(movement.start for movement in group) - time >= REST:
            clauses.append("stands still")
        first, *others = sorted(group, key=lambda movement: movement.rank)
        clause = first.say(finite=True)
        if others:
            clause += f"{',' if ',' in clause else ''} while {_listed([other.say(finite=False) for other in others])}"
        clauses.append(clause)
        time = max(movement.end for movement in group)
    if 1 - time >= REST:
        clauses.append("stands still")
    return ", then ".join(clauses)


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _at_once(first: _Movement, second: _Movement) -> bool:
    shared = min(first.end, second.end) - max(first.start, second.start)
    return shared > TOGETHER * min(first.end - first.start, second.end - second.start)


def _spiral(path: CameraTrajectory) -> str:
    """Return the sentence about a path that circles in the image plane while it faces the subject; else nothing."""
    if path.frames < 5 or path.unit != UNIT:
        return ""
    c2w = path.relative().c2w
    lateral = c2w[:, :2, 3]
    radii = np.linalg.norm(lateral, axis=1)
    if radii.max() < SPIRAL:
        return ""
    steps = np.diff(lateral, axis=0)
    steps = steps[np.linalg.norm(steps, axis=1) > 1e-3 * radii.max()]
    headings = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    turned = np.degrees(headings[-1] - headings[0])
    to_subject = np.array([0.0, 0.0, 1.0]) - c2w[:, :, 3]
    facing = np.einsum("fi,fi->f", c2w[:, :, 2], to_subject) / np.linalg.norm(to_subject, axis=1)
    if abs(turned) < 300 or facing.min() < np.cos(np.radians(2)):
        return ""
    times = {1: "once", 2: "twice"}.get(round(abs(turned) / 360), f"{abs(turned) / 360:.0f} times")
    kind = "widening " if radii[-1] > 1.5 * radii[len(radii) // 2] else ""
    return f"The camera circles {times} in a {kind}spiral, facing the subject."


def _degrees(amount: float) -> str:
    figure = f"{abs(amount):.0f}"
    return f"{figure} degree{'s' * (figure != '1')}"
