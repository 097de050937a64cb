// All that can be told of a server's data set, as text by key: for comparing two servers, or one before and after a restart.
//
// Not told: when a stream's consumers were last seen, which files of Redis 7.0 keep and those of no effect change; and how
// often or when a key was used.

import type { Argument, RawClient } from './raw-client.ts';
import { isError, quoteBytes, type ReplyNode } from './resp-parser.ts';

const DATABASES = 16;
/** Fields of XINFO STREAM FULL: what is not told; the lag, for which Redis 7.0 has another rule; entries, which the digest has. */
const LEFT_OUT = new Set(['seen-time', 'active-time', 'entries', 'lag']);

/** What Redis 7.0 has where 7.2 has listpacks. */
export type Encodings = 'exact' | 'of 7.0' | 'any';

/** By `<database> <key>`: type, encoding, expiry, digest; groups of streams; expiries of fields. */
export async function describeData(
  client: RawClient,
  encodings: Encodings = 'exact',
): Promise<Map<string, string>> {
  const all = new Map<string, string>();
  for (let db = 0; db < DATABASES; db++) {
    await client.call('SELECT', db);
    const keys = (await client.command('KEYS', '*')).items!.map((item) => item.bytes!);
    const replies = await client.pipeline(
      keys.flatMap((key): Argument[][] => [
        ['TYPE', key],
        ['OBJECT', 'ENCODING', key],
        ['PEXPIRETIME', key],
        ['DEBUG', 'DIGEST-VALUE', key],
      ]),
    );
    for (const [i, key] of keys.entries()) {
      const [type, encoding, expiry, digest] = replies.slice(4 * i, 4 * i + 4).map((reply) => quote(reply)) as [
        string, string, string, string,
      ]; // biome-ignore format: short
      const parts = [type, encodingAs(encodings, type, encoding), expiry, digest];
      if (type === '"stream"')
        parts.push(quote(await client.command('XINFO', 'STREAM', key, 'FULL', 'COUNT', 0)));
      all.set(`${db} ${quoteBytes(key)}`, parts.join(' '));
    }
  }
  await client.call('SELECT', 0);
  return all;
}

/** The digest of all databases, which must not be that of an empty data set. */
export async function digestOf(client: RawClient): Promise<string> {
  const digest = String(await client.call('DEBUG', 'DIGEST'));
  if (/^0+$/.test(digest)) throw new Error('the data set is empty');
  return digest;
}

function encodingAs(encodings: Encodings, type: string, encoding: string): string {
  if (encodings === 'any') return '';
  if (encodings === 'exact' || encoding !== '"listpack"') return encoding;
  if (type === '"list"') return '"quicklist"';
  return type === '"set"' ? '"hashtable"' : encoding;
}

/** A reply as text, without what is not told. */
function quote(node: ReplyNode): string {
  if (isError(node)) throw new Error(String(node.bytes));
  if (node.items === null) return node.bytes === null ? 'nil' : quoteBytes(node.bytes);
  const parts: string[] = [];
  for (let i = 0; i < node.items.length; i++) {
    const item = node.items[i]!;
    if (item.bytes !== null && LEFT_OUT.has(item.bytes.toString())) i++;
    else parts.push(quote(item));
  }
  return `[${parts.join(' ')}]`;
}

/** What differs between two descriptions: at most ten keys, or null. */
export function differences(
  left: ReadonlyMap<string, string>,
  right: ReadonlyMap<string, string>,
): string | null {
  const lines: string[] = [];
  for (const key of new Set([...left.keys(), ...right.keys()])) {
    const [one, other] = [left.get(key), right.get(key)];
    if (one === other) continue;
    let at = 0;
    while (one?.[at] === other?.[at] && at < (one?.length ?? 0)) at++;
    const [from, to] = [Math.max(0, at - 200), at + 300];
    lines.push(`${key}\n    was: ${one?.slice(from, to)}\n    is:  ${other?.slice(from, to)}`);
  }
  return lines.length === 0 ? null : `${lines.length} keys differ:\n${lines.slice(0, 10).join('\n')}`;
}
