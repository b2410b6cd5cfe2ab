// Some browsers leave room at the right of a root for the widest form of its sign, whichever form they drew.
// Where that is so, take it away; where it is not, nothing changes.
document.fonts.ready.then(() => {
  for (const root of document.querySelectorAll("msqrt")) {
    const extra = root.getBoundingClientRect().right - root.lastElementChild.getBoundingClientRect().right;
    if (extra > 2) root.style.marginRight = `${2 - extra}px`;
  }
});
