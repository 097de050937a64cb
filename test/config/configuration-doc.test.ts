// docs/configuration.md lists every directive once, and its tables are those that the facts give.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { renewTables } from '../../src/config/describe.ts';
import { DIRECTIVES, IGNORED_DIRECTIVES } from '../../src/config/directives.ts';

const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');

test('its tables are up to date (node src/config/describe.ts docs/configuration.md)', () => {
  expect(renewTables(page)).toBe(page);
});

test('it lists every directive in one table', () => {
  const listed = [...page.matchAll(/^\| `([a-z0-9-]+)`/gm)].map((match) => match[1]!);
  expect([...listed].sort()).toEqual(DIRECTIVES.map(({ name }) => name));
  for (const name of IGNORED_DIRECTIVES) expect(page).toContain(`\`${name}\``);
});
