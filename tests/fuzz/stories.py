"""The door of stories: texts and JSON files, fitted to a video."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np

from comfyui_fulldit.control.condition import VideoSize
from comfyui_fulldit.control.fit import TimeFit
from comfyui_fulldit.control.story import read_story

from .door import FileDoor

TEXT = "fade 0.5s\n0-1s: a red ball | 1s-2.5: a blue cube, 3-4\n2.5-end: nothing: at all\n"


class StoryDoor(FileDoor):
    """Files of `--story`."""

    name = "stories"

    def make(self) -> None:
        spans = [{"start": 0, "end": 1.5, "text": "a ball"}, {"start": 1.5, "end": None, "text": "é"}]
        (self.whole / "story.json").write_text(json.dumps({"fade": 0.25, "spans": spans}), encoding="utf-8")
        (self.whole / "story.txt").write_text(TEXT, encoding="utf-8")

    def use(self, path: Path, chance: Random) -> None:
        video = VideoSize(chance.choice((1, 17, 257)), 64, 96, chance.choice((0.5, 8.0, 60.0)))
        story, _ = read_story(path).fitted(video, chance.choice(tuple(TimeFit)))
        weights = story.weights(np.linspace(0, video.frames / video.fps, 50))
        assert np.abs(weights.sum(0) - 1).max() < 1e-9 and weights.min() >= 0
