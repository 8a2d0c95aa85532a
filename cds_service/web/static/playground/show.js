// What is seen and heard: the answer, a sentence for screen readers, trouble.
export function swap(place, html) {
  const opened = [...place.querySelectorAll("details[open][id]")].map((one) => one.id);
  const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
  place.innerHTML = html; // Ours: the templates escape, and details of cards are sanitised there.
  for (const id of opened) place.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
  if (focused) place.querySelector(`#${CSS.escape(focused)}`)?.focus();
}

export function announce(sentence) {
  document.querySelector("#said").textContent = sentence;
}

export function trouble(sentence) {
  const place = document.querySelector("#trouble");
  place.textContent = sentence;
  place.hidden = !sentence;
}
