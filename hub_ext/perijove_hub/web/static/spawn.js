// The spawn page: asks where a session would run as choices change, and narrows the datasets. The form works without.

/**
 * @typedef {object} Site
 * @property {string} title
 * @property {string[]} reasons
 * @property {number} [cost_hour]
 *
 * @typedef {object} Placement
 * @property {boolean} allowed
 * @property {string | null} reason
 * @property {Site[]} candidates
 * @property {Site[]} rejected
 * @property {string} summary
 * @property {number | null} cost_hour
 * @property {number | null} lasts_hours
 * @property {string | null} charge_to
 */

const root = /** @type {HTMLElement} */ (document.getElementById('pj'));
const form = /** @type {HTMLFormElement} */ (root.closest('form'));
const currency = root.dataset.currency ?? '';

/**
 * An element of the form by its id.
 * @param {string} id
 */
function part(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @param {number} amount a price per hour, said as the page says it at first */
function costHour(amount) {
  if (amount === 0) {
    return 'free of charge';
  }
  const digits = Math.min(6, Math.max(2, 1 - Math.floor(Math.log10(Math.abs(amount)))));
  const text = amount.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${text} ${currency} per hour`;
}

/** @param {number} hours a length in its two largest units */
function length(hours) {
  const minutes = Math.round(hours * 60);
  const [days, rest, left] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24, minutes % 60];
  if (minutes < 1) {
    return 'less than a minute';
  }
  if (days) {
    return `${days} day${days === 1 ? '' : 's'}` + (rest && days < 7 ? ` ${rest} h` : '');
  }
  return rest ? `${rest} h` + (left ? ` ${left} min` : '') : `${left} min`;
}

/** @param {Placement} said */
function costs(said) {
  if (!said.allowed || said.cost_hour === null) {
    return '';
  }
  const lasts = said.lasts_hours === null ? '' : ` · lasts about ${length(said.lasts_hours)} at this size`;
  return costHour(said.cost_hour) + lasts + (said.charge_to ? ` · paid by ${said.charge_to}` : '');
}

/** @param {string} strong @param {string} text @param {boolean} refused @param {string} cost @param {string[]} sites */
function show(strong, text, refused, cost = '', sites = []) {
  const word = document.createElement('strong');
  word.textContent = strong;
  part('pj-summary').replaceChildren(word, ` · ${text}`);
  part('pj-cost').textContent = cost;
  part('pj-place').classList.toggle('refused', refused);
  part('pj-sites').replaceChildren(
    ...sites.map(reasons => {
      const item = document.createElement('li');
      item.textContent = reasons;
      return item;
    })
  );
}

function wish() {
  const fields = new FormData(form);
  /** @type {Record<string, unknown>} */
  const chosen = { datasets: fields.getAll('datasets'), without_home: fields.has('without_home') };
  for (const name of ['profile', 'site', 'charge_to']) {
    if (fields.get(name)) {
      chosen[name] = fields.get(name);
    }
  }
  const image = String(fields.get('image') ?? '').trim();
  return image ? { ...chosen, image } : chosen;
}

/** The field for an image is there with the profiles that let one be named, and tells what may be. */
function offerImage() {
  const box = document.getElementById('pj-image-box');
  if (!box) {
    return;
  }
  const profile = new FormData(form).get('profile');
  let isOffered = false;
  for (const help of /** @type {NodeListOf<HTMLElement>} */ (box.querySelectorAll('[data-profile]'))) {
    help.hidden = help.dataset.profile !== profile;
    isOffered ||= !help.hidden;
  }
  box.hidden = !isOffered;
  // what is not offered is not sent, and is there again when it is
  /** @type {HTMLInputElement} */ (part('pj-image')).disabled = !isOffered;
}

let turn = 0;

async function update() {
  const mine = ++turn;
  const asked = wish();
  try {
    const answer = await fetch(root.dataset.placementUrl ?? '', {
      method: 'POST',
      body: JSON.stringify(asked),
      headers: {
        'Content-Type': 'application/json',
        'X-XSRFToken': /** @type {{ jhdata?: { xsrf_token: string } }} */ (window).jhdata?.xsrf_token ?? ''
      }
    });
    const said = await answer.json();
    // only the answer to the last question counts
    if (mine !== turn) {
      return;
    }
    if (!answer.ok) {
      show('Cannot say', said.detail ?? said.message ?? '', true);
      return;
    }
    const placement = /** @type {Placement} */ (said);
    const sites = placement.candidates
      .map(site => `${site.title}, ${costHour(site.cost_hour ?? 0)}: ${site.reasons.join('; ')}`)
      .concat(placement.rejected.map(site => `${site.title} cannot: ${site.reasons.join('; ')}`));
    if (placement.allowed) {
      show(asked.site ? 'Chosen' : 'Automatic', placement.summary, false, costs(placement), sites);
    } else {
      show('Cannot start now', placement.reason ?? '', true, '', sites);
    }
  } catch {
    if (mine === turn) {
      show('Cannot say', 'the hub did not answer; the place is decided at the start', true);
    }
  }
}

/** What follows from the choices as they are now. */
function follow() {
  offerImage();
  const rescue = document.getElementById('pj-rescue');
  if (rescue) {
    // a session without the home does not care whether that is full
    rescue.hidden = new FormData(form).has('without_home');
  }
  if (root.dataset.placementUrl) {
    void update();
  }
}

/** @param {Element} field whether it holds something else than the page came with */
function isChanged(field) {
  if (field instanceof HTMLSelectElement) {
    const first = [...field.options].findIndex(option => option.defaultSelected);
    return field.selectedIndex !== Math.max(0, first);
  }
  return (
    field instanceof HTMLInputElement &&
    (field.id === 'pj-image' ? field.value !== field.defaultValue : field.checked !== field.defaultChecked)
  );
}

offerImage();

form.addEventListener('change', event => {
  if (!(/** @type {HTMLElement} */ (event.target).matches('#pj-search'))) {
    follow();
  }
});

// a browser that comes back to the page fills in what was chosen before, and tells nobody
window.addEventListener('pageshow', () => {
  if ([...form.elements].some(isChanged)) {
    follow();
  }
});

const search = /** @type {HTMLInputElement | null} */ (document.getElementById('pj-search'));
if (search) {
  const cards = [...part('pj-data').querySelectorAll('label')];
  part('pj-search-box').hidden = false;
  search.addEventListener('input', () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const card of cards) {
      const text = (card.textContent ?? '').toLowerCase();
      // what is ticked stays in sight
      card.hidden = !card.querySelector('input')?.checked && !words.every(word => text.includes(word));
      shown += card.hidden ? 0 : 1;
    }
    part('pj-found').textContent = words.length ? `${shown} of ${cards.length} shown` : '';
  });
  // Enter looks for data, it does not start the server
  search.addEventListener('keydown', event => {
    if (event.key === 'Enter') {
      event.preventDefault();
    }
  });
}
