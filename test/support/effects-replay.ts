// Replays what commands told to the change stream, as a loaded log is replayed, and compares what both then hold.
//
// Everything counts: keys, values, when keys and fields expire, groups of streams with all that is pending. Not compared: when a
// consumer was last seen, which is told nowhere.

import type { DirectiveName } from '../../src/config/directives.ts';
import { formatCommand } from './command-history.ts';
import type { Operation } from './generator-parts.ts';
import { InProcess } from './in-process.ts';
import type { Argument } from './raw-client.ts';
import { parseReplies, toValue, type Value } from './resp-parser.ts';
import type { Told } from './told-commands.ts';

const SEEN_FIELDS = new Set(['seen-time', 'active-time']);
const SHOWN_COMMANDS = 12;

export type Settings = Readonly<Partial<Record<DirectiveName, string>>>;

export interface ReplayOptions {
  /** Unix time in ms of the first command. */
  start: number;
  /** Time from one command to the next, in ms. */
  step: (index: number) => number;
  databases: readonly number[];
  /** Commands after which all is compared. */
  compareEvery: number;
  /** Settings of both. */
  config?: Settings;
}

/** Runs operations on an empty keyspace and what they tell on another one. Throws at the first difference. */
export function replayOperations(operations: readonly Operation[], options: ReplayOptions): void {
  const local = new InProcess({ effects: true });
  const replica = new Replica();
  const settings: Settings = { 'enable-debug-command': 'yes', ...options.config };
  for (const [name, value] of Object.entries(settings) as [DirectiveName, string][]) {
    local.config.assign(name, value);
    replica.local.config.assign(name, value);
  }
  const history: string[] = [];
  let now = options.start;
  for (let i = 0; i < operations.length; i++) {
    now += options.step(i);
    local.setTime(now);
    const { args } = operations[i]!;
    if (/^config$/i.test(String(args[0]))) continue;
    if (!runQuietly(local, args)) continue;
    history.push(`${formatCommand(args)}\n${local.told.map(shown).join('')}`);
    const error = replica.apply(local.told);
    if (error !== null) throw new Error(`${error}\n${related(history, args)}`);
    if ((i + 1) % options.compareEvery === 0 || i === operations.length - 1)
      compare(local, replica.local, options.databases, now, history);
  }
  local.checkInvariants();
  replica.local.checkInvariants();
}

/** @returns false if the command needs a server */
function runQuietly(local: InProcess, args: readonly Argument[]): boolean {
  try {
    local.run(...args);
    return true;
  } catch (error) {
    if (/is deferred|no such command/.test((error as Error).message)) return false;
    throw error;
  }
}

function shown({ db, args }: Told): string {
  return `    ${db}> ${formatCommand(args.map((arg) => Buffer.from(arg, 'latin1')))}\n`;
}

/** An instance that commands of a log run in. */
export class Replica {
  readonly local = new InProcess();

  constructor() {
    this.local.session.denyBlocking = true;
  }

  /** @returns what is wrong, if a command is answered with an error */
  apply(told: readonly Told[]): string | null {
    const { local } = this;
    local.setTime(Date.now());
    local.keyspace.setReplayTime(Date.now());
    for (const command of told) {
      if (local.session.db !== command.db) local.run('SELECT', String(command.db));
      const reply = local.run(...command.args.map((arg) => Buffer.from(arg, 'latin1')));
      if (reply[0] === 0x2d) return `${shown(command)} is answered with ${reply.toString('latin1')}`;
    }
    return null;
  }
}

/** The last commands that name one of the same keys. */
function related(history: readonly string[], args: readonly Argument[]): string {
  const names = args.slice(1).map((arg) => formatCommand([arg]));
  return history
    .filter((line) => names.some((name) => line.split(/\s/).includes(name)))
    .slice(-SHOWN_COMMANDS)
    .map((line) => line.replace(/\S{100,}/g, (word) => `${word.slice(0, 40)}...`))
    .join('');
}

function compare(
  left: InProcess,
  right: InProcess,
  databases: readonly number[],
  now: number,
  history: readonly string[],
): void {
  const { db: ours, resp } = left.session;
  left.session.resp = 2;
  right.setTime(now);
  for (const db of databases) {
    left.run('SELECT', String(db));
    right.run('SELECT', String(db));
    const keys = new Set([...keysOf(left), ...keysOf(right)]);
    for (const key of keys) {
      const name = Buffer.from(key, 'latin1');
      const [one, other] = [describeKey(left, name), describeKey(right, name)];
      if (one !== other)
        throw new Error(
          `key ${formatCommand([name])} in database ${db} differs after a replay\n--- original\n${one}\n--- replayed\n${other}\n` +
            related(history, ['', name]),
        );
    }
  }
  left.run('SELECT', String(ours));
  left.session.resp = resp;
}

function keysOf(local: InProcess): string[] {
  return read(local, 'KEYS', '*') as string[];
}

/** All that there is to say of a key, as text. */
function describeKey(local: InProcess, key: Buffer): string {
  const type = read(local, 'TYPE', key) as string;
  const lines = [type, String(read(local, 'PEXPIRETIME', key)), local.text('DEBUG', 'DIGEST-VALUE', key)];
  if (type === 'stream')
    lines.push(JSON.stringify(withoutSeen(read(local, 'XINFO', 'STREAM', key, 'FULL', 'COUNT', '0'))));
  if (type === 'hash') lines.push(expiries(local, key));
  return lines.join('\n');
}

/** When the fields of a hash expire, by name. */
function expiries(local: InProcess, key: Buffer): string {
  const fields = (read(local, 'HKEYS', key) as string[]).map((field) => Buffer.from(field, 'latin1'));
  if (fields.length === 0) return '';
  const times = read(local, 'HPEXPIRETIME', key, 'FIELDS', String(fields.length), ...fields) as number[];
  return fields
    .map((field, i) => `${field.toString('latin1')} ${times[i]}`)
    .sort()
    .join('\n');
}

/** A command's reply, in strings of one character per byte. */
function read(local: InProcess, ...args: Argument[]): Value {
  return toValue(parseReplies(local.run(...args))[0]!, 'latin1');
}

/** A reply without what is told nowhere. */
function withoutSeen(value: Value): Value {
  if (!Array.isArray(value)) return value;
  const kept: Value[] = [];
  for (let i = 0; i < value.length; i++) {
    const item = value[i]!;
    if (typeof item === 'string' && SEEN_FIELDS.has(item)) i++;
    else kept.push(withoutSeen(item));
  }
  return kept;
}
