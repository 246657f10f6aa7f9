// A worker that draws in-betweens: what takes longer than a frame of the page is done here.
// It is sent {number, one, other, turn, progress, height, width, lists}: `one` and `other` name lists of shapes, and
// `lists` holds those that were not sent before. It answers {number, mask}: the mask (Float32Array), or null where one of
// the two is empty, so that there is nothing between them.
import { Cache } from "./cache.mjs";
import { formOf } from "./keyframes.mjs";
import { Between } from "./inbetween.mjs";

const known = new Map(); // name -> list of shapes
const ways = new Cache(100);

self.onmessage = ({ data: { number, one, other, turn, progress, height, width, lists } }) => {
  for (const [name, shapes] of Object.entries(lists)) known.set(Number(name), shapes);
  const [from, to] = [one, other].map((name) => formOf(known.get(name), height, width));
  if (from.empty || to.empty) return self.postMessage({ number, mask: null });
  const way = ways.get(`${one}>${other}:${turn}@${width}x${height}`, 1, () => new Between(from, to, turn));
  const mask = way.at(progress);
  self.postMessage({ number, mask }, [mask.buffer]);
};
