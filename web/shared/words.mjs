// The words of the editors in the language of the page. English is the key; locales/<language>.json has the others, and a
// test holds that each of them has every text.
let words = {}, spoken = "en";

/** Take the words of a language: "zh", or "zh-TW", for which "zh" is taken if there is nothing nearer. */
export async function speak(language) {
  if (language === spoken) return;
  spoken = language;
  words = {};
  for (const name of [language, String(language).split("-")[0]]) {
    if (!name || name === "en" || !/^[\w-]+$/.test(name)) continue;
    try {
      const answer = await fetch(new URL(`locales/${name}.json`, import.meta.url));
      if (!answer.ok) continue;
      words = await answer.json();
      return;
    } catch {
      // not there: English
    }
  }
}

/** A text in the language of the page; {name} in it is replaced by values.name. */
export const t = (text, values = {}) => (words[text] ?? text).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
