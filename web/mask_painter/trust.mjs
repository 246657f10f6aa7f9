// How far Follow trusts the masks that it made, frame by frame, as long as nobody has corrected them: the timeline colors
// the frames that it doubts. A doubt is {colour: of the slot, first, trust: [0..1 per frame from `first` on]}.

const SURE = 0.6, LOST = 0.3;
const TINTS = { doubt: "#ffb547", lost: "#ff5b5b" };

/** The tint of a frame that is trusted this far, or null. */
export const tintOfTrust = (trust) => (trust >= SURE ? null : trust >= LOST ? TINTS.doubt : TINTS.lost);

/** The doubts with those of an answer in the place of older ones of the same frames; an answer may come without trust. */
export function withAnswer(doubts, { colour }, { first, last }, trust) {
  const rest = doubts.map((doubt) => (doubt.colour === colour ? without(doubt, first, last) : doubt));
  if (!Array.isArray(trust) || !trust.some((value) => tintOfTrust(value))) return rest.filter(some);
  return [...rest, { colour, first, trust: trust.slice(0, last - first + 1) }].filter(some);
}

/** The doubts without what the user has changed since: from the key before a change to the key after it. */
export function corrected(doubts, before, after) {
  return doubts.map((doubt) => {
    const [old, now] = [before, after].map(({ slots }) => slots.find(({ colour }) => colour === doubt.colour)?.keys ?? []);
    if (old === now) return doubt;
    const frames = [...old.filter((key) => !now.includes(key)), ...now.filter((key) => !old.includes(key))].map(({ frame }) => frame);
    return frames.reduce((left, frame) => {
      const from = Math.max(-1, ...now.filter((key) => key.frame < frame).map((key) => key.frame));
      const to = Math.min(Infinity, ...now.filter((key) => key.frame > frame).map((key) => key.frame));
      return without(left, from + 1, to - 1);
    }, doubt);
  }).filter(some); // prettier-ignore
}

/** The doubted frames of a slot as [frame, tint]. */
export function doubted(doubts, { colour }) {
  const found = [];
  for (const doubt of doubts)
    if (doubt.colour === colour)
      doubt.trust.forEach((value, k) => tintOfTrust(value) && found.push([doubt.first + k, tintOfTrust(value)]));
  return found;
}

const some = ({ trust }) => trust.some((value) => tintOfTrust(value));
const without = (doubt, from, to) => ({
  ...doubt, trust: doubt.trust.map((value, k) => (doubt.first + k >= from && doubt.first + k <= to ? 1 : value)),
});
