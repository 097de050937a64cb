// A full collection of this thread's JavaScript heap, for MEMORY PURGE: what clients' buffers have left behind goes
// back to the system. Node hands out `gc` only to contexts made while a flag is set. The flag is the process's, so it
// stays set: another thread may be about to make its context.

let collect: (() => void) | null = null;

export function collectGarbage(): void {
  if (collect === null) {
    // Loaded here, and by getBuiltinModule since a thread that polls cannot wait for an import(): half a MB a thread.
    const { setFlagsFromString } = process.getBuiltinModule('node:v8');
    const { runInNewContext } = process.getBuiltinModule('node:vm');
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}
