// XXH3 against the reference implementation (libxxhash 0.8.1): every class of length, and each boundary between.

import { describe, expect, it } from 'vitest';
import { digestEquals, digestText } from '../../src/commands/string-digest.ts';

/** Length and digest of the first bytes of the sequence below. */
const VECTORS: readonly (readonly [number, string])[] = [
  [0, '2d06800538d394c2'],
  [1, 'dd02fbe6d2c66464'],
  [2, '425abbf69c907587'],
  [3, '9ca83814f1492a1e'],
  [4, '60d3d884e26757dc'],
  [5, '6d97ae614c478765'],
  [6, '0c34e06e2acb784c'],
  [7, '9fcbee5305301812'],
  [8, 'dff82c39df3fbe0d'],
  [9, '28e9ae86a24b26d2'],
  [10, 'c5e5b554dd37862a'],
  [11, '45e0f5492e496536'],
  [12, 'ce5ab31f9723cd06'],
  [13, '0a8a2db65a201668'],
  [14, '5c93de7e83bfa3e3'],
  [15, '142b3c56a4dc8dc7'],
  [16, 'ac1d739d55e21e2b'],
  [17, '2f3499fe7849da47'],
  [18, '5da2a20244a62f1e'],
  [19, '1e2db8c2e1c7cffe'],
  [23, 'd08bdf2d5706b326'],
  [24, '723c7525de0b3d0a'],
  [31, 'd78aa74aefda6c22'],
  [32, '590347d3fdb4f420'],
  [33, '0696eec5dd61060e'],
  [63, '8286007db6e2de82'],
  [64, '2c00d6645aa3c4f7'],
  [65, 'e451dad6ae183eff'],
  [95, 'ee0e9eed053c7bd4'],
  [96, '8af04704833d64be'],
  [97, 'b6b4d5115a119a31'],
  [127, '652f8d99e588d2eb'],
  [128, 'cd6950f3c9455880'],
  [129, '8e09268f8ecd8d51'],
  [130, 'c39449d1775a4c71'],
  [143, '41b796e5328d09cd'],
  [144, '7f915cb9d68e40cc'],
  [159, 'd09532d43152a61e'],
  [160, '37b6c05c00633f88'],
  [161, 'd0d807c2678e10d3'],
  [175, 'd90da6f82f78175c'],
  [176, 'a2cad9c9a4f89d66'],
  [191, '153c2d2088867a83'],
  [192, '28a7f15ff035355e'],
  [207, '3994e5e600e0c231'],
  [208, '2bbad08ed49ad8f2'],
  [223, 'd987871f65fba2f2'],
  [224, '7b48c596bddc3774'],
  [239, '0e16aa34ec982f87'],
  [240, 'b7b2cf0586e3437b'],
  [241, 'd1d41359603e6e53'],
  [242, '9558d34f03222287'],
  [255, '17f1e515e5f10de4'],
  [256, '8f97695ab86dccea'],
  [257, 'b0916aa590322a39'],
  [303, '4d5709c281d4bde1'],
  [304, '46eefff1edde9ecf'],
  [305, '5484ee38fea9be81'],
  [383, '70c29cc5834b287c'],
  [384, 'a3e594202daf7b7b'],
  [385, '65f64b364f09d7d6'],
  [511, 'b09d7273326e8474'],
  [512, '3ed7e9fda58a3873'],
  [513, 'a24ec8d081f50a85'],
  [575, '4ea8fbbf0d773494'],
  [576, '676ca79e96eb2611'],
  [577, '9c80281b23579f0d'],
  [639, '1ea3626791c13e7f'],
  [640, 'af2397bbb1a65b96'],
  [1023, '0f2c1a1996db3166'],
  [1024, 'c91658d706449db0'],
  [1025, '1d1628fc4e6cba7e'],
  [1026, 'dbddbba7276be250'],
  [1087, 'cd724b5ab06ee750'],
  [1088, '5fe933841f069938'],
  [1089, '91cb41f2cff1bbaf'],
  [1100, '3d549b8268e837fd'],
  [2047, '25d2d261fe2e0b21'],
  [2048, 'bdaee7eba7c2aa5e'],
  [2049, '6b84e4a56a80a369'],
  [4096, '07c9620a883424ec'],
  [5000, '2f3fee5a52058618'],
  [65535, '7f1b58260ab27dd8'],
  [65536, '250d9a167250fc52'],
  [100003, '00827b841a19f978'],
];

/** The high bytes of a linear congruential generator. */
function sequence(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let x = 2654435761;
  for (let i = 0; i < length; i++) {
    bytes[i] = x >>> 24;
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
  }
  return bytes;
}

describe('XXH3', () => {
  it.each(VECTORS)('of %i bytes', (length, digest) => {
    const bytes = sequence(length);
    expect(digestText(bytes, 0, length)).toBe(digest);
    // The same from any place: values are not aligned.
    for (let shift = 1; shift < 8; shift++) {
      const moved = Buffer.concat([Buffer.alloc(shift, 0xee), bytes, Buffer.alloc(3, 0xee)]);
      expect(digestText(moved, shift, length)).toBe(digest);
    }
  });

  it('has leading zeros', () => {
    const text =
      'v8lf0c11xh8ymlqztfd3eeq16kfn4sspw7fqmnuuq3k3t75em5wdizgcdw7uc26nnf961u2jkfzkjytls2kwlj7626sd';
    expect(digestText(Buffer.from(text), 0, text.length)).toBe('00006c38adf31777');
    expect(digestText(Buffer.from('Hello world'), 0, 11)).toBe('b6acb9d84a38ff74');
  });

  it('compares in any case, at any place', () => {
    const bytes = Buffer.from('..B6ACB9d84a38ff74..');
    expect(digestEquals('b6acb9d84a38ff74', bytes, 2)).toBe(true);
    expect(digestEquals('b6acb9d84a38ff75', bytes, 2)).toBe(false);
    expect(digestEquals('b6acb9d84a38ff74', bytes, 1)).toBe(false);
  });
});
