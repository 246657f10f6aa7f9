"""The nodes Control Video and Sound: what they make of images, masks and audio, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.errors import UserError

IMAGES = torch.rand(5, 32, 48, 3, generator=torch.Generator().manual_seed(0))


def run(host, **given):
    return host.nodes["FullDiTControlVideo"].execute(**{"kind": "canny", "source": "as given", **given})


def test_images_are_taken_as_they_are_or_detected(host):
    condition, images = run(host, images=IMAGES, kind="pose", strength=0.5, end=0.6).args
    (video,) = condition.videos
    assert (video.kind, video.strength, video.start, video.end) == ("pose", 0.5, 0, 0.6)
    assert torch.equal(images, IMAGES) and np.array_equal(video.frames, IMAGES.numpy())
    found = run(host, images=IMAGES, source="detect")
    assert set(found.args[1].unique().tolist()) <= {0.0, 1.0} and found.args[1].max() == 1
    assert found.kwargs["ui"]["text"][0].startswith("canny, detect: 5 frames of 48x32. Edges of one pixel")


def test_masks_become_regions_and_boxes(host):
    first, second = torch.zeros(5, 32, 48), torch.zeros(1, 32, 48)
    first[:, :8, :8] = 1
    second[:, 20:30, 20:40] = 1
    for kind in ("segmentation", "boxes"):
        condition, images = run(host, kind=kind, source="detect", masks={"mask0": first, "mask1": second}).args
        assert images.shape == (5, 32, 48, 3) and condition.kinds == (kind,)
        assert images[4, 20, 20].max() > 0.5 and images[:, 31, 47].max() == 0
    with pytest.raises(UserError, match="Mask 2 is 3 frames of 48x32, others 5"):
        run(host, kind="boxes", source="detect", masks={"mask0": first, "mask1": first[:3]})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "needs images, and none are connected"),
        ({"kind": "boxes", "source": "detect", "images": IMAGES}, "is made from masks, and none is connected"),
        ({"kind": "pose", "source": "detect", "images": IMAGES}, "cannot be detected here: choose among canny"),
        ({"images": IMAGES * 255}, "divide 8-bit images by 255"),
        ({"images": IMAGES, "mask9": torch.zeros(5, 32, 48)}, "has no input 'mask9'"),
    ],
)
def test_what_cannot_be_is_refused(host, given, message):
    with pytest.raises(UserError, match=message):
        run(host, **given)


def test_a_kind_that_needs_a_network_is_refused_before_anything_runs(host):
    validate = host.nodes["FullDiTControlVideo"].validate_inputs
    assert validate(kind="canny", source="detect") is True and validate(kind="pose", source="as given") is True
    assert "cannot be detected here" in validate(kind="normals", source="detect")
    assert "is unknown: choose among" in validate(kind="edges", source="as given")
    assert validate(kind=None, source="detect") is True


def test_audio_becomes_its_loudness_in_any_number_of_channels(host):
    rate = 8000
    tone = torch.sin(torch.arange(2 * rate) * 0.3) * (torch.arange(2 * rate) >= rate)
    for waveform in (tone[None, None], tone[None, None].expand(1, 2, -1)):
        found = host.nodes["FullDiTSound"].execute({"waveform": waveform, "sample_rate": rate}, strength=2.0)
        (condition,) = found.args
        assert condition.seconds == 2 and condition.strength == 2
        assert condition.values[100] == 0 and condition.values[300] > 0.95
    assert found.kwargs["ui"]["text"] == ["2.00 s."]
    with pytest.raises(UserError, match="an AUDIO was expected"):
        host.nodes["FullDiTSound"].execute({"samples": tone})


def test_the_conditions_node_takes_several_of_them(host):
    kinds = [run(host, images=IMAGES, kind=kind).args[0] for kind in ("canny", "pose")]
    joined = host.nodes["FullDiTConditions"].execute(
        frames=5, width=48, height=32, conditions={"condition0": kinds[0], "condition1": kinds[1]}
    )
    (conditions,) = joined.args
    assert conditions.names == ("control",) and conditions.items[0].kinds == ("canny", "pose")
    text = joined.kwargs["ui"]["text"][0]
    assert "canny" in text and "pose" in text
