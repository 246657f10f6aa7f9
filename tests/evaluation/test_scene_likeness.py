"""Which scene a clip shows: another camera changes nothing, another scene everything, another object something."""

import numpy as np
import pytest

from comfyui_fulldit.models.estimators.judge import Judge
from comfyui_fulldit.models.estimators.metrics import nearer_share
from comfyui_fulldit.models.estimators.scene_likeness import SCENE
from comfyui_fulldit.scenes import HELD_OUT_SEED, render


@pytest.mark.skipif(not Judge.path().exists(), reason="the estimators are not in this checkout")
def test_scenes_are_told_apart_whatever_the_camera():
    clips, judge, count = render([HELD_OUT_SEED + k for k in range(4)], 9), Judge.load(), 4
    truths = [judge.scene(clips.video[k].permute(1, 2, 3, 0).numpy()) for k in range(count)]

    def mean(distances):
        return {name: np.mean([one[name] for one in distances]) for name in SCENE}

    def of_sources(other):
        return mean([judge.scene(clips.source(k, other)).distances(truths[k]) for k in range(count)])

    others = mean([truths[k].distances(truths[i]) for k in range(count) for i in range(count) if i != k])
    again, edited = of_sources("camera"), of_sources("object")
    for name in SCENE:
        assert truths[0].distances(truths[0])[name] == pytest.approx(0, abs=1e-5)
        assert again[name] < 0.25 * others[name], "the target is half of another scene's"
        assert again[name] < edited[name] < others[name], "an object is part of the scene"


def test_edited_is_the_share_that_is_nearer_to_the_asked():
    asked, source = np.zeros((2, 4, 4, 3), np.float32), np.zeros((2, 4, 4, 3), np.float32)
    source[:, :2] = 1
    half = asked.copy()
    half[:, :1] = 0.9
    assert nearer_share(asked, asked, source) == 1 and nearer_share(source, asked, source) == 0
    assert nearer_share(half, asked, source) == 0.5
    assert nearer_share(half, asked, asked) is None
