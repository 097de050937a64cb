// The geo commands against a real redis-server: random sequences, in process, byte by byte.

import { stringCommands } from '../support/generate-strings.ts';
import { weighted } from '../support/generator-parts.ts';
import { geoCommands } from '../support/random/geo.ts';
import { compareAtRandom } from './random-against-redis.ts';

/** Some strings among them, for WRONGTYPE. */
const mixed = weighted([30, geoCommands], [1, stringCommands]);

compareAtRandom({
  what: 'geo commands',
  commands: mixed,
  count: 1500,
  // What STOREDIST stores is looked at with whole servers (differential.test.ts).
  keep: ({ follow }) => follow === undefined,
  least: 1200,
  seed: 20_240_901,
  runs: 4,
});
