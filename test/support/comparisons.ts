// Ways to compare the replies of two servers, for replies that may rightly differ in bytes.
//
// `exact` is what to use wherever it holds. The others say precisely what may differ: order, time, identity.

import { isError, type Reply, type ReplyNode } from './resp-parser.ts';

/** Whether two replies count as the same. */
export type Comparison = (left: Reply, right: Reply) => boolean;

/** Byte by byte. */
export const exact: Comparison = (left, right) => left.raw.equals(right.raw);

/** The same elements in any order (KEYS, SMEMBERS); everything that is no aggregate exactly. */
export const unordered: Comparison = (left, right) =>
  canonical(sortedItems(left)) === canonical(sortedItems(right));

/** The same elements in any order, and so inside every element. */
export const deeplyUnordered: Comparison = (left, right) =>
  canonical(deeplySorted(left)) === canonical(deeplySorted(right));

/** A map, or a flat array of key, value, key, value (RESP2), with its pairs in any order. */
export const unorderedPairs: Comparison = (left, right) =>
  canonical(sortedPairs(left)) === canonical(sortedPairs(right));

/** Numbers (integers or texts) that differ by at most so much; negative ones (-1, -2) and others exactly. */
export function near(tolerance: number): Comparison {
  return (left, right) => {
    if (left.raw.equals(right.raw)) return true;
    if (left.type !== right.type || left.bytes === null || right.bytes === null) return false;
    const a = Number(left.bytes.toString());
    const b = Number(right.bytes.toString());
    return a >= 0 && b >= 0 && Math.abs(a - b) <= tolerance;
  };
}

/** The same type of reply (and null only with null); errors exactly. */
export const sameType: Comparison = (left, right) => {
  if (isError(left) || isError(right)) return left.raw.equals(right.raw);
  return left.type === right.type && isNull(left) === isNull(right);
};

/** Exactly, once all matches of the pattern (with flag g) are replaced: ids, times, addresses. */
export function masked(pattern: RegExp): Comparison {
  return (left, right) =>
    left.raw.toString('latin1').replace(pattern, '?') === right.raw.toString('latin1').replace(pattern, '?');
}

/** Both successes or the same error. */
export const sameOutcome: Comparison = (left, right) =>
  isError(left) || isError(right) ? left.raw.equals(right.raw) : true;

/** Whatever both reply (the command is sent for its effect). */
export const ignored: Comparison = () => true;

/** A null of any kind: `$-1`, `*-1`, `_`. */
export function isNull(node: ReplyNode): boolean {
  return node.type === 'null' || (node.bytes === null && node.items === null);
}

/** A text that is the same for two nodes exactly when they are the same but for attributes. */
export function canonical(node: ReplyNode): string {
  if (node.items !== null) {
    return `${node.type}(${node.items.length}:${node.items.map(canonical).join(',')})`;
  }
  return node.bytes === null
    ? `${node.type} null`
    : `${node.type} ${node.bytes.length}:${node.bytes.toString('latin1')}`;
}

function sortedItems(node: ReplyNode): ReplyNode {
  return node.items === null ? node : { ...node, items: sortNodes(node.items) };
}

function deeplySorted(node: ReplyNode): ReplyNode {
  if (node.items === null) return node;
  return { ...node, items: sortNodes(node.items.map(deeplySorted)) };
}

function sortedPairs(node: ReplyNode): ReplyNode {
  if (node.items === null || node.items.length % 2 !== 0) return node;
  const pairs: ReplyNode[] = [];
  for (let i = 0; i < node.items.length; i += 2) {
    pairs.push({ type: 'array', bytes: null, items: node.items.slice(i, i + 2), attributes: null });
  }
  return { ...node, items: sortNodes(pairs) };
}

function sortNodes(nodes: readonly ReplyNode[]): ReplyNode[] {
  const keyed = nodes.map((node) => ({ node, key: canonical(node) }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return keyed.map(({ node }) => node);
}
