// What a data set must hold after a crash: a model of one client's keys, and commands to change them.
//
// Each client has two databases of its own, so that nobody else changes its keys: its data after a restart must be what
// the first n of its commands leave behind, n unknown. matchPrefix() finds n: it applies the commands to the model one by
// one and keeps count of the keys that differ from what the server holds.
//
// Keys are named by kind and number; what a kind holds, and which of its times are known exactly:
//   n counters | s strings, expiry exact | p strings, whether they expire | l lists | h hashes | t sets | z sorted sets
//   x streams  | b strings that expire within a second or two, not part of the state: see checkBrief()

import type { Argument, RawClient } from './raw-client.ts';
import { isError, quoteBytes, type Reply } from './resp-parser.ts';
import { pick } from './seeded.ts';

export type Random = () => number;

type Value = {
  text: string;
  items: string[];
  fields: Map<string, string>;
  /** Unix time in ms; 0: expires some time; -1: never. */
  expireAt: number;
};

/** A string that expires soon. */
type Brief = { text: string; px: number; sentAt: number };

/** A command, and what it does to the model: names as in `values` that it may have changed. */
type Single = { args: Argument[]; apply: (model: CrashModel) => readonly string[] };

/** What takes effect as a whole or not at all: a command, or a transaction. */
export type Step = {
  /** Commands, each of which has a reply. */
  sent: readonly Argument[][];
  /** Those that take effect. */
  effective: readonly Single[];
};

const COUNTS: Readonly<Record<string, number>> = { n: 6, s: 6, p: 4, l: 6, h: 4, t: 6, z: 4, x: 3 };
const BRIEF_KEYS = 4;
const LIST_MAX = 60;
const LONG_MS = 10_000_000;
const LARGE_BYTES = 300_000;
/** The share of transactions, and the most commands of one. */
const TRANSACTIONS = 0.1;
const TRANSACTION_MAX = 8;
/** By how much a time may be off: a server looks at the clock once for many commands. */
const SLACK_MS = 100;

export class CrashModel {
  /** By `<0 or 1: which of the two databases>:<key>`. */
  readonly values = new Map<string, Value>();
  readonly brief = new Map<string, Brief>();
  /** Databases: the one the client works in, and the other. */
  readonly databases: readonly [number, number];

  constructor(databases: readonly [number, number]) {
    this.databases = databases;
  }

  copy(): CrashModel {
    const model = new CrashModel(this.databases);
    for (const [name, value] of this.values) model.values.set(name, copyOf(value));
    for (const [name, value] of this.brief) model.brief.set(name, value);
    return model;
  }

  /** What a key must hold, as text; '' if it must not exist. */
  describe(name: string): string {
    const value = this.values.get(name);
    return value === undefined ? '' : describeValue(name[2]!, value);
  }

  get(name: string): Value {
    let value = this.values.get(name);
    if (value === undefined) {
      value = emptyValue();
      this.values.set(name, value);
    }
    return value;
  }

  /** Forgets the value if it holds nothing. */
  settle(name: string): void {
    const value = this.values.get(name)!;
    if (value.items.length === 0 && value.fields.size === 0) this.values.delete(name);
  }
}

function emptyValue(): Value {
  return { text: '', items: [], fields: new Map(), expireAt: -1 };
}

function copyOf(value: Value): Value {
  return { ...value, items: [...value.items], fields: new Map(value.fields) };
}

function describeValue(kind: string, { text, items, fields, expireAt }: Value): string {
  switch (kind) {
    case 'n':
    case 's':
      return `${expireAt} ${text}`;
    case 'p':
      return `${expireAt < 0 ? -1 : 0} ${text}`;
    case 'l':
    case 'x':
      return items.join(' ');
    default:
      return [...fields]
        .map(([field, value]) => `${field}=${value}`)
        .sort()
        .join(' ');
  }
}

/** All names of the model's state. */
function allNames(): string[] {
  const names: string[] = [];
  for (const [kind, count] of Object.entries(COUNTS))
    for (let i = 0; i < count; i++) names.push(`0:${kind}${i}`, `1:${kind}${i}`);
  return names;
}

// ---- commands ----

/** Does to a model what a step does. @returns names as in `values` that may have changed */
export function applyStep(model: CrashModel, step: Step): readonly string[] {
  return step.effective.flatMap((single) => single.apply(model));
}

/** A random command or transaction that is not answered with an error in the state of `model`. */
export function randomStep(random: Random, model: CrashModel, sentAt: number): Step {
  if (random() < TRANSACTIONS) return transaction(random, model, sentAt);
  const single = command(random, model, sentAt);
  return { sent: [single.args], effective: [single] };
}

/**
 * A transaction; some are given up, and of some a watched key is changed before their EXEC.
 */
function transaction(random: Random, model: CrashModel, sentAt: number): Step {
  const after = model.copy();
  const inside = Array.from({ length: 1 + pick(random, TRANSACTION_MAX) }, () => {
    const single = command(random, after, sentAt);
    single.apply(after);
    return single;
  });
  const body = [['MULTI'], ...inside.map(({ args }) => args)];
  const roll = random();
  if (roll < 0.1) return { sent: [...body, ['DISCARD']], effective: [] };
  const watched = key(random, 's');
  if (roll < 0.2) {
    const text = word(random);
    const touch = setTo(['SET', watched, text], `0:${watched}`, text, -1);
    return { sent: [['WATCH', watched], touch.args, ...body, ['EXEC']], effective: [touch] };
  }
  const watch = roll < 0.6 ? [['WATCH', watched, key(random, 'l')]] : [];
  return { sent: [...watch, ...body, ['EXEC']], effective: inside };
}

function command(random: Random, model: CrashModel, sentAt: number): Single {
  const roll = random();
  if (roll < 0.0003) return flush();
  if (roll < 0.0006) return swap(model);
  if (roll < 0.03) return move(random, model);
  if (roll < 0.035) return large(random);
  if (roll < 0.1) return rename(random, model);
  if (roll < 0.16) return remove(random);
  if (roll < 0.2) return brief(random, sentAt);
  const makers = [counter, string, string, expiring, list, list, hash, set, set, zset, stream, several];
  return makers[pick(random, makers.length)]!(random, model);
}

function key(random: Random, kind: string): string {
  return `${kind}${pick(random, COUNTS[kind]!)}`;
}

function word(random: Random): string {
  return `v${pick(random, 1_000_000)}${'.'.repeat(random() < 0.1 ? pick(random, 600) : 0)}`;
}

function change(args: Argument[], name: string, work: (value: Value, model: CrashModel) => void): Single {
  return {
    args,
    apply: (model) => {
      work(model.get(name), model);
      return [name];
    },
  };
}

function counter(random: Random): Single {
  const name = key(random, 'n');
  const by = pick(random, 3) - 1;
  const args = by === 1 ? ['INCR', name] : by === -1 ? ['DECR', name] : ['INCRBY', name, '7'];
  const amount = by === 0 ? 7 : by;
  return change(args, `0:${name}`, (value) => {
    value.text = String(Number(value.text) + amount);
  });
}

function string(random: Random, model: CrashModel): Single {
  const name = key(random, 's');
  const text = word(random);
  const at = Date.now() + LONG_MS + pick(random, 1000);
  const exists = model.values.has(`0:${name}`);
  switch (pick(random, 5)) {
    case 0:
      return change(['SET', name, text, 'PXAT', at], `0:${name}`, (value) => {
        value.text = text;
        value.expireAt = at;
      });
    case 1:
      return change(['APPEND', name, text], `0:${name}`, (value) => {
        value.text += text;
      });
    case 2:
      if (!exists) break;
      return change(['PEXPIREAT', name, at], `0:${name}`, (value) => {
        value.expireAt = at;
      });
    case 3:
      if (!exists) break;
      return change(['PERSIST', name], `0:${name}`, (value) => {
        value.expireAt = -1;
      });
  }
  return setTo(['SET', name, text], `0:${name}`, text, -1);
}

function setTo(args: Argument[], name: string, text: string, expireAt: number): Single {
  return change(args, name, (value) => {
    value.text = text;
    value.expireAt = expireAt;
  });
}

function expiring(random: Random): Single {
  const name = key(random, 'p');
  const text = word(random);
  return setTo(['SET', name, text, 'PX', LONG_MS], `0:${name}`, text, 0);
}

function large(random: Random): Single {
  const name = key(random, 's');
  const text = String(pick(random, 10)).repeat(LARGE_BYTES);
  return setTo(['SET', name, text], `0:${name}`, text, -1);
}

function brief(random: Random, sentAt: number): Single {
  const name = `b${pick(random, BRIEF_KEYS)}`;
  const text = word(random);
  const px = 20 + pick(random, 1500);
  return {
    args: ['SET', name, text, 'PX', px],
    apply: (model) => {
      model.brief.set(name, { text, px, sentAt });
      return [];
    },
  };
}

function several(random: Random): Single {
  const names = [...new Set([key(random, 's'), key(random, 's'), key(random, 's')])];
  const text = word(random);
  return {
    args: ['MSET', ...names.flatMap((name) => [name, text])],
    apply: (model) => {
      for (const name of names) {
        const value = model.get(`0:${name}`);
        value.text = text;
        value.expireAt = -1;
      }
      return names.map((name) => `0:${name}`);
    },
  };
}

function list(random: Random, model: CrashModel): Single {
  const name = key(random, 'l');
  const text = word(random);
  const length = model.values.get(`0:${name}`)?.items.length ?? 0;
  if (length > LIST_MAX) {
    return change(['LTRIM', name, 0, 9], `0:${name}`, (value) => {
      value.items.splice(10);
    });
  }
  if (length > 0 && random() < 0.4) return takeFromList(random, name);
  const left = random() < 0.3;
  return change([left ? 'LPUSH' : 'RPUSH', name, text, `${text}b`], `0:${name}`, (value) => {
    if (left) value.items.unshift(`${text}b`, text);
    else value.items.push(text, `${text}b`);
  });
}

/** From a list that is not empty. */
function takeFromList(random: Random, name: string): Single {
  if (random() < 0.4) {
    return change(['LPOP', name], `0:${name}`, (value, model) => {
      value.items.shift();
      model.settle(`0:${name}`);
    });
  }
  const other = key(random, 'l');
  return {
    args: ['LMOVE', name, other, 'LEFT', 'RIGHT'],
    apply: (model) => {
      const item = model.get(`0:${name}`).items.shift()!;
      model.get(`0:${other}`).items.push(item);
      model.settle(`0:${name}`);
      return [`0:${name}`, `0:${other}`];
    },
  };
}

function hash(random: Random): Single {
  const name = key(random, 'h');
  const field = `f${pick(random, 40)}`;
  if (random() < 0.2) {
    return change(['HDEL', name, field, 'f1'], `0:${name}`, (value, model) => {
      value.fields.delete(field);
      value.fields.delete('f1');
      model.settle(`0:${name}`);
    });
  }
  if (random() < 0.3) {
    return change(['HINCRBY', name, 'count', 3], `0:${name}`, (value) => {
      value.fields.set('count', String(Number(value.fields.get('count') ?? 0) + 3));
    });
  }
  const text = word(random);
  return change(['HSET', name, field, text, 'g', text], `0:${name}`, (value) => {
    value.fields.set(field, text).set('g', text);
  });
}

function set(random: Random, model: CrashModel): Single {
  const name = key(random, 't');
  const other = key(random, 't');
  const member = random() < 0.5 ? String(pick(random, 60)) : `m${pick(random, 60)}`;
  switch (pick(random, 5)) {
    case 0:
      return {
        args: ['SMOVE', name, other, member],
        apply: (now) => {
          if (!now.get(`0:${name}`).fields.delete(member)) {
            now.settle(`0:${name}`);
            return [];
          }
          now.get(`0:${other}`).fields.set(member, '');
          now.settle(`0:${name}`);
          return [`0:${name}`, `0:${other}`];
        },
      };
    case 1:
      return storeSet(random, name, other);
    case 2:
      if (!model.values.has(`0:${name}`)) break;
      return change(['SREM', name, member, 'm1', '1'], `0:${name}`, (value, now) => {
        for (const gone of [member, 'm1', '1']) value.fields.delete(gone);
        now.settle(`0:${name}`);
      });
  }
  return change(['SADD', name, member, `${member}0`], `0:${name}`, (value) => {
    value.fields.set(member, '').set(`${member}0`, '');
  });
}

function storeSet(random: Random, left: string, right: string): Single {
  const target = key(random, 't');
  const command = ['SUNIONSTORE', 'SINTERSTORE', 'SDIFFSTORE'][pick(random, 3)]!;
  return {
    args: [command, target, left, right],
    apply: (model) => {
      const one = new Set(model.values.get(`0:${left}`)?.fields.keys());
      const other = new Set(model.values.get(`0:${right}`)?.fields.keys());
      const result =
        command === 'SUNIONSTORE'
          ? one.union(other)
          : command === 'SINTERSTORE'
            ? one.intersection(other)
            : one.difference(other);
      const value = model.get(`0:${target}`);
      value.fields = new Map([...result].map((member) => [member, '']));
      model.settle(`0:${target}`);
      return [`0:${target}`];
    },
  };
}

function zset(random: Random): Single {
  const name = key(random, 'z');
  const member = `m${pick(random, 50)}`;
  if (random() < 0.2) {
    return change(['ZREM', name, member, 'm1'], `0:${name}`, (value, model) => {
      value.fields.delete(member);
      value.fields.delete('m1');
      model.settle(`0:${name}`);
    });
  }
  const score = pick(random, 1000);
  if (random() < 0.5) {
    return change(['ZADD', name, score, member, score + 1, `${member}b`], `0:${name}`, (value) => {
      value.fields.set(member, String(score)).set(`${member}b`, String(score + 1));
    });
  }
  return change(['ZINCRBY', name, score, member], `0:${name}`, (value) => {
    value.fields.set(member, String(Number(value.fields.get(member) ?? 0) + score));
  });
}

function stream(random: Random, model: CrashModel): Single {
  const name = key(random, 'x');
  const text = word(random);
  const items = model.values.get(`0:${name}`)?.items ?? [];
  if (items.length > LIST_MAX) {
    return change(['XTRIM', name, 'MAXLEN', '=', 10], `0:${name}`, (value) => {
      value.items.splice(0, value.items.length - 10);
    });
  }
  const id = `${items.length === 0 ? 1 : Number(items.at(-1)!.split('-')[0]) + 1 + pick(random, 3)}-1`;
  return change(['XADD', name, id, 'f', text], `0:${name}`, (value) => {
    value.items.push(`${id}:f,${text}`);
  });
}

function rename(random: Random, model: CrashModel): Single {
  const kind = 'nsplhtzx'[pick(random, 8)]!;
  const from = key(random, kind);
  const to = key(random, kind);
  if (from === to || !model.values.has(`0:${from}`)) return remove(random);
  const copies = random() < 0.5;
  return {
    args: copies ? ['COPY', from, to, 'REPLACE'] : ['RENAME', from, to],
    apply: (now) => {
      const value = now.values.get(`0:${from}`)!;
      now.values.set(`0:${to}`, copies ? copyOf(value) : value);
      if (!copies) now.values.delete(`0:${from}`);
      return [`0:${from}`, `0:${to}`];
    },
  };
}

function remove(random: Random): Single {
  const names = Array.from({ length: 1 + pick(random, 3) }, () => key(random, 'nsplhtzx'[pick(random, 8)]!));
  return {
    args: [random() < 0.5 ? 'DEL' : 'UNLINK', ...names],
    apply: (model) => {
      for (const name of names) model.values.delete(`0:${name}`);
      return names.map((name) => `0:${name}`);
    },
  };
}

/** MOVE, or COPY to the other database. */
function move(random: Random, model: CrashModel): Single {
  const name = key(random, 'nsplhtzx'[pick(random, 8)]!);
  const copies = random() < 0.5;
  return {
    args: copies
      ? ['COPY', name, name, 'DB', model.databases[1], 'REPLACE']
      : ['MOVE', name, model.databases[1]],
    apply: (now) => {
      const value = now.values.get(`0:${name}`);
      if (value === undefined || (!copies && now.values.has(`1:${name}`))) return [];
      now.values.set(`1:${name}`, copies ? copyOf(value) : value);
      if (!copies) now.values.delete(`0:${name}`);
      return [`0:${name}`, `1:${name}`];
    },
  };
}

function swap(model: CrashModel): Single {
  return {
    args: ['SWAPDB', ...model.databases],
    apply: (now) => {
      const all = [...now.values];
      now.values.clear();
      for (const [name, value] of all) now.values.set(`${name[0] === '0' ? 1 : 0}${name.slice(1)}`, value);
      // Those that expire soon go along, and may come back: what is known of them is gone.
      now.brief.clear();
      return allNames();
    },
  };
}

function flush(): Single {
  return {
    args: ['FLUSHDB'],
    apply: (model) => {
      for (const name of [...model.values.keys()]) if (name[0] === '0') model.values.delete(name);
      model.brief.clear();
      return allNames();
    },
  };
}

// ---- what a server holds ----

const READ: Readonly<Record<string, (name: string) => Argument[]>> = {
  n: (name) => ['GET', name],
  s: (name) => ['GET', name],
  p: (name) => ['GET', name],
  l: (name) => ['LRANGE', name, 0, -1],
  h: (name) => ['HGETALL', name],
  t: (name) => ['SMEMBERS', name],
  z: (name) => ['ZRANGE', name, 0, -1, 'WITHSCORES'],
  x: (name) => ['XRANGE', name, '-', '+'],
};

/** What the server holds of a client's keys, as CrashModel.describe has it. */
export async function readState(
  client: RawClient,
  databases: readonly [number, number],
): Promise<Map<string, string>> {
  const state = new Map<string, string>();
  for (const which of [0, 1] as const) {
    await client.call('SELECT', databases[which]);
    const names = allNames().filter((name) => name.startsWith(`${which}:`));
    const commands = names.flatMap((name) => {
      const bare = name.slice(2);
      return [READ[bare[0]!]!(bare), ['PEXPIRETIME', bare]];
    });
    const replies = await client.pipeline(commands);
    for (const [i, name] of names.entries())
      state.set(name, describeReply(name[2]!, replies[2 * i]!, Number(replies[2 * i + 1]!.bytes)));
  }
  return state;
}

function describeReply(kind: string, reply: Reply, expireAt: number): string {
  if (isError(reply)) return quoteBytes(reply.raw);
  const value = emptyValue();
  const texts = (reply.items ?? []).map((item) => item.bytes?.toString() ?? '');
  value.expireAt = expireAt;
  if ('nsp'.includes(kind)) {
    if (reply.bytes === null) return '';
    value.text = reply.bytes.toString();
  } else if (kind === 'l') value.items = texts;
  else if (kind === 't') for (const text of texts) value.fields.set(text, '');
  else if (kind === 'x') value.items = reply.items!.map(describeEntry);
  else for (let i = 0; i < texts.length; i += 2) value.fields.set(texts[i]!, texts[i + 1]!);
  return describeValue(kind, value);
}

function describeEntry(entry: Reply | { items: Reply['items'] }): string {
  const [id, fields] = entry.items!;
  return `${id!.bytes}:${fields!.items!.map((item) => item.bytes).join(',')}`;
}

// ---- which commands took effect ----

export type Match = {
  /** The number of commands that have taken effect, and the model behind them. */
  count: number;
  model: CrashModel;
};

/**
 * Finds after how many of the steps the model is what a server holds.
 * @param from at least that many
 * @returns the largest such number, or what differs in the best place
 */
export function matchPrefix(
  base: CrashModel,
  steps: readonly Step[],
  from: number,
  state: ReadonlyMap<string, string>,
): Match | string {
  const model = base.copy();
  const differing = new Set<string>();
  const look = (name: string): void => {
    if (model.describe(name) === state.get(name)) differing.delete(name);
    else differing.add(name);
  };
  for (const name of allNames()) look(name);
  let match: Match | null = null;
  const unknown = new Set<string>();
  let best = { count: -1, names: [...differing], expected: '', size: Number.POSITIVE_INFINITY };
  for (let count = 0; ; count++) {
    if (count >= from && differing.size === 0) {
      // Which of several took effect last cannot be told: those keys are not part of the state.
      const uncertain: string[] = match === null ? [] : briefNames(steps.slice(match.count, count));
      match = { count, model: model.copy() };
      for (const name of uncertain) unknown.add(name);
    }
    if (differing.size < best.size && count >= from) {
      const first = [...differing][0];
      const expected = first === undefined ? '' : model.describe(first);
      best = { count, names: [...differing], expected, size: differing.size };
    }
    if (count === steps.length) break;
    for (const name of applyStep(model, steps[count]!)) look(name);
  }
  if (match === null) return explain(best, steps, from, state);
  for (const name of unknown) match.model.brief.delete(name);
  return match;
}

/** The keys that expire soon of some commands. */
function briefNames(steps: readonly Step[]): string[] {
  return steps
    .flatMap(({ effective }) => effective.map(({ args }) => String(args[1])))
    .filter((name) => name[0] === 'b');
}

function explain(
  best: { count: number; names: readonly string[]; expected: string },
  steps: readonly Step[],
  from: number,
  state: ReadonlyMap<string, string>,
): string {
  const first = best.names[0]!;
  const near = steps
    .slice(Math.max(0, best.count - 8), best.count + 8)
    .map(({ sent }) => sent.map((args) => args.join(' ').slice(0, 150)).join('; '));
  return (
    `no number of commands from ${from} to ${steps.length} leaves what the server holds; nearest: ${best.count}, ` +
    `but for ${best.names.length} keys: ${best.names.slice(0, 10).join(' ')}\n` +
    `  ${first} expected: ${best.expected.slice(0, 500)}\n  ${first} found:    ${state.get(first)!.slice(0, 500)}\n` +
    `  commands around: ${near.join(' | ')}`
  );
}

/**
 * Checks the strings that expire soon: there only with the right value and not beyond their time, gone only when that is over.
 * @returns what is wrong, or null
 */
export async function checkBrief(
  client: RawClient,
  model: CrashModel,
  killedAt: number,
): Promise<string | null> {
  await client.call('SELECT', model.databases[0]);
  for (const [name, { text, px, sentAt }] of model.brief) {
    const [value, expireAt] = (await client.pipeline([
      ['GET', name],
      ['PEXPIRETIME', name],
    ])) as [Reply, Reply];
    const now = Date.now();
    if (value.bytes === null) {
      if (now < sentAt + px - SLACK_MS) return `${name} is gone ${sentAt + px - now} ms before its time`;
      continue;
    }
    if (value.bytes.toString() !== text) return `${name} holds ${value.bytes}, not ${text}`;
    const at = Number(expireAt.bytes);
    // It may have expired between the two commands.
    if (at !== -2 && (at < sentAt + px - SLACK_MS || at > killedAt + px + SLACK_MS))
      return `${name} expires at ${at}: sent at ${sentAt}, killed at ${killedAt}, PX ${px}`;
  }
  return null;
}
