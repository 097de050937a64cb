// The server as threads that run commands have it: what commands see of it, and what checks their permissions.

import type { ThreadAcl } from '../acl/thread-acl.ts';
import type { ServerApi } from '../commands/server-api.ts';
import type { Tracker } from '../tracking/tracker.ts';

export interface ExecutingServer extends ServerApi {
  readonly acl: ThreadAcl;
  /** Absent where nobody can cache. */
  readonly tracking?: Tracker;
}
