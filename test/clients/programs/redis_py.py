"""The checks of client-checks.ts with redis-py."""

import sys
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
