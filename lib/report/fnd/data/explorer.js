// Threshold explorer: counts of 101 thresholds per system are in the page; this draws one of them.
document.querySelectorAll(".explorer").forEach(box => {
  const data = JSON.parse(box.querySelector("script[type='application/json']").textContent);
  const system = box.querySelector("select"), slider = box.querySelector("input");
  const shown = box.querySelector("output"), body = box.querySelector(".explored");
  const count = n => Math.round(n).toLocaleString("en");
  const share = x => isNaN(x) ? "–" : x.toFixed(3).replace(/^0/, "");
  const bar = (name, x) => `<div class="bar"><span>${name}</span><div><i style="width:` +
    `${isNaN(x) ? 0 : 100 * x}%"></i></div><b>${share(x)}</b></div>`;
  const cell = (n, total) => `<td class="cell" style="background:rgba(0,114,178,` +
    `${total ? 0.45 * n / total : 0})"><b>${count(n)}</b><br>${Math.round(100 * n / (total || 1))}%</td>`;
  const draw = () => {
    const [tp, fp, fn, tn] = data[system.value][slider.value];
    const f1 = 2 * tp / (2 * tp + fp + fn), other = 2 * tn / (2 * tn + fp + fn);
    shown.textContent = (slider.value / 100).toFixed(2);
    body.innerHTML =
      `<table><tr><th>truth</th><th>answer: Likely</th><th>answer: Unlikely</th></tr>` +
      `<tr><th>Likely</th>${cell(tp, tp + fn)}${cell(fn, tp + fn)}</tr>` +
      `<tr><th>Unlikely</th>${cell(fp, fp + tn)}${cell(tn, fp + tn)}</tr></table><div>` +
      bar("precision", tp / (tp + fp)) + bar("recall", tp / (tp + fn)) + bar("fake-F1", f1) +
      bar("macro-F1", (f1 + other) / 2) + bar("accuracy", (tp + tn) / (tp + fp + fn + tn)) +
      `</div><p>${count(tp + fp)} of ${count(tp + fp + fn + tn)} articles flagged, ` +
      `${count(fp)} of them wrongly; ${count(fn)} Likely ones missed.</p>`;
  };
  system.onchange = slider.oninput = draw;
  draw();
});
