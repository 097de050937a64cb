// Time-outs as text: what they mean in ms, and the errors of those that are none.

import { describe, expect, it } from 'vitest';
import { parseTimeout, parseTimeoutMs } from '../../src/commands/blocking.ts';
import { InProcess } from '../support/in-process.ts';

const NOW = 1_700_000_000_000;

describe('time-outs', () => {
  const local = new InProcess();
  const { cx } = local;
  let error = '';
  cx.error = (text: string) => {
    error = text;
  };

  /** @returns ms until it is over, 'never', or the error */
  function timeout(text: string, parse = parseTimeout): number | string {
    local.setTime(NOW);
    cx.input = Buffer.from(text);
    cx.argOff[0] = 0;
    cx.argLen[0] = text.length;
    error = '';
    const end = parse(cx, 0);
    if (Number.isNaN(end)) return error;
    expect(error).toBe('');
    return end === 0 ? 'never' : end - NOW;
  }

  const NO_FLOAT = 'ERR timeout is not a float or out of range';
  const NEGATIVE = 'ERR timeout is negative';
  const OUT_OF_RANGE = 'ERR timeout is out of range';

  it.each([
    ['0', 'never'],
    ['0.0', 'never'],
    ['-0', 'never'],
    ['1', 1000],
    ['123456789', 123_456_789_000],
    ['1234567890', 1_234_567_890_000],
    ['0.5', 500],
    ['.25', 250],
    ['1e-3', 1],
    ['0.0001', 1],
    ['1e-4900', 1],
    ['0.0011', 2],
    ['2.0000001', 2001],
    ['+3', 3000],
    ['0x10', 16_000],
    // Above -1 ms it is rounded up to none at all: for ever. So does Redis.
    ['-0.0001', 'never'],
    ['-0.001', 'never'],
    ['-1e-4900', 'never'],
    ['-0.002', NEGATIVE],
    ['-1', NEGATIVE],
    ['-inf', NEGATIVE],
    ['-1e4000', NEGATIVE],
    ['inf', OUT_OF_RANGE],
    ['1e400', OUT_OF_RANGE],
    ['9223372036854775807', OUT_OF_RANGE],
    ['9223372036854775.8', OUT_OF_RANGE],
    ['9223372036854775', OUT_OF_RANGE],
    ['', NO_FLOAT],
    ['abc', NO_FLOAT],
    ['nan', NO_FLOAT],
    [' 1', NO_FLOAT],
    ['1 ', NO_FLOAT],
    ['1e5000', NO_FLOAT],
  ])('%s seconds', (text, expected) => {
    expect(timeout(text)).toBe(expected);
  });

  it.each([
    ['0', 'never'],
    ['1', 1],
    ['9223370000000000000', 9223370000000000000],
    ['-1', NEGATIVE],
    ['9223372036854775807', OUT_OF_RANGE],
    ['9223372036854775808', 'ERR timeout is not an integer or out of range'],
    ['1.5', 'ERR timeout is not an integer or out of range'],
    ['-0', 'ERR timeout is not an integer or out of range'],
    ['', 'ERR timeout is not an integer or out of range'],
  ])('%s ms', (text, expected) => {
    expect(timeout(text, parseTimeoutMs)).toBe(expected);
  });
});
