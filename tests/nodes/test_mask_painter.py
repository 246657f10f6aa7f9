"""Mask Painter and Edit Track without a page: what their states give, what they say, what they hand the page."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import sys
import time
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.identity.state import state_from_json

CUP = {
    "name": "cup",
    "keys": [
        {"frame": 0, "shapes": [{"kind": "ellipse", "centre": [0.3, 0.5], "size": [0.2, 0.4]}]},
        {"frame": 16, "shapes": [{"kind": "ellipse", "centre": [0.7, 0.5], "size": [0.2, 0.4]}]},
    ],
}


def masks(*slots, size=(96, 64), frames=17, **more):
    return json.dumps({"format": "fulldit-masks", "version": 1, "size": size, "frames": frames, "slots": slots, **more})


@pytest.fixture
def temp(host, monkeypatch):
    """ComfyUI's temp folder, of which nothing is remembered yet: files of an earlier test may be gone from it."""
    from comfyui_fulldit.nodes.page import temporary

    monkeypatch.setattr(temporary, "_stored", {})
    return host.folder / "temp"


@pytest.fixture
def painter(host):
    return host.nodes["FullDiTMaskPainter"]


@pytest.fixture
def editor(host):
    return host.nodes["FullDiTEditTrack"]


def moving(frames=17, height=48, width=72):
    """A box (F, H, W) that goes to the right."""
    track = torch.zeros(frames, height, width)
    for number in range(frames):
        track[number, 16:32, 8 + 2 * number : 24 + 2 * number] = 1
    return track


def iou(one, other):
    one, other = np.asarray(one) > 0.5, np.asarray(other) > 0.5
    return (one & other).sum() / max(1, (one | other).sum())


def test_the_default_state_is_an_empty_slot(painter):
    defaults = {entry.id: entry.default for entry in painter.define_schema().inputs if entry.default is not None}
    assert painter.validate_inputs(masks=defaults["masks"]) is True
    out = painter.execute(**defaults)
    *tracks, report = out.args
    assert [tuple(track.shape) for track in tracks] == [(17, 480, 832)] * 3
    assert all(not track.any() for track in tracks) and "empty in every frame" in report
    assert out.kwargs["ui"] == {"text": [report], "fulldit_state": [f"{zlib.crc32(defaults['masks'].encode()):08x}"]}


def test_slots_come_out_in_their_order_and_missing_ones_are_black(painter):
    box = {"name": "box", "keys": [{"frame": 0, "shapes": [{"kind": "box", "centre": [0.5, 0.2], "size": [0.1, 0.1]}]}]}
    one, two, three, report = painter.execute(masks(CUP, box), 17, 96, 64).args
    assert one.dtype == torch.float32 and one[0, 32, 29] == 1 and one[16, 32, 67] == 1 and one[8, 32, 48] == 1
    assert two[5, 12, 48] == 1 and not three.any()
    assert report.splitlines()[0] == "track1 'cup': 2 keys, in 17 of 17 frames"
    assert (one.numpy() == state_from_json(masks(CUP, box)).rasterize()[0]).all()


def test_another_length_and_shape_are_reported(painter):
    one, _, _, report = painter.execute(masks(CUP), 5, 64, 64).args
    assert one.shape == (5, 64, 64) and one[4, 32, 45] == 1
    assert "17 frames, the video has 5" in report and "stretched" in report
    assert "spread" not in painter.execute(masks({"name": "cup"}), 5, 64, 64).args[3], "nothing there to spread"
    four = [{"name": name, "keys": []} for name in "abcd"]
    assert "'d' is left out" in painter.execute(masks(*four), 5, 96, 64).args[3]
    assert "Nothing is painted" in painter.execute(masks(), 5, 96, 64).args[3]


def test_broken_states_are_refused_before_the_run(painter, editor):
    assert "not JSON" in painter.validate_inputs(masks="{") and "not JSON" in editor.validate_inputs(masks="{")
    assert "key 0 of slot 'x'" in painter.validate_inputs(masks=masks({"name": "x", "keys": [{"frame": 99}]}))
    assert "not JSON" in painter.validate_inputs(masks=""), "only a track can stand for an empty text"
    assert editor.validate_inputs(masks="") is True and editor.validate_inputs(masks=None) is True


def test_images_set_the_size_and_are_stored_for_the_page(painter, temp):
    images = torch.rand(3, 40, 2560, 3)
    out = painter.execute(masks(CUP, frames=17), 99, 16, 16, images=images)
    assert out.args[0].shape == (3, 40, 2560)
    (stage,) = out.kwargs["ui"]["fulldit_stage"]
    assert (stage["count"], stage["width"], stage["height"], stage["shown"]) == (3, 2560, 40, [1280, 20])
    assert stage["type"] == "temp" and stage["subfolder"] == f"fulldit/{stage['stage']}"
    files = sorted((temp / stage["subfolder"]).iterdir())
    assert [file.name for file in files] == ["00000.jpg", "00001.jpg", "00002.jpg", "clip.json"]
    with Image.open(io.BytesIO(files[0].read_bytes())) as image:
        assert image.size == (1280, 20)
    assert painter.execute(masks(), 1, 16, 16, images=images).kwargs["ui"]["fulldit_stage"] == [stage]
    assert painter.execute(masks(), 1, 16, 16, images=images.clone()).kwargs["ui"]["fulldit_stage"] == [stage]
    other = painter.execute(masks(), 1, 16, 16, images=1 - images).kwargs["ui"]["fulldit_stage"][0]
    assert other["stage"] != stage["stage"]


def test_a_track_passes_as_keys_until_it_is_edited(editor):
    track = moving()
    out = editor.execute("", track, 0.95)
    one, two, three, report, state = out.args
    made = state_from_json(state)
    assert len(made.slots) == 1 and 2 <= len(made.slots[0].masklet.keys) <= 4
    assert min(iou(*pair) for pair in zip(one, track, strict=True)) > 0.94 and not two.any() and not three.any()
    (message,) = out.kwargs["ui"]["fulldit_track"]
    assert message["proposal"] == state and not message["changed"] and message["frames"] == 17
    assert "at least 95%" in report

    # Edited: the state holds, whatever comes in, and others are noticed.
    edited = masks(CUP, size=(72, 48))
    same = editor.execute(edited, track, 0.95, source=message["source"])
    assert (same.args[0].numpy() == made_of(edited)).all() and same.args[4] == edited
    assert same.kwargs["ui"]["fulldit_track"][0]["proposal"] is None and "others than" not in same.args[3]
    other = editor.execute(edited, track.flip(2), 0.95, source=message["source"])
    (message,) = other.kwargs["ui"]["fulldit_track"]
    assert (other.args[0].numpy() == made_of(edited)).all() and "others than" in other.args[3]
    assert message["changed"] and state_from_json(message["proposal"]).slots[0].masklet.keys
    assert "others than" not in editor.execute(edited, track, 0.95).args[3], "without a fingerprint nothing is known"


def made_of(text):
    return state_from_json(text).rasterize(48, 72)[0]


def test_slots_keep_their_place_and_tracks_must_belong_together(editor):
    track = moving(5)
    one, two, three, _, state = editor.execute("", track, track3=track.flip(2)).args
    assert not two.any() and iou(three[0], track.flip(2)[0]) > 0.99
    assert [slot.color for slot in state_from_json(state).slots] == ["#ff0000", "#00ff00", "#0000ff"]
    with pytest.raises(UserError, match="Track2 is 4 frames of 72x48, but track1 is 5 frames of 72x48"):
        editor.execute("", track, track2=track[:4])
    with pytest.raises(UserError, match="Track1"):
        editor.execute("", track * 3)
    *tracks, report, state = editor.execute("", torch.zeros(1, 8, 8)).args
    assert not any(track.any() for track in tracks) and "empty in every frame" in report
    assert state_from_json(state).slots[0].masklet.keys == ()


def test_the_page_may_name_stages_only(painter, temp, host):
    from comfyui_fulldit.nodes.page import stage as stages

    images = torch.rand(2, 16, 24, 3)
    (stage,) = painter.execute(masks(CUP), 1, 16, 16, images=images).kwargs["ui"]["fulldit_stage"]
    frames = stages.open_stage(stage["stage"])
    assert frames.shape == (2, 16, 24, 3) and frames.dtype == np.uint8
    assert np.abs(frames / 255 - images.numpy()).mean() < 0.2
    assert stages.stage_size(stage["stage"]) == (16, 24)
    assert stages.open_stage(stage["stage"], (8, 12)).shape == (2, 8, 12, 3)
    for name in ("../../input", "stage_../x", "", None, 3, "stage_" + "0" * 16, stage["stage"] + "/.."):
        with pytest.raises(UserError):
            stages.open_stage(name)
        with pytest.raises(UserError):
            stages.stage_size(name)


@pytest.fixture
def clip():
    """A textured square that goes to the right over a quiet ground: frames (9, 48, 96, 3), its mask in the first."""
    random = np.random.default_rng(1)
    ground = np.full((48, 96, 3), 0.35) + 0.05 * random.random((48, 96, 3))
    thing = 0.4 + 0.6 * random.random((5, 5, 3)).repeat(4, 0).repeat(4, 1)
    frames = np.stack([ground] * 9)
    for number in range(9):
        frames[number, 14:34, 10 + 4 * number : 30 + 4 * number] = thing
    mask = np.zeros((48, 96))
    mask[14:34, 10:30] = 1
    return torch.tensor(frames, dtype=torch.float32), mask


def propagated(request, send=lambda message, client: None, page_closed=lambda: False):
    """Status and answer of the route."""
    from comfyui_fulldit.nodes.page import routes

    return asyncio.run(routes.Propagations().run(request, send, page_closed))


def test_the_page_can_have_a_mask_propagated(painter, temp, clip):
    from comfyui_fulldit.control.identity import runs
    from comfyui_fulldit.control.identity.keyframes import Masklet, key_from_json

    frames, mask = clip
    (stage,) = painter.execute(masks(), 1, 16, 16, images=frames).kwargs["ui"]["fulldit_stage"]
    entry = {"frame": 2, "size": [96, 48], "runs": runs.encode(np.roll(mask, 8, 1))}
    request = {"id": "a", "stage": stage["stage"], "masks": [entry], "first": 2, "last": 8}
    sent = []
    status, answer = propagated(request, lambda message, client: sent.append(message))
    assert status == 200 and answer["warnings"] == [], answer
    keys = [key_from_json(key, 9) for key in answer["keys"]]
    assert keys and all(2 < key.frame <= 8 for key in keys) and keys[-1].frame == 8
    (last,) = Masklet((keys[-1],), 9).rasterize(48, 96, 1)
    assert iou(last, np.roll(mask, 32, 1)) > 0.8
    assert sent and sent[0]["id"] == "a" and 0 < sent[-1]["done"] <= sent[-1]["total"]
    status, answer = propagated(request, page_closed=lambda: True)
    assert status in (200, 499), "a page that is closed stops it, unless it was done before"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"stage": "../../input"}, "run the graph"),
        ({"masks": [{"frame": 2, "size": [5, 5], "runs": "AA"}]}, "cannot be read"),
        ({"masks": [{"frame": 2}]}, "'size' of a mask is None"),
        ({"masks": []}, "a list of 1 to 7 masks was expected"),
        ({"masks": "all"}, "'masks' of a propagation is 'all'"),
        ({"masks": 5}, "'masks' of a propagation is 5"),
        ({"masks": [[]]}, "an object with frame, size and runs"),
        ({"masks": [{"frame": 9, "size": [5, 5], "runs": "AA"}]}, "at frame 9; one from 2 to 8"),
        ({"masks": [{"frame": True, "size": [5, 5], "runs": "AA"}]}, "'frame' of a mask is True"),
        ({"masks": [{"frame": 2, "size": [10**9, 10**9], "runs": "AA"}]}, "'size' of a mask"),
        ({"masks": [{"frame": 2, "size": [2**20, 1], "runs": "AA"}]}, "'size' of a mask"),
        ({"masks": [{"frame": 2, "size": ["5", 5], "runs": "AA"}]}, "'size' of a mask"),
        ({"masks": [{"frame": 2, "size": [5, 5], "runs": ["AA"]}]}, "'runs' of a mask"),
        ({"masks": [{"frame": 2, "size": [5, 5], "runs": "AA"}] * 2}, "two masks for one frame"),
        ({"masks": [{"frame": f, "size": [4096, 4096], "runs": "AA"} for f in range(2, 11)], "last": 10}, "million"),
        ({"masks": [{"frame": 2, "size": [5, 5], "runs": "AA"}] * 8}, "8 masks; a list of 1 to 7"),
        ({"first": -1}, "'first'"),
        ({"last": "x"}, "'last'"),
        ({"last": 9}, "there are the frames 0 to 8"),
        ({"first": 8, "last": 2}, "the last must not be the earlier"),
        ({"accuracy": 2}, "accuracy"),
        ({"accuracy": "0.9"}, "accuracy"),
        ({"client": ["a"]}, "'client' of a propagation is ['a']"),
        ({"client": {}}, "'client'"),
        ({"client": 7}, "'client'"),
        ({"id": ["a"]}, "'id'"),
        ({"id": "a" * 300}, "'id'"),
        ({"stage": ["stage"]}, "'stage'"),
    ],
)
def test_a_propagation_that_cannot_be_used_is_refused_with_a_sentence(painter, temp, clip, change, says):
    from comfyui_fulldit.control.identity import runs

    frames, mask = clip
    (stage,) = painter.execute(masks(), 1, 16, 16, images=frames).kwargs["ui"]["fulldit_stage"]
    entry = {"frame": 2, "size": [96, 48], "runs": runs.encode(mask)}
    request = {"id": "a", "stage": stage["stage"], "masks": [entry], "first": 2, "last": 8}
    status, answer = propagated({**request, **change})
    assert status == 400 and says in answer["error"]


def test_a_propagation_that_is_not_json_is_refused(host):
    assert propagated(None)[0] == 400


def test_one_mask_is_propagated_at_a_time_and_can_be_stopped(host, monkeypatch):
    from comfyui_fulldit.nodes.page import routes

    def slow_propagate(question, on_progress, cancel):
        for _ in range(2000):
            time.sleep(0.005)
            if cancel():
                raise UserError("following the mask was stopped")

    monkeypatch.setattr(routes, "propagate", slow_propagate)

    async def main():
        propagations = routes.Propagations()
        entry = {"frame": 0, "size": [2, 2], "runs": "AA"}
        asked = {"stage": "a", "masks": [entry], "first": 0, "last": 1}
        first = asyncio.ensure_future(propagations.run({**asked, "id": "a"}, lambda *_: None, lambda: False))
        await asyncio.sleep(0.05)
        second = await propagations.run({**asked, "id": "b"}, lambda *_: None, lambda: False)
        propagations.stop()
        return await first, second, propagations.id

    first, second, left = asyncio.run(main())
    assert first[0] == 499 and "stopped" in first[1]["error"]
    assert second[0] == 409 and "Another" in second[1]["error"] and left is None


def test_frames_that_another_host_removed_come_back_when_the_graph_is_run(painter, temp, clip):
    """A second ComfyUI on the same folder empties temp when it starts; the first keeps the node's result, which would
    not bring the files back: so its fingerprint changes, once."""
    frames, _ = clip
    (stage,) = painter.execute(masks(), 1, 16, 16, images=frames).kwargs["ui"]["fulldit_stage"]
    before = painter.fingerprint_inputs(masks=masks())
    assert painter.fingerprint_inputs(masks=masks(), frames=3) == before
    shutil.rmtree(temp / "fulldit")
    after = painter.fingerprint_inputs(masks=masks())
    assert after != before == painter.fingerprint_inputs(masks=masks()) - 1
    request = {"stage": stage["stage"], "masks": [{"frame": 0, "size": [2, 2], "runs": "AAg="}], "first": 0, "last": 1}
    status, answer = propagated(request)
    assert status == 400 and "run the graph once" in answer["error"]
    (again,) = painter.execute(masks(), 1, 16, 16, images=frames).kwargs["ui"]["fulldit_stage"]
    images = list((temp / stage["subfolder"]).glob("*.jpg"))
    assert again == stage and len(images) == stage["count"]
    assert painter.fingerprint_inputs(masks=masks()) == after


def test_the_routes_take_only_bodies_they_know(host, monkeypatch, temp):
    """What reaches the server's queue is a client's name or nothing: anything else ends the host's event loop."""
    from types import SimpleNamespace

    from comfyui_fulldit.nodes.page import routes

    handlers, sent = {}, []
    server = SimpleNamespace(
        routes=SimpleNamespace(post=lambda path: lambda handler: handlers.setdefault(path, handler)),
        send_sync=lambda event, message, client: sent.append(client),
    )
    monkeypatch.setitem(sys.modules, "server", SimpleNamespace(PromptServer=SimpleNamespace(instance=server)))
    answer = SimpleNamespace(json_response=lambda data, status=200: (status, data))
    monkeypatch.setitem(sys.modules, "aiohttp", SimpleNamespace(web=answer))
    routes.register()

    def ask(path, body):
        async def read():
            return json.loads(body)

        closing = SimpleNamespace(is_closing=lambda: False)
        return asyncio.run(handlers[path](SimpleNamespace(json=read, transport=closing)))

    for body in ("[" * 100_000, "{", "[]", "null", '"x"', '{"id": ["a"]}', '{"client": ["a"], "id": "a"}'):
        status, data = ask("/fulldit/propagate", body)
        assert status == 400 and len(data["error"]) > 20, body
    for body in ("[" * 100_000, "[]", '{"id": 5}', '{"id": {}}'):
        assert ask("/fulldit/propagate/stop", body)[0] == 400, body
    assert ask("/fulldit/propagate/stop", '{"id": "a"}') == (200, {"stopped": False}) and not sent
