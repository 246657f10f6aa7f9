// A slot's color as the page shows it. The identity map's pure red, green and blue glare over images, and its blue
// is hardly visible: they are shown softer, with the same hue.

/** The color (#rrggbb) with which a slot's mask, outline and keys are drawn. */
export function tintOf(color) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  const light = (0.3 * r + 0.59 * g + 0.11 * b) / 255;
  // Saturation goes down everywhere, most where the color is bright; dark ones become lighter.
  const gray = 0.12 + 0.22 * light, white = 0.14 + 0.34 * Math.max(0, 0.55 - light);
  const mix = (value) => Math.round((value * (1 - gray) + 255 * light * gray) * (1 - white) + 255 * white);
  return `#${[r, g, b].map((value) => mix(value).toString(16).padStart(2, "0")).join("")}`;
}

/** The same color with an alpha. */
export const faded = (color, alpha) => `${color}${Math.round(alpha * 255).toString(16).padStart(2, "0")}`;
