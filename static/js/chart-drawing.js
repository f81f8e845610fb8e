/* How the totals are drawn with uPlot: colours of the theme, a dash pattern and a name at the end of each line, and what
   the lines say where somebody points. */

export const HEIGHT = 220;
const TOKENS = { sent: "--series-1", delivered: "--series-3", failed: "--series-5", opened: "--series-2", clicked: "--series-4" };
export const DASHES = { sent: [], delivered: [8, 4], failed: [2, 3], opened: [12, 3, 2, 3], clicked: [5, 5] };
const LINE_PX = 14;
/* Below this width the legend alone names the lines. */
const NARROW_PX = 480;

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

/* The name of each line beside its end, moved apart where they would lie on each other. */
function nameLines(plot, font) {
  const { ctx, bbox } = plot;
  if (plot.width < NARROW_PX) return;
  const ends = plot.series.slice(1).filter((line) => line.show).map((line) => {
    const at = plot.series.indexOf(line);
    return { line, at, y: plot.valToPos(plot.data[at].at(-1), "y", true) };
  }).sort((a, b) => b.y - a.y || b.at - a.at);
  const step = LINE_PX * devicePixelRatio;
  let floor = bbox.top + bbox.height + step / 2;
  ctx.save();
  ctx.font = font;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  for (const { line, y } of ends) {
    floor = Math.min(y, floor - step);
    ctx.fillStyle = line.tint;
    ctx.fillText(line.label, bbox.left + bbox.width + 6 * devicePixelRatio, floor);
  }
  ctx.restore();
}

/* A small box that follows the crosshair with the time and each line's total there. */
function tip(plot, format) {
  const box = plot.root.querySelector(".chart__tip") ?? plot.over.appendChild(Object.assign(document.createElement("div"), { className: "chart__tip" }));
  const { idx, left, top } = plot.cursor;
  box.hidden = idx === null || idx === undefined || left < 0;
  if (box.hidden) return;
  const cells = [Object.assign(document.createElement("strong"), { textContent: when(plot.data[0][idx], plot, " ") })];
  for (const [number, line] of plot.series.entries()) {
    if (!number || !line.show) continue;
    cells.push(Object.assign(document.createElement("span"), { textContent: line.label }), Object.assign(document.createElement("span"), { textContent: format(plot.data[number][idx]) }));
  }
  box.replaceChildren(...cells);
  const width = plot.over.clientWidth;
  const x = left + 12 + box.offsetWidth > width ? left - 12 - box.offsetWidth : left + 12;
  box.style.transform = `translate(${Math.max(0, x)}px, ${Math.min(top, plot.over.clientHeight - box.offsetHeight)}px)`;
}

export function options(element, data, hidden, format) {
  const family = getComputedStyle(document.body).fontFamily;
  const font = `12px ${family}`;
  const grid = { stroke: colour(element, "--border"), width: 1 };
  const axis = { stroke: colour(element, "--text-muted"), grid, ticks: grid, font };
  const drawn = `${12 * devicePixelRatio}px ${family}`;
  const ruler = document.createElement("canvas").getContext("2d");
  ruler.font = font;
  const room = Math.max(...data.labels.map((label) => ruler.measureText(label).width)) + 12;
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [18, element.clientWidth < NARROW_PX ? 8 : room, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    scales: { y: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.05)] } },
    axes: [{ ...axis, space: 90, size: 46, values: (plot, ticks) => ticks.map((tick) => when(tick, plot, "\n")) }, { ...axis, size: 58, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7], values: (_plot, ticks) => ticks.map(format) }],
    series: [{}, ...data.names.map((name, index) => {
      const tint = colour(element, TOKENS[name]);
      return { label: data.labels[index], show: !hidden.has(name), stroke: tint, tint, width: 2, dash: DASHES[name], points: { show: false } };
    })],
    hooks: { draw: [(plot) => nameLines(plot, drawn)], setCursor: [(plot) => tip(plot, format)] },
  };
}
