/** Numbers as people read them. */

const BINARY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** A size in bytes with three digits and a binary unit: `1.10 GiB`, `205 KiB`. */
export function formatBytes(sizeBytes: number): string {
  let value = sizeBytes;
  let unit = 0;
  while (value >= 1023.5 && unit < BINARY_UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${BINARY_UNITS[unit]}`;
}

/** A count or a sum with at most one decimal, without a trailing zero. */
export function formatNumber(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** Money with two decimals, or as many as show a small sum that is not nothing. */
export function formatCost(cost: number, currency: string): string {
  const digits = cost > 0 && cost < 0.01 ? 4 : 2;
  return `${cost.toFixed(digits)} ${currency}`.trim();
}

/** A length of time in its two greatest units: `8 min`, `3 h 20 min`, `2 d 4 h`; what is past is `0 min`. */
export function formatLength(milliseconds: number): string {
  const minutes = Math.max(Math.ceil(milliseconds / 60_000), 0);
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24];
  const parts =
    days > 0
      ? [`${days} d`, hours && `${hours} h`]
      : [hours && `${hours} h`, (minutes % 60 || hours === 0) && `${minutes % 60} min`];
  return parts.filter(Boolean).join(' ');
}

/** A time as the browser's locale writes it; an empty string for no or an unreadable time. */
export function formatTime(isoTime: string | null): string {
  const time = isoTime === null ? NaN : Date.parse(isoTime);
  return Number.isNaN(time)
    ? ''
    : new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
