/* The checks of client-checks.ts with hiredis. */

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int port;
static redisContext *c;
/* What failed in the check that runs; empty while nothing has. */
static char failure[600];

static void fail(int line, const char *format, ...) {
    if (failure[0] != 0) return;
    va_list args;
    va_start(args, format);
    int length = snprintf(failure, sizeof failure, "line %d: ", line);
    vsnprintf(failure + length, sizeof failure - length, format, args);
    va_end(args);
    for (char *at = failure; *at != 0; at++)
        if (*at == '\n' || *at == '\r') *at = ' ';
}

static redisContext *connect_new(void) {
    struct timeval limit = {20, 0};
    redisContext *context = redisConnectWithTimeout("127.0.0.1", port, limit);
    if (context == NULL || context->err != 0) {
        fprintf(stderr, "cannot connect: %s\n", context == NULL ? "no memory" : context->errstr);
        exit(1);
    }
    redisSetTimeout(context, limit);
    return context;
}

static void describe(redisReply *reply, char *text, size_t size) {
    if (reply == NULL) snprintf(text, size, "no reply");
    else if (reply->type == REDIS_REPLY_INTEGER) snprintf(text, size, "integer %lld", reply->integer);
    else if (reply->type == REDIS_REPLY_NIL) snprintf(text, size, "nil");
    else if (reply->type == REDIS_REPLY_ARRAY) snprintf(text, size, "array of %zu", reply->elements);
    else snprintf(text, size, "type %d, %zu bytes, %.200s", reply->type, reply->len, reply->str);
}

static redisReply *ask(redisContext *context, const char *format, ...) {
    va_list args;
    va_start(args, format);
    redisReply *reply = redisvCommand(context, format, args);
    va_end(args);
    return reply;
}

/* Each checks a reply and frees it. */
static void is_text_of(int line, redisReply *reply, int type, const char *bytes, size_t length) {
    char got[300];
    describe(reply, got, sizeof got);
    if (reply == NULL || reply->type != type || reply->len != length || memcmp(reply->str, bytes, length) != 0)
        fail(line, "got %s, wanted %.200s", got, bytes);
    freeReplyObject(reply);
}

static void is_integer_of(int line, redisReply *reply, long long least, long long most) {
    char got[300];
    describe(reply, got, sizeof got);
    if (reply == NULL || reply->type != REDIS_REPLY_INTEGER || reply->integer < least || reply->integer > most)
        fail(line, "got %s, wanted %lld to %lld", got, least, most);
    freeReplyObject(reply);
}

static void is_nil_of(int line, redisReply *reply) {
    char got[300];
    describe(reply, got, sizeof got);
    if (reply == NULL || reply->type != REDIS_REPLY_NIL) fail(line, "got %s, wanted nil", got);
    freeReplyObject(reply);
}

static void is_error_of(int line, redisReply *reply, const char *begin) {
    char got[300];
    describe(reply, got, sizeof got);
    if (reply == NULL || reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, begin, strlen(begin)) != 0)
        fail(line, "got %s, wanted error %s", got, begin);
    freeReplyObject(reply);
}

#define IS_STATUS(reply, text) is_text_of(__LINE__, reply, REDIS_REPLY_STATUS, text, strlen(text))
#define IS_OK(reply) IS_STATUS(reply, "OK")
#define IS_STRING(reply, text) is_text_of(__LINE__, reply, REDIS_REPLY_STRING, text, strlen(text))
#define IS_BYTES(reply, bytes, length) is_text_of(__LINE__, reply, REDIS_REPLY_STRING, bytes, length)
#define IS_INTEGER(reply, value) is_integer_of(__LINE__, reply, value, value)
#define IS_BETWEEN(reply, least, most) is_integer_of(__LINE__, reply, least, most)
#define IS_NIL(reply) is_nil_of(__LINE__, reply)
#define IS_ERROR(reply, begin) is_error_of(__LINE__, reply, begin)
#define IS_TRUE(condition) do { if (!(condition)) fail(__LINE__, "%s", #condition); } while (0)

static void check_connect(void) {
    IS_STATUS(ask(c, "PING"), "PONG");
    IS_STRING(ask(c, "ECHO %s", "hello"), "hello");
    IS_INTEGER(ask(c, "DBSIZE"), 0);
}

static void check_auth(void) {
    IS_ERROR(ask(c, "AUTH secret"), "ERR AUTH <password> called without any password configured for the default user");
    IS_OK(ask(c, "CONFIG SET requirepass secret"));
    redisContext *other = connect_new();
    IS_ERROR(ask(other, "PING"), "NOAUTH Authentication required.");
    IS_ERROR(ask(other, "AUTH default wrong"), "WRONGPASS invalid username-password pair or user is disabled.");
    IS_OK(ask(other, "AUTH secret"));
    IS_OK(ask(other, "AUTH default secret"));
    IS_STATUS(ask(other, "PING"), "PONG");
    redisFree(other);
    IS_OK(ask(c, "CONFIG SET requirepass %s", ""));
    other = connect_new();
    IS_STATUS(ask(other, "PING"), "PONG");
    redisFree(other);
}

static void check_select(void) {
    redisContext *other = connect_new();
    IS_OK(ask(other, "SELECT 9"));
    IS_OK(ask(other, "SET where nine"));
    IS_NIL(ask(c, "GET where"));
    IS_OK(ask(c, "SWAPDB 0 9"));
    IS_STRING(ask(c, "GET where"), "nine");
    IS_INTEGER(ask(c, "MOVE where 3"), 1);
    IS_OK(ask(other, "SELECT 3"));
    IS_INTEGER(ask(other, "DBSIZE"), 1);
    IS_ERROR(ask(other, "SELECT 16"), "ERR DB index is out of range");
    redisFree(other);
    IS_OK(ask(c, "FLUSHALL"));
}

static void check_set_options(void) {
    IS_OK(ask(c, "SET k 1 EX 100"));
    IS_NIL(ask(c, "SET k 2 NX"));
    IS_OK(ask(c, "SET k 2 XX KEEPTTL"));
    IS_BETWEEN(ask(c, "TTL k"), 1, 100);
    IS_STRING(ask(c, "SET k 3 PX 50000 GET"), "2");
    IS_BETWEEN(ask(c, "PTTL k"), 1, 50000);
    IS_STRING(ask(c, "GETEX k PERSIST"), "3");
    IS_INTEGER(ask(c, "TTL k"), -1);
    IS_STRING(ask(c, "GETDEL k"), "3");
    IS_INTEGER(ask(c, "SETNX k 4"), 1);
    IS_OK(ask(c, "SETEX k 10 5"));
    IS_OK(ask(c, "PSETEX k 10000 6"));
    IS_STRING(ask(c, "GETSET k 7"), "6");
}

static void check_binary(void) {
    unsigned char every[256], twice[513];
    for (int i = 0; i < 256; i++) every[i] = twice[i] = twice[256 + i] = i;
    IS_OK(ask(c, "SET %b %b", every, (size_t)256, every, (size_t)256));
    IS_BYTES(ask(c, "GET %b", every, (size_t)256), (char *)every, 256);
    IS_INTEGER(ask(c, "APPEND %b %b", every, (size_t)256, every, (size_t)256), 512);
    IS_BYTES(ask(c, "GETRANGE %b 250 260", every, (size_t)256), (char *)twice + 250, 11);
    IS_INTEGER(ask(c, "SETRANGE %b 510 %b", every, (size_t)256, "\r\n\0", (size_t)3), 513);
    memcpy(twice + 510, "\r\n\0", 3);
    IS_BYTES(ask(c, "GET %b", every, (size_t)256), (char *)twice, 513);
    IS_INTEGER(ask(c, "DEL %b", every, (size_t)256), 1);
}

static void check_pipeline(void) {
    for (int i = 0; i < 5000; i++) {
        redisAppendCommand(c, "SET pipe:%d %d", i, i);
        redisAppendCommand(c, "GET pipe:%d", i);
    }
    for (int i = 0; i < 5000; i++) {
        char text[20];
        redisReply *reply = NULL;
        snprintf(text, sizeof text, "%d", i);
        redisGetReply(c, (void **)&reply);
        IS_OK(reply);
        reply = NULL;
        redisGetReply(c, (void **)&reply);
        IS_STRING(reply, text);
    }
}

static void check_mget_mset(void) {
    IS_OK(ask(c, "MSET a 1 b two c %b", "\0", (size_t)1));
    redisReply *reply = ask(c, "MGET a nosuch c b");
    IS_TRUE(reply->elements == 4 && strcmp(reply->element[0]->str, "1") == 0 && reply->element[1]->type == REDIS_REPLY_NIL);
    IS_TRUE(reply->elements == 4 && reply->element[2]->len == 1 && strcmp(reply->element[3]->str, "two") == 0);
    freeReplyObject(reply);
    IS_INTEGER(ask(c, "MSETNX a 2 d 2"), 0);
    IS_INTEGER(ask(c, "EXISTS a b d a"), 3);
    IS_INTEGER(ask(c, "DEL a b c d"), 3);
}

static void check_counters(void) {
    IS_INTEGER(ask(c, "INCR n"), 1);
    IS_INTEGER(ask(c, "INCRBY n 41"), 42);
    IS_INTEGER(ask(c, "DECR n"), 41);
    IS_INTEGER(ask(c, "DECRBY n 100"), -59);
    IS_STRING(ask(c, "INCRBYFLOAT n 0.5"), "-58.5");
    IS_STRING(ask(c, "GET n"), "-58.5");
}

static void check_expiry(void) {
    IS_OK(ask(c, "SET e 1"));
    IS_INTEGER(ask(c, "EXPIRE e 100"), 1);
    IS_INTEGER(ask(c, "EXPIRE e 200 LT"), 0);
    IS_BETWEEN(ask(c, "TTL e"), 99, 100);
    IS_INTEGER(ask(c, "PERSIST e"), 1);
    IS_INTEGER(ask(c, "TTL e"), -1);
    struct timeval now;
    gettimeofday(&now, NULL);
    IS_INTEGER(ask(c, "PEXPIREAT e %lld", now.tv_sec * 1000LL + now.tv_usec / 1000 + 30), 1);
    for (int there = 1; there;) {
        redisReply *reply = ask(c, "EXISTS e");
        there = reply != NULL && reply->integer == 1;
        freeReplyObject(reply);
        usleep(10000);
    }
    IS_INTEGER(ask(c, "TTL e"), -2);
}

static void check_scan(void) {
    static char seen[5000];
    IS_OK(ask(c, "FLUSHALL"));
    for (int i = 0; i < 5000; i++) redisAppendCommand(c, "SET scan:%d x", i);
    for (int i = 0; i < 100; i++) redisAppendCommand(c, "SET other:%d x", i);
    for (int i = 0; i < 5100; i++) {
        redisReply *reply = NULL;
        redisGetReply(c, (void **)&reply);
        IS_OK(reply);
    }
    char cursor[32] = "0";
    int found = 0;
    do {
        redisReply *reply = ask(c, "SCAN %s MATCH scan:* COUNT 500", cursor);
        if (reply == NULL || reply->elements != 2) {
            fail(__LINE__, "no scan reply");
            return;
        }
        snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
        for (size_t i = 0; i < reply->element[1]->elements; i++) {
            int number = atoi(reply->element[1]->element[i]->str + strlen("scan:"));
            if (!seen[number]) found++;
            seen[number] = 1;
        }
        freeReplyObject(reply);
    } while (strcmp(cursor, "0") != 0);
    IS_TRUE(found == 5000);
    redisReply *reply = ask(c, "KEYS other:?");
    IS_TRUE(reply->elements == 10);
    freeReplyObject(reply);
}

static void check_bits(void) {
    IS_OK(ask(c, "SET bits %b", "\xf0\x0f", (size_t)2));
    IS_INTEGER(ask(c, "SETBIT bits 7 1"), 0);
    IS_INTEGER(ask(c, "GETBIT bits 7"), 1);
    IS_INTEGER(ask(c, "BITCOUNT bits"), 9);
    IS_INTEGER(ask(c, "BITCOUNT bits 1 1"), 4);
    IS_INTEGER(ask(c, "BITPOS bits 0"), 4);
    IS_OK(ask(c, "SET more %b", "\xff", (size_t)1));
    IS_INTEGER(ask(c, "BITOP AND dest bits more"), 2);
    IS_BYTES(ask(c, "GET dest"), "\xf1\0", 2);
    redisReply *reply = ask(c, "BITFIELD field OVERFLOW SAT INCRBY u8 #1 300 GET i4 8");
    IS_TRUE(reply->elements == 2 && reply->element[0]->integer == 255 && reply->element[1]->integer == -1);
    freeReplyObject(reply);
}

static void check_hyperloglog(void) {
    for (int i = 0; i < 1000; i++) {
        redisAppendCommand(c, "PFADD h1 %d", i);
        redisAppendCommand(c, "PFADD h2 %d", i + 500);
    }
    for (int i = 0; i < 2000; i++) {
        redisReply *reply = NULL;
        redisGetReply(c, (void **)&reply);
        IS_BETWEEN(reply, 0, 1);
    }
    IS_BETWEEN(ask(c, "PFCOUNT h1"), 950, 1050);
    IS_OK(ask(c, "PFMERGE h3 h1 h2"));
    IS_BETWEEN(ask(c, "PFCOUNT h3"), 1425, 1575);
}

/* A reply as text: "[a 1 nil [b]]". Doubles of both protocols are texts here. */
static void show(redisReply *reply, char *text, size_t size) {
    size_t used = strlen(text);
    if (reply == NULL) snprintf(text + used, size - used, "no reply");
    else if (reply->type == REDIS_REPLY_INTEGER) snprintf(text + used, size - used, "%lld", reply->integer);
    else if (reply->type == REDIS_REPLY_NIL) snprintf(text + used, size - used, "nil");
    else if (reply->type != REDIS_REPLY_ARRAY) snprintf(text + used, size - used, "%s", reply->str);
    else {
        snprintf(text + used, size - used, "[");
        for (size_t i = 0; i < reply->elements; i++) {
            if (i > 0) strncat(text, " ", size - strlen(text) - 1);
            show(reply->element[i], text, size);
        }
        strncat(text, "]", size - strlen(text) - 1);
    }
}

static void is_shown_of(int line, redisReply *reply, const char *wanted) {
    char got[1000] = "";
    show(reply, got, sizeof got);
    if (strcmp(got, wanted) != 0) fail(line, "got %.400s, wanted %s", got, wanted);
    freeReplyObject(reply);
}

#define IS_SHOWN(reply, wanted) is_shown_of(__LINE__, reply, wanted)

/* Sends many commands, each with a number, in one pipeline. */
static void append_numbered(const char *format, int count) {
    for (int i = 0; i < count; i++) redisAppendCommand(c, format, i, i);
    for (int i = 0; i < count; i++) {
        redisReply *reply = NULL;
        redisGetReply(c, (void **)&reply);
        IS_TRUE(reply != NULL && reply->type == REDIS_REPLY_INTEGER);
        freeReplyObject(reply);
    }
}

/* Elements that a whole iteration finds; each counts as often as it is met, which without changes is once. */
static int scanned(const char *command, const char *key) {
    char cursor[32] = "0";
    int found = 0;
    do {
        redisReply *reply = ask(c, "%s %s %s COUNT 50", command, key, cursor);
        if (reply == NULL || reply->elements != 2) return -1;
        snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
        found += reply->element[1]->elements;
        freeReplyObject(reply);
    } while (strcmp(cursor, "0") != 0);
    return found;
}

static void check_lists(void) {
    IS_INTEGER(ask(c, "RPUSH l a b c b"), 4);
    IS_INTEGER(ask(c, "LPUSH l z"), 5);
    IS_SHOWN(ask(c, "LRANGE l 0 -1"), "[z a b c b]");
    IS_STRING(ask(c, "LINDEX l -1"), "b");
    IS_INTEGER(ask(c, "LINSERT l BEFORE a y"), 6);
    IS_OK(ask(c, "LSET l 0 x"));
    IS_INTEGER(ask(c, "LPOS l b RANK -1"), 5);
    IS_INTEGER(ask(c, "LREM l 1 b"), 1);
    IS_STRING(ask(c, "LMOVE l m LEFT RIGHT"), "x");
    IS_SHOWN(ask(c, "LPOP l 2"), "[y a]");
    IS_SHOWN(ask(c, "LMPOP 2 nosuch l RIGHT COUNT 5"), "[l [b c]]");
    IS_STRING(ask(c, "RPOPLPUSH m l"), "x");
    IS_INTEGER(ask(c, "LLEN l"), 1);
    IS_NIL(ask(c, "RPOP m"));
    append_numbered("RPUSH long element:%d", 3000);
    IS_OK(ask(c, "LTRIM long 10 -11"));
    IS_INTEGER(ask(c, "LLEN long"), 2980);
    IS_SHOWN(ask(c, "LRANGE long -2 -1"), "[element:2988 element:2989]");
}

static void check_hashes(void) {
    IS_INTEGER(ask(c, "HSET h name Ada age 36 score 1.5"), 3);
    IS_SHOWN(ask(c, "HMGET h name age score nosuch"), "[Ada 36 1.5 nil]");
    redisReply *all = ask(c, "HGETALL h");
    IS_TRUE(all->elements == 6);
    freeReplyObject(all);
    IS_INTEGER(ask(c, "HINCRBY h age 5"), 41);
    IS_STRING(ask(c, "HINCRBYFLOAT h score 0.25"), "1.75");
    IS_INTEGER(ask(c, "HSETNX h name Bob"), 0);
    IS_INTEGER(ask(c, "HEXISTS h name"), 1);
    IS_INTEGER(ask(c, "HSTRLEN h name"), 3);
    IS_INTEGER(ask(c, "HDEL h age score nosuch"), 2);
    IS_SHOWN(ask(c, "HKEYS h"), "[name]");
    IS_SHOWN(ask(c, "HVALS h"), "[Ada]");
    IS_SHOWN(ask(c, "HRANDFIELD h 5 WITHVALUES"), "[name Ada]");
    append_numbered("HSET many f%d %d", 1000);
    IS_TRUE(scanned("HSCAN", "many") == 2000);
    IS_INTEGER(ask(c, "HLEN many"), 1000);
}

static void check_sets(void) {
    IS_INTEGER(ask(c, "SADD s1 a b c 1"), 4);
    IS_INTEGER(ask(c, "SADD s2 b c d"), 3);
    IS_INTEGER(ask(c, "SISMEMBER s1 a"), 1);
    IS_SHOWN(ask(c, "SMISMEMBER s1 a x"), "[1 0]");
    IS_INTEGER(ask(c, "SINTERSTORE s3 s1 s2"), 2);
    IS_INTEGER(ask(c, "SDIFFSTORE s3 s1 s2"), 2);
    IS_SHOWN(ask(c, "SORT s3 ALPHA"), "[1 a]");
    IS_INTEGER(ask(c, "SINTERCARD 2 s1 s2 LIMIT 1"), 1);
    IS_INTEGER(ask(c, "SUNIONSTORE s3 s1 s2"), 5);
    IS_INTEGER(ask(c, "SMOVE s1 s2 a"), 1);
    IS_INTEGER(ask(c, "SREM s1 1 c x"), 2);
    IS_STRING(ask(c, "SRANDMEMBER s1"), "b");
    IS_SHOWN(ask(c, "SMEMBERS s1"), "[b]");
    redisReply *popped = ask(c, "SPOP s3 5");
    IS_TRUE(popped->elements == 5);
    freeReplyObject(popped);
    IS_INTEGER(ask(c, "EXISTS s3"), 0);
    append_numbered("SADD smany m%d", 1000);
    IS_TRUE(scanned("SSCAN", "smany") == 1000);
    IS_INTEGER(ask(c, "SCARD smany"), 1000);
}

static void check_sorted_sets(void) {
    IS_INTEGER(ask(c, "ZADD z 1 one 2.5 two +inf last"), 3);
    IS_INTEGER(ask(c, "ZADD z GT CH 0 one 3 two"), 1);
    IS_SHOWN(ask(c, "ZRANGE z 0 -1 WITHSCORES"), "[one 1 two 3 last inf]");
    IS_SHOWN(ask(c, "ZRANGE z (3 1 BYSCORE REV"), "[one]");
    IS_STRING(ask(c, "ZINCRBY z 0.1 one"), "1.1000000000000001");
    IS_STRING(ask(c, "ZSCORE z last"), "inf");
    IS_SHOWN(ask(c, "ZMSCORE z two x"), "[3 nil]");
    IS_INTEGER(ask(c, "ZRANK z two"), 1);
    IS_INTEGER(ask(c, "ZREVRANK z two"), 1);
    IS_INTEGER(ask(c, "ZCOUNT z 1 3"), 2);
    IS_INTEGER(ask(c, "ZADD lex 0 a 0 b 0 c"), 3);
    IS_SHOWN(ask(c, "ZRANGEBYLEX lex [a (c"), "[a b]");
    IS_INTEGER(ask(c, "ZUNIONSTORE zu 2 z lex WEIGHTS 2 1 AGGREGATE MAX"), 6);
    IS_STRING(ask(c, "ZSCORE zu two"), "6");
    IS_SHOWN(ask(c, "ZPOPMIN z"), "[one 1.1000000000000001]");
    IS_INTEGER(ask(c, "ZREMRANGEBYSCORE z -inf inf"), 2);
    append_numbered("ZADD zmany %d m%d", 1000);
    IS_SHOWN(ask(c, "ZRANGE zmany 500 501"), "[m500 m501]");
    IS_TRUE(scanned("ZSCAN", "zmany") == 2000);
    IS_INTEGER(ask(c, "ZCARD zmany"), 1000);
}

static void check_streams(void) {
    IS_STRING(ask(c, "XADD x 1-1 sensor 7 value a"), "1-1");
    IS_STRING(ask(c, "XADD x 1-* sensor 8"), "1-2");
    redisReply *id = ask(c, "XADD x * sensor 9");
    IS_TRUE(id->type == REDIS_REPLY_STRING && id->len == 15 && strcmp(id->str + 13, "-0") == 0);
    freeReplyObject(id);
    IS_INTEGER(ask(c, "XLEN x"), 3);
    IS_SHOWN(ask(c, "XRANGE x - (1-2"), "[[1-1 [sensor 7 value a]]]");
    IS_OK(ask(c, "XGROUP CREATE x g 0"));
    IS_SHOWN(ask(c, "XREADGROUP GROUP g alice COUNT 2 STREAMS x >"),
             "[[x [[1-1 [sensor 7 value a]] [1-2 [sensor 8]]]]]");
    IS_INTEGER(ask(c, "XACK x g 1-1 9-9"), 1);
    IS_SHOWN(ask(c, "XPENDING x g"), "[1 1-2 1-2 [[alice 1]]]");
    IS_SHOWN(ask(c, "XCLAIM x g bob 0 1-2"), "[[1-2 [sensor 8]]]");
    redisReply *pending = ask(c, "XPENDING x g - + 10");
    IS_TRUE(pending->elements == 1 && strcmp(pending->element[0]->element[1]->str, "bob") == 0);
    freeReplyObject(pending);
    IS_SHOWN(ask(c, "XAUTOCLAIM x g carol 0 0"), "[0-0 [[1-2 [sensor 8]]] []]");
    redisReply *info = ask(c, "XINFO GROUPS x");
    IS_TRUE(info->elements == 1 && strcmp(info->element[0]->element[1]->str, "g") == 0);
    freeReplyObject(info);
    IS_INTEGER(ask(c, "XDEL x 1-2"), 1);
    IS_INTEGER(ask(c, "XTRIM x MAXLEN 1"), 1);
    IS_NIL(ask(c, "XREAD STREAMS x $"));
}

static void check_geo(void) {
    IS_INTEGER(ask(c, "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania"), 2);
    IS_STRING(ask(c, "GEODIST Sicily Palermo Catania km"), "166.2742");
    IS_SHOWN(ask(c, "GEOHASH Sicily Palermo x"), "[sqc8b49rny0 nil]");
    IS_SHOWN(ask(c, "GEOPOS Sicily Palermo x"), "[[13.36138933897018433 38.11555639549629859] nil]");
    IS_SHOWN(ask(c, "GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km ASC WITHDIST"),
             "[[Catania 56.4413] [Palermo 190.4424]]");
    IS_INTEGER(ask(c, "GEOSEARCHSTORE near Sicily FROMMEMBER Palermo BYBOX 10 10 km"), 1);
}

/* A command that waits on another connection, and one that ends the wait. */
static redisReply *served(redisContext *other, const char *waiting, const char *giving) {
    redisReply *reply = NULL;
    int done = 0;
    redisAppendCommand(other, waiting);
    while (!done) redisBufferWrite(other, &done);
    usleep(50000);
    freeReplyObject(ask(c, giving));
    redisGetReply(other, (void **)&reply);
    return reply;
}

static void check_blocking(void) {
    redisContext *other = connect_new();
    IS_INTEGER(ask(c, "RPUSH q first"), 1);
    IS_SHOWN(ask(other, "BLPOP nosuch q 5"), "[q first]");
    IS_SHOWN(served(other, "BLPOP q 20", "RPUSH q second"), "[q second]");
    IS_STRING(served(other, "BLMOVE q done LEFT RIGHT 20", "RPUSH q third"), "third");
    IS_INTEGER(ask(c, "LLEN done"), 1);
    IS_SHOWN(served(other, "BZPOPMIN zq 20", "ZADD zq 2 b 1 a"), "[zq a 1]");
    IS_SHOWN(served(other, "XREAD BLOCK 20000 STREAMS xq $", "XADD xq 1-1 f v"), "[[xq [[1-1 [f v]]]]]");
    IS_NIL(ask(other, "BLPOP q 0.02"));
    redisFree(other);
}

static void check_errors(void) {
    IS_OK(ask(c, "SET text abc"));
    IS_ERROR(ask(c, "INCR text"), "ERR value is not an integer or out of range");
    IS_ERROR(ask(c, "NOSUCH"), "ERR unknown command 'NOSUCH'");
    IS_ERROR(ask(c, "SET a b BAD"), "ERR syntax error");
    IS_ERROR(ask(c, "PFADD text x"), "WRONGTYPE Key is not a valid HyperLogLog string value.");
    IS_TRUE(c->err == 0);
}

static void check_client_info(void) {
    redisContext *named = connect_new();
    IS_OK(ask(named, "CLIENT SETNAME check-c"));
    IS_STRING(ask(named, "CLIENT GETNAME"), "check-c");
    redisReply *id = ask(named, "CLIENT ID");
    redisReply *list = ask(c, "CLIENT LIST ID %lld", id->integer);
    IS_TRUE(strstr(list->str, " name=check-c ") != NULL);
    IS_INTEGER(ask(c, "CLIENT KILL ID %lld", id->integer), 1);
    freeReplyObject(list);
    freeReplyObject(id);
    redisFree(named);
}

static void check_info(void) {
    char line[100];
    redisReply *info = ask(c, "INFO");
    IS_TRUE(strstr(info->str, "# Server\r\nredis_version:7.") == info->str);
    IS_TRUE(strstr(info->str, "\nredis_mode:standalone\r\n") != NULL);
    snprintf(line, sizeof line, "\ntcp_port:%d\r\n", port);
    IS_TRUE(strstr(info->str, line) != NULL);
    IS_TRUE(strstr(info->str, "\ndb0:keys=") != NULL);
    freeReplyObject(info);
    redisReply *hello = ask(c, "HELLO 2");
    IS_TRUE(hello->elements == 14 && hello->element[5]->integer == 2);
    freeReplyObject(hello);
    IS_BETWEEN(ask(c, "COMMAND COUNT"), 71, 1000);
    IS_STRING(ask(c, "OBJECT ENCODING text"), "embstr");
}

static void check_large_value(void) {
    size_t length = 50000000;
    char *value = malloc(length);
    for (size_t i = 0; i < length; i++) value[i] = "0123456789abcdef\r\n"[i % 18];
    IS_OK(ask(c, "SET large %b", value, length));
    IS_INTEGER(ask(c, "STRLEN large"), (long long)length);
    IS_BYTES(ask(c, "GET large"), value, length);
    IS_BYTES(ask(c, "GETRANGE large -4 -1"), value + length - 4, 4);
    IS_INTEGER(ask(c, "UNLINK large"), 1);
    free(value);
}

static void check_reconnect(void) {
    char line[100];
    IS_STATUS(ask(c, "PING"), "PONG");
    printf("restart\n");
    IS_TRUE(fgets(line, sizeof line, stdin) != NULL && strcmp(line, "restarted\n") == 0);
    IS_TRUE(ask(c, "PING") == NULL && c->err == REDIS_ERR_EOF);
    IS_TRUE(redisReconnect(c) == REDIS_OK);
    IS_OK(ask(c, "SET after 1"));
    IS_STRING(ask(c, "GET after"), "1");
}

static const struct {
    const char *name;
    void (*run)(void);
} checks[] = {
    {"connect", check_connect},
    {"auth", check_auth},
    {"select", check_select},
    {"set-options", check_set_options},
    {"binary", check_binary},
    {"pipeline", check_pipeline},
    {"mget-mset", check_mget_mset},
    {"counters", check_counters},
    {"expiry", check_expiry},
    {"scan", check_scan},
    {"bits", check_bits},
    {"hyperloglog", check_hyperloglog},
    {"lists", check_lists},
    {"hashes", check_hashes},
    {"sets", check_sets},
    {"sorted-sets", check_sorted_sets},
    {"streams", check_streams},
    {"geo", check_geo},
    {"blocking", check_blocking},
    {"errors", check_errors},
    {"client-info", check_client_info},
    {"info", check_info},
    {"large-value", check_large_value},
    {"reconnect", check_reconnect},
};

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    port = atoi(argv[1]);
    setvbuf(stdout, NULL, _IONBF, 0);
    c = connect_new();
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        failure[0] = 0;
        checks[i].run();
        if (failure[0] == 0) printf("ok %s\n", checks[i].name);
        else printf("not ok %s: %s\n", checks[i].name, failure);
    }
    redisFree(c);
    return 0;
}
