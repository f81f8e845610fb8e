/* The code editor as one ES module: CodeMirror 6 with HTML, XML (for MJML) and Liquid.

   `mount(host, {doc, language, label, isReadOnly, phrases, onChange})` puts an editor into a shadow root of `host`. The shadow root
   is what keeps the page's Content-Security-Policy strict: there CodeMirror uses constructed style sheets, which the policy
   allows, instead of <style> elements. Colours come from the page's custom properties, which reach into shadow roots. */

import { basicSetup } from "codemirror";
import { html } from "@codemirror/lang-html";
import { liquid } from "@codemirror/lang-liquid";
import { xml } from "@codemirror/lang-xml";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { openSearchPanel } from "@codemirror/search";
import { Compartment, EditorState } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { indentWithTab } from "@codemirror/commands";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { tags } from "@lezer/highlight";

const look = EditorView.theme({
  "&": { height: "100%", backgroundColor: "var(--surface)", color: "var(--text)", fontSize: "var(--fs-sm)" },
  "&.cm-focused": { outline: "2px solid var(--focus)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-gutters": { backgroundColor: "var(--bg)", color: "var(--text-faint)", borderColor: "var(--border)" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in oklab, var(--accent) 6%, transparent)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in oklab, var(--accent) 28%, transparent)",
  },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-panels": { backgroundColor: "var(--bg)", color: "var(--text)", borderColor: "var(--border)" },
  ".cm-tooltip": { backgroundColor: "var(--surface)", color: "var(--text)", borderColor: "var(--border)" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent-subtle)", color: "var(--accent-text)" },
  ".cm-gutter-lint .cm-gutterElement": { cursor: "help" },
  ".cm-diagnostic": { fontFamily: "var(--font)", padding: "var(--sp-1) var(--sp-2)" },
  ".cm-panel.cm-search": { padding: "var(--sp-2) var(--sp-3)" },
  ".cm-panel.cm-search label": { fontSize: "var(--fs-sm)" },
  ".cm-textfield, .cm-button": {
    padding: ".1875rem .5rem", borderRadius: "var(--r-sm)", fontSize: "var(--fs-sm)",
    backgroundColor: "var(--surface)", backgroundImage: "none", color: "var(--text)", borderColor: "var(--border-strong)",
  },
});

const colours = HighlightStyle.define([
  { tag: [tags.tagName, tags.keyword, tags.operatorKeyword], color: "var(--accent-text)" },
  { tag: [tags.attributeName, tags.propertyName], color: "var(--violet)" },
  { tag: [tags.attributeValue, tags.string], color: "var(--ok)" },
  { tag: [tags.number, tags.bool, tags.atom], color: "var(--warn)" },
  { tag: [tags.variableName, tags.name], color: "var(--teal)" },
  { tag: tags.comment, color: "var(--text-faint)", fontStyle: "italic" },
  { tag: [tags.bracket, tags.angleBracket, tags.punctuation], color: "var(--text-muted)" },
  { tag: tags.invalid, color: "var(--err)" },
]);

const LANGUAGES = {
  html: () => liquid({ base: html() }),
  mjml: () => liquid({ base: xml() }),
  liquid: () => liquid(),
};

export function mount(host, { doc = "", language = "html", label = "", isReadOnly = false, phrases = {}, onChange = () => {} } = {}) {
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  const readOnly = new Compartment();
  const mode = new Compartment();
  const view = new EditorView({
    parent: root,
    root,
    state: EditorState.create({
      doc,
      extensions: [
        basicSetup,
        EditorState.phrases.of(phrases),
        keymap.of([indentWithTab]),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": label }),
        EditorView.updateListener.of((update) => { if (update.docChanged) onChange(update.state.doc.toString()); }),
        mode.of(LANGUAGES[language]()),
        readOnly.of(EditorState.readOnly.of(isReadOnly)),
        lintGutter(),
        look,
        syntaxHighlighting(colours),
      ],
    }),
  });
  return {
    view,
    get value() { return view.state.doc.toString(); },
    set value(text) { view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } }); },
    insert(text) { view.dispatch(view.state.replaceSelection(text)); view.focus(); },
    setLanguage(name) { view.dispatch({ effects: mode.reconfigure(LANGUAGES[name]()) }); },
    setReadOnly(is) { view.dispatch({ effects: readOnly.reconfigure(EditorState.readOnly.of(is)) }); },
    goTo(line) {
      const at = view.state.doc.line(Math.min(Math.max(line, 1), view.state.doc.lines)).from;
      view.dispatch({ selection: { anchor: at }, scrollIntoView: true });
      view.focus();
    },
    /* `problems`: [{line, level: "error" or "warning", message}], each marked in the gutter and under its line. */
    setProblems(problems) {
      const { doc } = view.state;
      const marks = problems.map(({ line, level, message }) => {
        const at = doc.line(Math.min(Math.max(line, 1), doc.lines));
        return { from: at.from + at.text.search(/\S|$/), to: at.to, severity: level, message };
      });
      view.dispatch(setDiagnostics(view.state, marks));
    },
    search() { openSearchPanel(view); },
    focus() { view.focus(); },
    destroy() { view.destroy(); },
  };
}
