// The set commands against a real redis-server: random sequences, in process. Redis 7.0 has no listpacks for sets, so
// that they are switched off here; intsets are small, so that sets change their encoding often.

import { setCommands } from '../support/generate-sets.ts';
import { stringCommands } from '../support/generate-strings.ts';
import { weighted } from '../support/generator-parts.ts';
import { compareAtRandom } from './random-against-redis.ts';

const INTSET_ENTRIES = '16';

/** Some strings among them, for WRONGTYPE. */
const mixed = weighted([20, setCommands], [1, stringCommands]);

compareAtRandom({
  what: 'set commands',
  commands: mixed,
  count: 1500,
  seed: 20_240_701,
  runs: 6,
  both: { 'set-max-intset-entries': INTSET_ENTRIES },
  here: () => ({ 'set-max-listpack-entries': '0' }),
});
