"""What the options of conditions mean, for the commands that have them."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING

from ..control.bundle import read_bundle
from ..control.conditions import CONDITIONS, Conditions, load_conditions
from ..control.errors import UserError
from ..control.fit import Fit, TimeFit
from ..control.limits import check_clip
from ..control.story import Story, is_story, parse_story, read_story

if TYPE_CHECKING:
    from ..models.config import FullDiTConfig

SAME_RATE = 1e-3  # share by which two frame rates may differ


def by_condition(args: argparse.Namespace, option: str) -> dict[str, float]:
    """Return the values of an option that every condition has, where they were given."""
    values = {name: getattr(args, f"{name}_{option}", None) for name in CONDITIONS}
    return {name: value for name, value in values.items() if value is not None}


def conditions_of(args: argparse.Namespace, config: FullDiTConfig) -> Conditions:
    """Return the conditions of the options or of --bundle, at the size that the options say, else the config's.

    Raises UserError where both are given, and for a size that the model or the bundle does not have.
    """
    specs = {name: getattr(args, name) or [] for name in CONDITIONS}
    sizes = {name: getattr(args, name) for name in ("frames", "height", "width", "fps")}
    if args.bundle is not None:
        given = [f"--{name}" for name, spec in specs.items() if spec]
        if given:
            raise UserError(f"--bundle and {given[0]} were both given: give one of them")
        conditions = read_bundle(args.bundle)[0]
        for name, value in sizes.items():
            if value not in (None, getattr(conditions.video, name)):
                own = getattr(conditions.video, name)
                raise UserError(f"--{name} is {value}, but the bundle is for {own}: leave --{name} out")
        return conditions
    video = config.asked_video(**sizes)
    config.geometry.check(video.frames, video.height, video.width)
    check_clip(video.frames, video.height, video.width)
    conditions = load_conditions(
        video,
        {name: [spec] if isinstance(spec, str) else spec for name, spec in specs.items()},
        Fit.of(args.fit_space, args.fit_time),
        by_condition(args, "strength"),
        {
            name: {option.name: getattr(args, f"{name}_{option.name}") for option in condition.options}
            for name, condition in CONDITIONS.items()
        },
    )
    if args.fps is not None and abs(conditions.fps / args.fps - 1) > SAME_RATE:
        raise UserError(f"--fps is {args.fps:g}, but the camera file has {conditions.fps:g}: leave --fps out")
    return conditions


def prompt_of(args: argparse.Namespace, conditions: Conditions) -> tuple[str | Story, list[str]]:
    """Return the prompt, or the story of --prompt or --story over the whole video, and what was done to fit it.

    Raises UserError where both options are given, and for a story that --fit-time refuses.
    """
    if args.story is not None and args.prompt:
        raise UserError("--story and --prompt were both given: give one of them")
    if args.story is None and not is_story(args.prompt or ""):
        return args.prompt or "", []
    story = parse_story(args.prompt) if args.story is None else read_story(args.story)
    return story.fitted(dataclasses.replace(conditions.video, fps=conditions.fps), TimeFit(args.fit_time))
