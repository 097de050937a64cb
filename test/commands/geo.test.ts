// Geo commands: what random commands are unlikely to meet. Expected values are those of redis-server 7.0.15.

import { describe, expect, it } from 'vitest';
import { formatFixed } from '../../src/commands/geo-arguments.ts';
import { InProcess } from '../support/in-process.ts';

const SICILY = ['13.361389', '38.115556', 'Palermo', '15.087269', '37.502669', 'Catania'];

function sicily(resp: 2 | 3 = 2): InProcess {
  const local = new InProcess({ resp });
  local.run('GEOADD', 'Sicily', ...SICILY);
  return local;
}

describe('geo commands', () => {
  it('answer as in the documentation', () => {
    const local = sicily();
    expect(local.value('GEODIST', 'Sicily', 'Palermo', 'Catania')).toBe('166274.1516');
    expect(local.value('GEODIST', 'Sicily', 'Palermo', 'Catania', 'km')).toBe('166.2742');
    expect(local.value('GEODIST', 'Sicily', 'Palermo', 'Catania', 'MI')).toBe('103.3182');
    expect(local.value('GEODIST', 'Sicily', 'Foo', 'Bar')).toBeNull();
    expect(local.value('GEOHASH', 'Sicily', 'Palermo', 'Catania')).toEqual(['sqc8b49rny0', 'sqdtr74hyu0']);
    expect(local.value('ZSCORE', 'Sicily', 'Palermo')).toBe('3479099956230698');
    expect(
      local.value('GEOSEARCH', 'Sicily', 'FROMLONLAT', 15, 37, 'BYBOX', 400, 400, 'km', 'ASC', 'WITHDIST'),
    ).toEqual([
      ['Catania', '56.4413'],
      ['Palermo', '190.4424'],
    ]);
    local.checkInvariants();
  });

  it('reply with doubles in RESP3 where Redis does', () => {
    const local = sicily(3);
    const place = '*2\r\n,13.36138933897018433\r\n,38.11555639549629859\r\n';
    expect(local.text('GEOPOS', 'Sicily', 'Palermo', 'x')).toBe(`*2\r\n${place}_\r\n`);
    expect(local.text('GEORADIUS', 'Sicily', 13, 38, 50, 'km', 'WITHCOORD', 'WITHDIST', 'WITHHASH')).toBe(
      `*1\r\n*4\r\n$7\r\nPalermo\r\n$7\r\n34.1601\r\n:3479099956230698\r\n${place}`,
    );
  });

  it('store scores or distances, and replace what was there', () => {
    const local = sicily();
    local.run('SET', 'to', 'x', 'EX', '100');
    const circle = ['FROMMEMBER', 'Palermo', 'BYRADIUS', '200', 'km'];
    expect(local.value('GEOSEARCHSTORE', 'to', 'Sicily', ...circle, 'STOREDIST')).toBe(2);
    expect(local.lastDirty).toBe(2);
    expect(local.value('TTL', 'to')).toBe(-1);
    expect(local.value('ZRANGE', 'to', 0, -1, 'WITHSCORES')).toEqual([
      'Palermo',
      '0',
      'Catania',
      '166.27415156960032',
    ]);
    expect(local.value('GEORADIUS', 'Sicily', 13, 38, 1, 'm', 'STORE', 'to')).toBe(0);
    expect(local.value('EXISTS', 'to')).toBe(0);
    expect(local.value('GEORADIUSBYMEMBER', 'Sicily', 'Palermo', 200, 'km', 'STORE', 'Sicily')).toBe(2);
    expect(local.value('ZSCORE', 'Sicily', 'Catania')).toBe('3479447370796909');
    local.checkInvariants();
  });

  it('search large sets on a worker, and say nothing before', () => {
    const local = new InProcess({ mayBlock: false });
    for (let i = 0; i < 1000; i++) local.run('GEOADD', 'many', String(i / 500), '1', `m${i}`);
    const search = ['GEOSEARCH', 'many', 'FROMLONLAT', '1', '1', 'BYRADIUS', '1000', 'km'];
    expect(local.run(...search, 'COUNT', '3').length).toBe(0);
    expect(local.value('GEOSEARCH', 'many', 'FROMLONLAT', 1, 1, 'BYRADIUS', 5, 'km', 'COUNT', 2)).toEqual([
      'm500',
      'm501',
    ]);
  });

  it('refuse with the words of Redis', () => {
    const local = sicily();
    expect(local.text('GEOADD', 'Sicily', '181', '0', 'x')).toBe(
      '-ERR invalid longitude,latitude pair 181.000000,0.000000\r\n',
    );
    expect(local.text('GEOSEARCH', 'Sicily', 'FROMMEMBER', 'x', 'BYRADIUS', 1, 'm')).toBe(
      '-ERR could not decode requested zset member\r\n',
    );
    expect(local.text('geoSearch', 'Sicily', 'BYRADIUS', 1, 'm', 'ASC', 'DESC', 'ASC')).toBe(
      '-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for geoSearch\r\n',
    );
  });
});

describe('numbers as C writes them', () => {
  it.each([
    [0.03125, 4, '0.0312'],
    [0.09375, 4, '0.0938'],
    [2.25, 1, '2.2'],
    [-0.75, 1, '-0.8'],
    [-0, 6, '-0.000000'],
    [1e300, 1, `${BigInt(1e300)}.0`],
    [Infinity, 4, 'inf'],
    [-Infinity, 4, '-inf'],
    [166274.15156960033, 4, '166274.1516'],
  ] as const)('%d with %d decimals', (value, digits, text) => {
    expect(formatFixed(value, digits)).toBe(text);
  });
});
