/*
 * What is measured of clients and messages, as data: groups of the family `conversations`.
 *
 *   conversations-pubsub   messages to 50 subscribers
 *   conversations-clients  idle connections and their memory, connects and disconnects, subscribers that others need not feel
 */

import { KEY, VALUE } from './load/requests.ts';
import type { Group, Scenario } from './scenario-types.ts';

const ROUNDS = 3;
/** More than the default, which the connections of a scenario alone would reach. */
const CONFIG = { maxclients: '15000' };

function publish(pipeline: number, messages: number): Scenario {
  const title = `messages to 50 subscribers, pipeline ${pipeline}`;
  return {
    name: `publish-50-p${pipeline}`,
    work: {
      kind: 'publish',
      pipeline,
      subscribers: 50,
      messages: { full: messages, quick: messages / 10 },
      messageBytes: 32,
    },
    metrics: [
      {
        key: 'perSecond',
        title,
        unit: 'msg/s',
        better: 'higher',
        target: { kind: 'ratio-min', value: 1 },
      },
      { key: 'cpuUsPerMessage', title: `CPU of the server, ${title}`, unit: 'µs', better: 'lower' },
    ],
    roundsMax: ROUNDS,
  };
}

export const CONVERSATION_GROUPS: Group[] = [
  {
    name: 'conversations-pubsub',
    family: 'conversations',
    title: 'messages of 32 bytes to 50 subscribers',
    sabreArgs: [],
    servers: true,
    when: 'always',
    scenarios: [publish(16, 40_000), publish(256, 200_000)],
  },
  {
    name: 'conversations-clients',
    family: 'conversations',
    title: 'many clients',
    sabreArgs: [],
    config: CONFIG,
    preload: { keys: { full: 100_000, quick: 10_000 }, valueBytes: 32 },
    servers: true,
    when: 'always',
    scenarios: [
      {
        name: 'idle-clients',
        work: { kind: 'clients', clients: { full: 10_000, quick: 1_000 } },
        metrics: [
          {
            key: 'bytesPerClient',
            title: 'memory per idle connection (growth of RSS)',
            unit: 'B',
            better: 'lower',
          },
        ],
        roundsMax: 1,
      },
      {
        name: 'connects',
        work: { kind: 'connects', perSecond: 5_000, seconds: { full: 5, quick: 1 } },
        metrics: [
          {
            key: 'perSecond',
            title: 'connects, PING, disconnects; 5,000/s offered',
            unit: 'conn/s',
            better: 'higher',
            target: { kind: 'ratio-min', value: 0.9 },
          },
          { key: 'cpuUsPerConnect', title: 'CPU of the server per connect', unit: 'µs', better: 'lower' },
          { key: 'grownMb', title: 'memory that as many more connects add', unit: 'MB', better: 'lower' },
        ],
        roundsMax: 2,
      },
      {
        name: 'unused-subscribers',
        work: {
          kind: 'bystander',
          subscribers: { full: 10_000, quick: 1_000 },
          load: {
            pipeline: 16,
            mix: [
              { command: ['GET', KEY], weight: 1 },
              { command: ['SET', KEY, VALUE], weight: 1 },
            ],
          },
          seconds: { full: 1.5, quick: 0.3 },
        },
        metrics: [
          {
            key: 'partPercent',
            title: 'GET and SET beside as many subscribers and patterns, of without them',
            unit: '%',
            better: 'higher',
            target: { kind: 'min', value: 90 },
          },
          {
            key: 'rps',
            title: 'GET and SET beside subscribers and patterns',
            unit: 'req/s',
            better: 'higher',
          },
        ],
        roundsMax: ROUNDS,
      },
    ],
  },
];
