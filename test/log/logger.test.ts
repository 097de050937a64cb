// The log: form of lines, levels, roles, rotation, several threads, pipes that are full, files that cannot be written.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatTime, LOG_LEVEL_NAMES, Logger, LogLevel } from '../../src/log/logger.ts';
import { guardProcess, makeTemporaryFolder, releaseProcess } from '../support/process-guard.ts';
import { startRedis } from '../support/redis-server.ts';
import { nodeExecutable } from '../support/sabre-server.ts';

let folder: string;
let file: string;

beforeEach(() => {
  folder = makeTemporaryFolder('sabre-test-log-');
  file = join(folder, 'sabre.log');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function written(): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
}

const LINE = /^\d+:[MSCX] \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2}\.\d{3} [.\-*#] /;

describe('lines', () => {
  test('have the form of redis-server', async () => {
    const redis = await startRedis();
    const theirs = redis
      .log()
      .split('\n')
      .filter((line) => line.includes(' Ready to accept connections'));
    await redis.stop();
    expect(theirs).toHaveLength(1);
    expect(theirs[0]).toMatch(LINE);
    Logger.create(file, 'debug', 'M').notice('Ready to accept connections');
    expect(written()[0]).toMatch(LINE);
    expect(written()[0]).toMatch(new RegExp(`^${process.pid}:M .* \\* Ready to accept connections$`));
  });

  test('the time is local, with two digits and three', () => {
    expect(formatTime(new Date(2026, 0, 2, 3, 4, 5, 6))).toBe('02 Jan 2026 03:04:05.006');
    expect(formatTime(new Date(2026, 11, 31, 23, 59, 59, 999))).toBe('31 Dec 2026 23:59:59.999');
  });

  test.each(LOG_LEVEL_NAMES.map((name, index) => [name, index] as const))('level %s', (name, index) => {
    const logger = Logger.create(file, name, 'S');
    logger.debug('0');
    logger.verbose('1');
    logger.notice('2');
    logger.warning('3');
    expect(written().map((line) => line.slice(-3))).toEqual(['. 0', '- 1', '* 2', '# 3'].slice(index));
    expect(logger.isOn(LogLevel.Debug)).toBe(name === 'debug');
    if (name === 'nothing') expect(existsSync(file)).toBe(false);
  });

  test('raw text goes as it is, unless nothing is logged', () => {
    const logger = Logger.create(file, 'warning', 'M');
    logger.raw('Error: x\n    at y\n');
    logger.setLevel('nothing');
    logger.raw('z\n');
    expect(written()).toEqual(['Error: x', '    at y']);
  });
});

describe('the file', () => {
  test('is made anew after it was renamed, as log rotation does', () => {
    const logger = Logger.create(file, 'notice', 'M');
    logger.notice('one');
    renameSync(file, `${file}.1`);
    logger.notice('two');
    expect(written().map((line) => line.slice(-3))).toEqual(['two']);
    expect(readFileSync(`${file}.1`, 'utf8')).toMatch(/one\n$/);
  });

  test('that cannot be written costs the line, and it is counted', () => {
    const logger = Logger.create(join(folder, 'none', 'x.log'), 'notice', 'M');
    logger.notice('one');
    logger.notice('two');
    expect(logger.lostLines()).toBe(2);
  });
});

describe('several threads', () => {
  test('share the log line by line, and level and role', async () => {
    const logger = Logger.create(file, 'notice', 'C');
    const script = new URL('./log-thread.ts', import.meta.url);
    const threads = ['a', 'b', 'c'].map(
      (name) => new Worker(script, { workerData: { share: logger.share(), name, lines: 300 } }),
    );
    await Promise.all(threads.map((thread) => new Promise((resolve) => thread.once('exit', resolve))));
    const lines = written();
    expect(lines).toHaveLength(900);
    for (const line of lines) expect(line).toMatch(/^\d+:C .* \* [abc] \d+ x{200}$/);
    for (const name of ['a', 'b', 'c']) {
      const numbers = lines
        .filter((line) => line.includes(`* ${name} `))
        .map((line) => Number(line.split(' ').at(-2)));
      expect(numbers).toEqual(Array.from({ length: 300 }, (_, i) => i));
    }
    const other = Logger.attach(structuredClone(logger.share()));
    logger.setLevel('warning');
    logger.setRole('S');
    other.notice('not');
    other.warning('yes');
    expect(written().at(-1)).toMatch(/:S .* # yes$/);
    expect(written()).toHaveLength(901);
  });
});

test('nothing is lost to a slow reader of standard output, nor to kill -9 after the last line', async () => {
  const script = join(import.meta.dirname, 'log-process.ts');
  const child = spawn(nodeExecutable(), [script, '2000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  guardProcess(child.pid!);
  let text = '';
  let chunks = 0;
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (++chunks % 4 !== 0) return;
    child.stdout.pause();
    void sleep(5).then(() => child.stdout.resume());
  });
  const signal = await new Promise((resolve) => child.once('close', (_, by) => resolve(by)));
  releaseProcess(child.pid!);
  expect(signal).toBe('SIGKILL');
  const lines = text.split('\n').slice(0, -1);
  expect(lines).toHaveLength(2000);
  lines.forEach((line, i) => {
    expect(line).toMatch(new RegExp(`\\* line ${i} y{500}$`));
  });
});
