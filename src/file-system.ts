// What Sabre uses of node:fs: the calls that wait.
//
// An `import` of node:fs reads all of its exports, and so loads what they load on demand: its promises, its streams, the
// readline behind them. Measured over three threads: 3.3 MB of memory. `getBuiltinModule` gives the module as it is.

export const {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} = process.getBuiltinModule('node:fs');
