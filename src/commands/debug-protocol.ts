// DEBUG PROTOCOL: a reply of each type, for tests of clients.

import type { CommandContext } from './context.ts';

const TYPES =
  'ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false';
const RESP3_ONLY = 'ERR RESP2 is not supported by this command';
const BIG_NUMBER = '1234567999999999999999999999999999999';
// biome-ignore lint/suspicious/noApproximativeNumericConstant: Redis's test value, cut short as it is there
const DOUBLE = 3.141;
const BIG_NUMBER_TYPE = 0x28;

/** DEBUG PROTOCOL type */
export function debugProtocol(cx: CommandContext): void {
  const { reply } = cx;
  if (cx.argIs(2, 'STRING')) reply.bulkString('Hello World');
  else if (cx.argIs(2, 'INTEGER')) reply.integer(12345);
  else if (cx.argIs(2, 'DOUBLE')) reply.double(DOUBLE);
  else if (cx.argIs(2, 'NULL')) reply.nullBulk();
  else if (cx.argIs(2, 'ARRAY')) {
    reply.arrayHeader(3);
    threeIntegers(cx);
  } else if (cx.argIs(2, 'SET')) {
    reply.setHeader(3);
    threeIntegers(cx);
  } else if (cx.argIs(2, 'MAP')) {
    reply.mapHeader(3);
    for (let i = 0; i < 3; i++) {
      reply.integer(i);
      reply.bool(i === 1);
    }
  } else if (cx.argIs(2, 'ATTRIB')) attribute(cx);
  else if (cx.argIs(2, 'PUSH')) push(cx);
  else if (cx.argIs(2, 'TRUE')) reply.bool(true);
  else if (cx.argIs(2, 'FALSE')) reply.bool(false);
  else if (cx.argIs(2, 'VERBATIM')) reply.verbatim('This is a verbatim\nstring');
  else if (cx.argIs(2, 'BIGNUM')) {
    if (reply.resp === 3) reply.simple(BIG_NUMBER_TYPE, BIG_NUMBER);
    else reply.bulkString(BIG_NUMBER);
  } else cx.error(TYPES);
}

function threeIntegers(cx: CommandContext): void {
  for (let i = 0; i < 3; i++) cx.reply.integer(i);
}

/** Attributes are no reply: a normal one follows. RESP2 has none, so there only the reply is sent. */
function attribute(cx: CommandContext): void {
  const { reply } = cx;
  if (reply.resp === 3) {
    reply.attributeHeader(1);
    reply.bulkString('key-popularity');
    reply.arrayHeader(2);
    reply.bulkString('key:123');
    reply.integer(90);
  }
  reply.bulkString('Some real reply following the attribute');
}

function push(cx: CommandContext): void {
  const { reply } = cx;
  if (reply.resp !== 3) {
    cx.error(RESP3_ONLY);
    return;
  }
  reply.pushHeader(2);
  reply.bulkString('server-cpu-usage');
  reply.integer(42);
  // A push is no reply either.
  reply.bulkString('Some real reply following the push reply');
}
