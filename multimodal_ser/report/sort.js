"use strict";
// Headers become buttons that sort the first body of their table; the page is whole without it.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  if (body.rows.length < 2) continue;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      const keys = new Map([...body.rows].map((row) => {
        const cell = row.cells[column];
        const key = cell.dataset.sort === undefined ? cell.textContent : Number(cell.dataset.sort);
        return [row, key === "–" ? null : key];
      }));
      const rows = [...body.rows].sort((one, other) => {
        const [a, b] = [keys.get(one), keys.get(other)];
        if (a === null || b === null) return (a === null) - (b === null);
        const order = typeof a === "number" && typeof b === "number"
          ? a - b : String(a).localeCompare(String(b));
        return down ? -order : order;
      });
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      body.append(...rows);
    });
  });
}
