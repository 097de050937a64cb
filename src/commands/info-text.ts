// How INFO prints its values.

/** Lines of one section: name and value. */
export type InfoLines = (readonly [name: string, value: string | number])[];

/** A section as INFO prints it. */
export function formatSection(header: string, lines: InfoLines): string {
  return `# ${header}\r\n${lines.map(([name, value]) => `${name}:${value}\r\n`).join('')}`;
}

const UNITS = ['B', 'K', 'M', 'G', 'T', 'P'];

/** 1.02M, as bytesToHuman prints it. */
export function humanBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`;
  let unit = 0;
  while (bytes >= 1024 && unit < UNITS.length - 1) {
    bytes /= 1024;
    unit++;
  }
  return `${bytes.toFixed(2)}${UNITS[unit]}`;
}

/** A ratio with two decimals; 0 over 0 is 0, as nothing is out of proportion there. */
export function ratio(part: number, whole: number): string {
  return whole > 0 ? (part / whole).toFixed(2) : '0.00';
}

export function flag(value: boolean): number {
  return value ? 1 : 0;
}
