/**
 * A file system that fails on demand: in tests, and in a whole server by the environment variable SABRE_FAULTS.
 *
 * Rules say which calls fail. In a file, one a line, `#` begins a comment:
 *
 *     call error [part-of-the-path]         write ENOSPC .incr.aof
 *     write short:bytes [part]              write short:3          takes so many bytes at most
 *     call delay:milliseconds [part]        fdatasync delay:2500
 *
 *     call: open close read write truncate fsync fdatasync fsyncdir rename unlink mkdir readdir stat, or * for all
 *     error: any name that the system has: ENOSPC, EIO, EROFS, EACCES, EDQUOT ...
 *
 * The file that SABRE_FAULTS names is read before each call, so that a running server's disk breaks and recovers as the
 * file is written and removed. A file that is not there has no rules; one that makes no sense stops the server.
 *
 * Left out: what a disk says is done and has not done.
 */

import type { Done, FileFacts, FilePath, Files, OpenMode } from './files.ts';
import { systemFiles } from './files.ts';

export const FILE_CALLS = [
  'open',
  'close',
  'read',
  'write',
  'truncate',
  'fsync',
  'fdatasync',
  'fsyncdir',
  'rename',
  'unlink',
  'mkdir',
  'readdir',
  'stat',
] as const;
export type FileCall = (typeof FILE_CALLS)[number];

export interface FaultRule {
  readonly call: FileCall | '*';
  /** The error's name; '' for none. */
  readonly error: string;
  /** Only paths that hold this; '' for all. */
  readonly part: string;
  /** So many calls that match pass first. */
  readonly skip: number;
  /** So many fail then. */
  readonly times: number;
  /** A write takes at most so many bytes; -1 for all. */
  readonly short: number;
  /** Milliseconds before it begins. */
  readonly delay: number;
}

interface LiveRule extends FaultRule {
  seen: number;
}

const RULE: FaultRule = {
  call: '*',
  error: '',
  part: '',
  skip: 0,
  times: Number.POSITIVE_INFINITY,
  short: -1,
  delay: 0,
};

/** A rule with what is not given left at: every call, any path, for ever. */
export function faultRule(given: Partial<FaultRule>): FaultRule {
  return { ...RULE, ...given };
}

const errnos: Readonly<Record<string, number>> = process.getBuiltinModule('node:os').constants.errno;

/**
 * Reads rules as a file has them.
 * @throws on a line that is none
 */
export function parseFaults(text: string): FaultRule[] {
  const rules: FaultRule[] = [];
  for (const line of text.split('\n')) {
    const words = line
      .replace(/#.*/, '')
      .split(/\s+/)
      .filter((word) => word !== '');
    if (words.length === 0) continue;
    const [call, what = '', part = ''] = words;
    const number = /^(short|delay):(\d+)$/.exec(what);
    const known = call === '*' || FILE_CALLS.includes(call as FileCall);
    if (!known || words.length > 3 || (number === null && errnos[what] === undefined)) {
      throw new Error(`not a fault: '${line}'`);
    }
    const rule = { call: call as FileCall | '*', part };
    if (number === null) rules.push(faultRule({ ...rule, error: what }));
    else rules.push(faultRule({ ...rule, [number[1]!]: Number(number[2]) }));
  }
  return rules;
}

/** An error as the system gives it. */
function systemError(code: string, call: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: injected fault, ${call}`), {
    code,
    errno: -errnos[code]!,
    syscall: call,
  });
}

const pause = new Int32Array(new SharedArrayBuffer(4));

export class FaultyFiles implements Files {
  /** Calls so far, of all kinds. */
  calls = 0;
  /** What was called, with the path, for a test to look at. */
  readonly trace: string[] = [];
  private rules: LiveRule[] = [];
  private readonly inner: Files;
  private readonly reload: (() => readonly FaultRule[] | null) | null;
  private readonly paths = new Map<number, string>();

  /** @param reload called before each call: new rules, or null to keep those in force */
  constructor(inner: Files, reload: (() => readonly FaultRule[] | null) | null = null) {
    this.inner = inner;
    this.reload = reload;
  }

  /** Puts rules in force in place of the ones before. */
  setRules(rules: readonly FaultRule[]): void {
    this.rules = rules.map((rule) => ({ ...rule, seen: 0 }));
  }

  open(path: FilePath, mode: OpenMode): number {
    this.check('open', path);
    const fd = this.inner.open(path, mode);
    this.paths.set(fd, path.toString());
    return fd;
  }

  /** As the system does it: an error is told, and the descriptor is gone all the same. */
  close(fd: number): void {
    const path = this.pathOf(fd);
    this.paths.delete(fd);
    this.inner.close(fd);
    this.check('close', path);
  }

  read(fd: number, into: Buffer, off: number, len: number, position: number): number {
    const most = this.check('read', this.pathOf(fd));
    return this.inner.read(fd, into, off, most < 0 ? len : Math.min(len, most), position);
  }

  write(fd: number, from: Buffer, off: number, len: number, position: number): number {
    const most = this.check('write', this.pathOf(fd));
    return this.inner.write(fd, from, off, most < 0 ? len : Math.min(len, most), position);
  }

  ftruncate(fd: number, size: number): void {
    this.check('truncate', this.pathOf(fd));
    this.inner.ftruncate(fd, size);
  }

  truncate(path: FilePath, size: number): void {
    this.check('truncate', path);
    this.inner.truncate(path, size);
  }

  fdatasync(fd: number): void {
    this.check('fdatasync', this.pathOf(fd));
    this.inner.fdatasync(fd);
  }

  fdatasyncLater(fd: number, done: Done): void {
    let fault: Fault;
    try {
      fault = this.match('fdatasync', this.pathOf(fd));
    } catch (error) {
      setImmediate(done, error as Error);
      return;
    }
    const go = (): void => {
      if (fault.error === '') this.inner.fdatasyncLater(fd, done);
      else done(systemError(fault.error, 'fdatasync'));
    };
    if (fault.delay > 0) setTimeout(go, fault.delay);
    else if (fault.error === '') go();
    else setImmediate(go);
  }

  fsync(fd: number): void {
    this.check('fsync', this.pathOf(fd));
    this.inner.fsync(fd);
  }

  fsyncDirectory(path: FilePath): void {
    this.check('fsyncdir', path);
    this.inner.fsyncDirectory(path);
  }

  rename(from: FilePath, to: FilePath): void {
    this.check('rename', `${from} ${to}`);
    this.inner.rename(from, to);
  }

  unlink(path: FilePath): void {
    this.check('unlink', path);
    this.inner.unlink(path);
  }

  unlinkLater(path: FilePath, done: Done): void {
    try {
      this.check('unlink', path);
    } catch (error) {
      done(error as Error);
      return;
    }
    this.inner.unlinkLater(path, done);
  }

  mkdir(path: FilePath): void {
    this.check('mkdir', path);
    this.inner.mkdir(path);
  }

  readdir(path: FilePath): string[] {
    this.check('readdir', path);
    return this.inner.readdir(path);
  }

  stat(path: FilePath): FileFacts | null {
    this.check('stat', path);
    return this.inner.stat(path);
  }

  fileSize(fd: number): number {
    this.check('stat', this.pathOf(fd));
    return this.inner.fileSize(fd);
  }

  private pathOf(fd: number): string {
    return this.paths.get(fd) ?? '';
  }

  /**
   * Waits, throws or lets pass.
   * @returns how many bytes may be taken at most, -1 for any number
   */
  private check(call: FileCall, path: FilePath): number {
    const fault = this.match(call, path);
    if (fault.delay > 0) Atomics.wait(pause, 0, 0, fault.delay);
    if (fault.error !== '') throw systemError(fault.error, call);
    return fault.short;
  }

  /** What all rules together do to a call. */
  private match(call: FileCall, path: FilePath): Fault {
    this.calls++;
    const rules = this.reload?.() ?? null;
    if (rules !== null) this.setRules(rules);
    const text = path.toString();
    if (this.reload === null) this.trace.push(`${call} ${text}`);
    const fault: Fault = { error: '', short: -1, delay: 0 };
    for (const rule of this.rules) {
      if ((rule.call !== '*' && rule.call !== call) || !text.includes(rule.part)) continue;
      const turn = rule.seen++ - rule.skip;
      if (turn < 0 || turn >= rule.times) continue;
      if (fault.error === '') fault.error = rule.error;
      if (rule.short >= 0) fault.short = rule.short;
      fault.delay += rule.delay;
    }
    return fault;
  }
}

interface Fault {
  error: string;
  short: number;
  delay: number;
}

/** The file system that the environment asks for: faulty if SABRE_FAULTS names a file of rules. */
export function filesOfEnvironment(environment: NodeJS.ProcessEnv): Files {
  const path = environment['SABRE_FAULTS'];
  return path === undefined || path === '' ? systemFiles : new FaultyFiles(systemFiles, ruleFile(path));
}

function ruleFile(path: string): () => FaultRule[] | null {
  const { readFileSync } = process.getBuiltinModule('node:fs');
  let last = '';
  return () => {
    let text = '';
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    if (text === last) return null;
    last = text;
    return parseFaults(text);
  };
}
