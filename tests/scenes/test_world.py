"""What a seed means, how varied the world is, and what captions say."""

from collections import Counter

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.scenes import HELD_OUT_SEED, WorldOptions, cameras, make_scene, palette, patterns, render, solids
from comfyui_fulldit.scenes.captions import caption, plain_caption

TENSORS = ("video", "depth", "identity", "references", "reference_masks", "present", "c2w", "intrinsics")


def test_a_clip_depends_on_its_seed_alone():
    together, reversed_, alone = render([5, 6, 7], frames=3), render([7, 6], frames=3), render([6], frames=3)
    for name in TENSORS:
        values = getattr(alone, name)[0]
        assert torch.equal(getattr(together, name)[1], values), name
        assert torch.equal(getattr(reversed_, name)[1], values), name
    assert together.captions[1] == alone.captions[0]
    assert not torch.equal(together.video[0], together.video[1])


def test_shapes_types_and_ranges():
    clips = render([1, HELD_OUT_SEED], frames=5, height=48, width=64)
    assert clips.video.shape == (2, 3, 5, 48, 64) and clips.video.dtype == torch.float32
    assert clips.depth.shape == clips.identity.shape == (2, 5, 48, 64) and clips.identity.dtype == torch.int64
    assert clips.references.shape == (2, 3, 3, 48, 64) and clips.reference_masks.shape == (2, 3, 48, 64)
    assert clips.c2w.shape == (2, 5, 3, 4) and clips.intrinsics.shape == (2, 5, 4) and clips.present.shape == (2, 3)
    for name in ("video", "references", "reference_masks"):
        assert getattr(clips, name).min() >= 0 and getattr(clips, name).max() <= 1
    assert clips.depth.min() > 0 and torch.isfinite(clips.depth).all()
    assert clips.identity.min() >= -1 and clips.identity.max() <= 2
    assert clips.identity_maps().shape == (2, 3, 5, 48, 64) and clips.disparity().shape == (2, 1, 5, 48, 64)
    torch.testing.assert_close(clips.intrinsics[..., 1] / clips.intrinsics[..., 0], torch.full((2, 5), 64 / 48))


def test_every_movement_solid_pattern_and_place_occurs_about_equally():
    scenes = [make_scene(seed, 2) for seed in range(1500)]
    kinds = Counter(scene.camera.movement for scene in scenes)
    assert set(kinds) == set(cameras.SEEN)
    assert all(0.045 < count / len(scenes) < 0.13 for count in kinds.values()), kinds
    things = [thing for scene in scenes for thing in scene.objects]
    assert {thing.solid for thing in things} == set(solids.SEEN)
    assert {thing.pattern for thing in things} == set(patterns.OBJECT_PATTERNS)
    assert {name for thing in things for name in thing.colors} == set(palette.COLORS)
    assert {scene.surroundings.place.name for scene in scenes} == {place.name for place in palette.PLACES}
    assert Counter(len(scene.objects) for scene in scenes).keys() == {1, 2, 3}
    assert {thing.motion for thing in things} == {"still", "slide", "spin", "bounce", "circle"}


def test_no_two_objects_of_a_clip_share_a_color():
    for seed in range(200):
        names = [name for thing in make_scene(seed, 2).objects for name in thing.colors]
        assert len(set(names)) == len(names)


def test_unseen_shares_nothing_with_seen():
    seen, unseen = ([make_scene(s, 2, options=WorldOptions(family=f)) for s in range(150)] for f in ("seen", "unseen"))
    for what in (
        lambda scene: {scene.camera.movement},
        lambda scene: {scene.surroundings.pattern},
        lambda scene: {scene.surroundings.place.name},
        lambda scene: {thing.solid for thing in scene.objects},
        lambda scene: {thing.pattern for thing in scene.objects},
    ):
        a, b = (set().union(*map(what, scenes)) for scenes in (seen, unseen))
        assert a and b and not a & b
    assert {scene.camera.movement for scene in unseen} == set(cameras.UNSEEN)


def test_objects_stay_in_view_and_fill_a_visible_part():
    clips = render(range(300, 324), frames=5, height=32, width=48, options=WorldOptions(supersample=False))
    area = torch.stack([(clips.identity == k).float().mean((2, 3)) for k in range(3)], 1)[clips.present]
    assert (area.amax(1) > 0.004).all()
    assert (area > 0.002).float().mean() > 0.95
    assert 0.03 < area.mean() < 0.12


def test_clips_move():
    clips = render(range(40, 52), frames=9, options=WorldOptions(supersample=False))
    static = torch.tensor([scene.camera.movement == "static" for scene in clips.scenes])
    change = (clips.video[:, :, -1] - clips.video[:, :, 0]).abs().mean((1, 2, 3))
    assert (change[~static] > 0.02).all()


WORDS = {*palette.COLORS}
PLACE_WORDS = {
    *("meadow", "desert", "snow", "moon", "beach", "sunset", "yard", "stone", "wooden", "floor", "lake", "night"),
    *("mars", "lavender", "field", "ice", "rink"),
}


@pytest.mark.parametrize("family", ["seen", "unseen"])
def test_plain_captions_name_no_color_and_no_place_and_captions_name_all(family):
    for seed in range(300):
        scene = make_scene(seed, 2, options=WorldOptions(family=family))
        plain = set(plain_caption(scene).lower().replace(".", "").replace(",", "").split())
        assert not plain & (WORDS | PLACE_WORDS)
        full = caption(scene)
        assert scene.surroundings.place.name in full and scene.camera.caption in full
        for thing in scene.objects:
            phrase = f"{thing.colors[0]} and {thing.colors[1]} {thing.pattern} {thing.solid}"
            assert phrase in full
            assert f"{thing.pattern} {thing.solid}" in plain_caption(scene)
        assert full.isascii() and len(full) < 320


def test_options_are_obeyed_and_wrong_ones_refused():
    scenes = [make_scene(s, 2, options=WorldOptions(cameras=("pan",), objects=(2, 2), moving=0.0)) for s in range(20)]
    assert {scene.camera.movement for scene in scenes} == {"pan"} and {len(scene.objects) for scene in scenes} == {2}
    assert {thing.motion for scene in scenes for thing in scene.objects} == {"still"}
    for wrong in ({"family": "new"}, {"cameras": ("fly",)}, {"objects": (2, 1)}, {"objects": (0, 4)}):
        with pytest.raises(UserError):
            WorldOptions(**wrong)
    with pytest.raises(UserError, match="seed"):
        make_scene(-1)
    with pytest.raises(UserError, match="no seeds"):
        render([])


def test_an_empty_scene_renders():
    clips = render([1], frames=2, options=WorldOptions(objects=(0, 0)))
    assert not clips.present.any() and (clips.identity == -1).all() and clips.captions[0].startswith("An empty scene")


def test_the_world_is_still_the_one_the_weights_have_seen():
    """A change here means that the embedded weights no longer fit the world: raise WORLD_VERSION and train again."""
    assert [caption(make_scene(seed)) for seed in (0, 11)] == [
        "A white and orange dotted pill on a meadow. The camera moves in.",
        "A purple and cyan half-and-half cube that slides on a wooden floor. The camera orbits to the left.",
    ]
    scene = make_scene(2)
    np.testing.assert_allclose(scene.camera.c2w[-1, :, 3], [-0.0245714, -1.5259573, -3.6115088], atol=1e-6)
    np.testing.assert_allclose(scene.objects[0].half_size, [0.7596007, 0.9245913, 0.7596007], atol=1e-6)
    assert scene.surroundings.pattern == "tiles"


def test_a_scene_as_files_reads_back(tmp_path):
    pytest.importorskip("av")
    pytest.importorskip("cv2")
    from comfyui_fulldit.control.camera.formats import read_camera
    from comfyui_fulldit.control.media import read_image, read_video
    from comfyui_fulldit.scenes.export import export_scene

    written = export_scene(4, tmp_path, frames=5)
    clips = render([4], frames=5)
    assert all(path.exists() for path in written.values())
    np.testing.assert_allclose(read_camera(written["camera"]).c2w, clips.trajectories()[0][0].numpy(), atol=1e-5)
    image = clips.references[0, 1].permute(1, 2, 0).numpy()
    assert np.abs(read_image(written["reference_1"])[..., :3] - image).max() < 0.01
    video = read_video(written["video"])
    assert video.shape == (5, 64, 96, 3)
    assert np.abs(video - clips.video[0].permute(1, 2, 3, 0).numpy()).mean() < 0.03
    track = read_video(written["track_0"])[..., 0]
    assert ((track > 0.5) == (clips.identity[0] == 0).numpy()).mean() > 0.98
    np.testing.assert_array_equal(np.load(written["depth_metric"]), clips.depth[0].numpy())
    assert written["caption"].read_text().strip() == clips.captions[0]
