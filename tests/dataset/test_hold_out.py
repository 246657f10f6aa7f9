"""What is held out from a training: whole recordings, the same of them for a seed, as many as were asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.dataset.hold_out import held_out_of, recordings
from comfyui_fulldit.dataset.manifest import Clip, SourceVideo

# Twenty videos of three shots each.
SHOTS = [
    Clip(f"v{video}-{shot}", f"videos/{video}.mp4", (9 * shot, 9 * shot + 9))
    for video in range(20)
    for shot in range(3)
]


def videos(clips, ids):
    return {clip.video for clip in clips if clip.id in ids}


def test_no_video_is_in_both_parts():
    taken = held_out_of(SHOTS, "0.2")
    assert len(taken) == 12
    left = {clip.id for clip in SHOTS} - taken
    assert not videos(SHOTS, taken) & videos(SHOTS, left)
    assert held_out_of(SHOTS, "0.2") == held_out_of(SHOTS[::-1], "0.2") == taken
    assert any(held_out_of(SHOTS, "0.2", seed) != taken for seed in range(1, 4))
    assert len(held_out_of(SHOTS, "0.001")) == 3, "at least one video"


@pytest.mark.parametrize(
    "change",
    [
        lambda clip, other: replace(clip, source=SourceVideo(other.video)),
        lambda clip, other: replace(clip, provenance={"dataset": "a", "scene": str(int(clip.id[1]) // 2)}),
        lambda clip, other: replace(clip, provenance={"dataset": "a", "url": f"https://x/{int(clip.id[1]) // 2}"}),
    ],
    ids=["source", "scene", "url"],
)
def test_what_shows_the_same_stays_together(change):
    clips = [Clip(f"c{number}", f"{number}.mp4") for number in range(8)]
    clips = [change(clip, clips[number ^ 1]) for number, clip in enumerate(clips)]
    groups = [{clip.id for clip in group} for group in recordings(clips)]
    assert groups == [{"c0", "c1"}, {"c2", "c3"}, {"c4", "c5"}, {"c6", "c7"}]
    for seed in range(5):
        assert held_out_of(clips, "0.3", seed) in groups


def test_scenes_of_two_datasets_are_two():
    clips = [Clip(name, f"{name}.mp4", provenance={"dataset": name, "scene": "0"}) for name in "ab"]
    assert len(recordings(clips)) == 2


def test_a_list_names_clips_or_videos(tmp_path):
    path = tmp_path / "held_out.txt"
    path.write_text("v3-1\n\nvideos/7.mp4\n")
    assert held_out_of(SHOTS, str(path)) == {f"v{video}-{shot}" for video in (3, 7) for shot in range(3)}


def test_what_cannot_be_held_out_is_refused(tmp_path):
    path = tmp_path / "held_out.txt"
    for text, said in (
        ("lost", "names 'lost', which no clip"),
        (" ", "names no clips"),
        ("\n".join({c.id for c in SHOTS}), "All 60"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=said):
            held_out_of(SHOTS, str(path))
    path.write_bytes(b"\xff\xfe\xff")
    for chosen, said in (
        ("1", "above 0 and below 1"),
        ("nan", "above 0"),
        ("none.txt", "does not exist"),
        (str(path), "UTF-8"),
    ):
        with pytest.raises(UserError, match=said):
            held_out_of(SHOTS, chosen)
    with pytest.raises(UserError, match="All 3 clips would be held out, as they come from 1 recording:"):
        held_out_of(SHOTS[:3], "0.3")
