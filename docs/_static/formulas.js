// What style sheets cannot do for formulas; they are drawn without this script as well.
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
});
