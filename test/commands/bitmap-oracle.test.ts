// The bitmap commands against a real redis-server: random sequences, in process, byte by byte.

import { bitmapCommands } from '../support/generate-bitmaps.ts';
import { stringCommands } from '../support/generate-strings.ts';
import { weighted } from '../support/generator-parts.ts';
import { compareAtRandom } from './random-against-redis.ts';

/** Strings among them, so that there are values of every encoding. */
const mixedCommands = weighted([4, bitmapCommands], [1, stringCommands]);

compareAtRandom({ what: 'bitmap commands', commands: mixedCommands, count: 800, seed: 20_240_601, runs: 6 });
