// The string commands against a real redis-server: random sequences, in process, byte by byte.

import { stringCommands } from '../support/generate-strings.ts';
import { compareAtRandom } from './random-against-redis.ts';

compareAtRandom({ what: 'string commands', commands: stringCommands, count: 800, seed: 20_240_601, runs: 6 });
