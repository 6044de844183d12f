(() => {
"use strict";
const $ = (id) => document.getElementById(id);
const make = (tag, attributes = {}, ...children) => {
const element = document.createElement(tag);
for (const [name, value] of Object.entries(attributes)) {
if (name === "text") element.textContent = value;
else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
else element.setAttribute(name, value);
}
element.append(...children);
return element;
};
const shorten = (text, most) =>
text.length <= most ? text : text.slice(0, Math.ceil(most / 2) - 1) + "…" + text.slice(-Math.floor(most / 2));
const MIN_FILTERED = 12;
function sortable(table) {
const body = table.tBodies[0];
if (!body || body.rows.length < 3) return;
const value = (row, place) => {
const text = row.cells[place].textContent.trim();
const number = row.cells[place].classList.contains("n") ? parseFloat(text) : NaN;
return Number.isNaN(number) ? text : number;
};
const begins = (text) => {
const found = /^([<>]?)\s*([+-]?\d*\.\d+)(?![\d.])/.exec(text);
return found ? parseFloat(found[2]) + (found[1] === ">" ? Number.EPSILON : 0) : 0;
};
[...table.tHead.rows[0].cells].forEach((head, place) => {
const button = make("button", { type: "button", class: "sort", text: head.textContent });
head.replaceChildren(button);
button.addEventListener("click", () => {
const down = head.getAttribute("aria-sort") === "ascending";
for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
head.setAttribute("aria-sort", down ? "descending" : "ascending");
const rows = [...body.rows].sort((a, b) => {
const [x, y] = [value(a, place), value(b, place)];
const order =
typeof x !== typeof y ? (typeof x === "number" ? -1 : 1)
: typeof x === "number" ? x - y
: begins(x) !== begins(y) ? begins(x) - begins(y)
: x.localeCompare(y, undefined, { numeric: true });
return down ? -order : order;
});
body.append(...rows);
});
});
if (body.rows.length < MIN_FILTERED) return;
const words = make("input", { type: "search", placeholder: "filter rows", "aria-label": "filter rows" });
words.addEventListener("input", () => {
const wanted = words.value.toLowerCase();
for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
});
table.parentElement.before(words);
}
document.querySelectorAll(".table table").forEach((table) => table.tHead && sortable(table));
for (const box of document.querySelectorAll(".frames")) {
const frames = [...box.querySelectorAll("figure")];
if (frames.length < 2) continue;
const id = `${box.id}-slider`, said = make("output", { for: id });
const slider = make("input", { type: "range", id, min: 0, max: frames.length - 1, value: frames.length - 1 });
const show = () => {
frames.forEach((frame, place) => (frame.hidden = place !== Number(slider.value)));
said.textContent = frames[slider.value].dataset.title;
slider.setAttribute("aria-valuetext", said.textContent);
};
slider.addEventListener("input", show);
box.prepend(make("div", { class: "controls" }, make("label", { for: id, text: "shown" }), slider, said));
show();
}
addEventListener("beforeprint", () => {
for (const part of document.querySelectorAll("details:not([open])")) {
part.open = true;
part.dataset.printed = "";
}
});
addEventListener("afterprint", () => {
for (const part of document.querySelectorAll("details[data-printed]")) {
part.open = false;
delete part.dataset.printed;
}
});
const unfold = () => {
const part = location.hash && $(decodeURIComponent(location.hash.slice(1)));
if (part && part.tagName === "DETAILS") part.open = true;
};
addEventListener("hashchange", unfold);
unfold();
const source = $("explorer-data");
if (source && window.DecompressionStream) start(JSON.parse(source.textContent)).catch((error) => console.error(error));
async function inflate(text) {
const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
return new Response(stream).arrayBuffer();
}
async function start(head) {
const whole = await inflate(head.data);
const { n } = head;
const LEVELS = 65534;
const columns = head.columns.map((c) => {
const bytes = new Uint8Array(whole, c.offset, 2 * n), codes = new Uint16Array(n);
for (let i = 0; i < n; i++) codes[i] = bytes[i] | (bytes[n + i] << 8);
return { ...c, codes };
});
const numbers = columns.filter((c) => !c.names);
const kinds = columns.filter((c) => c.names);
const told = (c, i) => valueOf(c, i).toFixed(c.digits);
const valueOf = (c, i) => (c.codes[i] > LEVELS ? NaN : c.low + (c.codes[i] / LEVELS) * (c.high - c.low));
const paths = new TextDecoder().decode(new Uint8Array(whole, head.paths)).split("\n");
const score = numbers[0];
const label = kinds[0];
const nameOf = (i) => (label ? label.names[label.codes[i]] : "");
const order = new Uint32Array(n), rank = new Uint32Array(n), starts = new Uint32Array(65537);
for (let i = 0; i < n; i++) starts[score.codes[i] + 1]++;
for (let code = 0; code < 65536; code++) starts[code + 1] += starts[code];
for (let i = 0; i < n; i++) order[(rank[i] = starts[score.codes[i]]++)] = i;
const thumb = new Int32Array(n).fill(-1);
head.thumbs.forEach((row, place) => (thumb[row] = place));
let sprite = null;
if (head.sprite) {
sprite = new Image();
sprite.src = head.sprite.url;
await sprite.decode();
}
const shown = new Uint8Array(n).fill(1);
const chosen = new Uint8Array(n);
const hidden = new Set();
let nChosen = 0;
let cursor = -1;
let words = "";
const root = $("explorer");
const pair = (...parts) => make("span", { class: "pair" }, ...parts);
const option = (c, place) => make("option", { value: place, text: shorten(c.title, 40) });
const select = (id, text, options, value) => {
const box = make("select", { id }, ...options);
box.value = value;
return [make("label", { for: id, text }), box];
};
const has = (name) => numbers.findIndex((c) => c.name === name);
const first = [has("projection.1"), has("projection.2")];
const [xLabel, xBox] = select("explorer-x", "across", numbers.map(option), first[0] < 0 ? 0 : first[0]);
const [yLabel, yBox] = select(
"explorer-y", "up", [make("option", { value: -1, text: "spread out" }), ...numbers.map(option)],
first[1] < 0 ? (numbers.length > 1 ? 1 : -1) : first[1],
);
const colourOptions = [...kinds.map((c) => [c.name, c.title]), ...numbers.map((c) => [c.name, c.title])].map(
([value, title]) => make("option", { value, text: shorten(title, 40) }),
);
const [colourLabel, colourBox] = select("explorer-colour", "colour", colourOptions, (label || score).name);
const search = make("input", { type: "search", id: "explorer-search", placeholder: "search class or path" });
search.setAttribute("aria-label", "search class or path");
const canvas = make("canvas", {
id: "explorer-plot", tabindex: 0, role: "application", "aria-describedby": "explorer-help",
"aria-label": `${n} images as points`,
});
const over = make("canvas", { class: "over", "aria-hidden": "true" });
const strip = make("canvas", { id: "explorer-strip", "aria-hidden": "true" });
const tip = make("div", { id: "explorer-tip", role: "status", "aria-live": "polite", hidden: "" });
const legend = make("div", { id: "explorer-legend" });
const panel = make("div", { id: "explorer-panel" });
const help = make("p", {
id: "explorer-help", class: "note",
text:
"Drag around points, or along the strip of scores, to choose them. Keys: arrows move to the next point, space" +
" chooses it, c chooses its class, s all shown, Escape none.",
});
root.replaceChildren(
make("div", { class: "controls" }, pair(xLabel, xBox), pair(yLabel, yBox), pair(colourLabel, colourBox), search),
make("div", { class: "plot" }, canvas, over, tip), strip, legend, help, panel,
);
const dark = matchMedia("(prefers-color-scheme: dark)");
const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const ramp = (t) => {
const at = Math.min(head.ramp.length - 1.001, Math.max(0, t * (head.ramp.length - 1)));
const [a, b] = [rgb(head.ramp[at | 0]), rgb(head.ramp[(at | 0) + 1])];
return a.map((v, k) => Math.round(v + (b[k] - v) * (at - (at | 0))));
};
const RAMP = Array.from({ length: 64 }, (_, k) => ramp(k / 63));
const shades = (c) => (c.shades ??= c.codes.map((code) => (code > LEVELS ? 64 : code >> 10)));
const column = () => columns.find((c) => c.name === colourBox.value);
const colourOf = (c, code) =>
c.names ? rgb(head.colours[code % head.colours.length]) : code > LEVELS ? [128, 128, 128] : RAMP[(code / 1024) | 0];
const markOf = (c, code) => (c.names ? head.marks[c.marks ? c.marks[code] : (code + ((code / 10) | 0)) % head.marks.length] : "o");
const SHAPES = {
o: (p, r) => p.arc(0, 0, r * 0.95, 0, 7),
s: (p, r) => p.rect(-r * 0.85, -r * 0.85, r * 1.7, r * 1.7),
"^": (p, r) => polygon(p, r * 1.15, 3, -0.25),
v: (p, r) => polygon(p, r * 1.15, 3, 0.25),
D: (p, r) => polygon(p, r * 1.15, 4, 0),
P: (p, r) => (p.rect(-r, -r * 0.36, 2 * r, r * 0.72), p.rect(-r * 0.36, -r, r * 0.72, 2 * r)),
X: (p, r) => {
p.rotate(Math.PI / 4);
SHAPES.P(p, r * 1.1);
},
p: (p, r) => polygon(p, r * 1.05, 5, -0.25),
"*": (p, r) => {
for (let k = 0; k < 10; k++) {
const [angle, far] = [(k / 10 - 0.25) * 2 * Math.PI, k % 2 ? r * 0.5 : r * 1.25];
p.lineTo(far * Math.cos(angle), far * Math.sin(angle));
}
},
"<": (p, r) => polygon(p, r * 1.15, 3, 0.5),
};
function polygon(p, r, corners, turn) {
for (let k = 0; k < corners; k++) {
const angle = (k / corners + turn) * 2 * Math.PI;
p.lineTo(r * Math.cos(angle), r * Math.sin(angle));
}
p.closePath();
}
const stamps = new Map();
function stamp(mark, radius) {
const key = mark + radius;
if (!stamps.has(key)) {
const half = Math.ceil(radius * 1.4), side = 2 * half + 1;
const p = Object.assign(document.createElement("canvas"), { width: side, height: side }).getContext("2d");
p.translate(half + 0.5, half + 0.5);
p.beginPath();
SHAPES[mark](p, radius);
p.fill();
const { data } = p.getImageData(0, 0, side, side), found = [];
for (let k = 0; k < side * side; k++)
if (data[4 * k + 3] > (n > MANY ? 110 : 20)) found.push((k % side) - half, ((k / side) | 0) - half, data[4 * k + 3] + 1);
stamps.set(key, Int16Array.from(found));
}
return stamps.get(key);
}
const PAD = 10;
const MANY = 5000;
const px = new Float32Array(n), py = new Float32Array(n);
let width = 0, height = 0, scale = 1, radius = 3;
let cells = new Int32Array(0), next = new Int32Array(n), nAcross = 0;
const CELL = 16;
function place() {
const box = canvas.parentElement.getBoundingClientRect();
scale = Math.min(2, devicePixelRatio || 1);
width = Math.max(80, Math.round(box.width * scale));
height = Math.max(80, Math.round(box.height * scale));
for (const c of [canvas, over]) [c.width, c.height] = [width, height];
[strip.width, strip.height] = [width, Math.round(48 * scale)];
radius = (n > 50000 ? 1.3 : n > 5000 ? 2 : n > 1000 ? 3 : 4) * scale;
const [x, y] = [numbers[xBox.value], numbers[yBox.value]];
const inner = [width - 2 * PAD * scale, height - 2 * PAD * scale];
for (let i = 0; i < n; i++) {
px[i] = x.codes[i] > LEVELS ? -99 : PAD * scale + (x.codes[i] / LEVELS) * inner[0];
const up = y ? y.codes[i] / LEVELS : ((i * 40503) % 65536) / 65536;
py[i] = y && y.codes[i] > LEVELS ? -99 : PAD * scale + (1 - up) * inner[1];
}
nAcross = Math.ceil(width / CELL);
cells = new Int32Array(nAcross * Math.ceil(height / CELL)).fill(-1);
for (let i = 0; i < n; i++) {
if (px[i] < 0 || py[i] < 0) continue;
const at = ((py[i] / CELL) | 0) * nAcross + ((px[i] / CELL) | 0);
next[i] = cells[at];
cells[at] = i;
}
draw();
}
let image = null, pixels = null;
const whole32 = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
function smooth(at, [r, g, b], mark) {
const { data } = image;
for (let k = 0; k < mark.length; k += 3) {
const to = 4 * (at + mark[k] + mark[k + 1] * width), a = mark[k + 2], rest = 256 - a;
data[to] = (data[to] * rest + r * a) >> 8;
data[to + 1] = (data[to + 1] * rest + g * a) >> 8;
data[to + 2] = (data[to + 2] * rest + b * a) >> 8;
data[to + 3] = Math.max(data[to + 3], a - 1);
}
}
function scatter(state, codes, marks, colours) {
const flat = marks.map((mark) => {
const offsets = new Int32Array(mark.length / 3);
for (let k = 0; k < offsets.length; k++) offsets[k] = mark[3 * k] + mark[3 * k + 1] * width;
return offsets;
});
const bytes = Uint32Array.from(colours, whole32), last = flat.length - 1;
for (let i = 0; i < n; i++) {
if (px[i] < 0 || py[i] < 0 || (shown[i] ? (nChosen && !chosen[i] ? 1 : 2) : 0) !== state) continue;
const at = (py[i] | 0) * width + (px[i] | 0), code = codes ? codes[i] : 0;
if (n <= MANY) {
smooth(at, colours[code], marks[Math.min(code, last)]);
continue;
}
const offsets = flat[code > last ? last : code], value = bytes[code];
for (let k = 0; k < offsets.length; k++) pixels[at + offsets[k]] = value;
}
}
function draw() {
const context = canvas.getContext("2d"), c = column();
if (!image || image.width !== width || image.height !== height) {
image = context.createImageData(width, height);
pixels = new Uint32Array(image.data.buffer);
} else pixels.fill(0);
const [pale, muted] = dark.matches ? [40, 62] : [232, 214];
const dot = [stamp("o", radius * 0.7)];
scatter(0, null, dot, [[pale, pale, pale]]);
if (nChosen) scatter(1, null, dot, [[muted, muted, muted]]);
if (c.names) scatter(2, c.codes, c.names.map((_, k) => stamp(markOf(c, k), radius)), c.names.map((_, k) => colourOf(c, k)));
else scatter(2, shades(c), [stamp("o", radius)], [...RAMP, [128, 128, 128]]);
context.putImageData(image, 0, 0);
drawStrip(c);
drawOver();
}
function drawStrip(c) {
const context = strip.getContext("2d");
const across = Math.floor(strip.width / (3 * scale)), kindsOf = 1 + (c.names ? c.names.length : 65);
const codes = c.names ? c.codes : shades(c);
const counts = new Int32Array(across * kindsOf), sums = new Int32Array(across);
for (let i = 0; i < n; i++) {
if (!shown[i]) continue;
const bar = Math.min(across - 1, Math.floor((score.codes[i] / 65535) * across));
const kind = nChosen && !chosen[i] ? 0 : 1 + codes[i];
counts[bar * kindsOf + kind]++;
sums[bar]++;
}
const most = Math.max(1, sums.reduce((a, b) => Math.max(a, b), 0));
context.clearRect(0, 0, strip.width, strip.height);
for (let kind = 0; kind < kindsOf; kind++) {
const code = c.names ? kind - 1 : (kind - 1) << 10;
context.fillStyle = kind ? `rgb(${colourOf(c, code)})` : dark.matches ? "#3e3e3e" : "#d6d6d6";
for (let bar = 0; bar < across; bar++) {
const tall = (counts[bar * kindsOf + kind] / most) * strip.height;
const base = (sums[bar] / most) * strip.height;
sums[bar] -= counts[bar * kindsOf + kind];
if (tall) context.fillRect(bar * 3 * scale, strip.height - base, 3 * scale - 1, tall);
}
}
}
let lasso = null;
function drawOver() {
const context = over.getContext("2d");
context.clearRect(0, 0, width, height);
context.strokeStyle = dark.matches ? "#fff" : "#000";
context.lineWidth = 1.5 * scale;
if (lasso && lasso.length > 1) {
context.beginPath();
for (const [x, y] of lasso) context.lineTo(x, y);
context.closePath();
context.setLineDash([5 * scale, 4 * scale]);
context.stroke();
context.setLineDash([]);
}
if (cursor >= 0) {
context.beginPath();
context.arc(px[cursor], py[cursor], radius + 4 * scale, 0, 7);
context.stroke();
}
}
function nearest(x, y, far) {
const reach = Math.ceil(far / CELL), [cx, cy] = [(x / CELL) | 0, (y / CELL) | 0];
let found = -1, best = far * far;
for (let row = Math.max(0, cy - reach); row <= cy + reach; row++)
for (let col = Math.max(0, cx - reach); col <= cx + reach && col < nAcross; col++)
for (let i = cells[row * nAcross + col] ?? -1; i >= 0; i = next[i]) {
const d = (px[i] - x) ** 2 + (py[i] - y) ** 2;
if (shown[i] && d < best) [best, found] = [d, i];
}
return found;
}
const picture = (context, i, x, y, side) => {
if (!sprite || thumb[i] < 0) return false;
const { px: s, across } = head.sprite;
context.imageSmoothingEnabled = s > side;
context.drawImage(sprite, (thumb[i] % across) * s, Math.floor(thumb[i] / across) * s, s, s, x, y, side, side);
return true;
};
function tell(i) {
cursor = i;
drawOver();
tip.hidden = i < 0;
if (i < 0) return;
const rest = (100 * rank[i]) / Math.max(1, n - 1);
const lines = [
make("b", { text: shorten(nameOf(i), 40) || "image" }),
make("span", { text: `score ${+(+told(score, i)).toPrecision(4)}, percentile ${rest.toFixed(0)}` }),
make("span", { text: shorten(paths[i] || "", 44) }),
];
tip.replaceChildren(...lines);
const small = make("canvas", { width: 64, height: 64 });
if (picture(small.getContext("2d"), i, 0, 0, 64)) tip.prepend(small);
const left = px[i] / scale, top = py[i] / scale, box = canvas.getBoundingClientRect();
tip.style.left = `${Math.max(0, Math.min(left + 12, box.width - tip.offsetWidth - 4))}px`;
tip.style.top = `${top + 14 + tip.offsetHeight > box.height ? Math.max(0, top - tip.offsetHeight - 12) : top + 14}px`;
}
function choose(wanted, add = false) {
nChosen = 0;
for (let i = 0; i < n; i++) nChosen += chosen[i] = shown[i] && (wanted(i) || (add && chosen[i])) ? 1 : 0;
draw();
describe();
}
const ofChosen = () => Array.from(order.filter((i) => chosen[i]));
const quoted = (text) => `"${(/^[=+\-@\t\r]/.test(text) ? "'" : "") + text.replaceAll('"', '""')}"`;
function save(name, text) {
const url = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
const link = make("a", { href: url, download: name });
document.body.append(link);
link.click();
link.remove();
setTimeout(() => URL.revokeObjectURL(url), 10000);
}
function describe() {
panel.replaceChildren();
if (!nChosen) return;
const counts = new Uint32Array(label ? label.names.length : 1), all = counts.slice();
for (let i = 0; i < n; i++) {
const code = label ? label.codes[i] : 0;
all[code]++;
counts[code] += chosen[i];
}
const codes = [...counts.keys()].filter((code) => counts[code]).sort((a, b) => counts[b] - counts[a]);
const lines = codes.slice(0, 20).map((code) =>
make("tr", {}, make("td", { text: label ? shorten(label.names[code], 40) : "images" }),
make("td", { class: "n", text: counts[code] }), make("td", { class: "n", text: label ? `of ${all[code]}` : "" })));
const csv = () => {
const head_ = ["path", "label", ...numbers.map((c) => c.name)].map(quoted).join(",");
const text = ofChosen().map((i) => [quoted(paths[i] || ""), quoted(nameOf(i)), ...numbers.map((c) => {
return Number.isNaN(valueOf(c, i)) ? "" : +told(c, i);
})].join(","));
save("chosen.csv", [head_, ...text].join("\n") + "\n");
};
panel.append(
make("p", { id: "explorer-count", role: "status", text: `${nChosen} of ${n} images chosen` }),
make("div", { class: "controls" },
make("button", { type: "button", id: "explorer-csv", text: "Save as CSV", onclick: csv }),
make("button", { type: "button", id: "explorer-paths", text: "Save list of paths",
onclick: () => save("paths.txt", ofChosen().map((i) => paths[i] || "").join("\n") + "\n") }),
make("button", { type: "button", id: "explorer-clear", text: "Choose none", onclick: () => choose(() => false) })),
make("table", { id: "explorer-classes" }, make("tbody", {}, ...lines)),
);
const pictured = Array.from(order.filter((i) => chosen[i] && thumb[i] >= 0));
if (!sprite || !pictured.length) return;
const MOST = 60, some = pictured.length <= MOST ? pictured
: Array.from({ length: MOST }, (_, k) => pictured[Math.floor((k * pictured.length) / MOST)]);
const side = 48, across = Math.min(12, Math.max(1, Math.floor(panel.clientWidth / side)), some.length);
const sheet = make("canvas", {
id: "explorer-sheet", width: across * side, height: Math.ceil(some.length / across) * side, role: "img",
"aria-label": `${some.length} of the images chosen, the lowest score first`,
});
some.forEach((i, k) => picture(sheet.getContext("2d"), i, (k % across) * side, Math.floor(k / across) * side, side));
panel.append(sheet, make("p", { class: "note", text: `${some.length} pictures, the lowest score first` }));
}
const MAX_LEGEND = 24;
function explain() {
const c = column();
if (!c.names) {
const bar = make("span", { class: "ramp" });
bar.style.background = `linear-gradient(90deg, ${head.ramp.join(",")})`;
legend.replaceChildren(c.low.toPrecision(3), bar, c.high.toPrecision(3));
return;
}
const items = c.names.slice(0, MAX_LEGEND).map((name, code) => {
const swatch = make("canvas", { width: 14, height: 14, "aria-hidden": "true" });
const p = swatch.getContext("2d");
p.translate(7, 7);
p.fillStyle = `rgb(${colourOf(c, code)})`;
p.beginPath();
SHAPES[markOf(c, code)](p, 5);
p.fill();
const off = c === label && hidden.has(code);
return make("button", { type: "button", "aria-pressed": String(!off), title: name,
onclick: () => {
if (c !== label) return choose((i) => c.codes[i] === code);
if (!hidden.delete(code)) hidden.add(code);
filter();
} }, swatch, shorten(name, 24));
});
legend.replaceChildren(...items);
if (c.names.length > MAX_LEGEND) legend.append(`${MAX_LEGEND} of ${c.names.length} shown; search finds the others`);
}
let small = null;
function filter() {
if (words) small ??= paths.map((path) => path.toLowerCase());
const named = label ? label.names.map((name) => name.toLowerCase().includes(words)) : [];
for (let i = 0; i < n; i++) {
const code = label ? label.codes[i] : 0;
shown[i] = hidden.has(code) || (words && !named[code] && !(small[i] || "").includes(words)) ? 0 : 1;
}
explain();
choose((i) => chosen[i]);
root.dataset.shown = shown.reduce((a, b) => a + b, 0);
}
const spot = (event) => {
const box = canvas.getBoundingClientRect();
return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
};
canvas.addEventListener("pointerdown", (event) => {
canvas.setPointerCapture(event.pointerId);
lasso = [spot(event)];
});
canvas.addEventListener("pointermove", (event) => {
const [x, y] = spot(event);
if (!lasso) return tell(nearest(x, y, 14 * scale));
lasso.push([x, y]);
drawOver();
});
canvas.addEventListener("pointerup", (event) => {
const drawn = lasso;
lasso = null;
if (!drawn) return;
if (drawn.length < 4) {
const i = nearest(...spot(event), 14 * scale);
tell(i);
return choose((k) => k === i);
}
const sheet = Object.assign(document.createElement("canvas"), { width, height });
const p = sheet.getContext("2d", { willReadFrequently: true });
p.beginPath();
for (const [x, y] of drawn) p.lineTo(x, y);
p.fill("evenodd");
const inside = new Uint32Array(p.getImageData(0, 0, width, height).data.buffer);
choose((i) => px[i] >= 0 && py[i] >= 0 && inside[(py[i] | 0) * width + (px[i] | 0)] > 0x7fffffff, event.shiftKey);
});
canvas.addEventListener("pointercancel", () => ((lasso = null), drawOver()));
canvas.addEventListener("pointerleave", () => lasso || tell(-1));
canvas.addEventListener("blur", () => tell(-1));
canvas.addEventListener("keydown", (event) => {
const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
if (step) {
const visible = (i) => shown[i] && px[i] >= 0 && py[i] >= 0;
if (cursor < 0) return event.preventDefault(), tell(order.find(visible) ?? -1);
let found = -1, best = Infinity;
for (let i = 0; i < n; i++) {
if (i === cursor || !visible(i)) continue;
const [dx, dy] = [px[i] - px[cursor], py[i] - py[cursor]];
const ahead = dx * step[0] + dy * step[1], aside = Math.abs(dx * step[1]) + Math.abs(dy * step[0]);
const cost = ahead + 2 * aside;
if (ahead > 0 && cost < best) [best, found] = [cost, i];
}
if (found >= 0) tell(found);
} else if (event.key === " " && cursor >= 0) {
const at = cursor;
choose((i) => (i === at ? !chosen[i] : chosen[i]));
} else if (event.key === "c" && cursor >= 0 && label) {
choose((i) => label.codes[i] === label.codes[cursor], event.shiftKey);
} else if (event.key === "s") choose(() => true);
else if (event.key === "Escape") choose(() => false);
else return;
event.preventDefault();
});
let from = null;
strip.addEventListener("pointerdown", (event) => {
strip.setPointerCapture(event.pointerId);
from = event.offsetX / strip.clientWidth;
});
strip.addEventListener("pointerup", (event) => {
const to = event.offsetX / strip.clientWidth, ends = [Math.min(from, to) * 65535, Math.max(from, to) * 65535];
choose((i) => score.codes[i] >= ends[0] && score.codes[i] <= ends[1], event.shiftKey);
});
for (const box of [xBox, yBox]) box.addEventListener("change", place);
colourBox.addEventListener("change", () => (explain(), draw()));
search.addEventListener("input", () => ((words = search.value.toLowerCase()), filter()));
dark.addEventListener("change", draw);
let resizing = 0;
addEventListener("resize", () => (clearTimeout(resizing), (resizing = setTimeout(place, 100))));
if (label)
for (const row of document.querySelectorAll("tr[data-classes]")) {
const wanted = new Set(JSON.parse(row.dataset.classes));
const go = () => {
choose((i) => wanted.has(nameOf(i)));
root.scrollIntoView({ block: "center" });
};
row.cells[0].append(" ", make("button", { type: "button", class: "find", text: "show", onclick: go,
"aria-label": `show ${[...wanted].join(" and ")} among the images` }));
}
explain();
place();
root.dataset.shown = n;
root.dataset.ready = "";
}
})();
