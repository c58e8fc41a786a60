// Stacked areas over time, drawn as SVG; a hand on them is told the values.
function series(steps, value) {
  const begin = Math.floor((known.at - known.span) / known.step) * known.step;
  const count = Math.round(known.span / known.step);
  const found = Array.from({ length: count }, () => null);
  for (const step of steps) {
    const index = Math.round((step.at - begin) / known.step) - 1;
    if (index >= 0 && index < count) found[index] = value(step);
  }
  return { begin, count, values: found };
}

function niceTop(value) {
  if (value <= 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find(each => each * unit >= value) * unit;
}

// whole: of things that are counted, so that half of the scale has to be a number of them.
function stacked(node, keys, data, show, told, whole = false) {
  const width = Math.max(node.clientWidth, 120), height = 150, left = 44, foot = 18;
  const inner = height - foot - 6, across = width - left - 4;
  const sums = data.values.map(value => (value ? keys.reduce((sum, key) => sum + value[key], 0) : 0));
  const nice = niceTop(Math.max(...sums, 0)), top = whole ? 2 * Math.ceil(nice / 2) : nice;
  const x = index => left + across * (index + 0.5) / data.count;
  const y = value => 6 + inner * (1 - value / top);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": told });
  for (const part of [0, 0.5, 1]) {
    root.append(
      svg("line", { class: "grid", x1: left, x2: width - 4, y1: y(top * part), y2: y(top * part) }),
      text(left - 6, y(top * part) + 4, show(top * part), "end"));
  }
  const base = data.values.map(() => 0);
  for (const name of keys) {
    let path = "", back = "";
    data.values.forEach((value, index) => {
      const low = base[index];
      base[index] += value ? value[name] : 0;
      const half = across / data.count / 2;
      for (const at of [x(index) - half, x(index) + half]) {
        path += `${path ? "L" : "M"}${at.toFixed(1)} ${y(base[index]).toFixed(1)}`;
        back = `L${at.toFixed(1)} ${y(low).toFixed(1)}${back}`;
      }
    });
    root.append(svg("path", { d: `${path}${back}Z`, fill: colour(name) }));
  }
  const ago = spell(known.span).replace(" 0 s", "").replace(" 0 min", "");
  root.append(text(left, height - 4, `${ago} ago`, "start"), text(width - 4, height - 4, "now", "end"));
  const cross = svg("line", { class: "cross", y1: 6, y2: 6 + inner, visibility: "hidden" });
  root.append(cross);
  const tip = node.querySelector(".tip") || h("div", { class: "tip", hidden: true });
  node.replaceChildren(root, tip);
  node.onmousemove = event => {
    const at = event.clientX - node.getBoundingClientRect().left;
    const index = Math.floor((at - left) / across * data.count);
    const value = data.values[index];
    tip.hidden = index < 0 || index >= data.count;
    cross.setAttribute("visibility", tip.hidden ? "hidden" : "visible");
    if (tip.hidden) return;
    cross.setAttribute("x1", x(index)); cross.setAttribute("x2", x(index));
    const lines = value ? keys.filter(name => value[name] > 0).map(name => h("div", null, key(name), ` ${show(value[name])}`)) : [h("div", null, "nothing")];
    tip.replaceChildren(h("b", null, clock(data.begin + (index + 1) * known.step)), ...lines);
    tip.style.left = at > width / 2 ? "" : `${at + 14}px`;
    tip.style.right = at > width / 2 ? `${width - at + 14}px` : "";
  };
  node.onmouseleave = () => { tip.hidden = true; cross.setAttribute("visibility", "hidden"); };
  if (node.matches(":hover") && node.lastMove) node.onmousemove(node.lastMove);
}

function text(x, y, words, anchor) {
  return svg("text", { x, y, "text-anchor": anchor }, words);
}

function drawCharts() {
  const wanted = places(known.filter);
  const use = known.series.map(wanted);
  const sumOf = step => {
    const sum = empty();
    for (const row of step.rows) if (use[row[0]]) addRow(sum, row);
    return sum;
  };
  const traffic = series(known.steps, step => {
    const sum = sumOf(step);
    return { ok: (sum.calls - sum.failed - sum.denied) / known.step, denied: sum.denied / known.step, failed: sum.failed / known.step };
  });
  const latency = series(known.steps, step => {
    const sum = sumOf(step);
    return Object.fromEntries(PHASES.map((name, index) => [name, sum.calls ? sum.phases[index] / sum.calls : 0]));
  });
  const flying = series(known.steps, step => {
    const found = Object.fromEntries(PHASES.map(name => [name, 0]));
    for (const [number, phase, count] of step.flying) if (use[number]) found[PHASES[phase]] += count;
    return found;
  });
  const { steps, seconds } = window_();
  const sum = empty();
  for (const step of steps) for (const row of step.rows) if (use[row[0]]) addRow(sum, row);
  const calls = `${rate(sum.calls / seconds)} a second`, failed = share(sum.calls ? sum.failed / sum.calls : 0);
  const mean = sum.calls ? sum.phases.reduce((a, b) => a + b, 0) / sum.calls : null;
  const now = flying.values.at(-1) || flying.values.at(-2) || {};
  const up = Object.values(now).reduce((a, b) => a + b, 0);
  stacked($("traffic"), ["ok", "denied", "failed"], traffic, rate, `Calls: ${calls}, ${failed} failed`);
  stacked($("flying-chart"), PHASES, flying, value => String(Math.round(value)), `In flight: ${PHASES.map(name => `${now[name] || 0} ${NAMES[name]}`).join(", ")}`, true);
  stacked($("latency"), PHASES, latency, value => (value ? spell(value) : "0"), `Mean time of a call: ${spell(mean)}`);
  fill($("traffic-now"), [h("b", null, rate(sum.calls / seconds)), "/s, ", h("b", { class: sum.failed ? "bad" : "" }, failed), " failed"]);
  fill($("flying-now"), [h("b", null, String(up)), " in flight"]);
  fill($("latency-now"), [mean === null ? "" : "mean ", h("b", null, spell(mean)), mean === null ? "" : `, p95 ${spell(quantile(sum.counts, 0.95))}`]);
  fill($("traffic-legend"), ["ok", "denied", "failed"].map(key));
  fill($("phases-legend"), PHASES.map(key));
}

function drawTimeline() {
  const begin = known.at - known.span;
  const at = time => `${Math.max(0, Math.min(100, (time - begin) / known.span * 100)).toFixed(2)}%`;
  const wanted = places(known.filter);
  const shown = episode => wanted([episode.route, episode.upstream, episode.server]);
  const lanes = new Map();
  for (const episode of [...known.ended.toReversed(), ...known.causes]) {
    const until = episode.until ?? (goesOn(episode) ? known.at : episode.last);
    if (until < begin || !shown(episode)) continue;
    if (!lanes.has(episode.cause)) lanes.set(episode.cause, []);
    const wide = `${Math.max(0.4, (until - Math.max(episode.since, begin)) / known.span * 100).toFixed(2)}%`;
    lanes.get(episode.cause).push(h("i", { colour: colour(episode.cause), style: { left: at(episode.since - 1), width: wide }, title: `${clock(episode.since)} ${episode.text}` }));
  }
  const events = known.events.filter(event => event.at >= begin && (!event.upstream || shown(event)));
  const rows = [...lanes].sort().map(([cause, bars]) => h("div", { class: "lane" }, h("span", null, key(cause)), h("div", null, bars)));
  if (events.length) {
    const marks = events.map(event => h("i", { colour: "var(--soft)", style: { left: at(event.at), width: "3px" }, title: `${clock(event.at)} ${event.text}` }));
    rows.push(h("div", { class: "lane" }, h("span", null, "changes of state"), h("div", null, marks)));
  }
  fill($("timeline"), rows.length ? rows : h("p", { class: "none" }, "Nothing stood out in this time."));
  const list = [
    ...events.map(event => [event.at, event.text]),
    ...[...known.ended, ...known.causes].filter(each => shown(each) && each.since >= begin).map(each => [each.since, `${NAMES[each.cause] || each.cause}: ${each.text}${each.until ? `; until ${clock(each.until)}` : ""}`]),
  ].sort((a, b) => b[0] - a[0]).slice(0, 200);
  fill($("events"), list.map(([when, what]) => h("li", null, h("time", null, clock(when)), h("span", null, what))));
  $("events-box").hidden = !list.length;
}
