/** Tells, in the browser's console, what the Data panel ignores; nothing that is shown depends on it. */
export function warn(message: string, error?: unknown): void {
  // eslint-disable-next-line no-console -- whoever looks for the reason looks there; users are not stopped for it
  console.warn(`Perijove: ${message}`, ...(error === undefined ? [] : [error]));
}
