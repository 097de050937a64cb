// The keys that clients have read: against a plain map, with what another thread puts into the directory; clients that go.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allocateDirectory, Directory } from '../../src/pubsub/directory.ts';
import { KEY_KIND, ReadKeys } from '../../src/tracking/read-keys.ts';

const ACCEPTORS = 2;
const buffer = allocateDirectory();

type Step =
  | { do: 'read'; acceptor: number; client: number; key: string; elsewhere: boolean }
  | { do: 'write'; key: string }
  | { do: 'leave'; client: number }
  | { do: 'flush' };

const key = fc.constantFrom('a', 'b', 'c', '\0', '', 'ÿ', 'k1', 'k2');
const client = fc.integer({ min: 1, max: 5 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('read' as const),
      acceptor: fc.nat(ACCEPTORS - 1),
      client,
      key,
      elsewhere: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('write' as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), client }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('flush' as const) }) },
);

/** Clients of an acceptor have ids of their own. */
const idOf = (acceptor: number, number: number): number => acceptor * 100 + number;

describe('keys that clients have read', () => {
  it('are found by whoever writes them, and counted', async () => {
    const directory = new Directory(buffer, 1);
    const property = fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const tables = [0, 1].map((acceptor) => new ReadKeys(directory, acceptor, () => {}));
      /** `acceptor key` to clients. */
      const model = new Map<string, Set<number>>();
      for (const each of steps) {
        if (each.do === 'read') {
          const id = idOf(each.acceptor, each.client);
          if (each.elsewhere) directory.add(KEY_KIND, Buffer.from(each.key, 'latin1'), each.acceptor);
          tables[each.acceptor]!.add(each.key, id, each.elsewhere);
          const name = `${each.acceptor} ${each.key}`;
          model.set(name, (model.get(name) ?? new Set()).add(id));
        } else if (each.do === 'write') {
          const counts = new Int32Array(ACCEPTORS);
          const bytes = Buffer.from(each.key, 'latin1');
          directory.count(KEY_KIND, bytes, 0, bytes.length, counts);
          for (let acceptor = 0; acceptor < ACCEPTORS; acceptor++) {
            const expected = model.get(`${acceptor} ${each.key}`) ?? new Set();
            expect(counts[acceptor]).toBe(expected.size);
            const readers = tables[acceptor]!.take(each.key);
            const found = readers === undefined ? [] : typeof readers === 'number' ? [readers] : [...readers];
            expect(new Set(found)).toEqual(expected);
            model.delete(`${acceptor} ${each.key}`);
          }
        } else if (each.do === 'leave') {
          for (let acceptor = 0; acceptor < ACCEPTORS; acceptor++) {
            const id = idOf(acceptor, each.client);
            tables[acceptor]!.forget(id);
            await expect.poll(() => tables[acceptor]!.sweeping).toBe(false);
            for (const [name, readers] of model) {
              if (!readers.delete(id)) continue;
              if (readers.size === 0) model.delete(name);
            }
          }
        } else {
          for (const table of tables) table.clear();
          model.clear();
        }
        const keys = new Set([...model.keys()].map((name) => name.slice(2)));
        expect(directory.distinct(KEY_KIND)).toBe(keys.size);
        expect(directory.total(KEY_KIND)).toBe([...model.values()].reduce((sum, { size }) => sum + size, 0));
      }
      for (const table of tables) table.clear();
      expect(directory.total(KEY_KIND)).toBe(0);
    });
    await fc.assert(property, { numRuns: 60 });
  });

  it('are let go in steps when there are many', async () => {
    const directory = new Directory(buffer, 1);
    const table = new ReadKeys(directory, 0, () => {});
    for (let i = 0; i < 20_000; i++) table.add(`key ${i}`, i % 2 === 0 ? 1 : 2, false);
    expect(directory.distinct(KEY_KIND)).toBe(20_000);
    table.forget(1);
    await expect.poll(() => table.sweeping).toBe(false);
    expect(directory.distinct(KEY_KIND)).toBe(10_000);
    table.clear();
    expect(table.size).toBe(0);
    await expect.poll(() => directory.distinct(KEY_KIND)).toBe(0);
  });
});
