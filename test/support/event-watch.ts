// Keyspace notifications of two servers, compared command by command: a subscriber on each gets all events, and marks
// that are published between the commands say which command each event belongs to.

import type { Differential, Endpoint, Step } from './differential.ts';
import type { Argument, RawClient } from './raw-client.ts';
import { quoteBytes } from './resp-parser.ts';

const MARK = '__keymark__';
/** All classes, those that 'A' leaves out too. */
const CLASSES = 'AmnE';

/** Events that a key's time brings about, whenever a server finds out. */
const TIMED = /^(expired|hexpired) /;

const MISS = /^keymiss /;

/** A step, and what another connection had sent before it and waited for. */
type Watched = Step & { readonly waiting?: readonly Argument[] };

export class EventWatch {
  readonly #diff: Differential<Endpoint>;
  #left!: RawClient;
  #right!: RawClient;
  #last = 0;

  constructor(diff: Differential<Endpoint>) {
    this.#diff = diff;
  }

  async start(): Promise<void> {
    const { sabre, redis } = this.#diff.servers;
    this.#left = await sabre.connect();
    this.#right = await redis.connect();
    for (const client of [this.#left, this.#right]) {
      await client.call('CONFIG', 'SET', 'notify-keyspace-events', CLASSES);
      client.send('PSUBSCRIBE', '__key*');
      await client.next();
    }
  }

  async stop(): Promise<void> {
    for (const client of [this.#left, this.#right]) await client.close();
    for (const client of [this.#diff.sabre, this.#diff.redis])
      await client.call('CONFIG', 'SET', 'notify-keyspace-events', '');
  }

  /** The steps with a mark in front of all and one behind each. */
  marked(steps: readonly Step[]): Step[] {
    return [this.#mark(), ...steps.flatMap((step) => [step, this.#mark()])];
  }

  /**
   * After the marked steps: compares what each of them has brought about.
   * @returns what differs, or null
   */
  async compare(steps: readonly Watched[]): Promise<string | null> {
    // What came before belongs to nobody.
    await Promise.all([this.#upToMark(this.#left), this.#upToMark(this.#right)]);
    let difference: string | null = null;
    for (const step of steps) {
      const [left, right] = await Promise.all([this.#upToMark(this.#left), this.#upToMark(this.#right)]);
      if (difference !== null || step.redis !== undefined) continue;
      if (isSame(left, right, step.waiting !== undefined)) continue;
      if (isNewerEvents(step.args, left, right)) continue;
      const words = step.args.map((arg) => quoteBytes(Buffer.from(String(arg)).subarray(0, 100)));
      difference = `events of ${words.join(' ')}\n  sabre: ${left.join(', ')}\n  redis: ${right.join(', ')}`;
    }
    return difference;
  }

  #mark(): Step {
    return { args: ['PUBLISH', MARK, ++this.#last] };
  }

  async #upToMark(client: RawClient): Promise<string[]> {
    const events: string[] = [];
    for (;;) {
      const { items } = await client.next();
      const [channel, text] = [items![2]!.bytes!.toString(), items![3]!.bytes!];
      if (channel === MARK) return events;
      events.push(`${channel.slice(channel.indexOf(':') + 1)} ${channel.split('__')[1]} ${quoteBytes(text)}`);
    }
  }
}

/** @param served whether a client that waited ran its command again, which since 7.2 looks for all its keys again */
function isSame(left: readonly string[], right: readonly string[], served = false): boolean {
  const told = (events: readonly string[]) =>
    events.filter((event) => !TIMED.test(event) && !(served && MISS.test(event))).join('\n');
  return told(left) === told(right);
}

/** Whether both are right, since Redis has changed what it notifies of after 7.0. */
function isNewerEvents(
  args: readonly Argument[],
  left: readonly string[],
  right: readonly string[],
): boolean {
  switch (String(args[0]).toLowerCase()) {
    case 'bitpos':
    case 'bitcount':
      // 7.0 looks for the key before it reads the options.
      return left.length === 0;
    case 'sort':
    case 'sort_ro':
      // Elements of a set have no order.
      return isSame([...left].sort(), [...right].sort());
    default:
      return false;
  }
}
