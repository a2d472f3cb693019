// Draws each stacked plot from the table beneath it: what is seen and what is read are the same numbers.

const SERIES = 7;
const dark = window.matchMedia('(prefers-color-scheme: dark)');
const still = window.matchMedia('(prefers-reduced-motion: reduce)');

/** @param {string} name */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/**
 * The labels and the series of a table.
 * @param {HTMLTableElement} table
 */
function read(table) {
  const rows = [...table.tBodies[0].rows];
  const parts = [...table.querySelectorAll('th[data-part]')].map(cell => cell.textContent ?? '');
  return {
    labels: rows.map(row => row.cells[0].textContent ?? ''),
    series: parts.map((name, index) => ({
      name,
      values: rows.map(row => Number(row.cells[index + 1].dataset.value))
    }))
  };
}

/** @param {HTMLElement} figure */
function draw(figure) {
  const table = figure.querySelector('table');
  const frame = /** @type {HTMLElement | null} */ (figure.querySelector('.canvas'));
  const canvas = frame?.querySelector('canvas');
  // the library is a file of its own; without it the figures are still there to read
  if (!table || !frame || !canvas || !('Chart' in window)) {
    figure.querySelector('details')?.setAttribute('open', '');
    return;
  }
  const { labels, series } = read(table);
  const unit = figure.dataset.unit ?? '';
  const Library = /** @type {typeof import('chart.js').Chart} */ (window.Chart);
  const theme = () => {
    Library.defaults.color = colour('--soft');
    Library.defaults.borderColor = colour('--line');
  };
  theme();
  frame.hidden = false;
  const chart = new Library(canvas, {
    type: 'bar',
    data: {
      labels,
      datasets: series.map(({ name, values }, index) => ({
        label: name,
        data: values,
        // asked again at each update, so that it follows the theme
        backgroundColor: () => colour(index < SERIES ? `--series-${index + 1}` : '--series-others'),
        borderColor: () => colour('--card'),
        // a thin line keeps parts apart for those who cannot tell their colours
        borderWidth: { top: 1, right: 0, bottom: 0, left: 0 },
        borderSkipped: false,
        maxBarThickness: 40
      }))
    },
    options: {
      maintainAspectRatio: false,
      animation: still.matches ? false : { duration: 250 },
      interaction: { mode: 'index', intersect: false },
      scales: {
        x: { stacked: true, grid: { display: false }, ticks: { maxRotation: 0, autoSkipPadding: 16 } },
        y: { stacked: true, beginAtZero: true, ticks: { maxTicksLimit: 6 } }
      },
      plugins: {
        legend: { position: 'bottom', labels: { boxWidth: 12, boxHeight: 12 } },
        tooltip: {
          filter: item => item.parsed.y !== 0,
          callbacks: {
            label: item => `${item.dataset.label}: ${short(item.parsed.y ?? 0)} ${unit}`,
            footer: items => `Together: ${short(items.reduce((sum, item) => sum + (item.parsed.y ?? 0), 0))} ${unit}`
          }
        }
      }
    }
  });
  dark.addEventListener('change', () => {
    theme();
    chart.update('none');
  });
}

/** @param {number} value */
function short(value) {
  return Number(value.toPrecision(4)).toLocaleString('en');
}

document.querySelectorAll('figure.plot').forEach(figure => draw(/** @type {HTMLElement} */ (figure)));
