// What ours tells of streams and redis-server 7.0 does not, taken away, so that the rest can be compared.
//
//   how far a group has read, where XREADGROUP told its entries as XCLAIM     Redis since 7.2.4
//   XCLAIM of entries that XREADGROUP delivers again                          Redis never: it loses the count of deliveries
//   a consumer that got nothing                                               Redis 7.0 does not make it

import type { Argument } from './raw-client.ts';
import type { Told } from './told-commands.ts';

/**
 * What redis-server 7.0 would have told, of what ours has told of a command.
 * @returns null if that can't be told: a stream is read both anew and again
 */
export function toldBy70(args: readonly Argument[], told: readonly Told[]): Told[] | null {
  const name = String(args[0]).toUpperCase();
  if (name === 'XCLAIM' || name === 'XAUTOCLAIM')
    return told.filter((one) => !isGroup(one, 'CREATECONSUMER'));
  if (name !== 'XREADGROUP') return [...told];
  const words = args.map((arg) => String(arg).toUpperCase());
  const first = words.indexOf('STREAMS', 4) + 1;
  const count = (args.length - first) / 2;
  const noAck = words.slice(1, first).includes('NOACK');
  const fresh = new Set<string>();
  const again = new Set<string>();
  for (let i = first; i < first + count; i++)
    (words[i + count] === '>' ? fresh : again).add(Buffer.from(args[i] as string).toString('latin1'));
  if (!fresh.isDisjointFrom(again)) return null;
  return told.filter((one) => {
    if (one.args[0] === 'XCLAIM') return fresh.has(one.args[1]!);
    return (
      noAck && fresh.has(one.args[2]!) && !(isGroup(one, 'CREATECONSUMER') && !hasSetId(told, one.args[2]!))
    );
  });
}

function isGroup(one: Told, subcommand: string): boolean {
  return one.args[0] === 'XGROUP' && one.args[1] === subcommand;
}

/** Whether something of a key was delivered. */
function hasSetId(told: readonly Told[], key: string): boolean {
  return told.some((one) => isGroup(one, 'SETID') && one.args[2] === key);
}
