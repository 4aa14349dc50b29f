"use strict";
// Sorting and filtering of the tables of cases; the page is complete without it.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const texts = Number(table.dataset.texts);
  const value = (row, i) => row.cells[i].dataset.v;
  const order = (a, b, i) => {
    const [x, y] = [value(a, i), value(b, i)];
    return i < texts ? x.localeCompare(y, undefined, { numeric: true }) : Number(x) - Number(y);
  };
  heads.forEach((head, i) => head.firstElementChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...body.rows];
    const known = rows.filter((row) => value(row, i) !== "nan").sort((a, b) => (down ? -1 : 1) * order(a, b, i));
    body.append(...known, ...rows.filter((row) => value(row, i) === "nan"));
  }));
}
for (const input of document.querySelectorAll("input.filter")) {
  const table = document.getElementById(input.getAttribute("aria-controls"));
  const count = input.closest(".tools").querySelector(".count");
  const texts = Number(table.dataset.texts);
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase();
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const own = [...row.cells].slice(0, texts).map((cell) => cell.textContent).join(" ").toLowerCase();
      row.hidden = !own.includes(wanted);
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = wanted ? `${shown} of ${table.tBodies[0].rows.length} cases` : `${shown} cases`;
  });
}
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
