"""A person's way: open the page, drag a workflow in, press Run, see a video. Leaves screenshots and a report.

`FULLDIT_UPDATE=1` also renews the thumbnails in `workflows/` and the images of the help pages.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "outputs" / "comfyui"
# What the Conditions node says after a run of each workflow of the embedded model.
TOKENS = {
    "fulldit_camera_path": "149 tokens, video 120",
    "fulldit_embedded": "907 tokens, video 420",
    "fulldit_embedded_control": "144 tokens, video 120",
    "fulldit_embedded_key_frames": "425 tokens, video 408",
    "fulldit_embedded_known": "125 tokens, video 120",
    "fulldit_embedded_ksampler": "269 tokens, video 120",
    "fulldit_embedded_sound": "427 tokens, video 420",
    "fulldit_embedded_source": "125 tokens, video 120",
    "fulldit_paint_masks": "168 tokens, video 120",
    "fulldit_video_controls": "269 tokens, video 120",
}
# Frames, height and width where they are not those of the others.
LARGER = (25, 96, 160)
SIZES = {
    "fulldit_embedded": LARGER,
    "fulldit_embedded_key_frames": (65, 64, 96),
    "fulldit_embedded_sound": LARGER,
}
WORKFLOWS = [ROOT / "workflows" / f"{name}.json" for name in TOKENS]
UPDATE = bool(os.environ.get("FULLDIT_UPDATE"))
SWITCHES = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# No dialog of the first start, and nothing over the graph: the host remembers a panel that was left open.
SETTINGS = {
    "Comfy.RightSidePanel.IsOpen": False,
    "Comfy.TutorialCompleted": True,
    "Comfy.Minimap.Visible": False,
    "Comfy.NodeBadge.NodeSourceBadgeMode": "None",
}

pytestmark = pytest.mark.comfyui

DROP = """([text, name]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name, {type: 'application/json'}));
  const canvas = document.getElementById('graph-canvas'), box = canvas.getBoundingClientRect();
  for (const kind of ['dragenter', 'dragover', 'drop'])
    canvas.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true,
      clientX: box.x + box.width / 2, clientY: box.y + box.height / 2}));
}"""
TYPES = "() => window.app.graph._nodes.map(n => n.type).sort()"
FIT = """() => {
  const nodes = window.app.graph._nodes, view = window.app.canvas;
  const left = Math.min(...nodes.map(n => n.pos[0])), top = Math.min(...nodes.map(n => n.pos[1])) - 30;
  const right = Math.max(...nodes.map(n => n.pos[0] + n.size[0]));
  const bottom = Math.max(...nodes.map(n => n.pos[1] + n.size[1]));
  const box = view.canvas.getBoundingClientRect();
  const scale = Math.min((box.width - 140) / (right - left), (box.height - 140) / (bottom - top), 1.2);
  view.ds.scale = scale;
  view.ds.offset[0] = 100 / scale - left;
  view.ds.offset[1] = 110 / scale - top;
  view.setDirty(true, true);
  const place = (x, y) => [box.x + (x + view.ds.offset[0]) * scale, box.y + (y + view.ds.offset[1]) * scale];
  return nodes.map(n => ({type: n.type, from: place(n.pos[0], n.pos[1] - 30),
    to: place(n.pos[0] + n.size[0], n.pos[1] + n.size[1])})).concat(
    [{type: 'all', from: place(left, top), to: place(right, bottom)}]);
}"""


@pytest.fixture(scope="module")
def report(server):
    """What the tests of this file found, written when they are done."""
    system = server.get("/system_stats")["system"]
    found = {
        "comfyui": system["comfyui_version"],
        "python": system["python_version"].split()[0],
        "pytorch": system["pytorch_version"],
        "workflows": {},
    }
    yield found
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "report.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def browser(server):
    """Chromium: the system's, or the one that playwright installed."""
    from playwright.sync_api import sync_playwright

    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome", "chrome")]
    system = os.environ.get("CHROMIUM") or next((path for path in found if path), None)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=system, args=SWITCHES)
        yield running
        running.close()


@pytest.fixture
def page(server, browser):
    """The page as a user sees it after the first start's dialog; `page.errors` collects what goes wrong on it."""
    for name, value in SETTINGS.items():
        assert server.post(f"/settings/{name}", value)[0] == 200
    tab = browser.new_page(viewport={"width": 1800, "height": 1100})
    tab.set_default_timeout(120_000)  # a busy machine is slow, not broken
    tab.errors = []
    tab.on("pageerror", lambda error: tab.errors.append(str(error)[:500]))
    tab.route("**/*", lambda r: r.continue_() if "127.0.0.1" in r.request.url else r.abort())
    tab.goto(server.url, wait_until="domcontentloaded")
    wait_until_ready(tab)
    yield tab
    tab.close()


def wait_until_ready(tab) -> None:
    """Wait for the page and for the workflow that it opens by itself, which would take the place of one that is dropped
    before: the title has its name."""
    tab.wait_for_function("() => window.app && window.app.vueAppReady && document.title.includes(' - ')")
    tab.wait_for_timeout(2500)


def drop(page, path: Path) -> list[str]:
    """Drag a workflow onto the page, again where a busy page did not take it; the node types once all are there."""
    from playwright.sync_api import TimeoutError as PageTimeoutError

    text = path.read_text(encoding="utf-8")
    types = sorted(node["type"] for node in json.loads(text)["nodes"])
    same = f"(t) => JSON.stringify(({TYPES})()) === JSON.stringify(t)"
    for _ in range(3):
        page.evaluate(DROP, [text, path.name])
        with suppress(PageTimeoutError):
            page.wait_for_function(same, arg=types, timeout=60_000)
            return types
    pytest.fail(f"The page did not take {path.name}.")


def press_run(page) -> str:
    """Press Run; the id of the queued prompt. The host's veil over a busy page, which headless Chromium under load may
    never finish fading out, is taken away first."""
    page.wait_for_timeout(500)
    page.evaluate("document.querySelectorAll('.p-overlay-mask-leave').forEach(veil => veil.remove())")
    with page.expect_response(lambda r: r.url.endswith("/prompt") and r.request.method == "POST") as answer:
        page.get_by_test_id("queue-button").click()
    assert answer.value.status == 200, answer.value.text()
    return answer.value.json()["prompt_id"]


def frames_of(path: Path) -> tuple[int, int, int]:
    """(frames, height, width) of a video."""
    import av

    with av.open(str(path)) as container:
        frames = [frame for frame in container.decode(video=0)]
    return len(frames), frames[0].height, frames[0].width


def crop(image: Path, box: dict, out: Path, width: int) -> None:
    """Cut a part out of a screenshot and save it, at most `width` wide."""
    from PIL import Image

    with Image.open(image) as whole:
        part = whole.convert("RGB").crop((*map(int, box["from"]), *map(lambda v: int(v) + 1, box["to"])))
        if part.width > width:
            part = part.resize((width, round(part.height * width / part.width)), Image.Resampling.LANCZOS)
        part.save(out, quality=88)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda p: p.stem)
def test_drop_run_and_see_the_video(server, page, report, workflow):
    entry = report["workflows"][workflow.stem] = {"loaded": False, "queued": False, "page_errors": page.errors}
    drop(page, workflow)
    page.wait_for_timeout(800)
    broken = page.evaluate("() => window.app.graph._nodes.filter(n => n.has_errors).map(n => n.type)")
    assert broken == [] and page.locator("[role=dialog]:visible").count() == 0
    entry["loaded"] = True

    start = time.monotonic()
    prompt = press_run(page)
    entry["queued"] = True
    history = server.wait(prompt)
    entry["seconds"] = round(time.monotonic() - start, 2)
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]

    (video,) = [gif for out in history["outputs"].values() for gif in out.get("gifs", [])]
    path = server.output / video["subfolder"] / video["filename"]
    entry["video"] = dict(zip(("frames", "height", "width"), frames_of(path), strict=True))
    size = SIZES.get(workflow.stem, (17, 64, 96))
    assert tuple(entry["video"].values()) == size and path.suffix == ".mp4"
    OUT.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, OUT / f"{workflow.stem}.mp4")
    entry["output"] = f"outputs/comfyui/{workflow.stem}.mp4"

    page.wait_for_function(
        "() => [...document.querySelectorAll('video')].some(v => v.readyState >= 2 && v.videoWidth > 0)",
        timeout=120_000,
    )
    text = page.evaluate(
        "() => window.app.graph._nodes.find(n => n.type === 'FullDiTConditions').widgets.find(w => w.name === 'tokens')"
        "?.element.textContent"
    )
    assert text and text.startswith(TOKENS[workflow.stem]), text
    boxes = page.evaluate(FIT)
    page.evaluate("document.querySelectorAll('[data-testid=queue-notification-banner]').forEach(e => e.remove())")
    page.wait_for_timeout(1500)
    image = OUT / f"{workflow.stem}.png"
    page.screenshot(path=image)
    entry["screenshot"] = f"outputs/comfyui/{workflow.stem}.png"
    assert page.errors == []
    if UPDATE:
        renew_images(workflow, image, boxes)


def renew_images(workflow: Path, image: Path, boxes: list[dict]) -> None:
    """The workflow's thumbnail, and its nodes for the help pages where they are shown large enough to be read."""
    crop(image, boxes[-1], workflow.with_suffix(".jpg"), width=1000)
    for box in boxes[:-1]:
        if box["type"].startswith("FullDiT") and box["to"][0] - box["from"][0] > 230:
            crop(image, box, ROOT / "web" / "docs" / f"{box['type']}.png", width=480)


def test_every_node_is_on_the_page_with_its_help(server, page, report):
    nodes = sorted(path.stem for path in (ROOT / "web" / "docs").glob("*.md"))
    made = page.evaluate(
        "(names) => { window.app.graph.clear(); return names.map((name, i) => {"
        " const n = window.LiteGraph.createNode(name); if (!n) return null; window.app.graph.add(n);"
        " n.pos = [30 + 360 * (i % 5), 60 + 520 * Math.floor(i / 5)]; return n.title; }); }",
        nodes,
    )
    assert None not in made
    report["nodes"] = made
    info = server.get("/object_info")
    for name in nodes:
        module = info[name]["python_module"].split(".")[-1]
        import urllib.request

        with urllib.request.urlopen(f"{server.url}/extensions/{module}/docs/{name}.md", timeout=20) as answer:
            assert answer.read().decode().startswith(f"# {info[name]['display_name']}")
    boxes = page.evaluate(FIT)
    page.wait_for_timeout(800)
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=OUT / "nodes.png")
    if UPDATE:
        for box in boxes[:-1]:
            if not (ROOT / "web" / "docs" / f"{box['type']}.png").exists():
                crop(OUT / "nodes.png", box, ROOT / "web" / "docs" / f"{box['type']}.png", width=480)


def test_a_refusal_is_shown_and_says_what_to_do(server, page):
    """A wrong length in the graph: the node fails before sampling, with our sentence."""
    drop(page, ROOT / "workflows" / "fulldit_embedded.json")
    page.evaluate(
        "() => { const n = window.app.graph._nodes.find(n => n.type === 'FullDiTConditions');"
        " const w = n.widgets.find(w => w.name === 'frames'); w.value = 13; w.callback?.(13); }"
    )
    history = server.wait(press_run(page))
    assert history["status"]["status_str"] == "error"
    kind, error = history["status"]["messages"][-1]
    assert kind == "execution_error" and error["node_type"] == "FullDiTConditions"
    assert "25 frames" in error["exception_message"] and "fit_time" in error["exception_message"]
    page.get_by_test_id("error-overlay").wait_for(timeout=60_000)
    page.get_by_role("alert").filter(
        has_text="25 frames"
    ).wait_for()  # our sentence, which the page's overlay leaves out
