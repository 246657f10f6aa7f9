"""The gallery: which scenes, what is written, and that the same call writes the same files."""

import json

import numpy as np
import pytest

from comfyui_fulldit.cli import build_parser
from comfyui_fulldit.control.ablations import ablations
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.media import read_image
from comfyui_fulldit.evaluation.control.gallery import ALL_CONDITIONS, MOST_BYTES, run_gallery, side_by_side
from comfyui_fulldit.view.animation import write_animation

from .conftest import new_stand_in


@pytest.fixture(scope="module")
def made(scenes, judge, tmp_path_factory):
    """A gallery of one scene and the worst of two: the second, whose clip is noise."""
    out = tmp_path_factory.mktemp("gallery")
    pipeline = new_stand_in(scenes)
    pipeline.truth[scenes[1].seed] = np.random.default_rng(0).random(scenes[1].frames.shape, np.float32)
    return out, run_gallery(out, 1, 2, steps=3, pipeline=pipeline, judge=judge), pipeline


def test_first_scenes_and_the_worst(made, scenes):
    out, found, pipeline = made
    assert json.loads((out / "gallery.json").read_text()) == found
    plain, bad = found["scenes"]
    assert plain["number"] == 0 and plain["title"] == "Held-out scene 0" and plain["worst"] == []
    assert bad["number"] == 1 and bad["worst"] and "the worst of 2 in" in bad["title"]
    assert {"depth"} <= set(bad["worst"])
    sets = ablations(("camera", "identity", "depth"), ALL_CONDITIONS)
    # The same seed for all runs of a scene, every condition taken away once.
    for row, scene in zip(found["scenes"], scenes, strict=True):
        asked = [names for seed, steps, _, names, _ in pipeline.asked if seed == scene.seed]
        assert row["seed"] == scene.seed and sorted(asked) == sorted(sets.values())
        assert list(row["measured"]) == ["ground truth", *sets]
    assert plain["measured"]["all conditions"] == plain["measured"]["ground truth"]
    assert found["steps"] == 3 and found["guidance"] == 2.0


def test_files(made):
    out, found, _ = made
    text = (out / "gallery.md").read_text()
    names = {"gallery.json", "gallery.md"}
    for row in found["scenes"]:
        names |= {row["sheet"], row["animation"]}
        assert row["sheet"] in text and row["animation"] in text and row["title"] in text
        assert read_image(out / row["sheet"]).std() > 0.1
        data = (out / row["animation"]).read_bytes()
        assert data[:4] == b"RIFF" and data[8:12] == b"WEBP" and data.count(b"ANMF") == 5
        assert len(data) == row["animation_bytes"] <= MOST_BYTES
    assert {path.name for path in out.iterdir()} == names


def test_the_same_call_writes_the_same_files(made, scenes, judge, tmp_path):
    out, found, _ = made
    pipeline = new_stand_in(scenes)
    assert run_gallery(tmp_path, 1, 1, steps=3, pipeline=pipeline, judge=judge)["scenes"] == found["scenes"][:1]
    for name in ("sheet", "animation"):
        file = found["scenes"][0][name]
        assert (tmp_path / file).read_bytes() == (out / file).read_bytes()


def test_animations_keep_to_their_size(tmp_path):
    frames = np.random.default_rng(0).random((3, 60, 80, 3)).astype(np.float32)
    small = write_animation(tmp_path / "small.webp", frames, max_bytes=4000)
    large = write_animation(tmp_path / "large.webp", frames, max_bytes=40_000)
    assert small <= 4000 < large <= 40_000
    for words, arguments in (
        ("use .webp", (tmp_path / "a.gif", frames)),
        ("no frames", (tmp_path / "a.webp", frames[:0])),
        ("do not fit", (tmp_path / "a.webp", frames, 8.0, 100)),
    ):
        with pytest.raises(UserError, match=words):
            write_animation(*arguments)
    assert {path.name for path in tmp_path.iterdir()} == {"small.webp", "large.webp"}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_references_share_a_cell(count):
    clips = [np.full((2, 64, 96, 3), value, np.float32) for value in np.linspace(0, 1, count)]
    cell = side_by_side(clips, 64, 96)
    assert cell.shape == (2, 64, 96, 3)
    for number, value in enumerate(np.linspace(0, 1, count)):
        assert cell[0, 32, (2 * number + 1) * 96 // (2 * count)] == pytest.approx(value)
    assert side_by_side([], 64, 96) is None


def test_refusals_come_first(tmp_path):
    for words, changes in (
        ("at least 1 of both", {"scenes": 0}),
        ("at least 1 was", {"steps": 0}),
        ("Family is 'old'", {"family": "old"}),
    ):
        with pytest.raises(UserError, match=words):
            run_gallery(tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()
    assert build_parser().parse_args(["gallery"]).out == "outputs/gallery"
