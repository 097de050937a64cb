// Numbers of the RDB format (Redis: rdb.h). They are on disks and wires: explicit, append-only.
//
//   length   00llllll                     6 bits
//            01llllll llllllll            14 bits, big endian
//            10000000 + 4 bytes           32 bits, big endian
//            10000001 + 8 bytes           64 bits, big endian
//            11eeeeee                     no length: a string in encoding e follows
//   string   length, bytes
//            11000000 + 1 byte            int8, 11000001 + 2 int16, 11000010 + 4 int32, little endian: the integer's text
//            11000011, length of the compressed, length of the plain, compressed bytes (LZF)
//   value    a type, which says what follows:
//     0  String                  string
//     1  List                    length, so many strings
//     2  Set                     length, so many strings
//     3  ZSet                    length, so many: string, score as text (1 byte of length: 253 NaN, 254 +inf, 255 -inf)
//     4  Hash                    length, so many: string, string
//     5  ZSet2                   length, so many: string, score (float64, little endian)
//     6, 7                       values of modules: not read
//     9  HashZipmap              string that holds a zipmap (zipmap.ts)
//    10  ListZiplist             string that holds a ziplist (ziplist.ts)
//    11  SetIntset               string that holds an intset
//    12  ZSetZiplist             string that holds a ziplist: member, score, ...
//    13  HashZiplist             string that holds a ziplist: field, value, ...
//    14  ListQuicklist           length, so many strings that hold ziplists
//    15  StreamListpacks         stream without first ID, largest deleted ID, entries added, entries read
//    16  HashListpack            string that holds a listpack: field, value, ...
//    17  ZSetListpack            string that holds a listpack: member, score, ...
//    18  ListQuicklist2          length, so many: length 1 and an element, or length 2 and a listpack, as strings
//    19  StreamListpacks2        stream, see read-stream.ts
//    20  SetListpack             string that holds a listpack
//    21  StreamListpacks3        stream, with a time of last activity for each consumer
//    22  HashMetadataPreGa       length, so many: expiry in ms (length, 0: none), string, string
//    23  HashListpackExPreGa     string that holds a listpack: field, value, expiry in ms (0: none), ...
//    24  HashMetadata            first expiry in ms (8 bytes LE); length, so many: expiry - first + 1 (length, 0: none),
//                                string, string
//    25  HashListpackEx          first expiry in ms (8 bytes LE); as 23

export const RdbType = {
  String: 0,
  List: 1,
  Set: 2,
  ZSet: 3,
  Hash: 4,
  ZSet2: 5,
  HashZipmap: 9,
  ListZiplist: 10,
  SetIntset: 11,
  ZSetZiplist: 12,
  HashZiplist: 13,
  ListQuicklist: 14,
  StreamListpacks: 15,
  HashListpack: 16,
  ZSetListpack: 17,
  ListQuicklist2: 18,
  StreamListpacks2: 19,
  SetListpack: 20,
  StreamListpacks3: 21,
  HashMetadataPreGa: 22,
  HashListpackExPreGa: 23,
  HashMetadata: 24,
  HashListpackEx: 25,
} as const;
/** The highest type. */
export const RDB_TYPE_MAX = RdbType.HashListpackEx;

/**
 * What stands where a type would be in a file, and what follows. Files are drawn in file-writer.ts.
 *
 *   244  SlotInfo       lengths: slot, keys, keys with an expiry (for Redis Cluster; 7.4)
 *   245  Function2      string: code of a library of functions
 *   246  FunctionPreGa  as release candidates of 7.0 wrote it; Redis refuses it
 *   247  ModuleAux      length: module's ID; what modules have written, see skip-value.ts
 *   248  Idle           length: seconds since the next key was used
 *   249  Freq           byte: how often it was used
 *   250  Aux            string, string: a fact about the file
 *   251  ResizeDb       lengths: keys, keys with an expiry of the database
 *   252  ExpireTimeMs   8 bytes, little endian: when the next key expires, unix time in ms
 *   253  ExpireTime     4 bytes, little endian: the same in seconds
 *   254  SelectDb       length: database of the keys that follow
 *   255  Eof            8 bytes of checksum follow (version 5 and later)
 */
export const RdbOpcode = {
  SlotInfo: 244,
  Function2: 245,
  FunctionPreGa: 246,
  ModuleAux: 247,
  Idle: 248,
  Freq: 249,
  Aux: 250,
  ResizeDb: 251,
  ExpireTimeMs: 252,
  ExpireTime: 253,
  SelectDb: 254,
  Eof: 255,
} as const;
/** The lowest opcode. */
export const RDB_OPCODE_MIN = RdbOpcode.SlotInfo;

/** Versions of the format: what Redis 7.0, 7.2 and 7.4 write. A value says which one it needs. */
export const RdbVersion = { Redis70: 10, Redis72: 11, Redis74: 12 } as const;
/** The newest version that is read. */
export const RDB_VERSION_MAX = RdbVersion.Redis74;

/** Codes of strings that are not their bytes (11eeeeee). */
export const StringCode = { Int8: 0, Int16: 1, Int32: 2, Lzf: 3 } as const;

export const LENGTH_14_BITS = 0x40;
export const LENGTH_32_BITS = 0x80;
export const LENGTH_64_BITS = 0x81;
export const ENCODED = 0xc0;

/** Nodes of ListQuicklist2. */
export const QuicklistNode = { Plain: 1, Packed: 2 } as const;

/** Scores of ZSet that are no text. */
export const ScoreByte = { NaN: 253, Infinity: 254, MinusInfinity: 255 } as const;

/** Largest expiry of a hash field in ms: 48 bits, more than commands set. */
export const FIELD_EXPIRY_MAX = 2 ** 48 - 1;
