import { describe, expect, it } from 'vitest';
import { mergeResults, planThreads } from '../../native-free-bench/load/generator.ts';
import { KeySource } from '../../native-free-bench/load/keys.ts';
import {
  buildBatches,
  fillBatch,
  KEY,
  mixSequence,
  patchKey,
  VALUE,
} from '../../native-free-bench/load/requests.ts';
import { LOAD_DEFAULTS, type LoadSpec, validateSpec } from '../../native-free-bench/load/spec.ts';

const SHAPE = { keyPrefix: 'key:', keyDigits: 12, valueBytes: { min: 8, max: 8 } };
const SPEC: LoadSpec = { ...LOAD_DEFAULTS, mix: [{ command: ['GET', KEY], weight: 1 }] };

function source(): KeySource {
  return new KeySource('uniform', 1000, 9);
}

describe('requests', () => {
  it('are valid RESP with their keys patched in', () => {
    const mix = [{ command: ['MSET', KEY, VALUE, KEY, 'é'], weight: 1 }];
    const [batch] = buildBatches(mix, 2, SHAPE, source());
    fillBatch(batch!, new KeySource('sequential', 1_000_000, 1, 0.99, 4711), 12);
    const one = (a: string, b: string): RegExp =>
      new RegExp(
        `\\*5\r\n\\$4\r\nMSET\r\n\\$16\r\nkey:${a}\r\n\\$8\r\n[\\w+-]{8}\r\n\\$16\r\nkey:${b}\r\n\\$2\r\né\r\n`,
      );
    const text = batch!.bytes.toString('utf8');
    expect(text).toMatch(
      new RegExp(
        `^${one('000000004711', '000000004712').source}${one('000000004713', '000000004714').source}$`,
      ),
    );
    expect(batch!.requests).toBe(2);
  });

  it('patch every digit', () => {
    const bytes = Buffer.from('x999999x');
    patchKey(bytes, 1, 6, 120);
    expect(bytes.toString()).toBe('x000120x');
    patchKey(bytes, 1, 6, 987654);
    expect(bytes.toString()).toBe('x987654x');
  });

  it('have values within their range of sizes', () => {
    const shape = { ...SHAPE, valueBytes: { min: 0, max: 20 } };
    const batches = buildBatches([{ command: ['SET', KEY, VALUE], weight: 1 }], 64, shape, source());
    const sizes = [...batches[0]!.bytes.toString().matchAll(/\r\n\$(\d+)\r\n([\w+-]*)\r\n(?=\*|$)/g)];
    expect(sizes).toHaveLength(64);
    for (const [, size, value] of sizes) expect(value).toHaveLength(Number(size));
    expect(new Set(sizes.map((one) => one[1])).size).toBeGreaterThan(5);
  });

  it.each([[1], [5], [16], [64]])(
    'keep the mix exactly over the batches of a connection, pipeline %i',
    (pipeline) => {
      const mix = [
        { command: ['GET', KEY], weight: 80 },
        { command: ['SET', KEY, VALUE], weight: 20 },
      ];
      const batches = buildBatches(mix, pipeline, SHAPE, source());
      const text = batches.map((batch) => batch.bytes.toString()).join('');
      const gets = text.split('GET').length - 1;
      const sets = text.split('SET').length - 1;
      expect(gets).toBe(sets * 4);
      expect(gets + sets).toBe(batches.length * pipeline);
    },
  );

  it('spread the rarer command of a mix', () => {
    const mix = [
      { command: ['a'], weight: 3 },
      { command: ['b'], weight: 1 },
    ];
    expect(mixSequence(mix, 8).filter((choice) => choice === 1)).toHaveLength(2);
    expect(mixSequence(mix, 4).filter((choice) => choice === 1)).toHaveLength(1);
  });
});

describe('dividing a load over threads', () => {
  it('gives away every connection, request and key once', () => {
    const plans = planThreads({ ...SPEC, threads: 3, connections: 50, requests: 100 });
    expect(plans.map((plan) => plan.connections)).toEqual([17, 17, 16]);
    expect(plans.map((plan) => plan.requests)).toEqual([34, 33, 33]);
    expect(plans.map((plan) => plan.firstKey)).toEqual([0, 34, 67]);
  });

  it('adds nothing up to nothing', () => {
    expect(mergeResults([])).toMatchObject({ requests: 0, requestsPerSecond: 0, latencyUs: { max: 0 } });
  });
});

describe('a specification', () => {
  it('is accepted with the defaults', () => {
    expect(() => validateSpec(SPEC)).not.toThrow();
  });

  it.each<[Partial<LoadSpec>, string]>([
    [{ port: 0 }, 'port'],
    [{ connections: 0 }, 'connections'],
    [{ connections: 1, threads: 2 }, 'connections'],
    [{ pipeline: 1.5 }, 'pipeline'],
    [{ keys: 1000, keyDigits: 2 }, "don't fit"],
    [{ valueBytes: { min: 5, max: 4 } }, 'largest value'],
    [{ mix: [] }, 'no command'],
    [{ mix: [{ command: ['GET', KEY], weight: 0 }] }, 'weight'],
    [{ rate: 0 }, 'rate'],
    [{ rate: 5, requests: 5 }, 'fixed rate'],
    [{ seconds: Number.NaN }, 'seconds'],
    [{ distribution: 'normal' as never }, 'distribution'],
    [{ keyPrefix: 'a b' }, 'prefix'],
  ])('is refused with %o', (change, reason) => {
    expect(() => validateSpec({ ...SPEC, ...change })).toThrow(reason);
  });
});
