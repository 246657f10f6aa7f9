// Files that are dropped on an editor go to it, not to the graph (which would open them as workflows).

/** take(files) is called with the files; while some are held over the editor, its root has the class "dropping". */
export function acceptFiles(root, take) {
  const holds = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const over = (shown) => (event) => {
    if (!holds(event)) return;
    event.preventDefault();
    event.stopPropagation();
    root.classList.toggle("dropping", shown && !(event.type === "dragleave"));
  };
  for (const kind of ["dragenter", "dragover"]) root.addEventListener(kind, over(true));
  root.addEventListener("dragleave", (event) => !root.contains(event.relatedTarget) && over(false)(event));
  root.addEventListener("drop", (event) => {
    over(false)(event);
    if (holds(event)) take([...event.dataTransfer.files]);
  });
}
