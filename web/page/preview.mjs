// The switch `preview` of the sampler: what is shown while it samples changes nothing of the result. So it goes to the server
// beside the prompt, at once and before every run; in the prompt it is always the same, and no run samples again for it.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

const tell = (node, on) =>
  api.fetchApi("/fulldit/preview", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ node: String(node.id), on }),
  }).catch(() => {}); // prettier-ignore

app.registerExtension({
  name: "FullDiT.Preview",
  nodeCreated(node) {
    const widget = node.comfyClass === "FullDiTSampler" && node.widgets?.find(({ name }) => name === "preview");
    if (!widget) return;
    const before = widget.callback;
    widget.callback = function (on, ...rest) {
      tell(node, Boolean(on));
      return before?.call(this, on, ...rest);
    };
    widget.serializeValue = async () => {
      await tell(node, Boolean(widget.value));
      return true;
    };
  },
});
