// Mouse, pen and fingers on the stage: one paints, two zoom and shift, the middle button or Space shifts.

/** Connects the stage with the editor's tool. `end` of the answer stops it. */
export function listenStage(editor) {
  const { part: { over, stage } } = editor, { view } = editor; // prettier-ignore
  const down = new Map(); // pointer id -> place
  let gesture = null; // {kind: "tool", id, tool} | {kind: "pan", id} | {kind: "pinch"}

  const describe = (event) => {
    const place = view.place(event), pen = event.pointerType === "pen";
    return {
      place, point: view.toFrame(place), shift: event.shiftKey, alt: event.altKey, instead: event.ctrlKey || event.metaKey, touch: event.pointerType === "touch",
      pressure: pen ? Math.max(event.pressure, 0.06) : 1,
    }; // prettier-ignore
  };
  const abort = () => {
    if (gesture?.kind === "tool") (gesture.tool.abort ?? gesture.tool.cancel)?.call(gesture.tool);
  };
  const middle = () => {
    const [a, b] = [...down.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, apart: Math.max(Math.hypot(a.x - b.x, a.y - b.y), 1) };
  };

  over.addEventListener("pointerdown", (event) => {
    editor.dismiss();
    if (event.button === 2) return;
    try {
      over.setPointerCapture(event.pointerId);
    } catch {
      // a pointer that is gone already
    }
    const at = describe(event);
    down.set(event.pointerId, at.place);
    if (event.pointerType === "touch" && down.size === 2) {
      abort();
      gesture = { kind: "pinch", ...middle() };
      return;
    }
    if (gesture || down.size > 1) return;
    if (event.button === 1 || editor.spaced) {
      gesture = { kind: "pan", id: event.pointerId, at: at.place };
      editor.spaced = editor.spaced && "used";
      over.style.cursor = "grabbing";
    } else if (event.button === 0 && editor.ready()) {
      gesture = { kind: "tool", id: event.pointerId, tool: editor.tool };
      editor.tool.down(at);
    }
    if (event.button === 1) event.preventDefault();
  });

  over.addEventListener("pointermove", (event) => {
    const place = view.place(event);
    if (down.has(event.pointerId)) down.set(event.pointerId, place);
    if (gesture?.kind === "pinch" && down.size >= 2) {
      const now = middle();
      view.pan(now.x - gesture.x, now.y - gesture.y);
      view.zoomBy(now.apart / gesture.apart, now);
      Object.assign(gesture, now);
    } else if (gesture?.kind === "pan" && gesture.id === event.pointerId) {
      view.pan(place.x - gesture.at.x, place.y - gesture.at.y);
      gesture.at = place;
    } else if (gesture?.kind === "tool" && gesture.id === event.pointerId) {
      // A quick hand moves more often than the page draws.
      const events = gesture.tool.ring ? (event.getCoalescedEvents?.() ?? []) : [];
      for (const one of events.length ? events : [event]) gesture.tool.move?.(describe(one));
    }
    if (!gesture) editor.tool.hover?.(describe(event));
    if (!gesture) over.style.cursor = editor.spaced ? "grab" : (editor.tool.cursor ?? (editor.tool.ring ? "none" : "crosshair"));
    editor.moveRing(event.pointerType === "touch" ? null : place, event.altKey);
  });

  const release = (event, kept) => {
    down.delete(event.pointerId);
    if (gesture?.kind === "pinch") {
      if (!down.size) gesture = null;
    } else if (gesture?.id === event.pointerId) {
      const { kind, tool } = gesture;
      gesture = null;
      if (kind === "tool") kept ? tool.up?.() : (tool.abort ?? tool.cancel)?.call(tool);
      over.style.cursor = "";
    }
  };
  over.addEventListener("pointerup", (event) => release(event, true));
  over.addEventListener("pointercancel", (event) => release(event, false));
  over.addEventListener("pointerleave", () => editor.moveRing(null));
  over.addEventListener("dblclick", (event) => editor.tool.twice?.(describe(event)));
  stage.addEventListener("wheel", (event) => {
    if (!editor.guarded.focused()) return;
    event.preventDefault();
    const place = view.place(event), turn = event.deltaY || event.deltaX;
    if (event.altKey) editor.resizeBrush(Math.exp(-turn * 0.0022));
    else view.zoomBy(Math.exp(-turn * (event.ctrlKey ? 0.01 : 0.0018)), place);
    editor.moveRing(place, event.altKey);
  }, { passive: false }); // prettier-ignore
  return { get busy() { return Boolean(gesture); } }; // prettier-ignore
}
