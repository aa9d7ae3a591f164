"use strict";
// Draws the charts whose data the page holds, with uPlot. Without this script the page shows a picture instead.
{
  const STYLE = getComputedStyle(document.documentElement);
  const LOOKS = {
    line: { width: 2.4, points: { show: false } },
    points: { paths: () => null, points: { show: true, size: 5, width: 0 } },
    dashed: { width: 1.2, dash: [6, 4], points: { show: false } },
    marked: { width: 1.6, dash: [2, 3], points: { show: true, size: 7, width: 0 } },
  };
  const NEAR = 40; // pixels from the pointer within which a series tells its value

  function colour(name) {
    if (typeof name === "string") return STYLE.getPropertyValue(`--${name}`).trim();
    return `hsl(${260 - 245 * name} 70% ${STYLE.getPropertyValue("--ramp-light").trim()})`;
  }

  function number(value, digits) {
    if (value == null) return "–";
    const short = Number(value.toPrecision(digits));
    const size = Math.abs(short);
    const exponential = size !== 0 && (size < 1e-3 || size >= 10 ** Math.max(6, digits));
    return exponential ? short.toExponential().replace("e+", "e") : String(short);
  }

  // The digits that tell values apart which lie so far from each other.
  function digitsFor(largest, distance) {
    return Math.min(Math.max(Math.ceil(Math.log10(largest / distance)) + 1, 3), 15);
  }

  // Decades in one style, as in the picture: 0.001 to 10, or 1e-5 to 1e1 if one of them would be long.
  function decadeLabels(ticks) {
    const long = ticks[0] <= 1e-4 || ticks[ticks.length - 1] >= 1e4;
    return ticks.map(tick => long ? `1e${Math.round(Math.log10(tick))}` : String(tick));
  }

  const isDecade = tick => tick > 0 && Math.abs(Math.log10(tick) - Math.round(Math.log10(tick))) < 1e-9;

  function tickLabels(ticks) {
    if (ticks.length > 2 && ticks.every(isDecade)) return decadeLabels(ticks);
    const steps = ticks.slice(1).map((tick, i) => tick - ticks[i]);
    const digits = digitsFor(Math.max(...ticks.map(Math.abs)), Math.min(...steps));
    return ticks.map(tick => number(tick, digits));
  }

  function widthOf(labels) {
    return 20 + 7 * Math.max(4, ...labels.map(label => label.length));
  }

  function reader({ low, high, log }) {
    const digits = log ? 4 : digitsFor(Math.max(Math.abs(low), Math.abs(high)), (high - low) / 1000);
    return (u, value) => number(value, digits);
  }

  // Round numbers of a logarithmic axis: decades, or 1, 2, 5 where they are few, or evenly spaced ones.
  function logTicks(low, high, most) {
    const exponents = [];
    for (let k = Math.floor(Math.log10(low)); k <= Math.ceil(Math.log10(high)); k++) exponents.push(k);
    for (const factors of [[1], [1, 2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9]]) {
      const ticks = exponents.flatMap(k => factors.map(n => Number(`${n}e${k}`))).filter(t => low <= t && t <= high);
      if (ticks.length >= 3) return ticks.filter((_, i) => i % Math.ceil(ticks.length / most) === 0);
    }
    const step = uPlot.rangeNum(0, (high - low) / 4, 0, true)[1];
    const ticks = [];
    for (let n = Math.ceil(low / step); n * step <= high; n++) ticks.push(n * step);
    return ticks;
  }

  function scale(axis) {
    // Before the first zoom uPlot asks with the range of the data, which may be a single value.
    const range = (u, low, high) => low < high ? [low, high] : [axis.low, axis.high];
    return { time: false, distr: axis.log ? 3 : 1, range };
  }

  function ruled(axis, room) {
    return {
      label: axis.label,
      stroke: colour("soft"),
      grid: { stroke: colour("rule"), width: 1 },
      ticks: { stroke: colour("rule"), width: 1 },
      font: "12px system-ui, sans-serif",
      labelFont: "13px system-ui, sans-serif",
      values: (u, ticks) => tickLabels(ticks),
      ...(axis.log && { splits: (u, index, low, high) => logTicks(low, high, room(u)), filter: (u, ticks) => ticks }),
    };
  }

  function whole(u, chart) {
    u.batch(() => {
      u.setScale("x", { min: chart.x.low, max: chart.x.high });
      u.setScale("y", { min: chart.y.low, max: chart.y.high });
    });
  }

  function drawBands(u, bands) {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (const band of bands) {
      const [left, right] = [band.low, band.high].map(x => u.valToPos(x, "x", true));
      const line = band.low === band.high;
      ctx.globalAlpha = line ? 1 : 0.16;
      ctx.fillStyle = colour(band.colour);
      ctx.fillRect(line ? left - devicePixelRatio : left, bbox.top, line ? 2 * devicePixelRatio : right - left, bbox.height);
    }
    ctx.restore();
  }

  // The index of the value of a series that is nearest to the pointer, if one is near.
  function nearest(u, index, hovered) {
    const [xs, ys] = [u.data[0], u.data[index]];
    if (index === 0 || ys[hovered] != null) return hovered;
    let found = null;
    for (const step of [-1, 1]) {
      let i = hovered + step;
      while (i >= 0 && i < xs.length && ys[i] == null) i += step;
      const distance = j => Math.abs(u.valToPos(xs[j], "x") - u.cursor.left);
      if (ys[i] != null && distance(i) < NEAR && (found === null || distance(i) < distance(found))) found = i;
    }
    return found;
  }

  function legendOfBands(chart, u) {
    const line = document.createElement("div");
    line.className = "bands";
    for (const band of chart.bands) {
      const entry = document.createElement("span");
      entry.textContent = band.label;
      entry.style.setProperty("--colour", `var(--${band.colour})`);
      line.append(entry);
    }
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "whole chart";
    button.title = "Drag in the chart to zoom in; a double click shows it whole as well";
    button.onclick = () => whole(u, chart);
    line.append(button);
    return line;
  }

  function draw(holder, chart) {
    holder.plot?.destroy();
    holder.replaceChildren();
    const height = holder.classList.contains("low") ? 220 : 360;
    const series = chart.series.map(({ label, look, colour: name }) => {
      const { points, ...rest } = LOOKS[look];
      const stroke = colour(name);
      return { label, stroke, ...rest, points: { stroke, fill: stroke, ...points }, value: reader(chart.y) };
    });
    const options = {
      width: holder.clientWidth,
      height,
      scales: { x: scale(chart.x), y: scale(chart.y) },
      axes: [
        { ...ruled(chart.x, u => Math.max(u.width / 80, 2)), size: 32, labelSize: 22 },
        { ...ruled(chart.y, () => 7), size: (u, labels) => widthOf(labels ?? []), labelSize: 22 },
      ],
      series: [{ label: chart.x.label, value: reader(chart.x) }, ...series],
      cursor: {
        drag: { x: true, y: true, uni: 30 },
        focus: { prox: 16 },
        dataIdx: nearest,
        bind: { dblclick: u => () => whole(u, chart) },
      },
      focus: { alpha: 0.3 },
      hooks: { drawAxes: [u => drawBands(u, chart.bands)], ready: [u => whole(u, chart)] },
    };
    holder.plot = new uPlot(options, uPlot.join(chart.series.map(({ x, y }) => [x, y])), holder);
    holder.append(legendOfBands(chart, holder.plot));
  }

  function drawAll() {
    for (const article of document.querySelectorAll("article")) {
      const charts = JSON.parse(article.querySelector("script.charts").textContent);
      for (const holder of article.querySelectorAll(".chart")) {
        const { chart: name } = holder.dataset;
        const select = article.querySelector("select");
        const chosen = () => name === "schedules" ? charts.schedules[select.value] : charts[name];
        if (name === "schedules") select.onchange = () => draw(holder, chosen());
        draw(holder, chosen());
      }
    }
  }

  drawAll();
  for (const query of ["print", "(prefers-color-scheme: dark)"]) matchMedia(query).addEventListener("change", drawAll);
  const sizes = new ResizeObserver(entries => {
    for (const { target, contentRect } of entries) {
      if (target.plot.width !== contentRect.width) target.plot.setSize({ width: contentRect.width, height: target.plot.height });
    }
  });
  document.querySelectorAll(".chart").forEach(holder => sizes.observe(holder));
}
