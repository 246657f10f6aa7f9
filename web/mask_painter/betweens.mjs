// In-betweens for the page, drawn by a worker: a painter says which ones it wishes to show, and is told when one is there.
// Where there are no workers, keyframes.mjs draws them when they are asked for, as it does in tests.
import { numberOf } from "./cache.mjs";
import { keep, known } from "./keyframes.mjs";

const MOST_LISTS = 1000; // of shapes that the worker knows; it forgets them all with its next start

let worker = null, sent = new Set(), asked = null, count = 0;
const wishes = new Map(); // painter -> {now, pairs, arrived}, the most urgent pair first
const needs = []; // {pair, done}: what an action waits for

/** Whether a pair's mask is there, or never will be because there is no worker. */
export const isReady = (pair) => !pair || known(pair) || worker === "none";

/** Replace what a painter wishes to show now and soon; `arrived()` is called for each that comes and is shown now. */
export function wish(painter, now, soon, arrived) {
  wishes.set(painter, { now, pairs: [...now, ...soon], arrived });
  next();
}
export const forget = (painter) => wishes.delete(painter);

/** Resolves when the pair's mask is there. */
export const need = (pair) =>
  new Promise((done) => {
    if (isReady(pair)) return done();
    needs.push({ pair, done });
    next();
  });

function next() {
  if (asked || worker === "none") return;
  while (needs.length && isReady(needs[0].pair)) needs.shift().done();
  let pair = needs[0]?.pair;
  for (const { pairs } of wishes.values()) pair ??= pairs.find((entry) => !isReady(entry));
  if (pair) ask(pair);
}

function ask(pair) {
  if (sent.size > MOST_LISTS) {
    worker.terminate();
    worker = null;
  }
  try {
    worker ??= start();
  } catch (error) {
    return giveUp(error);
  }
  const lists = {}, names = [pair.one, pair.other].map(numberOf);
  names.forEach((name, k) => {
    if (!sent.has(name)) lists[name] = k ? pair.other : pair.one;
    sent.add(name);
  });
  const { turn, progress, height, width } = pair;
  asked = { pair, number: ++count };
  worker.postMessage({ number: count, one: names[0], other: names[1], turn, progress, height, width, lists });
}

function start() {
  const made = new Worker(new URL("./between_worker.mjs", import.meta.url), { type: "module" });
  sent = new Set();
  made.onmessage = ({ data: { number, mask } }) => {
    if (number !== asked?.number) return;
    const { pair } = asked;
    asked = null;
    keep(pair, mask);
    for (const { now, arrived } of [...wishes.values()]) if (now.some(({ key }) => key === pair.key)) arrived();
    next();
  };
  made.onerror = (event) => giveUp(event.message);
  return made;
}

/** Draw in-betweens on the page's own thread from now on. */
function giveUp(error) {
  console.warn("FullDiT mask painter: in-betweens are drawn without a worker:", error);
  worker = "none";
  asked = null;
  needs.splice(0).forEach(({ done }) => done());
  for (const { arrived } of [...wishes.values()]) arrived();
}
