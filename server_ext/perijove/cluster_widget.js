// The view of a cluster in a cell. All text goes in as text, never as HTML.
const gib = bytes => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
const counted = (number = 0, what) => `${number} ${what}${number === 1 ? '' : 's'}`;

function element(tag, parent, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  parent.append(made);
  return made;
}

function render({ model, el }) {
  const box = element('div', el);
  box.style.cssText =
    'display:inline-block;padding:8px 12px;border:1px solid var(--jp-border-color1,#bbb);' +
    'border-radius:4px;color:var(--jp-content-font-color1,inherit);background:var(--jp-layout-color1,transparent)';
  const title = element('strong', box);
  const which = element('div', box);
  const line = element('div', box, undefined, { role: 'status' });
  const capped = element('div', box);
  const link = element('a', box, 'Dashboard', { target: '_blank', rel: 'noopener' });
  const row = element('div', box);
  row.style.cssText = 'display:flex;gap:8px;align-items:center;margin-top:6px';
  const label = element('label', row, 'Workers ');
  const count = element('input', label, undefined, { type: 'number', min: '0', step: '1' });
  count.style.width = '5em';
  const scale = element('button', row, 'Scale', { type: 'button' });
  const stop = element('button', row, 'Stop', { type: 'button' });
  for (const each of [count, scale, stop]) {
    each.style.cssText +=
      ';color:inherit;background:var(--jp-layout-color2,transparent);border:1px solid var(--jp-border-color1,#bbb);' +
      'border-radius:2px;padding:2px 8px';
  }
  link.style.cssText = 'color:var(--jp-content-link-color,inherit)';
  const said = element('div', box, undefined, { 'aria-live': 'polite' });

  function show() {
    const facts = model.get('facts');
    title.textContent = facts.title ?? '';
    which.textContent = `Cluster ${facts.name ?? ''} at ${facts.site ?? ''}`;
    capped.textContent = facts.capped ?? '';
    line.textContent =
      `${facts.state ?? ''}: ${counted(facts.workers, 'worker')}, ${counted(facts.threads, 'thread')}, ` +
      gib(facts.memory_bytes ?? 0);
    const safe = /^https?:\/\//.test(facts.dashboard ?? '');
    link.hidden = !safe;
    if (safe) link.href = facts.dashboard;
    for (const each of [count, scale, stop]) each.disabled = Boolean(facts.is_over);
  }
  function tell() {
    said.textContent = model.get('said');
  }
  count.value = model.get('facts').workers ?? 0;
  scale.onclick = () => model.send({ do: 'scale', workers: Math.max(0, Math.round(Number(count.value) || 0)) });
  stop.onclick = () => {
    if (window.confirm('Stop this cluster? What it holds in memory is lost.')) model.send({ do: 'stop' });
  };
  model.on('change:facts', show);
  model.on('change:said', tell);
  show();
  tell();
  model.send({ do: 'show' });
  return () => {
    model.send({ do: 'hide' });
    model.off('change:facts', show);
    model.off('change:said', tell);
  };
}

export default { render };
