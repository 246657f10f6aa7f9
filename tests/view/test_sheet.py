"""Contact sheets, and the sheet of an agreement, of clips of any proportions."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.view.agreement_sheet import draw_agreement
from comfyui_fulldit.view.sheet import GAP, MARGIN, MOST_ASPECT, contact_sheet


@pytest.mark.parametrize(("size", "width"), [((20, 30), 144), ((30, 20), 64), ((2, 9000), 576), ((9000, 2), 16)])
def test_a_strip_makes_no_sheet_without_end(size, width):
    clip = np.full((3, *size, 3), 0.25, np.float32)
    sheet = contact_sheet([("a strip", clip)], columns=2)
    assert sheet.shape == (96 + 2 * GAP, MARGIN + 2 * (width + GAP), 3) and 96 * MOST_ASPECT == 576
    assert np.allclose(sheet[GAP + 48, MARGIN + 2 : MARGIN + width - 2], 0.25, atol=0.01)
    drawn = draw_agreement(clip, [("camera", preset("static", 3), None)], [])
    assert drawn.shape == (2 * (96 + GAP) + GAP, MARGIN + 6 * (width + GAP), 3)
