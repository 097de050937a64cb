// The rules of the house that a machine can check: which room may import which, and what every file of the source has.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');
const SRC = join(ROOT, 'src');

/** Rooms by floor, the ground first: a room imports rooms of its own floor or below. */
const FLOORS: readonly (readonly string[])[] = [
  ['memory', 'protocol', 'config', 'log', 'metrics'],
  ['structures'],
  ['keyspace'],
  ['commands', 'rdb'],
  ['execution', 'acl', 'pubsub', 'tracking', 'transactions', 'scripting'],
  ['connection', 'persistence', 'replication', 'cluster'],
  ['server'],
];
/** Files at the top of src/ that any room may use. */
const SHARED_FILES = ['file-system.ts'];
const LINES_MAX = 800;

const files = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));

const floorOf = (room: string): number => FLOORS.findIndex((rooms) => rooms.includes(room));
const roomOf = (file: string): string => relative(SRC, file).split('/')[0]!;

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)].map(
    (match) => match[1]!,
  );
  return specifiers.map((specifier) => resolve(dirname(file), specifier));
}

describe('the source', () => {
  const sources = files(SRC);

  it('is there', () => {
    expect(sources.length).toBeGreaterThan(100);
  });

  it('has no room that imports a higher one', () => {
    const upward: string[] = [];
    for (const file of sources) {
      const from = floorOf(roomOf(file));
      if (from < 0) continue;
      for (const target of importsOf(file)) {
        if (!target.startsWith(SRC) || SHARED_FILES.includes(relative(SRC, target))) continue;
        const to = floorOf(roomOf(target));
        if (to < 0 || to > from) upward.push(`${relative(ROOT, file)} -> ${relative(ROOT, target)}`);
      }
    }
    expect(upward).toEqual([]);
  });

  it('has only rooms that the plan knows', () => {
    const rooms = new Set(sources.map(roomOf).filter((room) => !room.endsWith('.ts')));
    expect([...rooms].filter((room) => floorOf(room) < 0)).toEqual([]);
  });

  it('opens every file with what it is', () => {
    const bare = [...sources, ...files(join(ROOT, 'workers'))].filter(
      (file) => !/^(\/\/|\/\*)/.test(readFileSync(file, 'utf8')),
    );
    expect(bare.map((file) => relative(ROOT, file))).toEqual([]);
  });

  it(`has no file over ${LINES_MAX} lines`, () => {
    const long = sources.filter((file) => readFileSync(file, 'utf8').split('\n').length > LINES_MAX);
    expect(long.map((file) => relative(ROOT, file))).toEqual([]);
  });
});
