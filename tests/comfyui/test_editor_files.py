"""Files dropped on the editors go to them and not to the graph; and every control says its name to a screen reader."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from .conftest import ROOT
from .test_camera_editor import browser  # noqa: F401  (a fixture)
from .test_mask_painter import OUT, keys, tabs  # noqa: F401  (tabs is a fixture)
from .test_page_panel import ADD

pytestmark = pytest.mark.comfyui

# Files, as [name, type, base64], over the middle of the editor.
DROP = """(files) => {
  const data = new DataTransfer();
  for (const [name, type, text] of files)
    data.items.add(new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name, {type}));
  const box = document.querySelector('.fulldit-editor').getBoundingClientRect();
  const target = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  for (const kind of ['dragenter', 'dragover', 'drop'])
    target.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
}"""
# The controls and drawings of the editor, shown or not, that have no name of their own.
NAMELESS = """() => {
  const kinds = ['button', 'input', 'select', 'textarea', '[role=img]', '[role=group]', '[role=dialog]'];
  return [...document.querySelectorAll(`.fulldit-editor :is(${kinds})`)]
    .filter(e => !(e.getAttribute('aria-label') ?? '').trim() && !(e.tagName === 'BUTTON' && e.textContent.trim()))
    .filter(e => !e.closest('label')?.textContent.trim() && e.getAttribute('aria-hidden') !== 'true')
    .map(e => e.outerHTML.slice(0, 160));
}"""
PATH = "() => JSON.parse(N.widgets.find(w => w.name === 'path').value)"


def disc(radius: float) -> str:
    """A white disc on black as a PNG in base64."""
    y, x = np.mgrid[:120, :208]
    image = Image.fromarray(np.where(np.hypot(x - 104, y - 60) < radius, 255, 0).astype(np.uint8))
    image.save(file := io.BytesIO(), "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize("renderer", ["canvas", "nodes2"])
def test_masks_that_are_dropped_become_keys_from_the_playhead_on(tabs, renderer):  # noqa: F811
    page = tabs(renderer)
    page.evaluate(ADD, "FullDiTMaskPainter")
    page.wait_for_timeout(400)
    nodes = page.evaluate("() => window.app.graph._nodes.length")
    # By their numbers, as a person reads them: 2 before 10.
    page.evaluate(DROP, [["m10.png", "image/png", disc(50)], ["m2.png", "image/png", disc(20)]])
    page.wait_for_function(
        "() => JSON.parse(N.widgets.find(w => w.name === 'masks').value).slots[0]?.keys.length === 2"
    )
    page.wait_for_timeout(400)
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=OUT / f"dropped_masks_{renderer}.png")
    small, large = keys(page)
    assert (small["frame"], large["frame"]) == (0, 1)
    assert page.evaluate("() => window.app.graph._nodes.length") == nodes
    assert page.evaluate(NAMELESS) == []
    assert page.errors == []


@pytest.mark.parametrize("renderer", ["canvas", "nodes2"])
def test_a_camera_file_that_is_dropped_becomes_the_path(tabs, renderer):  # noqa: F811
    page = tabs(renderer)
    page.evaluate(ADD, "FullDiTCameraPath")
    page.wait_for_timeout(400)
    before = page.evaluate(PATH)
    text = (ROOT / "assets" / "camera.json").read_bytes()
    json.loads(text)
    page.evaluate(DROP, [["camera.json", "application/json", base64.b64encode(text).decode()]])
    page.wait_for_function(
        "(before) => N.widgets.find(w => w.name === 'path').value !== before", arg=json.dumps(before), timeout=60_000
    )
    page.wait_for_timeout(600)
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=OUT / f"dropped_camera_{renderer}.png")
    after = page.evaluate(PATH)
    assert len(after["keys"]) >= 2 and after["keys"] != before["keys"]
    assert page.evaluate(NAMELESS) == []
    assert page.errors == []
