// Who a client is, as far as commands have to know. Users with their rules are the room acl's (acl/user.ts), above this one.

import type { CommandContext } from './context.ts';
import type { Command } from './table.ts';

/** Why something is denied; a larger one is told rather than a smaller one when selectors deny for several reasons. */
export const Denial = { None: 0, Command: 1, Key: 2, Auth: 3, Channel: 4 } as const;
export type Denial = (typeof Denial)[keyof typeof Denial];

/** A user. One object per user and thread; a change of the user's rules changes it. */
export interface Identity {
  /** One character per byte. */
  readonly name: string;
  /** Given once in the life of the server, the same in all threads. */
  readonly id: number;
  /** May run everything on every key and channel: nothing needs to be checked. */
  readonly unlimited: boolean;
}

/** For commands that nobody in particular runs: those of a log, tests. */
export const NOBODY_IN_PARTICULAR: Identity = { name: 'default', id: 0, unlimited: true };

/** An entry of ACL LOG: denials that look alike are one. Texts are one character per byte. */
export interface AclLogEntry {
  readonly id: number;
  readonly count: number;
  readonly reason: string;
  readonly context: string;
  readonly object: string;
  readonly user: string;
  /** The newest one's line of CLIENT LIST. */
  readonly client: string;
  /** Unix times in ms. */
  readonly created: number;
  readonly updated: number;
}

/** A set of permissions as ACL GETUSER prints it. */
export interface SelectorDescription {
  readonly commands: string;
  readonly keys: string;
  readonly channels: string;
}

/** A user as ACL GETUSER prints it. */
export interface UserDescription {
  readonly flags: readonly string[];
  /** Hashes. */
  readonly passwords: readonly string[];
  /** The user's own permissions first, then those in parentheses. */
  readonly selectors: readonly SelectorDescription[];
}

/** The users, as the thread knows them. All texts are one character per byte. */
export interface AclApi {
  /** Whether a client must authenticate before it may do anything: the user `default` has a password, or is off. */
  readonly authRequired: boolean;
  /** Whom a client is taken for that has not said who it is. */
  readonly defaultUser: Identity;
  /** Whether any password is right for `default`. */
  readonly defaultNeedsNoPassword: boolean;
  has(name: string): boolean;
  /** In the order of their bytes. */
  names(): string[];
  /** Lines as they stand in files, in the order of the names: `user alice on ...`. */
  lines(): string[];
  describe(name: string): UserDescription | null;
  /** @returns the user, or null: no such user, a wrong password, or a user that is off */
  authenticate(name: string, password: Uint8Array): Identity | null;
  /**
   * Whether a user may run a request that is part of the one in `cx`.
   * @param name of a user that there is
   * @param first argument that is the command's name
   * @returns null if so, else why not, in words
   */
  dryRun(name: string, command: Command, cx: CommandContext, first: number): string | null;
  /** Whether the client may read any key, with the command it runs: what SORT's patterns ask for. */
  mayReadAllKeys(cx: CommandContext): boolean;
  /** Notes in ACL LOG that the client could not authenticate. @param name whom it said it was */
  noteAuthFailure(cx: CommandContext, name: string): void;
}
