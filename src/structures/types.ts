// Types and encodings of values, by Redis's numbers and names. In memory and in RDB files alike they mean the same.

export const Type = { String: 0, List: 1, Set: 2, ZSet: 3, Hash: 4, Module: 5, Stream: 6 } as const;
export const TYPE_NAMES = ['string', 'list', 'set', 'zset', 'hash', 'module', 'stream'] as const;

export const Encoding = {
  Raw: 0,
  Int: 1,
  Hashtable: 2,
  Intset: 6,
  Skiplist: 7,
  Embstr: 8,
  Quicklist: 9,
  Stream: 10,
  Listpack: 11,
  ListpackEx: 12,
} as const;
export const ENCODING_NAMES: readonly string[] = [
  'raw', 'int', 'hashtable', 'zipmap', 'linkedlist', 'ziplist', 'intset', 'skiplist', 'embstr', 'quicklist', 'stream',
  'listpack', 'listpackex', '', '', '',
]; // biome-ignore format: a table
