// The manifest: Redis's errors, its text, and that a text read back is the same manifest.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AofManifest,
  EMPTY_MANIFEST,
  parseManifest,
  printManifest,
  withIncrementsPast,
  withNewBase,
  withNewIncrement,
} from '../../src/persistence/aof-manifest.ts';

const BASE = 'file appendonly.aof.2.base.rdb seq 2 type b\n';
const HISTORY = 'file appendonly.aof.1.incr.aof seq 1 type h\n';
const FOUR = 'file appendonly.aof.4.incr.aof seq 4 type i\n';
const FIVE = 'file appendonly.aof.5.incr.aof seq 5 type i\n';

function errorOf(text: string): string {
  const read = parseManifest(text);
  return 'error' in read ? read.error : 'read';
}

function manifestOf(text: string): AofManifest {
  const read = parseManifest(text);
  if ('error' in read) throw new Error(read.error);
  return read;
}

describe('reading a manifest', () => {
  it('takes all kinds of files', () => {
    const manifest = manifestOf(BASE + HISTORY + FOUR + FIVE);
    expect(manifest.base).toEqual({ name: 'appendonly.aof.2.base.rdb', seq: 2, type: 'b' });
    expect(manifest.history.map((entry) => entry.seq)).toEqual([1]);
    expect(manifest.increments.map((entry) => entry.seq)).toEqual([4, 5]);
    expect([manifest.baseSeq, manifest.incrementSeq]).toEqual([2, 5]);
    expect(printManifest(manifest)).toBe(BASE + HISTORY + FOUR + FIVE);
  });

  it('passes over comments, unknown keys, order of keys and case of keys', () => {
    const text = `# made by hand\nSEQ 3 type i FILE "a \\x41.aof" size 17\n#\n`;
    expect(manifestOf(text).increments).toEqual([{ name: 'a A.aof', seq: 3, type: 'i' }]);
    expect(manifestOf('#\n')).toEqual(EMPTY_MANIFEST);
  });

  it.each([
    ['', 'Found an empty AOF manifest'],
    ['\n', 'Invalid AOF manifest file format'],
    [`${BASE}\n${FOUR}`, 'Invalid AOF manifest file format'],
    ['file a seq 1\n', 'Invalid AOF manifest file format'],
    ['file a seq 1 type i size\n', 'Invalid AOF manifest file format'],
    ['file "a seq 1 type i\n', 'Invalid AOF manifest file format'],
    ['file a seq x type i\n', 'Invalid AOF manifest file format'],
    ['file a seq 0 type i\n', 'Invalid AOF manifest file format'],
    ['file a seq 99999999999999999999 type i\n', 'Invalid AOF manifest file format'],
    ['a b c d e f\n', 'Invalid AOF manifest file format'],
    ['file ../a seq 1 type i\n', "File can't be a path, just a filename"],
    ['file a\\\\b seq 1 type i\n', "File can't be a path, just a filename"],
    ['file a seq 1 type x\n', 'Unknown AOF file type'],
    [BASE + BASE, 'Found duplicate base file information'],
    [FIVE + FOUR, 'Found a non-monotonic sequence number'],
    [FOUR + FOUR, 'Found a non-monotonic sequence number'],
    [BASE.slice(0, -1), 'The AOF manifest file contains too long line'],
    [`file ${'a'.repeat(1100)} seq 1 type i\n`, 'The AOF manifest file contains too long line'],
    [`file a\0 seq 1 type i\n`, 'The AOF manifest file contains too long line'],
  ])('refuses %j', (text, error) => {
    expect(errorOf(text)).toBe(error);
  });

  it('takes a line of 1024 bytes, and tells the line at fault', () => {
    const name = 'a'.repeat(1024 - 'file  seq 1 type i\n'.length);
    expect(errorOf(`file ${name} seq 1 type i\n`)).toBe('read');
    expect(errorOf(`file ${name}a seq 1 type i\n`)).toBe('The AOF manifest file contains too long line');
    expect(parseManifest(`${BASE}  bad line \n`)).toMatchObject({ line: 'bad line', lineNumber: 2 });
  });
});

describe('writing a manifest', () => {
  it('reads back as it was, whatever the name', () => {
    const name = fc.string({
      unit: fc.integer({ min: 1, max: 255 }).map((c) => String.fromCharCode(c)),
      minLength: 1,
      maxLength: 60,
    });
    fc.assert(
      fc.property(name, fc.integer({ min: 1, max: 2 ** 53 - 2 }), (filename, seq) => {
        fc.pre(!/[/\\]/.test(filename));
        let manifest: AofManifest = { ...EMPTY_MANIFEST, incrementSeq: seq - 1 };
        manifest = withNewIncrement(withNewBase(manifest, filename, true), filename);
        expect(parseManifest(printManifest(manifest))).toEqual(manifest);
      }),
    );
  });

  it('has the steps of a rewrite in Redis order', () => {
    let manifest = withNewIncrement(withNewBase(EMPTY_MANIFEST, 'a', true), 'a');
    manifest = withNewIncrement(withNewIncrement(manifest, 'a'), 'a');
    manifest = withIncrementsPast(withNewBase(manifest, 'a', false), 1);
    expect(printManifest(manifest)).toBe(
      'file a.2.base.aof seq 2 type b\nfile a.1.incr.aof seq 1 type h\nfile a.2.incr.aof seq 2 type h\n' +
        'file a.1.base.rdb seq 1 type h\nfile a.3.incr.aof seq 3 type i\n',
    );
    expect(withIncrementsPast(manifest, 0).increments).toEqual([]);
  });
});
