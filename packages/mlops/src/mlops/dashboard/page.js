"use strict";
// What the page does by itself: older records on demand, a search in all of them, and a look for a newer page.
// Everything can be read without it but the older records. Texts are only ever set as text.
(() => {
  const step = 200;
  const everySeconds = 15;
  const body = document.querySelector("#records tbody");
  const first = Array.from(body.rows, (row) => Array.from(row.cells, (cell) => cell.textContent));
  const search = document.getElementById("search");
  const more = document.getElementById("more");
  let all = null;
  let found = first;
  let shown = first.length;

  const records = () => {
    all = all || first.concat(JSON.parse(document.getElementById("older").textContent));
    return all;
  };

  const row = (cells) => {
    const line = document.createElement("tr");
    for (const text of cells) {
      line.insertCell().textContent = text;
    }
    return line;
  };

  const offer = () => {
    const left = found.length - shown;
    more.hidden = left <= 0;
    more.textContent = `Show ${Math.min(step, left)} more of ${left}`;
  };

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    found = records().filter((cells) => {
      const text = cells.join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    });
    shown = Math.min(step, found.length);
    body.replaceChildren(...found.slice(0, shown).map(row));
    document.getElementById("found").textContent = words.length ? `${found.length} of ${all.length}` : "";
    history.replaceState(null, "", words.length ? `#search=${encodeURIComponent(search.value)}` : location.pathname);
    offer();
  };

  more.addEventListener("click", () => {
    found = found === first ? records() : found;
    body.append(...found.slice(shown, shown + step).map(row));
    shown = Math.min(shown + step, found.length);
    offer();
  });
  search.addEventListener("input", filter);
  document.getElementById("search-line").hidden = first.length === 0;
  if (document.getElementById("older").textContent.trim() !== "[]") {
    more.hidden = false;
    more.textContent = "Show older records";
  }
  if (location.hash.startsWith("#search=")) {
    search.value = decodeURIComponent(location.hash.slice("#search=".length));
    filter();
  }

  const look = async () => {
    const stale = document.getElementById("stale");
    try {
      const answer = await fetch("version", { cache: "no-store" });
      const known = await answer.json();
      if (known.version !== document.body.dataset.version) {
        location.reload();
        return;
      }
      const taken = document.getElementById("taken");
      taken.dateTime = known.taken;
      taken.textContent = known.taken.replace("T", " ").replace("+00:00", "");
      stale.textContent = known.problem;
      stale.hidden = known.problem === "";
    } catch {
      stale.textContent = "mlops dashboard does not answer any more: this is what it said last.";
      stale.hidden = false;
    }
  };
  if (document.body.dataset.served) {
    setInterval(look, everySeconds * 1000);
    // A user who comes back to the page wants to see the present state.
    document.addEventListener("visibilitychange", () => document.hidden || look());
  }
})();
