// Keeps an editor's pointer and keyboard events from the graph underneath, and the graph's shortcuts from the editor.

/**
 * on.wheel(event): the wheel turned while the editor has no focus; on.focus(): the editor got or lost the focus.
 * Returns {focused(): whether the editor has the focus, end(): stop guarding}.
 */
export function guard(root, on) {
  root.addEventListener("pointerdown", (event) => {
    event.stopPropagation();
    if (!event.target.closest("input, select")) root.focus({ preventScroll: true });
  });
  for (const kind of ["mousedown", "dblclick", "contextmenu"])
    root.addEventListener(kind, (event) => {
      event.stopPropagation();
      // A click on a button does not move the focus.
      if (kind === "contextmenu" || (kind === "mousedown" && event.target.closest("button"))) event.preventDefault();
    });
  // The wheel belongs to the graph until the editor is clicked.
  const focused = () => root.contains(document.activeElement);
  root.addEventListener("wheel", (event) => (focused() ? event.stopPropagation() : on.wheel?.(event)), { passive: true });
  root.addEventListener("focusin", () => on.focus?.());
  root.addEventListener("focusout", () => setTimeout(() => on.focus?.()));
  const outside = (event) => focused() && !root.contains(event.target) && document.activeElement.blur();
  document.addEventListener("pointerdown", outside, true);
  // ComfyUI listens to touches in the capture phase and zooms the graph by two fingers; the editors use pointer events.
  const touched = (event) => root.contains(event.target) && event.stopPropagation();
  const touches = ["touchstart", "touchmove", "touchend", "touchcancel"];
  for (const kind of touches) window.addEventListener(kind, touched, { capture: true, passive: true });
  // ComfyUI undoes the graph on Ctrl+Z unless the focused element is a text area, so the editor says that it is one.
  root.type = "textarea";
  const end = () => {
    document.removeEventListener("pointerdown", outside, true);
    for (const kind of touches) window.removeEventListener(kind, touched, { capture: true });
  };
  return { focused, end };
}

/** Whether a pressed key belongs to the page: it starts the queue, saves or opens a workflow. */
export const isPages = (event) =>
  (event.ctrlKey || event.metaKey) && ["enter", "s", "o"].includes(event.key.toLowerCase());
