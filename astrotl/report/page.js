// Sort a table by the column whose heading is clicked; what is not known stays last, either way.
"use strict";
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const heading = button.closest("th");
    const body = heading.closest("table").tBodies[0];
    const place = heading.cellIndex;
    const falling = heading.getAttribute("aria-sort") === "ascending";
    const key = (row) => {
      const cell = row.cells[place];
      return "value" in cell.dataset ? cell.dataset.value : cell.textContent;
    };
    const numeric = heading.classList.contains("number");
    const order = numeric ? (a, b) => a - b : (a, b) => a.localeCompare(b, undefined, { numeric: true });
    const rows = [...body.rows].sort((one, other) => {
      const [a, b] = [key(one), key(other)];
      if (a === "" || b === "") return (a === "") - (b === "");
      return falling ? order(b, a) : order(a, b);
    });
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
    body.append(...rows);
  });
}
