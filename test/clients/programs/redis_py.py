"""The checks of client-checks.ts with redis-py."""

import re
import sys
import threading
import time

import redis

PORT = int(sys.argv[1])


def connect(**options):
    return redis.Redis(host="127.0.0.1", port=PORT, **options)


def expect(got, wanted):
    if got != wanted:
        raise AssertionError(f"got {got!r}, wanted {wanted!r}"[:500])


def expect_error(kind, text, run):
    try:
        got = run()
    except kind as error:
        expect(type(error), kind)
        if text not in str(error):
            raise AssertionError(f"error {error!r} without {text!r}")
        return
    raise AssertionError(f"no error but {got!r}"[:500])


r = connect()


def check_connect():
    expect(r.ping(), True)
    expect(r.echo("hello"), b"hello")
    expect(r.dbsize(), 0)


def check_auth():
    expect_error(
        redis.ResponseError,
        "AUTH <password> called without any password configured for the default user",
        lambda: connect(password="secret").ping(),
    )
    expect(r.config_set("requirepass", "secret"), True)
    expect_error(redis.AuthenticationError, "Authentication required.", lambda: connect().ping())
    expect_error(
        redis.ResponseError,
        "WRONGPASS invalid username-password pair or user is disabled.",
        lambda: connect(username="default", password="wrong").ping(),
    )
    expect(connect(password="secret").ping(), True)
    expect(connect(username="default", password="secret").ping(), True)
    expect(r.config_set("requirepass", ""), True)
    expect(connect().ping(), True)


def check_select():
    other = connect(db=9)
    other.set("where", "nine")
    expect(r.get("where"), None)
    expect(other.get("where"), b"nine")
    expect(r.swapdb(0, 9), True)
    expect(r.get("where"), b"nine")
    expect(r.move("where", 3), True)
    expect(connect(db=3).dbsize(), 1)
    expect_error(redis.ResponseError, "DB index is out of range", lambda: connect(db=16).ping())
    expect(r.flushall(), True)


def check_set_options():
    expect(r.set("k", "1", ex=100), True)
    expect(r.set("k", "2", nx=True), None)
    expect(r.set("k", "2", xx=True, keepttl=True), True)
    expect(0 < r.ttl("k") <= 100, True)
    expect(r.set("k", "3", px=50_000, get=True), b"2")
    expect(0 < r.pttl("k") <= 50_000, True)
    expect(r.set("other", "1", xx=True), None)
    expect(r.getex("k", persist=True), b"3")
    expect(r.ttl("k"), -1)
    expect(r.getdel("k"), b"3")
    expect(r.setnx("k", "4"), True)
    expect(r.setex("k", 10, "5"), True)
    expect(r.psetex("k", 10_000, "6"), True)
    expect(r.getset("k", "7"), b"6")


def check_binary():
    every = bytes(range(256))
    expect(r.set(every, every), True)
    expect(r.get(every), every)
    expect(r.append(every, every), 512)
    expect(r.getrange(every, 250, 260), every[250:] + every[:5])
    expect(r.setrange(every, 510, b"\r\n\0"), 513)
    expect(r.get(every)[505:], every[249:254] + b"\r\n\0")
    expect(r.strlen(every), 513)
    expect(r.delete(every), 1)


def check_pipeline():
    pipe = r.pipeline(transaction=False)
    for i in range(5_000):
        pipe.set(f"pipe:{i}", i)
        pipe.get(f"pipe:{i}")
    replies = pipe.execute()
    expect(len(replies), 10_000)
    expect(replies[0::2], [True] * 5_000)
    expect(replies[1::2], [str(i).encode() for i in range(5_000)])


def check_mget_mset():
    expect(r.mset({"a": 1, "b": "two", "c": b"\0"}), True)
    expect(r.mget("a", "nosuch", "c", "b"), [b"1", None, b"\0", b"two"])
    expect(r.msetnx({"a": 2, "d": 2}), False)
    expect(r.exists("a", "b", "d", "a"), 3)
    expect(r.delete("a", "b", "c", "d"), 3)


def check_counters():
    expect(r.incr("n"), 1)
    expect(r.incrby("n", 41), 42)
    expect(r.decr("n"), 41)
    expect(r.decrby("n", 100), -59)
    expect(r.incrbyfloat("n", "0.5"), -58.5)
    expect(r.get("n"), b"-58.5")


def check_expiry():
    r.set("e", "1")
    expect(r.expire("e", 100), True)
    expect(r.expire("e", 200, lt=True), False)
    expect(r.ttl("e") in (99, 100), True)
    expect(r.persist("e"), True)
    expect(r.ttl("e"), -1)
    expect(r.pexpireat("e", int(time.time() * 1000) + 30), True)
    while r.exists("e"):
        time.sleep(0.01)
    expect(r.ttl("e"), -2)


def check_scan():
    r.flushall()
    r.mset({f"scan:{i}": i for i in range(5_000)} | {f"other:{i}": i for i in range(100)})
    expect(sorted(r.scan_iter(match="scan:*", count=500)), sorted(f"scan:{i}".encode() for i in range(5_000)))
    expect(len(set(r.scan_iter(_type="string"))), 5_100)
    expect(len(list(r.scan_iter(_type="list"))), 0)
    expect(len(r.keys("other:?")), 10)
    expect(r.randomkey().split(b":")[0] in (b"scan", b"other"), True)


def check_bits():
    r.set("bits", b"\xf0\x0f")
    expect(r.setbit("bits", 7, 1), 0)
    expect(r.getbit("bits", 7), 1)
    expect(r.bitcount("bits"), 9)
    expect(r.bitcount("bits", 1, 1), 4)
    expect(r.bitpos("bits", 0), 4)
    r.set("more", b"\xff")
    expect(r.bitop("AND", "dest", "bits", "more"), 2)
    expect(r.get("dest"), b"\xf1\0")
    expect(r.bitfield("field").incrby("u8", "#1", 300, "SAT").get("i4", 8).execute(), [255, -1])


def check_hyperloglog():
    expect(r.pfadd("h1", *range(1000)), 1)
    expect(r.pfadd("h2", *range(500, 1500)), 1)
    expect(abs(r.pfcount("h1") - 1000) < 50, True)
    expect(r.pfmerge("h3", "h1", "h2"), True)
    expect(abs(r.pfcount("h3") - 1500) < 75, True)
    expect(r.pfcount("h1", "h2"), r.pfcount("h3"))


def check_lists():
    expect(r.rpush("l", "a", "b", "c", "b"), 4)
    expect(r.lpush("l", "z"), 5)
    expect(r.lrange("l", 0, -1), [b"z", b"a", b"b", b"c", b"b"])
    expect(r.lindex("l", -1), b"b")
    expect(r.linsert("l", "BEFORE", "a", "y"), 6)
    expect(r.lset("l", 0, "x"), True)
    expect(r.lpos("l", "b", rank=-1), 5)
    expect(r.lrem("l", 1, "b"), 1)
    expect(r.lmove("l", "m", "LEFT", "RIGHT"), b"x")
    expect(r.lpop("l", 2), [b"y", b"a"])
    expect(r.lmpop(2, "nosuch", "l", direction="RIGHT", count=5), [b"l", [b"b", b"c"]])
    expect(r.rpoplpush("m", "l"), b"x")
    expect(r.llen("l"), 1)
    expect(r.rpop("m"), None)
    many = [f"element {i}".encode() for i in range(3000)]
    expect(r.rpush("long", *many), 3000)
    expect(r.ltrim("long", 10, -11), True)
    expect(r.lrange("long", 0, -1), many[10:-10])


def check_hashes():
    person = {"name": "Ada", "age": 36, "score": 1.5}
    expect(r.hset("h", mapping=person), 3)
    expect(r.hgetall("h"), {b"name": b"Ada", b"age": b"36", b"score": b"1.5"})
    expect(r.hmget("h", "age", "nosuch"), [b"36", None])
    expect(r.hincrby("h", "age", 5), 41)
    expect(r.hincrbyfloat("h", "score", 0.25), 1.75)
    expect(r.hsetnx("h", "name", "Bob"), 0)
    expect(r.hexists("h", "name"), True)
    expect(r.hstrlen("h", "name"), 3)
    expect(sorted(r.hkeys("h")), [b"age", b"name", b"score"])
    expect(len(r.hrandfield("h", 5)), 3)
    expect(r.hdel("h", "age", "score", "nosuch"), 2)
    expect(r.hvals("h"), [b"Ada"])
    r.hset("many", mapping={f"f{i}": i for i in range(1000)})
    expect(dict(r.hscan_iter("many", count=50)), r.hgetall("many"))
    expect(r.hlen("many"), 1000)


def check_sets():
    expect(r.sadd("s1", "a", "b", "c", "1"), 4)
    expect(r.sadd("s2", "b", "c", "d"), 3)
    expect(r.smembers("s1"), {b"a", b"b", b"c", b"1"})
    expect(r.sismember("s1", "a"), True)
    expect(r.smismember("s1", "a", "x"), [1, 0])
    expect(r.sinter("s1", "s2"), {b"b", b"c"})
    expect(len(r.sunion("s1", "s2")), 5)
    expect(r.sdiff("s1", "s2"), {b"1", b"a"})
    expect(r.sintercard(2, ["s1", "s2"], limit=1), 1)
    expect(r.sunionstore("s3", "s1", "s2"), 5)
    expect(r.smove("s1", "s2", "a"), True)
    expect(r.srem("s1", "1", "x"), 1)
    expect(r.srandmember("s1") in (b"b", b"c"), True)
    expect(len(r.spop("s3", 5)), 5)
    expect(r.exists("s3"), 0)
    members = {f"m{i}".encode() for i in range(1000)}
    r.sadd("smany", *members)
    expect(set(r.sscan_iter("smany")), members)
    expect(r.scard("smany"), 1000)


def check_sorted_sets():
    expect(r.zadd("z", {"one": 1, "two": 2.5, "last": float("inf")}), 3)
    expect(r.zadd("z", {"one": 0, "two": 3}, gt=True, ch=True), 1)
    expect(r.zrange("z", 0, -1, withscores=True), [(b"one", 1), (b"two", 3), (b"last", float("inf"))])
    expect(r.zrange("z", "(3", 1, byscore=True, desc=True), [b"one"])
    expect(r.zincrby("z", 0.1, "one"), 1.1)
    expect(r.zscore("z", "last"), float("inf"))
    expect(r.zmscore("z", ["two", "x"]), [3, None])
    expect([r.zrank("z", "two"), r.zrevrank("z", "two")], [1, 1])
    expect(r.zcount("z", 1, 3), 2)
    r.zadd("lex", {"a": 0, "b": 0, "c": 0})
    expect(r.zrangebylex("lex", "[a", "(c"), [b"a", b"b"])
    expect(r.zunionstore("zu", {"z": 2, "lex": 1}, aggregate="MAX"), 6)
    expect(r.zscore("zu", "two"), 6)
    expect(r.zpopmin("z"), [(b"one", 1.1)])
    expect(r.zremrangebyscore("z", "-inf", "inf"), 2)
    r.zadd("zmany", {f"m{i}": i for i in range(1000)})
    expect(r.zrange("zmany", 500, 501), [b"m500", b"m501"])
    expect(len(dict(r.zscan_iter("zmany"))), r.zcard("zmany"))


def check_streams():
    expect(r.xadd("x", {"sensor": 7, "value": "a"}, id="1-1"), b"1-1")
    expect(r.xadd("x", {"sensor": 8}, id="1-*"), b"1-2")
    expect(re.fullmatch(rb"\d{13}-0", r.xadd("x", {"sensor": 9})) is not None, True)
    expect(r.xlen("x"), 3)
    first = (b"1-1", {b"sensor": b"7", b"value": b"a"})
    second = (b"1-2", {b"sensor": b"8"})
    expect(r.xrange("x", "-", "(1-2"), [first])
    expect(r.xrevrange("x", "+", "-", count=1)[0][1], {b"sensor": b"9"})
    expect(r.xgroup_create("x", "g", "0"), True)
    expect(r.xreadgroup("g", "alice", {"x": ">"}, count=2), [[b"x", [first, second]]])
    expect(r.xack("x", "g", "1-1", "9-9"), 1)
    pending = {"pending": 1, "min": b"1-2", "max": b"1-2", "consumers": [{"name": b"alice", "pending": 1}]}
    expect(r.xpending("x", "g"), pending)
    expect(r.xclaim("x", "g", "bob", 0, ["1-2"]), [second])
    expect(r.xpending_range("x", "g", "-", "+", 10)[0]["consumer"], b"bob")
    expect(second in r.xautoclaim("x", "g", "carol", 0, "0")[1], True)
    expect(r.xinfo_groups("x")[0]["name"], b"g")
    expect(r.xdel("x", "1-2"), 1)
    expect(r.xtrim("x", maxlen=1, approximate=False), 1)
    expect(r.xread({"x": "$"}), [])


def check_geo():
    places = [13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"]
    expect(r.geoadd("Sicily", places), 2)
    expect(r.geodist("Sicily", "Palermo", "Catania", "km"), 166.2742)
    expect(r.geohash("Sicily", "Palermo", "x")[0] in (b"sqc8b49rny0", "sqc8b49rny0"), True)
    palermo, none = r.geopos("Sicily", "Palermo", "x")
    expect(([round(n, 6) for n in palermo], none), ([13.361389, 38.115556], None))
    near = r.geosearch("Sicily", longitude=15, latitude=37, radius=200, unit="km", sort="ASC", withdist=True)
    expect(near, [[b"Catania", 56.4413], [b"Palermo", 190.4424]])
    expect(r.geosearchstore("near", "Sicily", member="Palermo", width=10, height=10, unit="km"), 1)


def check_blocking():
    other = connect()

    def later(run):
        threading.Timer(0.05, run).start()

    r.rpush("q", "first")
    expect(other.blpop(["nosuch", "q"], 5), (b"q", b"first"))
    later(lambda: r.rpush("q", "second"))
    expect(other.blpop("q", 20), (b"q", b"second"))
    later(lambda: r.rpush("q", "third"))
    expect(other.blmove("q", "done", 20), b"third")
    expect(r.llen("done"), 1)
    later(lambda: r.zadd("zq", {"b": 2, "a": 1}))
    expect(other.bzpopmin("zq", 20), (b"zq", b"a", 1))
    later(lambda: r.xadd("xq", {"f": "v"}, id="1-1"))
    expect(other.xread({"xq": "$"}, block=20_000), [[b"xq", [(b"1-1", {b"f": b"v"})]]])
    expect(other.blpop("q", 0.02), None)


def check_pubsub():
    subscriber = r.pubsub()
    subscriber.subscribe("news", "sport")
    subscriber.psubscribe("n*")

    def take(count):
        return [subscriber.get_message(timeout=20) for _ in range(count)]

    def message(kind, pattern, channel, data):
        return {"type": kind, "pattern": pattern, "channel": channel, "data": data}

    expect([got["data"] for got in take(3)], [1, 2, 3])
    expect(r.publish("news", "one"), 2)
    expect(
        take(2),
        [message("message", None, b"news", b"one"), message("pmessage", b"n*", b"news", b"one")],
    )
    expect(r.publish("weather", "nobody"), 0)
    expect(sorted(r.pubsub_channels()), [b"news", b"sport"])
    expect(r.pubsub_numsub("news", "weather"), [(b"news", 1), (b"weather", 0)])
    expect(r.pubsub_numpat(), 1)
    subscriber.unsubscribe("sport")
    expect(take(1), [message("unsubscribe", None, b"sport", 2)])
    subscriber.ping("there?")
    expect(take(1), [message("pong", None, None, b"there?")])
    subscriber.close()


def check_errors():
    r.set("text", "abc")
    expect_error(redis.ResponseError, "value is not an integer or out of range", lambda: r.incr("text"))
    expect_error(redis.ResponseError, "unknown command 'NOSUCH'", lambda: r.execute_command("NOSUCH"))
    expect_error(redis.ResponseError, "syntax error", lambda: r.execute_command("SET", "a", "b", "BAD"))
    expect_error(
        redis.ResponseError,
        "WRONGTYPE Key is not a valid HyperLogLog string value.",
        lambda: r.pfadd("text", "x"),
    )
    replies = r.pipeline(transaction=False).get("text").incr("text").get("text").execute(raise_on_error=False)
    expect([type(reply) for reply in replies], [bytes, redis.ResponseError, bytes])


def check_client_info():
    named = connect(client_name="check-python", single_connection_client=True)
    expect(named.client_getname(), "check-python")
    [entry] = [entry for entry in r.client_list() if entry["name"] == "check-python"]
    expect(int(entry["id"]), named.client_id())
    expect(entry["db"], "0")
    expect(named.client_info()["name"], "check-python")
    expect(r.client_kill_filter(_id=entry["id"]), 1)


def check_info():
    info = r.info()
    expect(info["redis_mode"], "standalone")
    expect(int(info["redis_version"].split(".")[0]) >= 7, True)
    expect(info["connected_clients"] >= 1, True)
    expect(info["tcp_port"], PORT)
    expect(info["used_memory"] > 0, True)
    expect(info["db0"]["keys"], r.dbsize())
    expect(r.info("commandstats")["cmdstat_ping"]["calls"] >= 1, True)
    hello = r.execute_command("HELLO", "2")
    expect(dict(zip(hello[::2], hello[1::2]))[b"proto"], 2)
    expect(r.config_get("maxmemory*")["maxmemory-policy"], "noeviction")
    expect(r.command_count() > 70, True)
    expect(r.object("encoding", "text"), b"embstr")
    expect(r.memory_usage("text") > 0, True)
    expect(len(r.time()), 2)


def check_large_value():
    value = b"0123456789abcdef\r\n" * (50_000_000 // 18)
    expect(r.set("large", value), True)
    expect(r.strlen("large"), len(value))
    expect(r.get("large") == value, True)
    expect(r.getrange("large", len(value) - 4, -1), b"ef\r\n")
    expect(r.unlink("large"), 1)


def check_reconnect():
    pool = connect(health_check_interval=1)
    expect(pool.ping(), True)
    print("restart", flush=True)
    expect(sys.stdin.readline(), "restarted\n")
    expect(pool.set("after", "1"), True)
    expect(r.get("after"), b"1")


CHECKS = [
    check_connect,
    check_auth,
    check_select,
    check_set_options,
    check_binary,
    check_pipeline,
    check_mget_mset,
    check_counters,
    check_expiry,
    check_scan,
    check_bits,
    check_hyperloglog,
    check_lists,
    check_hashes,
    check_sets,
    check_sorted_sets,
    check_streams,
    check_geo,
    check_blocking,
    check_pubsub,
    check_errors,
    check_client_info,
    check_info,
    check_large_value,
    check_reconnect,
]

for check in CHECKS:
    name = check.__name__.removeprefix("check_").replace("_", "-")
    try:
        check()
        print(f"ok {name}", flush=True)
    except Exception as error:
        print(f"not ok {name}: {type(error).__name__}: {error}".replace("\n", " "), flush=True)
