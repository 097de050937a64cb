// What the tests use of express-session, which has no types of its own.

declare module 'express-session' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  export interface SessionData {
    [name: string]: unknown;
  }
  export class Store {}
  export default function session(options: {
    readonly store: Store;
    readonly secret: string;
    readonly resave: boolean;
    readonly saveUninitialized: boolean;
    readonly cookie?: { readonly maxAge: number };
  }): (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;
}
