// The language of the filter box, as admin/filter.py has it; tests hold both to one table.
const UNITS = { ms: 0.001, s: 1, m: 60, "": 1 };
const FILTERS = {
  upstream: value => call => call.upstream === value,
  server: value => call => call.server.includes(value) || (call.tries || []).some(each => each.server.includes(value)),
  client: value => call => call.client === value || call.client.startsWith(value.replace(/\.+$/, "") + "."),
  method: value => call => call.method === value.toUpperCase(),
  cause: value => call => call.cause === value || call.phase === value,
  error: value => call => call.error.includes(value),
  id: value => call => call.id.startsWith(value) || call.trace_id.startsWith(value),
  status: value => {
    if (!/^([1-5][0-9x]{2}|0)$/.test(value)) throw new Error(`status:${value}: expected a status such as 503 or 5xx`);
    return call => [...value].every((mark, index) => mark === "x" || mark === String(call.status)[index]);
  },
  slow: value => {
    const found = /^([<>]?)(\d+(?:\.\d+)?)(ms|s|m|)$/.exec(value);
    if (!found) throw new Error(`slow:${value}: expected a duration such as >2s or 500ms`);
    const limit = Math.round(found[2] * UNITS[found[3]] * 1e6) / 1e6;
    return call => (found[1] === "<" ? call.seconds < limit : call.seconds >= limit);
  },
  is: value => {
    const known = { failed: call => call.failed, slow: call => !call.failed && !call.phase, flying: call => !!call.phase };
    if (!Object.hasOwn(known, value)) throw new Error(`is:${value}: expected is:failed, is:slow or is:flying`);
    return known[value];
  },
};
FILTERS.route = value => call => call.route === value || call.route.startsWith(value.replace(/\/+$/, "") + "/");

function word(text) {
  if (text.startsWith("-") && text.length > 1) {
    const denied = word(text.slice(1));
    return call => !denied(call);
  }
  const at = text.indexOf(":"), name = text.slice(0, at), value = text.slice(at + 1);
  if (at > 0 && Object.hasOwn(FILTERS, name) && value) return FILTERS[name](value);
  const sought = text.toLowerCase();
  return call => `${call.id} ${call.method} ${call.target} ${call.why}`.toLowerCase().includes(sought);
}

// What JSON leaves out has its default.
const whole = call => Object.assign({
  host: "", scheme: "http", route: "", upstream: "", server: "", client: "", status: 0, error: "", phase: "", failed: false,
  bytes_in: 0, bytes_out: 0, attempts: 0, tries: [], trace_id: "", user_agent: "", coalesced: false, endless: false, length: null,
}, call);

function parse(text) {
  const tests = text.split(/\s+/).filter(Boolean).map(word);
  return call => tests.every(test => test(call));
}

// Of a filter, what can be said of a route and a server without a call.
function places(text) {
  const words = text.split(/\s+/).filter(each => /^-?(route|upstream|server):./.test(each));
  const tests = words.map(word);
  return ([route, upstream, server]) => tests.every(test => test({ route, upstream, server, tries: [] }));
}

// Likewise of an episode: its cause.
function causesOf(text) {
  const tests = text.split(/\s+/).filter(each => /^-?cause:./.test(each)).map(word);
  return ({ cause }) => tests.every(test => test({ cause, phase: "" }));
}

// What may be meant otherwise than it is taken, and which words reach the calls alone.
function hint(text) {
  const told = [], alone = [];
  for (const each of text.split(/\s+/)) {
    if (/^-?[1-5]([0-9]{2}|xx)$/.test(each)) told.push(`${each} is looked for as text; a status is ${each.replace(/[1-5]/, "status:$&")}`);
    const [, name, value] = /^-?([a-z_]+):(?!\/\/|\d+$)(.*)$/i.exec(each) || [];
    if (name === undefined) continue;
    if (!Object.hasOwn(FILTERS, name)) told.push(`${name}: is no such key, so it is looked for as text; keys: ${Object.keys(FILTERS).sort().join(", ")}`);
    else if (!value) told.push(`${name}: has no value, so it is looked for as text`);
    else if (name === "cause" && !Object.hasOwn(HEADLINES, value) && value !== "request") told.push(`cause:${value}: no such cause; causes: ${Object.keys(HEADLINES).join(", ")}, request`);
    else if (!["route", "upstream", "server", "cause"].includes(name)) alone.push(`${name}:`);
  }
  if (alone.length) told.push(`${[...new Set(alone)].join(" ")} ${alone.length > 1 ? "filter" : "filters"} the lists of calls only, not what is above them`);
  return told.join(". ");
}
