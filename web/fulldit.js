// What ComfyUI loads at the start of its page: the texts of nodes, their errors, and the places where the editors go.
import "./page/errors.mjs";
import "./page/errors_in_nodes.mjs";
import "./page/follow.mjs";
import "./page/reports.mjs";
import "./page/preview.mjs";
import "./page/editors.mjs";
