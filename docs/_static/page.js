// What style sheets cannot do; pages can be read without this script as well.
document.fonts.ready.then(() => {
  // Some browsers leave room at the right of a root for the widest form of its sign, whichever form they drew.
  // Where that is so, take it away; where it is not, nothing changes.
  for (const root of document.querySelectorAll("msqrt")) {
    const extra = root.getBoundingClientRect().right - root.lastElementChild.getBoundingClientRect().right;
    if (extra > 2) root.style.marginRight = `${2 - extra}px`;
  }
  // A formula within a line that is wider than a phone scrolls by itself.
  for (const formula of document.querySelectorAll("span.math")) {
    if (formula.getBoundingClientRect().width > formula.closest("p, li, dd, td")?.clientWidth) formula.classList.add("long");
  }
  // What scrolls can be reached with the tab key, and has a name.
  let scrolling = 0;
  for (const formula of document.querySelectorAll("div.math.formula, span.math.long")) {
    if (formula.scrollWidth <= formula.clientWidth) continue;
    formula.tabIndex = 0;
    formula.setAttribute("role", "region");
    formula.setAttribute("aria-label", `formula ${(scrolling += 1)}, scrolls`);
  }
});
// The arrows that unfold a list of pages have no text, so a screen reader needs to be told what they do.
for (const summary of document.querySelectorAll("summary")) {
  if (!summary.textContent.trim()) summary.setAttribute("aria-label", "unfold the pages of this section");
}
// "Open in the browser" asks first whether Python can be fetched; what does not answer points to the notebook.
for (const button of document.querySelectorAll("a.in-browser")) {
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    const status = button.parentElement.querySelector("[role=status]");
    status.textContent = "looking for Python …";
    try {
      await fetch(button.dataset.kernel, { method: "HEAD", mode: "no-cors", signal: AbortSignal.timeout(8000) });
    } catch {
      const download = document.createElement("a");
      download.href = button.dataset.notebook;
      download.textContent = "download the notebook";
      status.replaceChildren("Python for the browser cannot be fetched here: ", download, " and run it where you have one.");
      return;
    }
    status.textContent = "";
    window.location.assign(button.href);
  });
}
