// Errors: the page keeps their sentences behind "View details", but ours say what to do, so they are shown at once.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

function say(id, kind, sentence) {
  if (!kind?.startsWith("FullDiT")) return;
  const summary = app.graph.getNodeById(id)?.title ?? kind;
  app.extensionManager?.toast?.add({ severity: "error", summary, detail: sentence, life: 30000 });
}

function sayRefusals(errors) {
  for (const [id, node] of Object.entries(errors ?? {})) {
    // The host repeats the sentence for every input that was looked at.
    const said = (node.errors ?? []).filter(({ type }) => type === "custom_validation_failed");
    for (const sentence of new Set(said.map(({ details }) => details.replace(/^[\w.]+ - /, "")))) say(id, node.class_type, sentence);
  }
}

app.registerExtension({
  name: "FullDiT.Errors",
  setup() {
    api.addEventListener("execution_error", ({ detail }) => {
      if (detail.exception_type?.endsWith(".UserError")) say(detail.node_id, detail.node_type, detail.exception_message.trim());
    });
    const queue = api.queuePrompt; // what is refused before anything runs has no event
    api.queuePrompt = async function (...given) {
      try {
        const answer = await queue.apply(this, given);
        sayRefusals(answer?.node_errors);
        return answer;
      } catch (error) {
        sayRefusals(error?.response?.node_errors);
        throw error;
      }
    };
  },
});
