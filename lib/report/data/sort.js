// A click on a heading sorts its table, a second click the other way; empty cells stay last.
document.querySelectorAll("table.sortable").forEach(table => {
  const head = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const key = (row, i) => row.cells[i].dataset.v ?? row.cells[i].textContent;
  const compare = (a, b) => isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
  head.forEach((cell, i) => {
    cell.tabIndex = 0;
    const sort = () => {
      const way = cell.ariaSort === "descending" ? 1 : -1;
      const rows = [...body.rows].sort((r, s) => {
        const a = key(r, i), b = key(s, i);
        return a === "" || b === "" ? (a === "") - (b === "") : way * compare(a, b);
      });
      head.forEach(other => other.ariaSort = "none");
      cell.ariaSort = way === 1 ? "ascending" : "descending";
      body.append(...rows);
    };
    cell.onclick = sort;
    cell.onkeydown = event => { if (event.key === "Enter") sort(); };
  });
});
