// What both timelines draw: frame numbers, the playhead, a diamond per key.
const STEPS = [1, 2, 4, 5, 8, 10, 16, 20, 25, 50, 100, 200, 500];

/** Fit a canvas's pixels to its size on the page; return its 2D context, cleared, in units of the page. */
export function fresh(canvas, width, height) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const [columns, rows] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== columns || canvas.height !== rows) [canvas.width, canvas.height] = [columns, rows];
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return pen;
}

/** Where a pointer is in a canvas, in its own units: the page may have zoomed the node. */
export function local(canvas, event, width, height) {
  const box = canvas.getBoundingClientRect();
  return { x: ((event.clientX - box.left) * width) / box.width, y: ((event.clientY - box.top) * height) / box.height };
}

/** Ticks above the line y = `top`, with numbers where there is room. at(frame) -> x; last: the last frame's number. */
export function ruler(pen, { at, last, top }) {
  const length = at(last) - at(0);
  const step = STEPS.find((s) => (length * s) / last > 34) ?? 1000;
  pen.font = "10px system-ui, sans-serif";
  pen.textAlign = "center";
  for (let frame = 0; frame <= last; frame++) {
    const x = Math.round(at(frame)) + 0.5, whole = frame % step === 0;
    if (!whole && length / last < 5) continue;
    pen.fillStyle = whole ? "#8a929d" : "#4b525c";
    pen.fillRect(x - 0.5, top - (whole ? 5 : 3), 1, whole ? 5 : 3);
    if (whole) pen.fillText(String(frame), x, 9);
  }
}

export function playhead(pen, x, top, height) {
  pen.fillStyle = "#ffffff";
  pen.fillRect(Math.round(x) - 0.5, top - 2, 1.5, height - top + 2);
  pen.beginPath();
  pen.moveTo(x - 5.5, top - 6);
  pen.lineTo(x + 6, top - 6);
  pen.lineTo(x + 0.25, top + 3);
  pen.closePath();
  pen.fill();
}

export function diamond(pen, x, y, size, fill, stroke = "#17191d") {
  pen.beginPath();
  pen.moveTo(x, y - size);
  pen.lineTo(x + size, y);
  pen.lineTo(x, y + size);
  pen.lineTo(x - size, y);
  pen.closePath();
  pen.fillStyle = fill;
  pen.fill();
  pen.strokeStyle = stroke;
  pen.lineWidth = 1.5;
  pen.stroke();
}
