// What is seen and heard: the answer, a sentence for screen readers, trouble.
export function swap(place, html) {
  const opened = [...place.querySelectorAll("details[open][id]")].map((one) => one.id);
  const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
  place.innerHTML = html; // Ours: the templates escape, and details of cards are sanitised there.
  for (const id of opened) place.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
  if (focused) place.querySelector(`#${CSS.escape(focused)}`)?.focus();
}

// A card that was dealt with goes; where the service keeps it quiet, its line is there already.
export function takeAway(answer, topic, why) {
  const quiet = answer.querySelector(`[data-undo="${CSS.escape(topic)}"]`);
  const card = answer.querySelector(`[data-topic="${CSS.escape(topic)}"]`);
  if (card) {
    const line = document.createElement("p");
    line.className = "gone";
    line.append(`${card.dataset.title}: ${why} It comes back when the chart is opened again. `);
    const undo = document.createElement("button");
    undo.type = "button";
    undo.textContent = "Undo";
    undo.addEventListener("click", () => {
      line.remove();
      card.hidden = false;
      count(answer);
      card.querySelector("button, summary")?.focus();
    });
    line.append(undo);
    card.before(line);
    card.hidden = true;
    count(answer);
    undo.focus();
  } else {
    quiet?.focus();
  }
}

function count(answer) {
  const left = answer.querySelectorAll(".card:not([hidden])").length;
  answer.querySelector("#cards-title").textContent = left === 1 ? "1 card" : `${left || "No"} card${left ? "s" : ""}`;
}

export function announce(sentence) {
  document.querySelector("#said").textContent = sentence;
}

export function trouble(sentence) {
  const place = document.querySelector("#trouble");
  place.textContent = sentence;
  place.hidden = !sentence;
}
