/* <div data-chart="id of a JSON script">: running totals as lines, with a legend that shows and hides them and a table
   that says the same in words. uPlot and its style are loaded when a chart is there. News come with the page's loop. */

import { attach } from "./attach.js";
import { DASHES, HEIGHT, options } from "./chart-drawing.js";

const VENDOR = new URL("../vendor/", import.meta.url);
const SVG = "http://www.w3.org/2000/svg";
/* Kept while the page is open, also when another span is chosen. */
const hidden = new Set();
let isTableShown = false;
let loading;

function library() {
  loading ??= new Promise((resolve, reject) => {
    const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: new URL("uplot-1.6.32.min.css", VENDOR) });
    const script = Object.assign(document.createElement("script"), { src: new URL("uplot-1.6.32.min.js", VENDOR), onload: resolve, onerror: reject });
    document.head.append(style, script);
  });
  return loading;
}

/* New numbers go into the drawing and the table's rows; nothing that can have the focus is replaced. */
function keepUp(root, show) {
  let looked = Date.now();
  async function look() {
    if (!root.isConnected) return document.removeEventListener("live:news", look);
    if (Date.now() - looked < Number(root.dataset.chartEvery)) return;
    looked = Date.now();
    const answer = await fetch(root.dataset.chartUrl, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (!answer?.ok) return;
    const parsed = document.createElement("template");
    parsed.innerHTML = await answer.text();
    const data = parsed.content.getElementById("chart-data");
    const rows = parsed.content.getElementById("chart-rows");
    if (!data || !rows || !root.isConnected) return;
    document.getElementById("chart-rows").replaceChildren(...rows.children);
    show(JSON.parse(data.textContent));
  }
  document.addEventListener("live:news", look);
}

function swatch(dash) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 28 10");
  drawing.setAttribute("aria-hidden", "true");
  const line = drawing.appendChild(document.createElementNS(SVG, "path"));
  line.setAttribute("d", "M0 5H28");
  line.setAttribute("stroke-dasharray", dash.join(" "));
  return drawing;
}

/* One button for each line: pressed while it is shown. */
function legend(place, data, toggle) {
  place.replaceChildren(...data.names.map((name, index) => {
    const key = Object.assign(document.createElement("button"), { type: "button", className: `chart__key chart__key--${name}` });
    key.setAttribute("aria-pressed", String(!hidden.has(name)));
    key.append(swatch(DASHES[name]), data.labels[index]);
    key.addEventListener("click", () => {
      if (!hidden.delete(name)) hidden.add(name);
      key.setAttribute("aria-pressed", String(!hidden.has(name)));
      toggle(index + 1, !hidden.has(name));
    });
    return key;
  }));
}

attach("[data-chart-table-button]", (button) => {
  const table = document.getElementById(button.getAttribute("aria-controls"));
  const show = () => {
    button.setAttribute("aria-expanded", String(isTableShown));
    table.hidden = !isTableShown;
  };
  button.addEventListener("click", () => {
    isTableShown = !isTableShown;
    show();
  });
  show();
});

attach("[data-chart]", async (element) => {
  let data = JSON.parse(document.getElementById(element.dataset.chart).textContent);
  const format = new Intl.NumberFormat(document.documentElement.lang).format;
  await library();
  if (!element.isConnected) return;
  const draw = () => {
    element.replaceChildren();
    return new window.uPlot(options(element, data, hidden, format), [data.x, ...data.series], element);
  };
  let plot = draw();
  const root = element.closest("[data-chart-url]");
  legend(root.querySelector("[data-chart-legend]"), data, (line, isShown) => plot.setSeries(line, { show: isShown }));
  keepUp(root, (news) => {
    data = news;
    plot.setData([data.x, ...data.series]);
  });
  new ResizeObserver(() => {
    if (element.clientWidth && element.clientWidth !== plot.width) plot.setSize({ width: element.clientWidth, height: HEIGHT });
  }).observe(element);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { plot = draw(); });
  new MutationObserver(() => { plot = draw(); }).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
});
