// A slot's color as the page shows it. The identity map's pure red, green and blue glare over pictures, and its blue
// is hardly seen: they are shown softer, each still itself.

/** The colour (#rrggbb) with which a slot's mask, outline and keys are drawn. */
export function tintOf(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  const light = (0.3 * r + 0.59 * g + 0.11 * b) / 255;
  // Saturation goes down everywhere, most where the color is bright; dark ones become lighter.
  const gray = 0.12 + 0.22 * light, white = 0.14 + 0.34 * Math.max(0, 0.55 - light);
  const mix = (value) => Math.round((value * (1 - gray) + 255 * light * gray) * (1 - white) + 255 * white);
  return `#${[r, g, b].map((value) => mix(value).toString(16).padStart(2, "0")).join("")}`;
}

/** The same, see-through. */
export const faded = (colour, alpha) => `${colour}${Math.round(alpha * 255).toString(16).padStart(2, "0")}`;
