// What must hold of replies that are random by nature.

import { type Comparison, isNull } from '../comparisons.ts';
import { isError } from '../resp-parser.ts';

/** The same kind of reply with as many elements; errors exactly. */
export const sameSize: Comparison = (left, right) => {
  if (isError(left) || isError(right)) return left.raw.equals(right.raw);
  return (
    left.type === right.type && isNull(left) === isNull(right) && left.items?.length === right.items?.length
  );
};

/** Whether no two are the same. */
export function distinct(texts: readonly Buffer[]): boolean {
  return new Set(texts.map((text) => text.toString('latin1'))).size === texts.length;
}
