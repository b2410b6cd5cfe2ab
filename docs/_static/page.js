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
  for (const formula of document.querySelectorAll("div.math.formula, span.math.long")) {
    if (formula.scrollWidth <= formula.clientWidth) continue;
    formula.tabIndex = 0;
    formula.setAttribute("role", "region");
    formula.setAttribute("aria-label", "formula, scrolls");
  }
});
// The arrows that unfold a list of pages have no text, so a screen reader needs to be told what they do.
for (const summary of document.querySelectorAll("summary")) {
  if (!summary.textContent.trim()) summary.setAttribute("aria-label", "unfold the pages of this section");
}
