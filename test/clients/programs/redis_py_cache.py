"""redis-py's cache (from version 5.1 on): what it has read comes from its own memory until somebody changes the key."""

import sys

import redis
from redis.cache import CacheConfig

ROUNDS = 30
port = int(sys.argv[1])
client = redis.Redis(port=port, protocol=3, cache_config=CacheConfig())
writer = redis.Redis(port=port)


def gets():
    """How often the server was asked."""
    return writer.info("commandstats").get("cmdstat_get", {}).get("calls", 0)


for i in range(ROUNDS):
    writer.set("key", f"value {i}")
    writer.hset("hash", "field", i)
    # What it holds goes with the message, which is on its way; a PING's answer comes behind it.
    client.ping()
    before = gets()
    for _ in range(5):
        assert client.get("key") == f"value {i}".encode(), f"round {i}: an old value"
    assert gets() == before + 1, f"round {i}: asked {gets() - before} times"
    assert client.hgetall("hash") == {b"field": str(i).encode()}, f"round {i}: an old hash"
writer.flushall()
client.ping()
assert client.get("key") is None, "holds what FLUSHALL has emptied"
print("ok")
