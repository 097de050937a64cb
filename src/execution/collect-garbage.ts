// A full collection of this thread's JavaScript heap, for MEMORY PURGE: what clients' buffers have left behind goes
// back to the system. Node hands out `gc` only to code that is compiled while the flag is set.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | null = null;

export function collectGarbage(): void {
  if (collect === null) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
    setFlagsFromString('--no-expose-gc');
  }
  collect();
}
