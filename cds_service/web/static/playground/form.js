import { swap } from "./show.js";

// The form as a question, and as a link: only what is otherwise than in the chart is in either.
const GUIDANCE = ["profile", "overlay", "asOf"];
const CHART = ["vitaminD", "magnesium", "age", "egfr", "therapy", "magnesiumTherapy"];
let usual = {}; // The guidance of the situation.

function changed(form) {
  const found = {};
  for (const name of CHART) {
    const field = form.elements[name];
    const none = form.querySelector(`[data-none="${name}"]`);
    const first = field.type === "number" ? field.defaultValue : "";
    if (none?.checked) found[name] = "none";
    else if (field.value !== first && field.value !== "") found[name] = field.value;
  }
  for (const name of GUIDANCE) {
    const value = form.elements[name].value;
    if (value && value !== usual[name]) found[name] = value;
  }
  return found;
}

export function chosen(form, pasted) {
  const who = pasted === null ? { situation: form.elements.situation.value } : { text: pasted };
  return { ...who, ...changed(form) };
}

// The fragment of the address; what was pasted is never in it.
export function follow(form, pasted) {
  if (pasted !== null) return location.pathname;
  const parameters = new URLSearchParams({ situation: form.elements.situation.value, ...changed(form) });
  return `${location.pathname}#${parameters}`;
}

// A new chart: its fields, and the guidance it is for.
export function show(form, parts) {
  swap(form.querySelector("#chart"), parts.chart);
  for (const name of GUIDANCE) form.elements[name].value = usual[name] = parts[name];
}

// Which of the patients is chosen; none, where one was pasted.
export function mark(form, own) {
  form.querySelectorAll("[data-situation]").forEach((button) => {
    const chosen = !own && button.dataset.situation === form.elements.situation.value;
    if (chosen) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  });
  forget(form);
}

function forget(form) {
  form.querySelector("#chart").querySelectorAll("[name], [data-none]").forEach((field) => {
    field.checked = false;
    field.value = field.defaultValue ?? "";
  });
  for (const name of GUIDANCE) usual[name] = form.elements[name].value;
}

// A situation of the list, as it is; whether there is one of this name.
export function choose(form, situation) {
  const known = [...form.querySelectorAll("[data-situation]")].some((one) => one.dataset.situation === situation);
  if (known) {
    form.elements.situation.value = situation;
    mark(form, false);
  }
  return known;
}

// The search: what has every word of the text, in its title, its group or its name.
export function search(form, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  form.querySelectorAll("#rest [data-situation]").forEach((button) => {
    const told = `${button.textContent} ${button.dataset.situation}`.toLowerCase();
    const fits = words.every((word) => told.includes(word));
    button.parentElement.hidden = !fits;
    found += fits;
  });
  form.querySelector("#rest").hidden = !words.length;
  form.querySelector("#found").textContent = !words.length ? "" : found === 1 ? "1 patient" : `${found || "No"} patients`;
}

// The changes to it that a link names.
export function fill(form, asked) {
  for (const name of [...CHART, ...GUIDANCE]) {
    const value = asked.get(name);
    if (value === null) continue;
    const none = form.querySelector(`[data-none="${name}"]`);
    if (value === "none" && none) none.checked = true;
    else form.elements[name].value = value;
    slide(form, name);
  }
}

function slide(form, name) {
  const range = form.querySelector(`[data-for="${name}"]`);
  if (range) range.value = form.elements[name].value;
}

// A slider and its number move together; moving either means that there is a result.
document.querySelector("#patient").addEventListener(
  "input",
  (event) => {
    const form = event.currentTarget;
    const name = event.target.dataset.for ?? event.target.name;
    if (event.target.dataset.for) form.elements[name].value = event.target.value;
    else if (name) slide(form, name);
    const none = form.querySelector(`[data-none="${name}"]`);
    if (none) none.checked = false;
  },
  { capture: true },
);
