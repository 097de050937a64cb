// ACL LOG: the newest denials, kept by the supervisor. What looks like one of the ten before it within a minute is
// counted there instead of noted anew.

import { type AclLogEntry, Denial } from '../commands/identity.ts';

/** Where something was denied. */
export const DenialContext = { TopLevel: 'toplevel', Multi: 'multi', Lua: 'lua' } as const;
export type DenialContext = (typeof DenialContext)[keyof typeof DenialContext];

/** A denial as its thread reports it. Texts are one character per byte. */
export interface DenialNote {
  readonly reason: Denial;
  readonly context: DenialContext;
  /** Command, key or channel; for a failed authentication the command's name as the client wrote it. */
  readonly object: string;
  readonly user: string;
  /** The client's line of CLIENT LIST. */
  readonly client: string;
  /** Unix time in ms. */
  readonly time: number;
}

const GROUPING_MS = 60000;
const COMPARED = 10;
const REASONS: Readonly<Record<number, string>> = {
  [Denial.Command]: 'command',
  [Denial.Key]: 'key',
  [Denial.Auth]: 'auth',
  [Denial.Channel]: 'channel',
};

export class AclLog {
  /** Newest first. */
  #entries: AclLogEntry[] = [];
  #lengthMax: number;
  #nextId = 0;

  /** @param lengthMax acllog-max-len */
  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  /** A smaller one takes effect at once. */
  setMaxLength(lengthMax: number): void {
    this.#lengthMax = lengthMax;
    this.#trim();
  }

  add(note: DenialNote): void {
    const reason = REASONS[note.reason]!;
    const same = this.#entries
      .slice(0, COMPARED)
      .findIndex(
        (entry) =>
          entry.reason === reason &&
          entry.context === note.context &&
          Math.abs(entry.updated - note.time) <= GROUPING_MS &&
          entry.object === note.object &&
          entry.user === note.user,
      );
    if (same >= 0) {
      const [old] = this.#entries.splice(same, 1);
      this.#entries.unshift({ ...old!, count: old!.count + 1, client: note.client, updated: note.time });
      return;
    }
    const { context, object, user, client, time } = note;
    const id = this.#nextId++;
    this.#entries.unshift({
      id,
      count: 1,
      reason,
      context,
      object,
      user,
      client,
      created: time,
      updated: time,
    });
    this.#trim();
  }

  /** @returns newest first */
  get(count: number): AclLogEntry[] {
    return this.#entries.slice(0, Math.max(0, count));
  }

  reset(): void {
    this.#entries = [];
  }

  #trim(): void {
    if (this.#entries.length > this.#lengthMax) this.#entries.length = this.#lengthMax;
  }
}
