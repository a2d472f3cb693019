/** Options of a cluster as fields of a form: what a user types, and what it means. Pure. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { formatNumber } from '../format';
import type { IClusterOption, Json } from './wire';

/** What a field holds: a tick, or what was typed; of a `select`, the number of the choice. */
export type Typed = string | boolean;

/** What is typed, as a value, or why it is none. */
export type Meant = { value: Json; fault?: undefined } | { fault: string };

/** What a field holds when its option has this value; the default when that cannot be. */
export function typedOf(option: IClusterOption, value: Json | undefined): Typed {
  const given = value === undefined ? option.default : value;
  switch (option.kind) {
    case 'bool':
      return given === true;
    case 'select': {
      const at = (wanted: Json) => option.choices.findIndex(one => JSON.stringify(one) === JSON.stringify(wanted));
      return String(Math.max(at(given) >= 0 ? at(given) : at(option.default), 0));
    }
    case 'mapping':
      return Object.entries(isMapping(given) ? given : {})
        .map(([key, each]) => `${key}=${wordOf(each)}`)
        .join('\n');
    default:
      return given === null ? '' : wordOf(given);
  }
}

/** What a field means; an empty one stands for the default where an empty text is no value. */
export function meantBy(option: IClusterOption, typed: Typed, trans: TranslationBundle): Meant {
  if (typeof typed === 'boolean') {
    return { value: typed };
  }
  switch (option.kind) {
    case 'int':
    case 'float':
      return numberMeant(option, typed.trim(), trans);
    case 'select':
      return { value: option.choices[Number(typed)] ?? option.default };
    case 'mapping':
      return mappingMeant(typed, trans);
    default:
      return { value: typed };
  }
}

/** Between what a number must be; empty when anything will do. */
export function boundsText({ minimum, maximum }: IClusterOption, trans: TranslationBundle): string {
  if (minimum !== null && maximum !== null) {
    return trans.__('%1 to %2', formatNumber(minimum), formatNumber(maximum));
  }
  if (minimum !== null) {
    return trans.__('%1 or more', formatNumber(minimum));
  }
  return maximum !== null ? trans.__('%1 or less', formatNumber(maximum)) : '';
}

/** A value in a few words. */
export function wordOf(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function numberMeant(option: IClusterOption, text: string, trans: TranslationBundle): Meant {
  const { kind, minimum, maximum } = option;
  if (text === '') {
    return { value: option.default };
  }
  const value = Number(text);
  if (!Number.isFinite(value)) {
    return { fault: trans.__('This is no number.') };
  }
  if (kind === 'int' && !Number.isInteger(value)) {
    return { fault: trans.__('This must be a whole number.') };
  }
  const isWithin = (minimum === null || value >= minimum) && (maximum === null || value <= maximum);
  return isWithin ? { value } : { fault: trans.__('It must be %1.', boundsText(option, trans)) };
}

/** Lines of `name=value`; empty ones count for nothing. */
function mappingMeant(text: string, trans: TranslationBundle): Meant {
  const value: Record<string, Json> = {};
  for (const line of text.split('\n').filter(each => each.trim() !== '')) {
    const [, key, meant] = /^\s*([^=\s]+)\s*=\s?(.*)$/.exec(line) ?? [];
    if (key === undefined) {
      return { fault: trans.__('“%1” is not of the form name=value.', line.trim()) };
    }
    value[key] = meant;
  }
  return { value };
}

function isMapping(value: Json): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
