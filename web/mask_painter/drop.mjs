// Files that are dropped on the painter: images become masks from the playhead on, one for each frame, in the order of their
// names; a JSON file with a painter's state replaces what is painted.
import { rasterSize } from "./edits.mjs";
import { resize } from "./raster.mjs";
import { parse } from "./text.mjs";
import { t } from "../shared/words.mjs";

/** Take the files over into the editor; what cannot be read is said. */
export async function takeFiles(editor, files) {
  try {
    const texts = files.filter((file) => /json/.test(file.type) || /\.json$/i.test(file.name));
    const images = files.filter((file) => file.type.startsWith("image/")).sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
    if (texts.length) return editor.replaceAll(parse(await texts[0].text()));
    if (!images.length) return editor.say(t("Drop an image of a mask, several for several frames, or a JSON file of this painter."), true);
    editor.putMasks(await Promise.all(images.map((file) => maskOf(file, ...rasterSize(editor.state)))));
  } catch (error) {
    editor.say(error.name === "Error" ? error.message : t("The file cannot be read as an image of a mask."), true);
  }
}

/** The mask in an image file at a size: its alpha where it has some, else its brightness; {mask, height, width}. */
async function maskOf(file, height, width) {
  const image = await createImageBitmap(file), canvas = new OffscreenCanvas(image.width, image.height), pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  const { data } = pen.getImageData(0, 0, image.width, image.height), mask = new Float32Array(image.width * image.height);
  let clear = false;
  for (let k = 3; k < data.length && !clear; k += 4) clear = data[k] < 255;
  for (let k = 0; k < mask.length; k++)
    mask[k] = (clear ? data[4 * k + 3] : 0.299 * data[4 * k] + 0.587 * data[4 * k + 1] + 0.114 * data[4 * k + 2]) / 255;
  return { mask: resize(mask, image.height, image.width, height, width), height, width };
}
