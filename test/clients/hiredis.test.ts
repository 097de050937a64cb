// hiredis, the C library, compiled here.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { makeTemporaryFolder } from '../support/process-guard.ts';
import { describeClient, programPath } from './client-checks.ts';

describeClient({ name: 'hiredis', command: () => [compiled()], without: ['pubsub', 'resp3'] });

let executable: string | null = null;

function compiled(): string {
  if (executable !== null) return executable;
  const output = join(makeTemporaryFolder('sabre-test-hiredis-'), 'hiredis-checks');
  const args = ['-O1', '-Wall', '-o', output, programPath('hiredis.c'), '-lhiredis'];
  const result = spawnSync('cc', args, { encoding: 'utf8' });
  if (result.status !== 0) {
    const install = 'Debian and Ubuntu: apt-get install gcc libc6-dev libhiredis-dev';
    throw new Error(`cannot compile with hiredis. ${install}\n${result.error?.message ?? result.stderr}`);
  }
  executable = output;
  return output;
}
