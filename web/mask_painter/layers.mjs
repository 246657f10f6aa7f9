// The slots as rows beside the timeline: visibility, color, name, and a button that deletes the slot.
import { element, icon, setIcon, write } from "../shared/elements.mjs";
import { tintOf } from "./colors.mjs";
import { t } from "../shared/words.mjs";

export class Layers {
  /** on: {choose(slot), toggle(slot), rename(slot, name), recolor(slot, color), remove(slot), reorder(from, to)} */
  constructor(box, on) {
    Object.assign(this, { box, on });
    this.rows = [];
  }

  show({ state, slot }) {
    while (this.rows.length > state.slots.length) this.rows.pop().row.remove();
    while (this.rows.length < state.slots.length) this.rows.push(this.#make(this.rows.length));
    state.slots.forEach((entry, number) => {
      const { row, eye, dot, color, name } = this.rows[number];
      row.classList.toggle("chosen", number === slot);
      row.classList.toggle("unseen", !entry.visible);
      if (eye.dataset.shown !== String(entry.visible)) {
        eye.dataset.shown = String(entry.visible);
        eye.setAttribute("aria-pressed", String(entry.visible));
        setIcon(eye, entry.visible ? "eye" : "hidden");
      }
      dot.style.background = tintOf(entry.colour);
      if (color.value !== entry.colour.toLowerCase()) color.value = entry.colour.toLowerCase();
      if (name !== document.activeElement && name.value !== entry.name) name.value = entry.name;
    });
  }

  #make(number) {
    const { on } = this;
    const eye = element("button", { type: "button", class: "eye", title: t("Show or hide this slot in the painter; its output stays the same"),
      "aria-label": t("Show this slot") }); // prettier-ignore
    const color = element("input", { type: "color", tabindex: "-1", "aria-label": t("Color of the slot") });
    const dot = element("label", { class: "dot", title: t("Color of the slot") }, color);
    const name = element("input", { type: "text", class: "name", maxlength: "200", readonly: "", "aria-label": t("Name of the slot"),
      title: t("Double-click to rename; drag to change the order") }); // prettier-ignore
    const out = element("span", { class: "out", title: t("Output track{number}", { number: number + 1 }) });
    write(out, String(number + 1));
    const gone = element("button", { type: "button", class: "gone", title: t("Delete this slot"), "aria-label": t("Delete this slot") }, icon("close"));
    const row = element("div", { class: "layer", "data-slot": String(number) }, eye, dot, name, gone, out);
    eye.addEventListener("click", () => on.toggle(number));
    gone.addEventListener("click", () => on.remove(number));
    color.addEventListener("change", () => on.recolor(number, color.value));
    // The row has captured the pointer, so double-clicks arrive at the row.
    row.addEventListener("dblclick", (event) => {
      if (event.target.closest("button, label")) return;
      name.readOnly = false;
      name.focus();
      name.select();
    });
    const finish = () => {
      if (name.readOnly) return;
      name.readOnly = true;
      on.rename(number, name.value);
    };
    name.addEventListener("blur", finish);
    name.addEventListener("keydown", (event) => {
      if (name.readOnly) return;
      event.stopPropagation();
      if (event.key === "Enter" || event.key === "Escape") {
        finish();
        row.closest(".fulldit-editor").focus();
      }
    });
    this.#drag(row, number);
    this.box.append(row);
    return { row, eye, dot, color, name };
  }

  /** A press chooses the row; dragging it over another row swaps them. */
  #drag(row, number) {
    let from = null;
    row.addEventListener("pointerdown", (event) => {
      if (event.target.closest("button, label")) return;
      this.on.choose(number);
      from = event.target.readOnly === false ? null : event.clientY;
      if (from !== null) row.setPointerCapture(event.pointerId);
    });
    row.addEventListener("pointermove", (event) => {
      if (from === null || Math.abs(event.clientY - from) < 6) return;
      row.classList.add("held");
    });
    row.addEventListener("pointerup", (event) => {
      if (from !== null && row.classList.contains("held")) {
        const box = row.getBoundingClientRect(), to = number + Math.round((event.clientY - box.top - box.height / 2) / box.height);
        this.on.reorder(number, Math.min(Math.max(to, 0), this.rows.length - 1));
      }
      row.classList.remove("held");
      from = null;
    });
  }
}
