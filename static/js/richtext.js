/* A small rich-text field: bold, italic, link, list, heading. What comes in and what goes out has only these marks. */

const TAGS = new Set(["P", "BR", "STRONG", "B", "EM", "I", "U", "A", "UL", "OL", "LI", "H1", "H2", "H3"]);
const COMMANDS = { bold: ["bold"], italic: ["italic"], list: ["insertUnorderedList"], heading: ["formatBlock", "h2"], text: ["formatBlock", "p"] };

/** `html` with the allowed marks only; everything else becomes its text. Nothing of it ever runs. */
export function clean(html) {
  /* Styles and handlers are dropped below anyway; the page's content policy complains about them even in a document nobody sees. */
  const unstyled = (html ?? "").replace(/<style\b[\s\S]*?<\/style\s*>/gi, "").replace(/<[a-z](?:"[^"]*"|'[^']*'|[^"'>])*>/gi, bare);
  const source = new DOMParser().parseFromString(unstyled, "text/html").body;
  const target = document.createElement("div");
  copy(source, target);
  return target.innerHTML;
}

/* A tag without them; the same words in a text ("online = 5 €") stay. */
const bare = (tag) => tag.replace(/\s(?:style|on\w+)\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)/gi, "");

function copy(from, to) {
  for (const node of from.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) to.append(node.textContent);
    if (node.nodeType !== Node.ELEMENT_NODE || ["SCRIPT", "STYLE"].includes(node.tagName)) continue;
    const tag = node.tagName === "DIV" ? "P" : node.tagName;
    if (!TAGS.has(tag)) {
      copy(node, to);
      continue;
    }
    const made = document.createElement(tag);
    const href = node.getAttribute("href") ?? "";
    if (tag === "A" && /^(https?:|mailto:|tel:|\{\{)/i.test(href)) made.setAttribute("href", href);
    copy(node, made);
    to.append(made);
  }
}

/** Make `field` a rich-text field with the buttons of `tools`; `onInput(html)` after each change, `onBraces(target)` when
    {{ was typed, whose two characters are before the caret. */
export function bindRichText(field, tools, { html, isLocked, onInput, onBraces }) {
  field.innerHTML = clean(html) || "<p><br></p>";
  field.contentEditable = isLocked ? "false" : "true";
  const changed = () => onInput(clean(field.innerHTML));
  document.execCommand("defaultParagraphSeparator", false, "p");
  const target = { element: field, insert: (text, before) => insert(field, text, before, changed) };
  field.addEventListener("input", (event) => {
    changed();
    if (event.data === "{" && hasBraces()) onBraces?.(keptAt(target));
  });
  field.addEventListener("paste", (event) => {
    event.preventDefault();
    const copied = event.clipboardData.getData("text/html");
    document.execCommand("insertHTML", false, copied ? clean(copied) : "");
    if (!copied) document.execCommand("insertText", false, event.clipboardData.getData("text/plain"));
  });
  for (const button of tools.querySelectorAll("[data-rich]")) {
    button.addEventListener("mousedown", (event) => event.preventDefault());
    button.addEventListener("click", () => {
      field.focus();
      const [command, value] = COMMANDS[button.dataset.rich] ?? [];
      if (command) document.execCommand(command, false, value);
      else link(button);
      changed();
    });
  }
  /* The picker takes the focus away; the caret goes back to where it was. */
  tools.querySelector("[data-rich-picker]")?.addEventListener("mousedown", (event) => event.preventDefault());
  return { ...target, get kept() { return keptAt(target); } };
}

function hasBraces() {
  const { anchorNode, anchorOffset } = getSelection();
  return anchorNode?.nodeType === Node.TEXT_NODE && anchorNode.data.slice(0, anchorOffset).endsWith("{{");
}

/* `target` with the caret of now. */
function keptAt(target) {
  const selection = getSelection();
  const range = selection.rangeCount && target.element.contains(selection.anchorNode) ? selection.getRangeAt(0).cloneRange() : null;
  return {
    element: target.element,
    insert(text, before) {
      target.element.focus();
      if (range?.startContainer.isConnected) { selection.removeAllRanges(); selection.addRange(range); }
      target.insert(text, before);
    },
  };
}

function link(button) {
  const selection = getSelection();
  const inside = selection.anchorNode?.parentElement?.closest("a");
  const url = prompt(button.dataset.ask, inside?.getAttribute("href") ?? "https://");
  if (url === null) return;
  document.execCommand(url.trim() ? "createLink" : "unlink", false, url.trim());
}

function insert(field, text, before, changed) {
  field.focus();
  for (let n = 0; n < before; n += 1) document.execCommand("delete");
  document.execCommand("insertText", false, text);
  changed();
}
