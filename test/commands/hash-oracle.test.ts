// The hash commands against a real redis-server: random sequences, in process. Listpacks are small, so that hashes
// change their encoding often.

import { hashCommands } from '../support/generate-hashes.ts';
import { stringCommands } from '../support/generate-strings.ts';
import { weighted } from '../support/generator-parts.ts';
import { compareAtRandom } from './random-against-redis.ts';

const LISTPACK_ENTRIES = '16';

/** Some strings among them, for WRONGTYPE. */
const mixed = weighted([20, hashCommands], [1, stringCommands]);

compareAtRandom({
  what: 'hash commands',
  commands: mixed,
  count: 1500,
  seed: 20_240_801,
  runs: 6,
  both: { 'hash-max-listpack-entries': LISTPACK_ENTRIES },
});
