"use strict";
// What the page shows comes from /cluster, /failovers and /events of the agent
// that serves it. All of it is written as text, never as markup.
(() => {
  const $ = (id) => document.getElementById(id);
  const shown = 5;           // failovers
  const remembered = 50;     // events
  const settling = [200, 1000, 3000, 8000]; // ms after an event: members follow one after the other
  const patience = 1000;     // ms from an event to the first reading after it, however many follow
  const steady = 10000;      // ms; lag moves without an event
  let leader;                // undefined until it was read once
  let waiting = 0;           // since when an event has waited to be read after, ms; 0: none has
  let timers = [], records = [];

  const element = (name, text, attributes = {}) => {
    const e = document.createElement(name);
    if (text !== undefined && text !== null) e.textContent = text;
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    return e;
  };
  const read = async (path) => {
    const r = await fetch(path, { cache: "no-store" });
    if (!r.ok) throw new Error(`${path} answers ${r.status}`);
    return r.json();
  };
  const bytes = (n) => {
    if (typeof n !== "number") return n === undefined ? "" : String(n);
    const units = ["B", "kB", "MB", "GB", "TB"];
    let u = 0;
    while (n >= 1024 && u < units.length - 1) { n /= 1024; u++; }
    return `${u ? n.toFixed(1) : n} ${units[u]}`;
  };
  const seconds = (s) => `${s.toFixed(3)} s`;
  const clock = (text) => new Date(text).toLocaleTimeString();

  const leads = (m) => m.role === "leader" || m.role === "standby_leader";
  const fine = (m) => m.state === "running" || m.state === "streaming" || m.state === "in archive recovery";

  // tree puts each member below the one that it replicates from.
  const tree = (members) => {
    const by = new Map(members.map((m) => [m.name, m]));
    const head = members.find(leads);
    const above = (m) => {
      const from = m.tags && m.tags.replicatefrom;
      return from && from !== m.name && by.has(from) ? from : head && head.name;
    };
    const out = [];
    const seen = new Set();
    const put = (m, level, from) => {
      if (seen.has(m.name)) return;
      seen.add(m.name);
      out.push([m, level, from]);
      members.filter((c) => !leads(c) && above(c) === m.name).forEach((c) => put(c, level + 1, m.name));
    };
    if (head) put(head, 0);
    members.forEach((m) => put(m, 0));
    return out;
  };

  const notesOf = (m) => {
    const list = [];
    if (m.pending_restart) {
      const why = Object.entries(m.pending_restart_reason || {}).map(([k, v]) => `${k} ${v.old_value} → ${v.new_value}`);
      list.push("restart pending" + (why.length ? `: ${why.join(", ")}` : ""));
    }
    if (m.scheduled_restart) list.push(`restart scheduled for ${m.scheduled_restart.schedule}`);
    for (const [k, v] of Object.entries(m.tags || {})) list.push(`${k}: ${typeof v === "object" ? JSON.stringify(v) : v}`);
    return list.join("; ");
  };

  const drawMembers = (members) => {
    const rows = tree(members).map(([m, level, from]) => {
      const tr = element("tr", null, { "data-role": m.role, "data-trouble": fine(m) ? "no" : "yes", "data-member": m.name });
      const name = element("th", null, { scope: "row" });
      if (level) name.append(element("span", "\u00a0\u00a0".repeat(level - 1) + "└ ", { "aria-hidden": "true" }));
      name.append(m.name);
      tr.append(
        name,
        element("td", m.role.replaceAll("_", " ") + (from ? ` of ${from}` : "")),
        element("td", m.state, { class: "state" }),
        element("td", m.timeline, { class: "number" }),
        element("td", leads(m) ? "" : bytes(m.lag), { class: "number" }),
        element("td", m.host ? `${m.host}:${m.port}` : ""),
        element("td", notesOf(m)));
      return tr;
    });
    $("members").tBodies[0].replaceChildren(...rows);
  };

  const verdict = (c) => {
    const head = c.members.find(leads);
    const bad = c.members.filter((m) => !fine(m)).map((m) => `${m.name} is ${m.state}`);
    if (!head) return ["bad", "nobody leads"];
    if (head.state !== "running" && head.role === "leader") return ["bad", `the leader ${head.name} is ${head.state}`];
    if (bad.length) return ["warn", bad.join(", ")];
    if (c.members.length === 1) return ["warn", `${head.name} leads, there is no standby`];
    if (c.pause) return ["warn", "paused: no automatic failover"];
    return ["good", `healthy: ${head.name} leads`];
  };

  const drawCluster = (c) => {
    $("scope").textContent = c.scope;
    document.title = `${c.scope} – pgregent`;
    drawMembers(c.members);
    const [grade, words] = verdict(c);
    $("health").dataset.grade = grade;
    $("health").textContent = words;
    const notes = [];
    if (c.pause) notes.push("The cluster is paused.");
    const s = c.scheduled_switchover;
    if (s) notes.push(`A switchover${s.from ? " from " + s.from : ""}${s.to ? " to " + s.to : ""} is scheduled for ${s.at}.`);
    $("notes").textContent = notes.join(" ");
    const head = c.members.find(leads);
    const now = head ? head.name : "";
    if (leader !== undefined && now !== leader) {
      $("news").textContent = now ? `${now} leads now${leader ? `; before, ${leader} led` : ""}.` : `Nobody leads; before, ${leader} led.`;
    }
    leader = now;
  };

  // drawPhases is the timeline of one failover: a table, with a bar in each row.
  const drawPhases = (box, story) => {
    const begin = Date.parse(story.begin), end = Date.parse(story.end);
    const ends = story.phases.map((p) => p.end ? Date.parse(p.end) : end);
    const whole = Math.max(1, Math.min(Math.max(end, ...ends) - begin, 2 * (end - begin) || Infinity));
    const table = element("table");
    table.append(element("caption", `Phases, on an axis of ${seconds(whole / 1000)}. The new leader accepted writes after ${seconds(story.duration_seconds)}.`));
    const head = element("tr");
    for (const t of ["Phase", "On", "Took", "When"]) head.append(element("th", t, { scope: "col" }));
    table.createTHead().append(head);
    const body = table.createTBody();
    for (const p of story.phases.filter((p) => p.phase !== "change")) {
      const from = Date.parse(p.begin), to = p.end ? Date.parse(p.end) : end;
      const longest = `${p.phase} on ${p.member}` === story.longest_phase;
      const bar = element("div", null, { class: "bar", "data-kind": !p.end ? "open" : longest ? "longest" : from >= end ? "late" : "way" });
      bar.style.left = `${Math.min(99, Math.max(0, (from - begin) / whole * 100))}%`;
      bar.style.width = `${Math.max(0, (to - Math.max(from, begin)) / whole * 100)}%`;
      const lane = element("div", null, { class: "lane", "aria-hidden": "true" });
      lane.append(bar);
      const track = element("td", null, { class: "track" });
      track.append(lane);
      const name = element("th", p.phase + (longest ? " (longest)" : ""), { scope: "row" });
      if (p.reason) name.title = p.reason;
      const tr = element("tr");
      tr.append(name, element("td", p.member), element("td", p.end ? seconds((to - from) / 1000) : "no end noted", { class: "number" }), track);
      body.append(tr);
    }
    const scroll = element("div", null, { class: "scroll", tabindex: "0", role: "region", "aria-label": "phases" });
    scroll.append(table);
    const parts = [];
    if (story.reason) parts.push(element("p", story.reason));
    parts.push(scroll);
    for (const g of story.gaps || []) parts.push(element("p", `Not known: ${g.why}`, { class: "quiet" }));
    box.replaceChildren(...parts);
  };

  const tell = (box, id) => read(`failovers/${id}`).then((s) => drawPhases(box, s)).catch((e) => { box.textContent = e.message; });

  const drawFailovers = (list) => {
    const open = new Set([...document.querySelectorAll("details[open]")].map((d) => d.dataset.id));
    const known = new Map([...document.querySelectorAll("details[data-id]")].map((d) => [d.dataset.id, d]));
    const items = list.slice(0, shown).map((s, i) => {
      const d = known.get(s.id) || element("details", null, { "data-id": s.id });
      const who = s.new_leader && s.new_leader !== s.old_leader ? `${s.old_leader || "nobody"} → ${s.new_leader}` : s.old_leader || "";
      const words = `${new Date(s.begin).toLocaleString()}: ${s.kind} ${who}, ${s.cause || "cause unknown"}${s.cause_is_a_guess ? " (a guess)" : ""}, ${seconds(s.duration_seconds)}`;
      const box = element("div");
      d.replaceChildren(element("summary", words), box);
      d.ontoggle = () => { if (d.open) tell(box, s.id); };
      d.open = open.has(s.id) || (i === 0 && !known.has(s.id));
      if (d.open) tell(box, s.id);
      return d;
    });
    $("failovers").replaceChildren(...(items.length ? items : [element("p", "none recorded", { class: "quiet" })]));
  };

  const refresh = async () => {
    waiting = 0;
    try {
      drawCluster(await read("cluster"));
    } catch (e) {
      $("health").dataset.grade = "bad";
      $("health").textContent = `the state of the cluster is not known: ${e.message}`;
    }
  };

  const refreshFailovers = async () => {
    try {
      const r = await read("failovers");
      drawFailovers(r.failovers);
      $("missing").textContent = (r.missing || []).map((m) => `The notes of ${m.member} are missing: ${m.why}.`).join(" ");
    } catch (e) {
      $("missing").textContent = e.message;
    }
  };

  // settle reads again after an event, and some more times. Only a change of
  // roles makes a failover; its record is asked of all members.
  const settle = (kind) => {
    waiting = waiting || Date.now();
    const first = Math.max(0, Math.min(settling[0], waiting + patience - Date.now()));
    timers.forEach(clearTimeout);
    timers = settling.map((ms, i) => setTimeout(refresh, i ? ms : first));
    if (kind !== "leader" && kind !== "role") return;
    records.forEach(clearTimeout);
    records = settling.slice(1).map((ms) => setTimeout(refreshFailovers, ms));
  };

  const building = (b) => b ? `${b.method}${b.phase ? " " + b.phase : ""}${b.percent === undefined ? "" : ` ${b.percent} %`}` : "–";

  const note = (kind, data) => {
    let words = kind;
    if (kind === "audit") words = `${data.who}: ${data.method} ${data.path} → ${data.code}`;
    else if (kind === "build") words = `build of ${data.member}: ${building(data.from)} → ${building(data.to)}`;
    else if (data.to !== undefined) words = `${kind}${data.member && kind !== "leader" ? " of " + data.member : ""}: ${data.from || "–"} → ${data.to === "" ? "–" : data.to}${data.reason ? " (" + data.reason + ")" : ""}`;
    $("events").prepend(element("li", `${data.time ? clock(data.time) : ""} ${words}`));
    while ($("events").children.length > remembered) $("events").lastElementChild.remove();
  };

  const listen = () => {
    const source = new EventSource("events");
    source.onopen = () => { $("link").textContent = "live"; refresh(); refreshFailovers(); };
    source.onerror = () => { $("link").textContent = "the agent does not answer; trying again"; };
    for (const kind of ["role", "state", "leader", "config", "request", "operation", "build", "pause", "store", "audit"]) {
      source.addEventListener(kind, (e) => { note(kind, JSON.parse(e.data)); settle(kind); });
    }
    source.addEventListener("gap", () => settle("leader"));
  };

  read("patroni").then((d) => { $("served").textContent = d.patroni.name || d.patroni.scope; }).catch(() => {});
  refresh();
  refreshFailovers();
  listen();
  setInterval(() => { if (!document.hidden) refresh(); }, steady);
})();
