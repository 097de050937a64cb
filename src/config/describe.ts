/**
 * The tables of docs/configuration.md, made from the facts, so that the page cannot say otherwise; a test compares.
 *
 * To renew them after a change of the facts: `node src/config/describe.ts docs/configuration.md`
 */

import { readFileSync, writeFileSync } from '../file-system.ts';
import { DIRECTIVES, type Directive } from './directives.ts';

const BEGIN = /<!-- table: ([a-z]+) -->\n/;
const END = '<!-- end of table -->';

const TABLES: Readonly<Record<string, () => string>> = {
  own: () => effectTable(DIRECTIVES.filter((each) => each.own)),
  effect: () =>
    effectTable(
      DIRECTIVES.filter((each) => !each.own && each.inert === undefined && each.waits === undefined),
    ),
  waiting: () => waitingTable(DIRECTIVES.filter((each) => each.waits !== undefined)),
  inert: () => inertTable(DIRECTIVES.filter((each) => each.inert !== undefined)),
};

/** The page with its tables made anew. */
export function renewTables(page: string): string {
  let renewed = '';
  let rest = page;
  for (;;) {
    const match = BEGIN.exec(rest);
    if (match === null) return renewed + rest;
    const end = rest.indexOf(END, match.index);
    if (end < 0) throw new Error(`no end of table '${match[1]}'`);
    renewed += rest.slice(0, match.index) + match[0] + TABLES[match[1]!]!();
    rest = rest.slice(end);
  }
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`);
  return `\n${lines.join('')}\n`;
}

function effectTable(directives: readonly Directive[]): string {
  return table(
    ['directive', 'values', 'default', 'CONFIG SET'],
    directives.map((each) => [nameCell(each), valuesCell(each), defaultCell(each), setCell(each)]),
  );
}

function waitingTable(directives: readonly Directive[]): string {
  return table(
    ['directive', 'values', 'default', 'CONFIG SET', 'waits for'],
    directives.map((each) => [
      nameCell(each),
      valuesCell(each),
      defaultCell(each),
      setCell(each),
      each.waits!,
    ]),
  );
}

function inertTable(directives: readonly Directive[]): string {
  return table(
    ['directive', 'why it means nothing here'],
    directives.map((each) => [nameCell(each), each.inert!]),
  );
}

function nameCell({ name, alias }: Directive): string {
  return alias === undefined ? `\`${name}\`` : `\`${name}\` (also \`${alias}\`)`;
}

const MULTI_VALUES: Readonly<Record<string, string>> = {
  bind: 'up to 16 addresses, `""` for none',
  save: '`<seconds> <changes>`, repeated, or `""`',
  'client-output-buffer-limit': '`<class> <hard> <soft> <seconds>`, repeated; normal, replica, pubsub',
  'oom-score-adj-values': 'three numbers from -2000 to 2000',
  replicaof: '`<host> <port>` or `no one`',
  'latency-tracking-info-percentiles': 'numbers from 0 to 100, or `""`',
  'notify-keyspace-events': 'letters of `Ag$lshzxeKEtmdn`',
  'client-rate-limit': '`<commands/s> <bytes/s>`, 0 for no limit',
};

function valuesCell(directive: Directive): string {
  switch (directive.type) {
    case 'bool':
      return 'yes, no';
    case 'enum':
      return directive.values.join(', ') + (directive.multiArg ? '; several' : '');
    case 'int':
    case 'memory':
      return numbersCell(directive);
    case 'multi':
      return MULTI_VALUES[directive.name]!;
    case 'string':
      return 'text';
  }
}

const INT_MAX = (1n << 31n) - 1n;

/** Upper bounds that are merely those of a C type are left out. */
function numbersCell(directive: Directive): string {
  const radix = directive.octal ? 8 : 10;
  const kind = directive.octal ? 'octal ' : directive.type === 'memory' ? 'bytes ' : '';
  const low = directive.percent ? 0n : directive.min;
  const range =
    directive.max >= INT_MAX
      ? low < -INT_MAX
        ? 'a number'
        : `from ${low.toString(radix)}`
      : `${low.toString(radix)} to ${directive.max.toString(radix)}`;
  return `${kind}${range}${directive.percent ? ', or 0% to 100%' : ''}`;
}

function defaultCell({ name, default: text }: Directive): string {
  if (name === 'dir') return 'where it was started';
  return text === '' ? '`""`' : `\`${text}\``;
}

function setCell(directive: Directive): string {
  if (!directive.mutable) return 'no';
  return directive.protected ? 'protected' : 'yes';
}

if (import.meta.main) {
  const path = process.argv[2];
  if (path === undefined) throw new Error('usage: node src/config/describe.ts PAGE');
  writeFileSync(path, renewTables(readFileSync(path, 'utf8')));
}
