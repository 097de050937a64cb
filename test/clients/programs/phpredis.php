<?php
// The checks of client-checks.ts with phpredis.

error_reporting(E_ALL);
set_error_handler(function ($number, $text) {
    throw new ErrorException($text);
});

const HOST = '127.0.0.1';
define('PORT', (int) $argv[1]);

function connect(): Redis
{
    $redis = new Redis();
    $redis->connect(HOST, PORT, 20);
    return $redis;
}

function expect($got, $wanted): void
{
    if ($got === $wanted) {
        return;
    }
    $show = fn($value) => substr(var_export($value, true), 0, 250);
    throw new Exception('got ' . $show($got) . ', wanted ' . $show($wanted));
}

function expectError(string $text, callable $run): void
{
    try {
        $got = $run();
    } catch (RedisException $error) {
        expect(str_contains($error->getMessage(), $text) ? $text : $error->getMessage(), $text);
        return;
    }
    throw new Exception('no error but ' . var_export($got, true));
}

/** phpredis keeps the text of most error replies and returns false. */
function expectLastError(Redis $redis, string $text, callable $run): void
{
    $redis->clearLastError();
    expect($run(), false);
    $last = (string) $redis->getLastError();
    expect(str_contains($last, $text) ? $text : $last, $text);
    $redis->clearLastError();
}

$r = connect();

$checks = [
    'connect' => function () use ($r) {
        expect($r->ping(), true);
        expect($r->echo('hello'), 'hello');
        expect($r->dbSize(), 0);
    },
    'auth' => function () use ($r) {
        $called = 'AUTH <password> called without any password configured for the default user';
        expectError($called, fn() => connect()->auth('secret'));
        expect($r->config('SET', 'requirepass', 'secret'), true);
        expectError('NOAUTH Authentication required.', fn() => connect()->ping());
        $wrong = 'WRONGPASS invalid username-password pair or user is disabled.';
        expectError($wrong, fn() => connect()->auth(['default', 'wrong']));
        $other = connect();
        expect($other->auth('secret'), true);
        expect($other->ping(), true);
        expect(connect()->auth(['default', 'secret']), true);
        expect($r->config('SET', 'requirepass', ''), true);
        expect(connect()->ping(), true);
    },
    'select' => function () use ($r) {
        $other = connect();
        expect($other->select(9), true);
        expect($other->set('where', 'nine'), true);
        expect($r->get('where'), false);
        expect($r->swapdb(0, 9), true);
        expect($r->get('where'), 'nine');
        expect($r->move('where', 3), true);
        expect($other->select(3), true);
        expect($other->dbSize(), 1);
        expectLastError($other, 'DB index is out of range', fn() => $other->select(16));
        expect($r->flushAll(), true);
    },
    'set-options' => function () use ($r) {
        expect($r->set('k', '1', ['ex' => 100]), true);
        expect($r->set('k', '2', ['nx']), false);
        expect($r->set('k', '2', ['xx', 'keepttl']), true);
        expect($r->ttl('k') > 0, true);
        expect($r->set('k', '3', ['xx', 'px' => 50000]), true);
        expect($r->pttl('k') <= 50000, true);
        expect($r->rawCommand('SET', 'k', '4', 'GET', 'KEEPTTL'), '3');
        expect($r->rawCommand('GETEX', 'k', 'PERSIST'), '4');
        expect($r->ttl('k'), -1);
        expect($r->setnx('k', 'x'), false);
        expect($r->setex('k', 10, '5'), true);
        expect($r->psetex('k', 10000, '6'), true);
        expect($r->getSet('k', '7'), '6');
        expect($r->rawCommand('GETDEL', 'k'), '7');
    },
    'binary' => function () use ($r) {
        $every = implode('', array_map('chr', range(0, 255)));
        expect($r->set($every, $every), true);
        expect($r->get($every), $every);
        expect($r->append($every, $every), 512);
        expect($r->getRange($every, 250, 260), substr($every, 250) . substr($every, 0, 5));
        expect($r->setRange($every, 510, "\r\n\0"), 513);
        expect(substr($r->get($every), 505), substr($every, 249, 5) . "\r\n\0");
        expect($r->strlen($every), 513);
        expect($r->del($every), 1);
    },
    'pipeline' => function () use ($r) {
        $pipe = $r->multi(Redis::PIPELINE);
        for ($i = 0; $i < 5000; $i++) {
            $pipe->set("pipe:$i", (string) $i);
            $pipe->get("pipe:$i");
        }
        $replies = $pipe->exec();
        expect(count($replies), 10000);
        for ($i = 0; $i < 5000; $i++) {
            expect($replies[2 * $i], true);
            expect($replies[2 * $i + 1], (string) $i);
        }
    },
    'mget-mset' => function () use ($r) {
        expect($r->mset(['a' => '1', 'b' => 'two', 'c' => "\0"]), true);
        expect($r->mget(['a', 'nosuch', 'c', 'b']), ['1', false, "\0", 'two']);
        expect($r->msetnx(['a' => '2', 'd' => '2']), false);
        expect($r->exists('a', 'b', 'd', 'a'), 3);
        expect($r->del('a', 'b', 'c', 'd'), 3);
    },
    'counters' => function () use ($r) {
        expect($r->incr('n'), 1);
        expect($r->incrBy('n', 41), 42);
        expect($r->decr('n'), 41);
        expect($r->decrBy('n', 100), -59);
        expect($r->incrByFloat('n', 0.5), -58.5);
        expect($r->get('n'), '-58.5');
    },
    'expiry' => function () use ($r) {
        $r->set('e', '1');
        expect($r->expire('e', 100), true);
        expect($r->rawCommand('EXPIRE', 'e', '200', 'LT'), 0);
        expect(in_array($r->ttl('e'), [99, 100]), true);
        expect($r->persist('e'), true);
        expect($r->ttl('e'), -1);
        expect($r->pexpireAt('e', (int) (microtime(true) * 1000) + 30), true);
        while ($r->exists('e')) {
            usleep(10000);
        }
        expect($r->ttl('e'), -2);
    },
    'scan' => function () use ($r) {
        $r->flushAll();
        $wanted = [];
        for ($i = 0; $i < 5000; $i++) {
            $wanted["scan:$i"] = (string) $i;
        }
        expect($r->mset($wanted), true);
        $others = [];
        for ($i = 0; $i < 100; $i++) {
            $others["other:$i"] = 'x';
        }
        expect($r->mset($others), true);
        $r->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
        $seen = [];
        $cursor = null;
        while ($keys = $r->scan($cursor, 'scan:*', 500)) {
            foreach ($keys as $key) {
                $seen[] = $key;
            }
        }
        sort($seen);
        $names = array_keys($wanted);
        sort($names);
        expect($seen, $names);
        expect(count($r->keys('other:?')), 10);
        expect(preg_match('/^(scan|other):/', $r->randomKey()), 1);
    },
    'bits' => function () use ($r) {
        $r->set('bits', "\xf0\x0f");
        expect($r->setBit('bits', 7, true), 0);
        expect($r->getBit('bits', 7), 1);
        expect($r->bitCount('bits'), 9);
        expect($r->bitCount('bits', 1, 1), 4);
        expect($r->bitpos('bits', 0), 4);
        $r->set('more', "\xff");
        expect($r->bitOp('AND', 'dest', 'bits', 'more'), 2);
        expect($r->get('dest'), "\xf1\0");
        $reply = $r->rawCommand('BITFIELD', 'field', 'OVERFLOW', 'SAT', 'INCRBY', 'u8', '#1', '300', 'GET', 'i4', '8');
        expect($reply, [255, -1]);
    },
    'hyperloglog' => function () use ($r) {
        expect($r->pfAdd('h1', range(0, 999)), 1);
        expect($r->pfAdd('h2', range(500, 1499)), 1);
        expect(abs($r->pfCount('h1') - 1000) < 50, true);
        expect($r->pfMerge('h3', ['h1', 'h2']), true);
        expect(abs($r->pfCount('h3') - 1500) < 75, true);
        expect($r->pfCount(['h1', 'h2']), $r->pfCount('h3'));
    },
    'errors' => function () use ($r) {
        $r->set('text', 'abc');
        expectLastError($r, 'ERR value is not an integer or out of range', fn() => $r->incr('text'));
        expectLastError($r, "ERR unknown command 'NOSUCH'", fn() => $r->rawCommand('NOSUCH'));
        expectLastError($r, 'ERR syntax error', fn() => $r->rawCommand('SET', 'a', 'b', 'BAD'));
        $wrong = 'WRONGTYPE Key is not a valid HyperLogLog string value.';
        expectLastError($r, $wrong, fn() => $r->pfAdd('text', ['x']));
        $replies = $r->multi(Redis::PIPELINE)->get('text')->incr('text')->get('text')->exec();
        expect($replies, ['abc', false, 'abc']);
    },
    'client-info' => function () use ($r) {
        $named = connect();
        expect($named->client('SETNAME', 'check-php'), true);
        expect($named->client('GETNAME'), 'check-php');
        $found = array_values(array_filter($r->client('LIST'), fn($entry) => $entry['name'] === 'check-php'));
        expect(count($found), 1);
        expect((int) $found[0]['id'], $named->rawCommand('CLIENT', 'ID'));
        expect($r->rawCommand('CLIENT', 'KILL', 'ID', $found[0]['id']), 1);
    },
    'info' => function () use ($r) {
        $info = $r->info();
        expect($info['redis_mode'], 'standalone');
        expect((int) $info['redis_version'] >= 7, true);
        expect((int) $info['connected_clients'] >= 1, true);
        expect((int) $info['tcp_port'], PORT);
        expect((int) $info['used_memory'] > 0, true);
        expect(str_starts_with($info['db0'], 'keys=' . $r->dbSize() . ',expires='), true);
        expect(isset($r->info('commandstats')['cmdstat_ping']), true);
        expect($r->config('GET', 'maxmemory-policy'), ['maxmemory-policy' => 'noeviction']);
        expect($r->rawCommand('COMMAND', 'COUNT') > 70, true);
        expect($r->object('encoding', 'text'), 'embstr');
        expect(count($r->time()), 2);
        expect($r->rawCommand('HELLO', '2')[5], 2);
    },
    'large-value' => function () use ($r) {
        $value = str_repeat("0123456789abcdef\r\n", intdiv(50_000_000, 18));
        expect($r->set('large', $value), true);
        expect($r->strlen('large'), strlen($value));
        expect($r->get('large') === $value, true);
        expect($r->getRange('large', -4, -1), "ef\r\n");
        expect($r->unlink('large'), 1);
    },
    'reconnect' => function () use ($r) {
        expect($r->ping(), true);
        echo "restart\n";
        expect(fgets(STDIN), "restarted\n");
        expect($r->set('after', '1'), true);
        expect($r->get('after'), '1');
    },
];

foreach ($checks as $name => $check) {
    try {
        $check();
        echo "ok $name\n";
    } catch (Throwable $error) {
        $text = str_replace("\n", ' ', get_class($error) . ': ' . $error->getMessage());
        echo "not ok $name: $text (line {$error->getLine()})\n";
    }
}
