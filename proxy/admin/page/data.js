// What the page knows. Steps are what /api/history gives: {at, rows, flying}.
const known = {
  span: 300, step: 1, steps: [], series: [], calls: new Map(), flying: [], causes: [], ended: [], events: [],
  state: {}, stored: [], connections: 0, started: 0, at: 0, size: 0, filter: "", accepts: () => true, order: "newest", open: "", live: false, lost: 0,
};
const STEPS = { 300: 1, 3600: 10, 86400: 300 };
const MOST = 600;  // calls that are kept here

const bucketBegin = number => {
  if (number <= 0) return 0;
  const octave = Math.floor((number - 1) / 4);
  return ((number - 1) % 4 + 4) * 2 ** octave / 16384;
};

function quantile(counts, part) {
  const numbers = Object.keys(counts).map(Number).sort((a, b) => a - b);
  let left = part * numbers.reduce((sum, number) => sum + counts[number], 0);
  for (const number of numbers) {
    left -= counts[number];
    if (left <= 0) return (bucketBegin(number) + bucketBegin(number + 1)) / 2;
  }
  return null;
}

function empty() {
  return { calls: 0, failed: 0, denied: 0, in: 0, out: 0, phases: [0, 0, 0, 0, 0, 0], counts: {}, covered: 0, besides: 0 };
}

function addRow(sum, [, calls, failed, denied, bytesIn, bytesOut, phases, counts, covered = 0, besides = 0]) {
  sum.calls += calls; sum.failed += failed; sum.denied += denied; sum.in += bytesIn; sum.out += bytesOut; sum.covered += covered; sum.besides += besides;
  phases.forEach((value, index) => { sum.phases[index] += value / 1000; });
  for (const [number, count] of Object.entries(counts)) sum.counts[number] = (sum.counts[number] || 0) + count;
}

// Sums over steps, by what `name` makes of a series; null leaves it out.
function grouped(steps, name) {
  const found = new Map();
  const names = known.series.map(name);
  for (const step of steps) {
    for (const row of step.rows) {
      const at = names[row[0]];
      if (at === null || at === undefined) continue;
      if (!found.has(at)) found.set(at, empty());
      addRow(found.get(at), row);
    }
  }
  return found;
}

// The last minute, or all that is shown where a step is longer than a second.
function window_() {
  if (known.step > 1) return { steps: known.steps, seconds: known.span, name: `over ${known.span > 3600 ? "24 h" : "1 h"}` };
  const steps = known.steps.filter(step => step.at > known.at - 60);
  const seconds = Math.max(1, Math.min(60, known.at - known.started, known.at - (known.steps[0]?.at ?? known.at) + 1));
  return { steps, seconds, name: "over the last minute" };
}

function merge(into, step) {
  const rows = new Map(into.rows.map(row => [row[0], row]));
  for (const row of step.rows) {
    const old = rows.get(row[0]);
    if (!old) { rows.set(row[0], structuredClone(row)); continue; }
    for (const index of [1, 2, 3, 4, 5, 8, 9]) old[index] += row[index];
    row[6].forEach((value, index) => { old[6][index] += value; });
    for (const [number, count] of Object.entries(row[7])) old[7][number] = (old[7][number] || 0) + count;
  }
  into.rows = [...rows.values()];
  for (const up of step.flying) {
    const old = into.flying.find(each => each[0] === up[0] && each[1] === up[1]);
    if (!old) into.flying.push([...up]);
    else { old[2] = Math.max(old[2], up[2]); old[3] = Math.max(old[3], up[3]); }
  }
}

function addStep(step) {
  const at = Math.floor(step.at / known.step) * known.step;
  const last = known.steps[known.steps.length - 1];
  if (last && last.at === at) merge(last, step);
  else if (!last || at > last.at) known.steps.push({ at, rows: structuredClone(step.rows), flying: structuredClone(step.flying) });
  while (known.steps.length && known.steps[0].at < known.at - known.span) known.steps.shift();
}

function addCalls(calls) {
  for (const call of calls) known.calls.set(call.id, whole(call));
  while (known.calls.size > MOST) known.calls.delete(known.calls.keys().next().value);
}

async function ask(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error((await answer.json()).error);
  return answer.json();
}

async function loadHistory() {
  known.step = STEPS[known.span];
  const told = await ask(`/api/history?span=${known.span}&step=${known.step}`);
  known.steps = told.steps; known.series = told.series; known.started = told.started; known.size = told.size;
  known.at = Math.max(known.at, known.steps.at(-1)?.at ?? 0);
}

async function loadAll() {
  const [, exchanges, causes] = await Promise.all([loadHistory(), ask("/api/exchanges?limit=500"), ask("/api/causes")]);
  known.stored = [];  // another process counts from 0
  addCalls(exchanges.exchanges.reverse());
  known.flying = exchanges.in_flight.map(whole);
  known.causes = causes.now; known.ended = causes.before; known.events = causes.events;
}

function take(news) {
  known.at = news.at; known.series = news.series; known.causes = news.causes; known.connections = news.connections;
  known.flying = news.in_flight.map(whole); known.state = news.state;
  known.stored.push([news.at, news.state.cache.routes]);
  while (known.stored[0][0] < news.at - 300) known.stored.shift();
  known.ended = [...news.ended, ...known.ended].slice(0, 200);
  known.events = [...news.events.toReversed(), ...known.events].slice(0, 300);
  addCalls(news.kept);
  if (news.step) addStep(news.step);
  else while (known.steps.length && known.steps[0].at < known.at - known.span) known.steps.shift();
}
