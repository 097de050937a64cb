// What is missing in the reply of an EXEC when its commands on data have run, and how the client's acceptor gets it, in order,
// when the locks are free: answers of other threads, and commands that have yet to run on the acceptor itself.

import type { ControlRequest, ReplyFunction, ServerApi } from '../commands/server-api.ts';

/** How an Error begins whose message is an error reply. */
const ERROR_CODE = /^[A-Z]+( |$)/;

/** A command whose reply is missing in the reply of an EXEC. */
export interface Gap {
  /** Where in the reply its own belongs. */
  readonly at: number;
  /** Where it is in the transaction's words. */
  readonly word: number;
  /** What has begun; null: the command has yet to run. */
  readonly answer: Promise<ReplyFunction> | null;
  /** On a shard worker: what the acceptor is to ask. */
  readonly request: ControlRequest | null;
}

/** The reply of an EXEC that has gaps. */
export interface GappedReply {
  /** Where it begins among the replies. */
  readonly from: number;
  readonly gaps: readonly Gap[];
}

/**
 * Fills the gaps, one after the other.
 * @param bytes the reply without them
 * @param run runs a command that has yet to run @param word where it is in the transaction's words
 * @returns what writes the whole reply
 */
export async function fillGaps(
  server: ServerApi,
  bytes: Buffer,
  gaps: readonly Gap[],
  run: (word: number) => Promise<ReplyFunction>,
): Promise<ReplyFunction> {
  const writers: ReplyFunction[] = [];
  for (const gap of gaps) writers.push(await fillGap(server, gap, run));
  return (reply) => {
    let at = 0;
    for (let i = 0; i < gaps.length; i++) {
      reply.raw(bytes, at, gaps[i]!.at - at);
      writers[i]!(reply);
      at = gaps[i]!.at;
    }
    reply.raw(bytes, at, bytes.length - at);
  };
}

async function fillGap(
  server: ServerApi,
  gap: Gap,
  run: (word: number) => Promise<ReplyFunction>,
): Promise<ReplyFunction> {
  try {
    if (gap.answer !== null) return await gap.answer;
    if (gap.request === null) return await run(gap.word);
    const text = await server.ask(gap.request.method, gap.request.payload);
    return (reply) => reply.simpleString(text as string);
  } catch (error) {
    const { message } = error as Error;
    if (!(error instanceof Error) || !ERROR_CODE.test(message)) throw error;
    server.stats.countError(message);
    return (reply) => reply.error(message);
  }
}
