/* <div data-chart="id of a JSON script">: running totals as lines. uPlot and its style are loaded when one is there.
   Colours come from the theme's tokens; each line also has a dash pattern. The table beside it says the same in words. */

import { attach } from "./attach.js";

const VENDOR = new URL("../vendor/", import.meta.url);
const DASHES = [[], [6, 4], [2, 3], [10, 3, 2, 3]];
const SERIES = ["--series-1", "--series-5", "--series-3", "--series-4"];
const HEIGHT = 220;
let loading;

function library() {
  loading ??= new Promise((resolve, reject) => {
    const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: new URL("uplot-1.6.32.min.css", VENDOR) });
    const script = Object.assign(document.createElement("script"), { src: new URL("uplot-1.6.32.min.js", VENDOR), onload: resolve, onerror: reject });
    document.head.append(style, script);
  });
  return loading;
}

/* A canvas understands no light-dark(): the browser resolves it through an element. */
function colour(element, token) {
  const probe = document.createElement("span");
  probe.hidden = true;
  element.append(probe);
  probe.style.color = `var(${token})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function options(element, labels, format) {
  const grid = { stroke: colour(element, "--border"), width: 1 };
  const axis = { stroke: colour(element, "--text-muted"), grid, ticks: grid };
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { live: true },
    cursor: { drag: { x: false, y: false } },
    axes: [{ ...axis, font, space: 90, size: 58, values: (plot, ticks) => ticks.map((tick) => when(tick, plot, "\n")) }, { ...axis, font, size: 64, values: (_plot, ticks) => ticks.map(format) }],
    // Where nobody points, the legend says the latest numbers.
    series: [{ label: element.dataset.time, value: (plot, at) => when(at ?? plot.data[0].at(-1), plot, " ") }, ...labels.map((label, index) => ({ label, stroke: colour(element, SERIES[index]), width: 2, dash: DASHES[index], points: { show: false }, value: (plot, n, line) => format(n ?? plot.data[line].at(-1)) }))],
  };
}

/* A time as exactly as the span needs it: with seconds within ten minutes, with the day beyond one day. */
function when(seconds, plot, between) {
  const { lang } = document.documentElement;
  const at = new Date(seconds * 1000);
  const span = plot.data[0].at(-1) - plot.data[0][0];
  const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  if (span <= 600) clock.second = "2-digit";
  const time = at.toLocaleTimeString(lang, clock);
  return span > 86400 ? `${at.getDate()} ${at.toLocaleDateString(lang, { month: "short" })}${between}${time}` : time;
}

/* New numbers go into the drawing and the table's rows; nothing that can have the focus is replaced. */
function keepUp(root, show) {
  const timer = setInterval(async () => {
    if (!root.isConnected) return clearInterval(timer);
    if (document.hidden) return;
    const answer = await fetch(root.dataset.chartUrl, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (!answer?.ok) return;
    const parsed = document.createElement("template");
    parsed.innerHTML = await answer.text();
    const data = parsed.content.getElementById("chart-data");
    const rows = parsed.content.getElementById("chart-rows");
    if (!data || !rows || !root.isConnected) return;
    document.getElementById("chart-rows").replaceChildren(...rows.children);
    show(JSON.parse(data.textContent));
  }, Number(root.dataset.chartEvery));
}

attach("[data-chart]", async (element) => {
  let data = JSON.parse(document.getElementById(element.dataset.chart).textContent);
  const format = new Intl.NumberFormat(document.documentElement.lang).format;
  await library();
  if (!element.isConnected) return;
  const draw = () => {
    element.replaceChildren();
    return new window.uPlot(options(element, data.labels, format), [data.x, ...data.series], element);
  };
  let plot = draw();
  keepUp(element.closest("[data-chart-url]"), (news) => {
    data = news;
    plot.setData([data.x, ...data.series]);
  });
  new ResizeObserver(() => {
    if (element.clientWidth && element.clientWidth !== plot.width) plot.setSize({ width: element.clientWidth, height: HEIGHT });
  }).observe(element);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { plot = draw(); });
  new MutationObserver(() => { plot = draw(); }).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
});
