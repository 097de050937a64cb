// LCS against the table of lengths that Redis fills, cell by cell.

import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { InProcess } from '../support/in-process.ts';

type Match = [[number, number], [number, number]];

/** Redis's algorithm, as its lcsCommand has it. */
function reference(a: string, b: string): { text: string; matches: Match[] } {
  const table = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      table[i]![j] =
        a[i - 1] === b[j - 1] ? table[i - 1]![j - 1]! + 1 : Math.max(table[i - 1]![j]!, table[i]![j - 1]!);
    }
  }
  let text = '';
  const matches: Match[] = [];
  let run: Match | null = null;
  let [i, j] = [a.length, b.length];
  while (i > 0 && j > 0) {
    if (a[i - 1] === b[j - 1]) {
      text = a[i - 1]! + text;
      i--;
      j--;
      if (run === null)
        matches.push(
          (run = [
            [i, i],
            [j, j],
          ]),
        );
      else [run[0][0], run[1][0]] = [i, j];
    } else {
      if (table[i - 1]![j]! > table[i]![j - 1]!) i--;
      else j--;
      run = null;
    }
  }
  return { text, matches };
}

let db: InProcess;
beforeEach(() => {
  db = new InProcess();
});

/** Few letters, so that there is much in common; lengths around those of one and two words of 32 bits. */
const letters = (max: number) =>
  fc.oneof(
    fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: max }),
    fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'd'), maxLength: max }),
    fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 31, maxLength: 33 }),
  );

describe('LCS', () => {
  it('finds the subsequence, its length and its runs as Redis does', () => {
    fc.assert(
      fc.property(letters(100), letters(70), fc.integer({ min: -1, max: 5 }), (a, b, min) => {
        db.run('SET', '{k}a', a);
        db.run('SET', '{k}b', b);
        const { text, matches } = reference(a, b);
        expect(db.value('LCS', '{k}a', '{k}b')).toBe(text);
        expect(db.value('LCS', '{k}a', '{k}b', 'LEN')).toBe(text.length);
        const shown = matches
          .map((match) => [...match, match[0][1] - match[0][0] + 1] as const)
          .filter(([, , length]) => length >= min);
        expect(db.value('LCS', '{k}a', '{k}b', 'IDX', 'WITHMATCHLEN', 'MINMATCHLEN', min)).toEqual([
          'matches',
          shown,
          'len',
          text.length,
        ]);
      }),
      { numRuns: 400 },
    );
  });

  it('handles megabytes of cells within the memory that rows of bits take', () => {
    const a = Array.from({ length: 11_000 }, (_, i) => 'acgt'[(i * i * 7 + (i >> 3)) & 3]).join('');
    const b = Array.from({ length: 11_000 }, (_, i) => 'acgt'[(i * i * 5 + (i >> 2)) & 3]).join('');
    db.run('SET', 'a', a);
    db.run('SET', 'b', b);
    const text = db.value('LCS', 'a', 'b') as string;
    expect(db.value('LCS', 'a', 'b', 'LEN')).toBe(text.length);
    for (const whole of [a, b]) {
      let at = 0;
      for (const letter of text) at = whole.indexOf(letter, at) + 1 || Number.MAX_SAFE_INTEGER;
      expect(at).toBeLessThanOrEqual(whole.length);
    }
  });

  it('is limited as in Redis', () => {
    db.run('SET', 'a', 'x'.repeat(11_585));
    db.run('SET', 'b', 'x'.repeat(11_585));
    expect(db.text('LCS', 'a', 'b', 'LEN')).toBe(
      '-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len\r\n',
    );
    db.run('SETRANGE', 'c', '11584', 'x');
    db.run('SET', 'd', 'x'.repeat(11_580));
    expect(db.text('LCS', 'c', 'd', 'LEN')).toBe(':1\r\n');
    expect(db.text('LCS', 'a', 'none')).toBe('$0\r\n\r\n');
    expect(db.text('LCS', 'none', 'none', 'IDX')).toBe('*4\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:0\r\n');
  });
});
