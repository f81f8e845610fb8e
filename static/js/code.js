/* A text area as a code editor. The text area stays the field: it gets every change, and is all there is when the
   editor can't be loaded. */

const BUNDLE = "../vendor/codemirror-6.0.2.min.js";

/** The editor over `textarea`: value, insert(text, before), setLanguage, goTo(line), focus. `onPicker(into, near)` when {{ is typed. */
export async function upgrade(textarea, { onChange, onPicker }) {
  const host = document.createElement("div");
  host.className = "code-host";
  let module;
  try {
    module = await import(BUNDLE);
  } catch {
    return plain(textarea, onChange);
  }
  textarea.after(host);
  textarea.hidden = true;
  let last = textarea.value;
  const editor = module.mount(host, {
    doc: textarea.value,
    label: textarea.getAttribute("aria-label"),
    isReadOnly: textarea.readOnly,
    onChange: (text) => {
      const isTyped = text.length === last.length + 1 || text.length === last.length + 2;
      textarea.value = last = text;
      onChange();
      const { head } = editor.view.state.selection.main;
      if (isTyped && text.slice(Math.max(0, head - 2), head) === "{{") onPicker(into(2), host);
    },
  });
  const into = (before) => ({
    element: editor,
    before,
    insert(text, cut) {
      const { head } = editor.view.state.selection.main;
      const after = editor.view.state.sliceDoc(head, head + 2) === "}}" && cut ? 2 : 0;
      editor.view.dispatch({ changes: { from: head - cut, to: head + after, insert: text }, selection: { anchor: head - cut + text.length } });
      editor.focus();
    },
  });
  return {
    get value() { return editor.value; },
    set value(text) { editor.value = text; },
    ...into(0),
    setHidden(is) { host.hidden = is; textarea.hidden = true; },
    setProblems: (problems) => editor.setProblems(problems),
    search: () => editor.search(),
    setLanguage: (name) => editor.setLanguage(name === "mjml" ? "mjml" : "html"),
    goTo: (line) => editor.goTo(line),
    focus: () => editor.focus(),
  };
}

/** Put the caret of a text area at the beginning of a line, counted from 1. */
export function goToLine(textarea, line) {
  const at = textarea.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  textarea.focus();
  textarea.setSelectionRange(at, at);
}

function plain(textarea, onChange) {
  textarea.addEventListener("input", onChange);
  return {
    get value() { return textarea.value; },
    set value(text) { textarea.value = text; },
    element: textarea,
    insert(text, before) { textarea.setRangeText(text, textarea.selectionStart - before, textarea.selectionEnd, "end"); onChange(); },
    setProblems() {},
    search() {},
    setLanguage() {},
    setHidden(is) { textarea.hidden = is; },
    goTo(line) { goToLine(textarea, line); },
    focus: () => textarea.focus(),
  };
}
