"""What is asked of conditions beyond FullDiT's own: a few ways of using each, which are measured one by one.

A condition without an entry in `TRIALS` is tried as the clip has it. What a checkpoint knows decides which there are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ...control.condition import CONDITIONS, Condition
from ...control.conditions import ControlVideoCondition, KnownFramesCondition, SourceCondition
from ...control.control_video import KINDS
from ...control.errors import UserError
from ...control.known_frames_draw import box_around
from ...control.ranges import format_ranges
from ...models.config import FullDiTConfig
from ...models.estimators.judge import METRICS, OF_CONDITION
from ...models.estimators.scene_likeness import SCENE
from ..held_out_scenes import HeldOutScene
from .ratios import OWN

CAMERA = OF_CONDITION["camera"]
EDITED = "edited"  # whether the object that the words name stands where another one was
BASE = "own"  # what `--rows` calls the sets of FullDiT's own conditions
CONTINUED = 3  # a third of the clip is known where it is to go on

Set = tuple[str, ...]


def condition_sets(names: Iterable[str]) -> tuple[Set, ...]:
    """Return every set of FullDiT's own conditions that are among these, from none to all, the smaller ones first."""
    own = [name for name in names if name in OWN]
    return tuple(chosen for size in range(len(own) + 1) for chosen in itertools.combinations(own, size))


@dataclass(frozen=True)
class Trial:
    """One way of using a condition.

    name: 'known.first', the condition's and its own. make: the condition of a scene, None where the scene cannot have
    it. figures: what is measured. sets: of conditions that are generated, besides none and the camera alone where it is
    one of a set. captioned: the prompt names everything.
    """

    name: str
    condition: str
    make: Callable[[HeldOutScene], Condition | None]
    figures: tuple[str, ...]
    sets: tuple[Set, ...]
    captioned: bool = False

    @property
    def compared(self) -> tuple[Set, ...]:
        """The sets without the condition that it is compared with, and those with it."""
        return ((), *((("camera",),) if any("camera" in names for names in self.sets) else ()), *self.sets)


def alone_and_with_camera(condition: str) -> tuple[Set, ...]:
    """The condition alone, and with the camera."""
    return (condition,), ("camera", condition)


def _places(places: np.ndarray) -> Callable[[HeldOutScene], Condition]:
    """Whole frames are known; negative places count from the end."""

    def make(scene: HeldOutScene) -> Condition:
        at = np.unique(places % len(scene.frames))
        return KnownFramesCondition(images=scene.frames[at], at=format_ranges(at))

    return make


def _start(scene: HeldOutScene) -> Condition:
    return _places(np.arange(max(1, len(scene.frames) // CONTINUED)))(scene)


def _around(scene: HeldOutScene) -> Condition | None:
    """All but a box around the first identity is known."""
    who = scene.clips.identities(scene.index)
    if not who or who[0].mask_video is None:
        return None
    mask = 1 - box_around(who[0].mask_video)
    return KnownFramesCondition(images=scene.frames, mask=mask, at=format_ranges(np.arange(len(mask))))


def _known(config: FullDiTConfig) -> Iterable[Trial]:
    both, alone, figures = alone_and_with_camera("known"), (("known",),), OF_CONDITION["known"]
    yield Trial("known.first", "known", _places(np.array([0])), (*figures, *CAMERA), both)
    yield Trial("known.ends", "known", _places(np.array([0, -1])), figures, alone)
    yield Trial("known.start", "known", _start, (*figures, *CAMERA), both)
    yield Trial("known.region", "known", _around, figures, alone)


def _reshot(scene: HeldOutScene) -> Condition:
    return SourceCondition(frames=scene.clips.source(scene.index, "camera"), fps=scene.clips.fps)


def _edited(scene: HeldOutScene) -> Condition | None:
    if not scene.clips.identities(scene.index):
        return None
    return SourceCondition(frames=scene.clips.source(scene.index, "object"), fps=scene.clips.fps)


def _source(config: FullDiTConfig) -> Iterable[Trial]:
    both, alone = alone_and_with_camera("source"), (("source",),)
    yield Trial("source.reshot", "source", _reshot, (*CAMERA, *SCENE), both)
    yield Trial("source.edited", "source", _edited, (*SCENE, EDITED), alone, captioned=True)


def _control(config: FullDiTConfig) -> Iterable[Trial]:
    for kind in KINDS:
        if kind in config.streams:
            figures = (f"own_error_{kind}",)
            yield Trial(f"control.{kind}", "control", _control_video(kind), figures, (("control",),))


def _control_video(kind: str) -> Callable[[HeldOutScene], Condition | None]:
    def make(scene: HeldOutScene) -> Condition | None:
        if kind == "pose" and all(item.joints is None for item in scene.clips.scenes[scene.index].objects):
            return None
        videos = scene.clips.control_videos(scene.index, (kind,))
        return ControlVideoCondition(videos=videos) if videos[0].frames.any() else None

    return make


def _as_it_is(name: str) -> Iterable[Trial]:
    def make(scene: HeldOutScene) -> Condition | None:
        return CONDITIONS[name].of_clip(scene.clips.annotated(scene.index))

    yield Trial(name, name, make, OF_CONDITION.get(name, METRICS), alone_and_with_camera(name))


TRIALS: dict[str, Callable[[FullDiTConfig], Iterable[Trial]]] = {
    "known": _known,
    "source": _source,
    "control": _control,
}


def trials_of(config: FullDiTConfig) -> tuple[Trial, ...]:
    """Return the trials of every condition that a checkpoint takes beyond FullDiT's own."""
    found: list[Trial] = []
    for name in config.conditions:
        if name not in OWN:
            found += TRIALS[name](config) if name in TRIALS else _as_it_is(name)
    if "camera" in config.conditions:
        return tuple(found)
    return tuple(_without_camera(trial) for trial in found)


def _without_camera(trial: Trial) -> Trial:
    sets = tuple(names for names in trial.sets if "camera" not in names)
    return Trial(trial.name, trial.condition, trial.make, trial.figures, sets, trial.captioned)


def chosen(rows: str | None, config: FullDiTConfig) -> tuple[bool, tuple[Trial, ...]]:
    """Return whether the sets of FullDiT's own conditions are measured, and which trials.

    rows: names with commas between, 'own', a condition or a trial; None is everything. Raises UserError for others.
    """
    trials = trials_of(config)
    if rows is None:
        return True, trials
    wanted = [name.strip() for name in rows.split(",")]
    known = [BASE, *dict.fromkeys(trial.condition for trial in trials), *(trial.name for trial in trials)]
    odd = [name for name in wanted if name not in known]
    if odd:
        raise UserError(f"the row '{odd[0]}' cannot be measured of this checkpoint: choose among {', '.join(known)}")
    return BASE in wanted, tuple(one for one in trials if one.name in wanted or one.condition in wanted)
