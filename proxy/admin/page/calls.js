// Calls in flight, calls that were slow or failed, and one of them in detail.
const statusClass = call => (call.failed ? "bad" : call.status >= 400 ? "" : "good");

function drawFlying() {
  const shown = known.flying.filter(known.accepts);
  $("flying-count").textContent = known.flying.length ? `${shown.length === known.flying.length ? "" : `${shown.length} of `}${known.flying.length}${known.flying.length >= 64 ? ", the oldest" : ""}` : "";
  fill($("flying").tBodies[0], shown.length ? shown.slice(0, 64).map(call => h("tr", null,
    h("td", { class: "n" }, spell(call.seconds)),
    h("td", null, key(call.phase || call.cause)),
    h("td", { class: "clip mono" }, h("a", { href: link({ call: call.id }), "data-key": `fly-${call.id}`, title: call.why }, `${call.method} ${call.target}`)),
    h("td", { class: "mono" }, place(call.upstream, call.server)),
    h("td", { class: "mono" }, call.client),
    h("td", { class: "n" }, sent(call)),
    h("td", { class: "n" }, h("button", { "data-cancel": call.id, "data-key": `cancel-${call.id}`, "aria-label": `Cancel ${call.method} ${call.target}` }, "Cancel")))) : h("tr", null, h("td", { colspan: 7, class: "none" }, "None.")));
}

const rates = new Map();
function sent(call) {
  const old = rates.get(call.id);
  const speed = old && call.seconds > old.seconds ? (call.bytes_out - old.bytes) / (call.seconds - old.seconds) : 0;
  const of = call.length ? ` of ${size(call.length)}` : "";
  return `${call.bytes_out ? size(call.bytes_out) : "–"}${of}${speed > 0 ? `, ${size(Math.round(speed))}/s` : ""}`;
}
function noteRates() {
  const now = new Set(known.flying.map(call => call.id));
  for (const id of rates.keys()) if (!now.has(id)) rates.delete(id);
  for (const call of known.flying) rates.set(call.id, { bytes: call.bytes_out, seconds: call.seconds });
}

function bars(call) {
  const all = call.phases.reduce((a, b) => a + b, 0) || 1;
  return h("span", { class: "bar" }, PHASES.map((name, index) => h("i", { colour: colour(name), style: { flex: `${call.phases[index] / all} 1 0` } })));
}

function drawCalls() {
  const all = [...known.calls.values()].reverse();
  let shown = all.filter(known.accepts);
  if (known.order === "failed") shown = shown.filter(call => call.failed);
  if (known.order === "slowest") shown.sort((a, b) => b.seconds - a.seconds);
  else shown.sort((a, b) => b.at + b.seconds - a.at - a.seconds);
  const open = known.calls.get(known.open) || known.flying.find(call => call.id === known.open);
  $("calls-count").textContent = all.length ? `${shown.length === all.length ? "" : `${shown.length} of `}${all.length}` : "";
  shown = shown.slice(0, 60);
  if (open && !shown.includes(open)) shown.unshift(open);
  fill($("call-list"), shown.length ? shown.map(call => h("li", null,
    h("button", { class: "call", "data-call": call.id, "data-key": `call-${call.id}`, "aria-expanded": String(call.id === known.open) },
      h("span", { class: "soft" }, clock(call.at)),
      h("span", { class: statusClass(call) }, call.status ? String(call.status) : "…"),
      h("span", { class: "n" }, spell(call.seconds)),
      h("span", { class: "target mono" }, `${call.method} ${call.target}`), bars(call),
      h("span", { class: "why" }, call.why)),
    call.id === known.open ? detail(call) : null)) : h("li", { class: "none" }, known.calls.size ? "None fits the filter." : "None so far: nothing was slow, nothing has failed."));
}

function row(label, begin, seconds, total, name, said) {
  const left = Math.min(99.5, begin / total * 100), wide = Math.max(0.3, Math.min(100 - left, seconds / total * 100));
  return h("div", { class: "row" }, h("span", { title: label }, label), h("div", null, h("i", { colour: colour(name), style: { left: `${left}%`, width: `${wide}%` } })), h("span", { class: "n" }, said || spell(seconds)));
}

function detail(call) {
  const total = call.seconds || 0.001;
  const rows = [];
  let at = 0;
  for (const [index, name] of PHASES.entries()) {
    if (call.phases[index] < 0.00005) continue;
    rows.push(row(NAMES[name], at, call.phases[index], total, name));
    at += call.phases[index];
  }
  const tries = call.tries.map((each, index) => row(`${index + 1}. ${short(each.server)} ${each.outcome}`, each.at ?? 0, each.seconds, total, /^[23]/.test(each.outcome) ? "first_byte" : "retries"));
  const facts = Object.entries({
    "Request id": call.id, "Trace id": call.trace_id, Began: new Date(call.at * 1000).toLocaleString(), Route: call.route,
    Server: place(call.upstream, call.server), Client: call.client, Host: call.host, "User agent": call.user_agent, Error: call.error,
    Attempts: String(call.attempts), "Bytes in": size(call.bytes_in), "Bytes out": size(call.bytes_out), Shared: call.coalesced ? "another call's answer" : "",
  }).filter(each => each[1]).map(([term, value]) => h("div", null, h("dt", null, term), h("dd", null, value)));
  return h("div", { class: "detail", id: "detail" },
    h("p", { class: "sentence" }, call.why),
    h("div", { class: "waterfall", role: "group", "aria-label": "Phases" }, rows),
    tries.length ? h("h3", null, "Attempts") : null,
    tries.length ? h("div", { class: "waterfall", role: "group", "aria-label": "Attempts" }, tries) : null,
    h("dl", { class: "facts" }, facts),
    h("p", { class: "buttons" },
      curl(call) ? h("button", { "data-copy": curl(call), "data-key": `curl-${call.id}` }, call.bytes_in ? `Copy as curl, without its body of ${size(call.bytes_in)}` : "Copy as curl") : h("span", { class: "soft" }, "Its target is too long or of no kind for curl."),
      h("button", { "data-copy": location.origin + location.pathname + link({ call: call.id }), "data-key": `link-${call.id}` }, "Copy the link"),
      h("button", { "data-filter": `route:${call.route}`, "data-key": `route-of-${call.id}` }, "More of this route"),
      call.server ? h("button", { "data-filter": `server:${short(call.server)}`, "data-key": `server-of-${call.id}` }, "More of this server") : null,
      call.client ? h("button", { "data-filter": `client:${call.client}`, "data-key": `client-of-${call.id}` }, "More of this client") : null));
}

// For a shell: what is in single quotes is taken as it is.
const quoted = text_ => `'${text_.replaceAll("'", "'\\''")}'`;
function curl(call) {
  const host = call.host || "localhost", whole_ = /^https?:[/]{2}/i.test(call.target);
  if (call.target.length >= 300 || !(whole_ || /^(\/|\*$)/.test(call.target))) return "";  // cut, or of CONNECT
  const url = whole_ ? call.target : `${call.scheme}://${host}${call.target === "*" ? "/" : call.target}`;
  const how = call.method === "GET" ? "" : call.method === "HEAD" ? " -I" : ` -X ${quoted(call.method)}`;
  return `curl -v -g --path-as-is${how}${call.target === "*" ? " --request-target '*'" : ""} ${quoted(url)}`;
}
