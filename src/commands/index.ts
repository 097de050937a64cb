/*
 * All command families in one place, and the table made of them. Each thread that runs commands makes its own table
 * with `createCommandTable()` when it starts.
 */
import { allCommandFacts } from './facts/command-facts.ts';
import { buildCommandTable, type CommandTable, type FamilyHandlers } from './table.ts';

/** Every family whose handlers need nothing but their context. */
const FAMILIES: readonly FamilyHandlers[] = [];

/** @returns a new table; the same ids in every thread of a process */
export function createCommandTable(): CommandTable {
  return buildCommandTable(allCommandFacts, FAMILIES);
}
