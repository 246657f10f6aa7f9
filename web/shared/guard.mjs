// Keeps what happens inside of an editor from the graph underneath, and the graph's keys from what happens inside.

/**
 * on.wheel(event): the wheel turned while the editor was not clicked; on.focus(): it was clicked, or left.
 * Gives {focused(): whether it has the keyboard, end(): stop guarding}.
 */
export function guard(root, on) {
  root.addEventListener("pointerdown", (event) => {
    event.stopPropagation();
    if (!event.target.closest("input, select")) root.focus({ preventScroll: true });
  });
  for (const kind of ["mousedown", "dblclick", "contextmenu"])
    root.addEventListener(kind, (event) => {
      event.stopPropagation();
      // Buttons leave the focus, and with it the keyboard, where it is.
      if (kind === "contextmenu" || (kind === "mousedown" && event.target.closest("button"))) event.preventDefault();
    });
  // The wheel is the graph's until the editor was clicked.
  const focused = () => root.contains(document.activeElement);
  root.addEventListener("wheel", (event) => (focused() ? event.stopPropagation() : on.wheel?.(event)), { passive: true });
  root.addEventListener("focusin", () => on.focus?.());
  root.addEventListener("focusout", () => setTimeout(() => on.focus?.()));
  const outside = (event) => focused() && !root.contains(event.target) && document.activeElement.blur();
  document.addEventListener("pointerdown", outside, true);
  // ComfyUI hears fingers before anybody else and zooms the graph by two of them; the editors hear pointers.
  const touched = (event) => root.contains(event.target) && event.stopPropagation();
  const touches = ["touchstart", "touchmove", "touchend", "touchcancel"];
  for (const kind of touches) window.addEventListener(kind, touched, { capture: true, passive: true });
  // ComfyUI hears Ctrl+Z before anybody else and undoes the graph, unless what has the focus calls itself a text area.
  root.type = "textarea";
  const end = () => {
    document.removeEventListener("pointerdown", outside, true);
    for (const kind of touches) window.removeEventListener(kind, touched, { capture: true });
  };
  return { focused, end };
}

/** Whether a pressed key stays the page's: what starts the queue, saves or opens a workflow. */
export const isPages = (event) =>
  (event.ctrlKey || event.metaKey) && ["enter", "s", "o"].includes(event.key.toLowerCase());
