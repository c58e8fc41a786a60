// The verdict, routes, servers, queues and limits.
const HEADLINES = {
  client: "The clients: slow to send, or to take their reply", queue: "The queue: calls wait to be let through",
  retries: "The retries: time goes on attempts that fail", connect: "The connect: servers are not reached, or slowly",
  first_byte: "The first byte: the API takes its time to answer", body: "The body: replies come slowly or break off",
  answer: "The API answers with errors", unavailable: "No server may be asked", quota: "A quota is used up", proxy: "The proxy itself fails",
  stale: "The API fails; stored replies stand in for it", fallback: "An upstream fails; another one stands in for it",
};

const ABOUT = {  // what exactly is waited for, as core/record calls it
  permit: "a permit", token: "the rate limit of their clients", quota: "more of the quota", credentials: "credentials",
  server: "a server that can be connected to", connection: "a free connection", answer: "the answer to an equal request",
  elsewhere: "another process that has sent an equal request",
};
const headline = each => (each.cause === "queue" && ABOUT[each.about]
  ? `The queue: calls wait for ${ABOUT[each.about]}${["permit", "quota"].includes(each.about) && each.upstreams.size ? ` of ${some(each.upstreams)}` : ""}`
  : HEADLINES[each.cause] || each.cause);

const goesOn = each => known.at - each.last <= 3.5;  // else it has just stopped

// One card for each cause, and for each thing that is waited for; since when is that of its largest part.
function together(causes) {
  const found = new Map();
  for (const each of causes.filter(goesOn).sort((a, b) => b.number - a.number)) {
    const name = each.cause === "queue" ? `queue ${each.about}` : each.cause;
    const sum = found.get(name) || { name, cause: each.cause, about: each.about, number: 0, since: each.since, worst: 0, usual: null, routes: new Set(), servers: new Set(), upstreams: new Set(), example: "", parts: [] };
    sum.number += each.number; sum.parts.push(each);
    if (each.worst >= sum.worst) { sum.worst = each.worst; sum.example = each.example; sum.usual = each.usual; }
    if (each.route) sum.routes.add(each.route);
    if (each.server) sum.servers.add(each.server);
    if (each.upstream) sum.upstreams.add(each.upstream);
    found.set(name, sum);
  }
  return [...found.values()].sort((a, b) => b.number - a.number || b.worst - a.worst);  // what hits most calls
}

const calls_ = number => `${number} ${number === 1 ? "call" : "calls"}`;
const part = each => h("li", null, `${calls_(each.number)}${each.route ? ` on ${each.route}` : ""}${each.upstream ? ` at ${place(each.upstream, each.server)}` : ""}, since ${clock(each.since - 1)}`);

const some = (set, most = 3) => [...set].slice(0, most).map(short).join(", ") + (set.size > most ? ` and ${set.size - most} more` : "");

// The servers that are ejected or unhealthy; drained ones are meant.
function unfit(wanted) {
  return Object.entries(known.state.upstreams || {}).flatMap(([upstream, servers]) => servers
    .filter(each => wanted(["", upstream, each.endpoint]) && serverState(each, known.state.breakers || [], empty())[0] === "bad")
    .map(each => each.endpoint));
}

function drawVerdict() {
  if (known.lost) {  // what is known is no longer true
    fill($("verdict"), [h("div", { class: "cause", "data-cause": "lost" },
      h("div", null, h("p", { class: "what" }, `The proxy is not reached since ${clock(known.lost)}`),
        h("p", null, "What is below is from then. It is asked again every few seconds.")))]);
    tell("lost");
    return;
  }
  const wanted = places(known.filter), ofCause = causesOf(known.filter);
  const here = known.causes.filter(each => wanted([each.route, each.upstream, each.server]));
  const causes = together(here.filter(ofCause));
  const shown = causes.slice(0, 4).map((each, index) => {
    const where = [
      each.routes.size ? `on ${some(each.routes)}` : "",
      each.upstreams.size ? `at ${some(each.upstreams)}${each.servers.size ? ` (${some(each.servers)})` : ""}` : "",
    ].filter(Boolean).join(" ");
    const long = `${calls_(each.number)} in the last second ${where}, up to ${spell(each.worst)}${each.usual === null ? "" : `; usually ${spell(each.usual)}`}. `;
    const parts = each.parts.slice(0, 4).map(part), more = each.parts.length - parts.length;
    return h("div", { class: `cause${index ? " minor" : ""}`, colour: colour(each.cause), "data-cause": each.cause },
      h("div", null, h("p", { class: "what" }, headline(each)),
        h("p", null, long, each.example ? h("a", { href: link({ call: each.example }), "data-key": `why-${each.name}` }, "See one of them") : ""),
        each.parts.length > 1 ? h("ul", { class: "parts" }, parts, more > 0 ? h("li", null, `and ${more} more`) : "") : ""),
      h("p", { class: "since" }, "since ", h("b", null, clock(each.since - 1)), `for ${spell(Math.max(1, Math.round(known.at - each.since + 1)))}`));
  });
  if (!shown.length && known.at) shown.push(calm(wanted, here.filter(goesOn)));
  fill($("verdict"), shown);
  tell(causes.map(each => each.name).sort().join() || shown[0]?.className);
}

// A screen reader hears of what is wrong when that changes, not each second.
let toldOf;
function tell(what) {
  if (what === toldOf) return;
  toldOf = what;
  $("told").textContent = [...document.querySelectorAll("#verdict .what")].map(each => each.textContent).join(". ");
}

// What is said where there is no cause to show. Green is only what has been well for all of the time.
function calm(wanted, left) {
  const { steps, seconds, name } = window_();
  const sum = empty();
  for (const step of steps) for (const row of step.rows) if (wanted(known.series[row[0]])) addRow(sum, row);
  const past = [...known.ended, ...known.causes].filter(each => wanted([each.route, each.upstream, each.server])).sort((a, b) => b.last - a.last), last = past[0];
  const slow = past.filter(each => each.last > known.at - 60);
  const ill = unfit(wanted), quiet = !sum.calls && !known.flying.length;
  const fits = !known.filter || known.series.some(wanted) || Object.entries(known.state.upstreams || {}).some(([upstream, servers]) => servers.some(each => wanted(["", upstream, each.endpoint])));
  const now = `${rate(sum.calls / seconds)} calls a second, half of them within ${spell(quantile(sum.counts, 0.5))}, 95 % within ${spell(quantile(sum.counts, 0.95))}.`;
  const failed = sum.failed ? `${share(sum.failed / sum.calls)} of the calls failed ${name}` : "";
  const hidden = slow.filter(each => each.cause === "stale" || each.cause === "fallback");
  const routes = new Set((hidden.length ? hidden : slow).map(each => each.route).filter(Boolean)), on = routes.size ? ` on ${some(routes)}` : "";
  const [tone, what, more] =
    !fits ? ["uneasy", "No route or server fits this filter", "Nothing that fits has been asked, so nothing can be said of it."]
    : left.length ? ["uneasy", "Nothing of this cause at this moment", `The filter leaves out: ${[...new Set(left.map(each => NAMES[each.cause] || each.cause))].join(", ")}.`]
    : ill.length ? ["uneasy", `${ill.length === 1 ? "A server gets" : `${ill.length} servers get`} no calls: ${some(new Set(ill))}`, quiet ? "" : `${failed && `${failed}. `}${now}`]
    : failed ? ["uneasy", `Nothing fails at this moment; ${failed}`, now]
    : hidden.length ? ["uneasy", `Nothing fails at this moment; other replies stood in for failures${on} within the last minute`, quiet ? "" : now]
    : slow.length ? ["uneasy", `Nothing is slow at this moment; calls${on} were within the last minute`, quiet ? "" : now]
    : quiet ? ["still", "Nothing is asked at the moment", ""]
    : ["well", "All is well: nothing is slow, nothing fails", now];
  return h("div", { class: `cause ${tone}`, "data-cause": "" }, h("div", null, h("p", { class: "what" }, what),
    h("p", null, more, last ? ` Last trouble: ${NAMES[last.cause] || last.cause}, until ${clock(last.last)}.` : "")));
}

function phaseBar(sum) {
  const all = sum.phases.reduce((a, b) => a + b, 0);
  if (!all) return h("span", { class: "soft" }, "–");
  const most = sum.phases.indexOf(Math.max(...sum.phases));
  const bars = PHASES.map((name, index) => h("i", { colour: colour(name), style: { flex: `${sum.phases[index] / all} 1 0` }, title: `${NAMES[name]} ${spell(sum.phases[index] / sum.calls)}` }));
  return h("div", { class: "shares" }, h("div", { class: "bar" }, bars), h("span", null, `${share(sum.phases[most] / all)} ${NAMES[PHASES[most]]}`));
}

function drawRoutes() {
  const { steps, seconds, name } = window_();
  const wanted = places(known.filter);
  const found = [...grouped(steps, each => (wanted(each) ? each[0] : null))].filter(([, sum]) => sum.calls).sort((a, b) => b[1].calls - a[1].calls);
  const more = Math.max(0, found.length - 50);
  const troubled = new Set(known.causes.filter(goesOn).map(each => each.route));
  if (more) found.sort((a, b) => troubled.has(b[0]) - troubled.has(a[0]) || b[1].failed / b[1].calls - a[1].failed / a[1].calls || b[1].calls - a[1].calls).splice(50);
  $("routes-window").textContent = name;
  fill($("routes").tBodies[0], found.length ? found.map(([route, sum]) => h("tr", null,
    h("td", { class: "mono" }, route ? h("a", { href: link({ filter: `route:${route}` }), "data-key": `route-${route}` }, h("bdi", null, route)) : "no route"),
    h("td", { class: "n" }, rate(sum.calls / seconds)),
    h("td", { class: `n${sum.failed ? " bad" : ""}` }, share(sum.failed / sum.calls)),
    ...[0.5, 0.95, 0.99].map(part => h("td", { class: "n" }, spell(quantile(sum.counts, part)))),
    h("td", null, phaseBar(sum)))).concat(more ? h("tr", null, h("td", { colspan: 7, class: "none" }, `and ${more} more; those in trouble stand first`)) : []) : h("tr", null, h("td", { colspan: 7, class: "none" }, "No calls ended in this time.")));
}

function serverState(server, breakers, sum) {
  const open = breakers.find(each => each.endpoint === server.endpoint && each.state !== "closed");
  if (server.withdrawn) return ["warn", "◌ drained"];
  if (!server.healthy) return ["bad", "✕ unhealthy"];
  if (open) return open.state === "open" ? ["bad", `✕ ejected for ${spell(open.for_s)}`] : ["warn", "◔ on trial"];
  if (server.paused_s > 0) return ["warn", `‖ paused for ${spell(server.paused_s)}`];
  const asked = sum.calls + sum.besides, failed = sum.failed + sum.covered;
  if (asked && failed >= 0.9 * asked) return ["bad", "✕ fails"];
  return ["good", asked ? "✓ well" : "– not asked"];
}

function drawServers() {
  const { steps, seconds, name } = window_();
  const sums = grouped(steps, ([, upstream, server]) => `${upstream}\n${server}`);
  const wanted = places(known.filter);
  const breakers = known.state.breakers || [];
  const flying = new Map();  // where there is one server only, nobody counts but the exchanges
  for (const [number, , count] of known.steps.at(-1)?.flying || []) {
    const [, upstream, server] = known.series[number];
    flying.set(`${upstream}\n${server}`, (flying.get(`${upstream}\n${server}`) || 0) + count);
  }
  $("servers-window").textContent = name;
  const shown = Object.entries(known.state.upstreams || {}).map(([upstream, servers]) => {
    const found = servers.filter(each => wanted(["", upstream, each.endpoint]) || known.series.some(one => one[1] === upstream && one[2] === each.endpoint && wanted(one))).map(server => {
      const sum = sums.get(`${upstream}\n${server.endpoint}`) || empty();
      return [server, sum, ...serverState(server, breakers, sum)];
    });
    const most = 60, more = found.length - most, order = ["bad", "warn", "good"];
    if (more > 0) found.sort((a, b) => order.indexOf(a[2]) - order.indexOf(b[2]));
    const tiles = found.slice(0, most).map(([server, sum, tone, words]) => {
      const fact = (term, value, bad) => [h("dt", null, term), h("dd", { class: bad ? "bad" : "" }, value)];
      const which = { upstream, server: server.endpoint };
      const quota = server.quota, asked = sum.calls + sum.besides, failed = sum.failed + sum.covered;
      const action = server.withdrawn ? ["restore", "Restore"] : ["drain", "Drain"];
      return h("article", { class: "tile", colour: colour(tone) },
        h("p", { class: "state" }, h("span", { class: "badge" }, words),
          servers.length > 1 ? h("button", { "data-act": action[0], "data-upstream": upstream, "data-server": server.endpoint, "data-key": `act-${upstream}-${server.endpoint}`, "aria-label": `${action[1]} ${server.endpoint}` }, action[1]) : ""),
        h("h3", { class: "name" }, h("bdi", null, short(server.endpoint))),
        h("dl", null, fact("calls/s", rate(asked / seconds)), fact("failed", share(asked ? failed / asked : 0), failed),
          fact("p50", spell(quantile(sum.counts, 0.5))), fact("p95", spell(quantile(sum.counts, 0.95))),
          fact("in flight", String(Math.max(server.in_flight, flying.get(`${upstream}\n${server.endpoint}`) || 0))), fact("open", String(server.connections))),
        phaseBar(sum).classList.contains("shares") ? h("div", { class: "bar" }, [...phaseBar(sum).firstChild.childNodes]) : "",
        h("p", null, [server.backup ? "backup" : "", server.weight !== 1 ? `weight ${server.weight}` : "",
          quota && quota.longest.remaining !== null ? `quota: ${quota.longest.remaining} left${quota.longest.wait_s ? `, waits ${spell(quota.longest.wait_s)}` : ""}` : ""].filter(Boolean).join(", ")));
    });
    return tiles.length ? h("div", { class: `upstream${tiles.length > 1 ? " many" : ""}` }, h("h3", null, h("bdi", null, upstream)), h("div", { class: "tiles" }, tiles), more > 0 ? h("p", { class: "none" }, `and ${more} more; what is not well stands first. A filter such as server:${short(servers[0].endpoint)} shows one.`) : "") : null;
  });
  fill($("servers"), shown.filter(Boolean).length ? shown : h("p", { class: "none" }, known.live ? "No server fits the filter." : "…"));
}

function meter(title, used, most, name, ...notes) {
  const wide = most ? Math.min(100, used / most * 100) : 0;
  return h("div", { class: "limit" }, h("p", null, h("b", null, h("bdi", null, title)), h("span", null, most ? `${used} of ${most}` : String(used))),
    most ? h("div", { class: "meter" }, h("i", { colour: colour(name), style: { width: `${wide}%` } })) : "",
    ...notes.filter(Boolean).map(note => h("p", { class: "soft" }, note)));
}

// What the cache did while the page was open, over five minutes at most.
function drawStored() {
  const [from, before] = known.stored[0] || [known.at, {}], wanted = places(known.filter);
  return Object.entries(known.state.cache?.routes || {}).filter(([route]) => wanted([route, "", ""])).slice(0, 20).map(([route, now]) => {
    const of = name => Math.max(0, now[name] - (before[route]?.[name] || 0)), hits = of("hits"), all = hits + of("stale") + of("revalidated") + of("misses") + of("collapsed");
    const over = `over ${spell(Math.max(1, Math.round(known.at - from)))}`;
    return meter(`${route}: stored replies`, hits, all, "first_byte", all ? `hits ${over}, ${of("stale")} stale, ${of("misses")} misses${hits ? `; mean age of a hit ${spell(of("hit_age_seconds") / hits)}` : ""}` : `none asked for ${over}`, `${now.hits} hits, ${now.stale} stale, ${now.misses} misses since the start`);
  });
}

function drawLimits() {
  const state = known.state, shown = [];
  for (const [upstream, each] of Object.entries(state.concurrency || {})) {
    const who = Object.entries(each.waiting_by_key || {}).map(([name, one]) => `${name || "all"}: ${one.waiting}, up to ${spell(one.longest_s)}`);
    shown.push(meter(`${upstream}: requests at a time`, each.in_flight, each.limit, each.waiting ? "queue" : "first_byte",
      each.waiting ? h("span", { class: "bad" }, `${each.waiting} wait`) : "none waits", who.slice(0, 5).join("; "),
      [each.refused ? `${each.refused} refused` : "", each.timed_out ? `${each.timed_out} waited too long` : "", each.evicted ? `${each.evicted} gave way` : ""].filter(Boolean).join(", ")));
  }
  for (const each of state.budgets || []) {
    if (each.spent || each.refused) shown.push(meter(`${each.upstream}: retry budget spent`, each.spent, each.spent + (each.available || 0), "retries", each.refused ? `${each.refused} retries refused` : ""));
  }
  for (const [route, each] of Object.entries(state.rate_limits || {})) {
    shown.push(meter(`${route}: rate limit`, each.refused, 0, "queue", `${each.refused} refused, ${each.waited} waited, ${each.keys} ${each.keys === 1 ? "client" : "clients"}`));
  }
  for (const each of state.hedges || []) {
    shown.push(meter(`${each.route} at ${each.upstream}: copies`, each.sent, 0, "retries", `${each.won} won, ${each.over_budget} over budget, after ${spell((each.delay_ms || 0) / 1000)}`));
  }
  for (const [route, each] of Object.entries((state.coalesce || {}).routes || {})) {
    shown.push(meter(`${route}: shared answers`, each.joined, 0, "queue", `${each.calls} calls asked, ${each.joined} joined them`));
  }
  shown.push(...drawStored());
  const streams = state.streams || {};
  if (streams.resumable) shown.push(meter("Streams that can be resumed", streams.resumable, 0, "body", `${streams.waiting} wait for their client`));
  $("limits-card").hidden = !shown.length;
  fill($("limits"), shown);
}
