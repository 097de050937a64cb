/*
 * The facts against a real redis-server 7.0: every row of COMMAND and every map of COMMAND DOCS, field by field, but
 * for the changes of later versions, which are listed here one by one, and for prose (notes, summary, history, the
 * words of complexity) that the facts leave out.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeCommandDocs } from '../../src/commands/command-docs.ts';
import { writeCommandInfo } from '../../src/commands/command-info.ts';
import { ReplyWriter } from '../../src/protocol/reply-writer.ts';
import type { RawClient } from '../support/raw-client.ts';
import { redisVersion, startRedis } from '../support/redis-server.ts';
import { parseReplies, toValue, type Value } from '../support/resp-parser.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { fullTable } from './command-support.ts';

type Row = { [field: string]: unknown };

const isSeventy = redisVersion().slice(0, 2).join('.') === '7.0';

/** Commands that 7.0 doesn't have. */
const NEW = new Set(
  [
    'client|no-touch client|setinfo cluster|myshardid waitaof hexpire hexpireat hexpiretime hpersist hpexpire hpexpireat',
    'hpexpiretime hpttl httl sflush delex digest msetex hgetex hsetex hgetdel xackdel xdelex',
  ]
    .join(' ')
    .split(' '),
);

const ALL_SUCCEEDED = ['request_policy:all_nodes', 'response_policy:all_succeeded'];

/** Fields of rows that changed after 7.0, with their values there. */
const ROW_CHANGES: Readonly<Record<string, Row>> = {
  'acl|deluser': { tips: [] },
  'acl|save': { tips: [] },
  'acl|setuser': { tips: [] },
  'client|setname': { tips: [] },
  'config|resetstat': { tips: [] },
  'config|rewrite': { tips: [] },
  'latency|reset': { tips: ALL_SUCCEEDED },
  msetnx: { tips: ['request_policy:multi_shard', 'response_policy:agg_min'] },
  randomkey: { tips: ['request_policy:all_shards', 'nondeterministic_output'] },
  scan: { tips: ['nondeterministic_output', 'request_policy:special'] },
  blmove: { flags: ['write', 'denyoom', 'noscript', 'blocking'] },
  blpop: { flags: ['write', 'noscript', 'blocking'] },
  brpop: { flags: ['write', 'noscript', 'blocking'] },
  brpoplpush: { flags: ['write', 'denyoom', 'noscript', 'blocking'] },
  bzpopmax: { flags: ['write', 'noscript', 'blocking', 'fast'] },
  bzpopmin: { flags: ['write', 'noscript', 'blocking', 'fast'] },
  wait: { flags: ['noscript'], categories: ['@slow', '@connection'] },
  'cluster|shards': { flags: ['stale'] },
  'cluster|slots': { flags: ['stale'] },
  'command|getkeys': { arity: -4 },
  'command|getkeysandflags': { arity: -4 },
  zrank: { arity: 3 },
  zrevrank: { arity: 3 },
};

/** Key specifications that changed: SINTERSTORE's destination was marked as read and written. */
const SPEC_CHANGES = new Set(['sinterstore']);

/** Fields of COMMAND DOCS that 7.0 has otherwise; the first two are words that the facts leave out. */
const DOC_CHANGES: Readonly<Record<string, Row>> = {
  getset: { replaced_by: '`SET` with the `!GET` argument' },
  hmset: { replaced_by: '`HSET` with multiple field-value pairs' },
  'client|pause': { since: '2.9.50' },
  psetex: { doc_flags: undefined, deprecated_since: undefined, replaced_by: undefined },
  setex: { doc_flags: undefined, deprecated_since: undefined, replaced_by: undefined },
  setnx: { doc_flags: undefined, deprecated_since: undefined, replaced_by: undefined },
  quit: { doc_flags: undefined, deprecated_since: undefined },
};

/** Commands whose arguments were added to, or described differently, after 7.0. */
const ARGUMENT_CHANGES = new Set(
  [
    'bitop client|kill client|list command|getkeys command|getkeysandflags config|get geohash geopos georadius',
    'georadiusbymember hscan migrate module|loadex pfmerge psubscribe set xinfo|stream zrank zrevrank',
  ]
    .join(' ')
    .split(' '),
);

const text = (value: Value): string => String(value);

function words(value: Value | undefined): string[] {
  if (value instanceof Set) return [...value].map(text);
  return (value as Value[]).map(text);
}

/** A map, or the flat array of one, without some of its keys. */
function fields(value: Value, without: readonly string[] = []): Row {
  const entries = value instanceof Map ? [...value] : pairs(value as Value[]);
  return Object.fromEntries(entries.filter(([key]) => !without.includes(text(key))));
}

function pairs(flat: Value[]): [Value, Value][] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[i * 2]!, flat[i * 2 + 1]!]);
}

/** Rows of COMMAND, and of the subcommands in them, by name. */
function rowsByName(rows: Value, into = new Map<string, Row>()): Map<string, Row> {
  for (const row of rows as Value[][]) {
    const [name, arity, flags, first, last, step, categories, tips, specs, subcommands] = row;
    into.set(text(name!), {
      arity,
      flags: words(flags),
      positions: [first, last, step],
      categories: words(categories),
      tips: words(tips),
      specs: [...(specs as Iterable<Value>)].map((spec) => {
        const {
          flags: specFlags,
          begin_search: begin,
          find_keys: find,
        } = fields(spec) as Record<string, Value>;
        return {
          flags: words(specFlags),
          begin: search(begin!),
          find: search(find!),
        };
      }),
      subcommands: [...(subcommands as Iterable<Value[]>)].map((sub) => text(sub[0]!)).sort(),
    });
    rowsByName([...(subcommands as Iterable<Value>)], into);
  }
  return into;
}

function search(value: Value): Row {
  const { type, spec } = fields(value) as { type: Value; spec: Value };
  return { type, spec: fields(spec) };
}

/** What the names of arguments were changed to in 7.2, and when they came, is left out. */
function argumentTree(value: Value | undefined): Row[] {
  return ((value as Value[] | undefined) ?? []).map((arg) => {
    const row = fields(arg, ['name', 'display_text', 'since']);
    if (row['flags'] !== undefined) row['flags'] = words(row['flags'] as Value);
    if (row['arguments'] !== undefined) row['arguments'] = argumentTree(row['arguments'] as Value);
    return row;
  });
}

/** Maps of COMMAND DOCS, and of the subcommands in them, by name. */
function docsByName(docs: Value, into = new Map<string, Row>()): Map<string, Row> {
  for (const [name, map] of docs instanceof Map ? docs : pairs(docs as Value[])) {
    const row = fields(map, ['summary', 'history', 'complexity']);
    const subcommands = row['subcommands'] as Value | undefined;
    if (row['doc_flags'] !== undefined) row['doc_flags'] = words(row['doc_flags'] as Value);
    if (row['arguments'] !== undefined) row['arguments'] = argumentTree(row['arguments'] as Value);
    delete row['subcommands'];
    into.set(text(name), row);
    if (subcommands !== undefined) docsByName(subcommands, into);
  }
  return into;
}

/** What our writers make of the whole table. */
function ours(resp: 2 | 3, what: 'info' | 'docs'): Value {
  const table = fullTable();
  const reply = new ReplyWriter();
  reply.resp = resp;
  if (what === 'info') reply.arrayHeader(table.callableCount);
  else reply.mapHeader(table.callableCount);
  for (const command of table.callableCommands()) {
    if (what === 'info') writeCommandInfo(reply, command);
    else writeCommandDocs(reply, command);
  }
  const replies = parseReplies(Buffer.from(reply.bytes.subarray(0, reply.length)));
  expect(replies.length).toBe(1);
  return toValue(replies[0]!);
}

describe.skipIf(!isSeventy)('facts against redis-server 7.0', () => {
  let redis: ServerProcess;
  const clients = new Map<2 | 3, RawClient>();

  beforeAll(async () => {
    redis = await startRedis();
    clients.set(2, await redis.connect());
    clients.set(3, await redis.connect({ protocol: 3 }));
  });
  afterAll(() => redis.stop());

  it.each([2, 3] as const)('COMMAND in RESP%i', async (resp) => {
    const theirs = rowsByName(await clients.get(resp)!.call('COMMAND'));
    const mine = rowsByName(ours(resp, 'info'));
    expect([...mine.keys()].filter((name) => !theirs.has(name) && !NEW.has(name))).toEqual([]);
    const differences: unknown[] = [];
    for (const [name, row] of theirs) {
      const own = mine.get(name) ?? {};
      const there: Row = { ...own, ...ROW_CHANGES[name] };
      there['subcommands'] = ((own['subcommands'] ?? []) as string[]).filter((sub) => !NEW.has(sub));
      if (SPEC_CHANGES.has(name)) delete row['specs'];
      if (SPEC_CHANGES.has(name)) delete there['specs'];
      if (JSON.stringify(there) !== JSON.stringify(row)) differences.push({ name, there, row });
    }
    expect(differences).toEqual([]);
  });

  it.each([2, 3] as const)('COMMAND DOCS in RESP%i', async (resp) => {
    const theirs = docsByName(await clients.get(resp)!.call('COMMAND', 'DOCS'));
    const mine = docsByName(ours(resp, 'docs'));
    const differences: unknown[] = [];
    for (const [name, row] of theirs) {
      const there: Row = { ...mine.get(name), ...DOC_CHANGES[name] };
      if (ARGUMENT_CHANGES.has(name)) delete row['arguments'];
      if (ARGUMENT_CHANGES.has(name)) delete there['arguments'];
      if (JSON.stringify(there) !== JSON.stringify(row)) differences.push({ name, there, row });
    }
    expect(differences).toEqual([]);
  });
});
