// A slider back through each drawing of a tape on this page that has none yet: step k is the k-th node from the loss.
document.querySelectorAll('.minigrad-tape:not([data-ready])').forEach(function (drawing) {
  drawing.dataset.ready = '';
  const steps = drawing.querySelector('.steps');
  if (!steps) return;
  const [back, on] = steps.querySelectorAll('button');
  const slider = steps.querySelector('input'), words = steps.querySelector('output');
  const marked = [...drawing.querySelectorAll('[data-step]')];
  const last = Number(slider.max);
  function show() {
    const now = Number(slider.value);
    const said = [];
    marked.forEach(function (each) {
      const step = each.dataset.step === '' ? Infinity : Number(each.dataset.step);
      each.classList.toggle('later', step > now);
      each.classList.toggle('now', step === now && !each.classList.contains('leaf'));
      if (step === now && each.classList.contains('node')) said.push(each.dataset.name);
    });
    back.disabled = now === 0;
    on.disabled = now === last;
    words.value = now === 0 ? 'forward pass done' : 'back, ' + now + ' of ' + last + ': ' + said.join(', ');
  }
  function move(by) {
    slider.value = Number(slider.value) + by;
    show();
  }
  back.addEventListener('click', () => move(-1));
  on.addEventListener('click', () => move(1));
  slider.addEventListener('input', show);
  steps.hidden = false;
  show();
});
