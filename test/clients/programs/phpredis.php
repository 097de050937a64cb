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
    'lists' => function () use ($r) {
        expect($r->rPush('l', 'a', 'b', 'c', 'b'), 4);
        expect($r->lPush('l', 'z'), 5);
        expect($r->lRange('l', 0, -1), ['z', 'a', 'b', 'c', 'b']);
        expect($r->lIndex('l', -1), 'b');
        expect($r->lInsert('l', Redis::BEFORE, 'a', 'y'), 6);
        expect($r->lSet('l', 0, 'x'), true);
        expect($r->rawCommand('LPOS', 'l', 'b', 'RANK', '-1'), 5);
        expect($r->lRem('l', 'b', 1), 1);
        expect($r->rawCommand('LMOVE', 'l', 'm', 'LEFT', 'RIGHT'), 'x');
        expect($r->rawCommand('LPOP', 'l', '2'), ['y', 'a']);
        expect($r->rawCommand('LMPOP', '2', 'nosuch', 'l', 'RIGHT', 'COUNT', '5'), ['l', ['b', 'c']]);
        expect($r->rPopLPush('m', 'l'), 'x');
        expect($r->lLen('l'), 1);
        expect($r->rPop('m'), false);
        $many = array_map(fn($i) => "element $i", range(0, 2999));
        expect($r->rPush('long', ...$many), 3000);
        expect($r->lTrim('long', 10, -11), true);
        expect($r->lRange('long', 0, -1), array_slice($many, 10, -10));
    },
    'hashes' => function () use ($r) {
        expect($r->hMSet('h', ['name' => 'Ada', 'age' => 36, 'score' => 1.5]), true);
        $person = $r->hGetAll('h');
        ksort($person);
        expect($person, ['age' => '36', 'name' => 'Ada', 'score' => '1.5']);
        expect($r->hMGet('h', ['age', 'nosuch']), ['age' => '36', 'nosuch' => false]);
        expect($r->hIncrBy('h', 'age', 5), 41);
        expect($r->hIncrByFloat('h', 'score', 0.25), 1.75);
        expect($r->hSetNx('h', 'name', 'Bob'), false);
        expect($r->hExists('h', 'name'), true);
        expect($r->hStrLen('h', 'name'), 3);
        $keys = $r->hKeys('h');
        sort($keys);
        expect($keys, ['age', 'name', 'score']);
        expect(count($r->rawCommand('HRANDFIELD', 'h', '5')), 3);
        expect($r->hDel('h', 'age', 'score', 'nosuch'), 2);
        expect($r->hVals('h'), ['Ada']);
        $fields = [];
        for ($i = 0; $i < 1000; $i++) {
            $fields["f$i"] = (string) $i;
        }
        expect($r->hMSet('many', $fields), true);
        $seen = [];
        $cursor = null;
        while ($part = $r->hScan('many', $cursor, '*', 50)) {
            $seen += $part;
        }
        expect(count($seen), $r->hLen('many'));
    },
    'sets' => function () use ($r) {
        $sorted = function (array $list) {
            sort($list, SORT_STRING);
            return $list;
        };
        expect($r->sAdd('s1', 'a', 'b', 'c', '1'), 4);
        expect($r->sAdd('s2', 'b', 'c', 'd'), 3);
        expect($sorted($r->sMembers('s1')), ['1', 'a', 'b', 'c']);
        expect($r->sIsMember('s1', 'a'), true);
        expect($r->rawCommand('SMISMEMBER', 's1', 'a', 'x'), [1, 0]);
        expect($sorted($r->sInter('s1', 's2')), ['b', 'c']);
        expect(count($r->sUnion('s1', 's2')), 5);
        expect($sorted($r->sDiff('s1', 's2')), ['1', 'a']);
        expect($r->rawCommand('SINTERCARD', '2', 's1', 's2', 'LIMIT', '1'), 1);
        expect($r->sUnionStore('s3', 's1', 's2'), 5);
        expect($r->sMove('s1', 's2', 'a'), true);
        expect($r->sRem('s1', '1', 'x'), 1);
        expect(in_array($r->sRandMember('s1'), ['b', 'c']), true);
        expect(count($r->sPop('s3', 5)), 5);
        expect($r->exists('s3'), 0);
        $members = array_map(fn($i) => "m$i", range(0, 999));
        expect($r->sAdd('smany', ...$members), 1000);
        $seen = [];
        $cursor = null;
        while ($part = $r->sScan('smany', $cursor)) {
            $seen += array_flip($part);
        }
        expect(count($seen), $r->sCard('smany'));
    },
    'sorted-sets' => function () use ($r) {
        expect($r->zAdd('z', 1, 'one', 2.5, 'two', INF, 'last'), 3);
        expect($r->rawCommand('ZADD', 'z', 'GT', 'CH', '0', 'one', '3', 'two'), 1);
        expect($r->zRange('z', 0, -1, true), ['one' => 1.0, 'two' => 3.0, 'last' => INF]);
        expect($r->zRevRangeByScore('z', '(3', '1'), ['one']);
        expect($r->zIncrBy('z', 0.1, 'one'), 1.1);
        expect($r->zScore('z', 'last'), INF);
        expect($r->rawCommand('ZMSCORE', 'z', 'two', 'x'), ['3', false]);
        expect([$r->zRank('z', 'two'), $r->zRevRank('z', 'two')], [1, 1]);
        expect($r->zCount('z', '1', '3'), 2);
        expect($r->zAdd('lex', 0, 'a', 0, 'b', 0, 'c'), 3);
        expect($r->zRangeByLex('lex', '[a', '(c'), ['a', 'b']);
        expect($r->zUnionStore('zu', ['z', 'lex'], [2, 1], 'MAX'), 6);
        expect($r->zScore('zu', 'two'), 6.0);
        expect($r->zPopMin('z'), ['one' => 1.1]);
        expect($r->zRemRangeByScore('z', '-inf', 'inf'), 2);
        $many = [];
        for ($i = 0; $i < 1000; $i++) {
            array_push($many, $i, "m$i");
        }
        expect($r->zAdd('zmany', ...$many), 1000);
        expect($r->zRange('zmany', 500, 501), ['m500', 'm501']);
        $seen = [];
        $cursor = null;
        while ($part = $r->zScan('zmany', $cursor)) {
            $seen += $part;
        }
        expect(count($seen), $r->zCard('zmany'));
    },
    'streams' => function () use ($r) {
        expect($r->xAdd('x', '1-1', ['sensor' => '7', 'value' => 'a']), '1-1');
        expect($r->xAdd('x', '1-*', ['sensor' => '8']), '1-2');
        expect(preg_match('/^\d{13}-0$/', $r->xAdd('x', '*', ['sensor' => '9'])), 1);
        expect($r->xLen('x'), 3);
        $first = ['1-1' => ['sensor' => '7', 'value' => 'a']];
        $second = ['1-2' => ['sensor' => '8']];
        expect($r->xRange('x', '-', '(1-2'), $first);
        expect(array_values($r->xRevRange('x', '+', '-', 1)), [['sensor' => '9']]);
        expect($r->xGroup('CREATE', 'x', 'g', '0'), true);
        expect($r->xReadGroup('g', 'alice', ['x' => '>'], 2), ['x' => $first + $second]);
        expect($r->xAck('x', 'g', ['1-1', '9-9']), 1);
        expect($r->xPending('x', 'g'), [1, '1-2', '1-2', [['alice', '1']]]);
        expect($r->xClaim('x', 'g', 'bob', 0, ['1-2']), $second);
        expect($r->xPending('x', 'g', '-', '+', 10)[0][1], 'bob');
        $claimed = $r->rawCommand('XAUTOCLAIM', 'x', 'g', 'carol', '0', '0');
        expect($claimed[1], [['1-2', ['sensor', '8']]]);
        expect($r->xInfo('GROUPS', 'x')[0]['name'], 'g');
        expect($r->xDel('x', ['1-2']), 1);
        expect($r->xTrim('x', 1), 1);
        expect($r->xRead(['x' => '$']), []);
    },
    'geo' => function () use ($r) {
        expect($r->geoAdd('Sicily', 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania'), 2);
        expect($r->geoDist('Sicily', 'Palermo', 'Catania', 'km'), 166.2742);
        expect($r->rawCommand('GEOHASH', 'Sicily', 'Palermo', 'x'), ['sqc8b49rny0', false]);
        $places = $r->geoPos('Sicily', 'Palermo', 'x');
        expect(array_map(fn($n) => round((float) $n, 6), $places[0]), [13.361389, 38.115556]);
        expect(empty($places[1]), true);
        $near = $r->geoRadius('Sicily', 15, 37, 200, 'km', ['WITHDIST', 'ASC']);
        expect($near, [['Catania', '56.4413'], ['Palermo', '190.4424']]);
        $search = ['GEOSEARCH', 'Sicily', 'FROMMEMBER', 'Palermo', 'BYBOX', '10', '10', 'km'];
        expect($r->rawCommand(...$search), ['Palermo']);
    },
    'blocking' => function () use ($r) {
        $other = connect();
        // There are no threads: another process does its part a little later.
        $later = function (string $call) {
            $code = 'usleep(50000); $r = new Redis(); $r->connect("127.0.0.1", ' . PORT . '); ' . $call;
            return proc_open([PHP_BINARY, '-r', $code], [], $pipes);
        };
        $r->rPush('q', 'first');
        expect($other->blPop(['nosuch', 'q'], 5), ['q', 'first']);
        $process = $later('$r->rPush("q", "second");');
        expect($other->blPop('q', 20), ['q', 'second']);
        proc_close($process);
        $process = $later('$r->rPush("q", "third");');
        expect($other->rawCommand('BLMOVE', 'q', 'done', 'LEFT', 'RIGHT', '20'), 'third');
        proc_close($process);
        expect($r->lLen('done'), 1);
        $process = $later('$r->zAdd("zq", 2, "b", 1, "a");');
        expect($other->bzPopMin('zq', 20), ['zq', 'a', '1']);
        proc_close($process);
        $process = $later('$r->xAdd("xq", "1-1", ["f" => "v"]);');
        expect($other->xRead(['xq' => '$'], 1, 20000), ['xq' => ['1-1' => ['f' => 'v']]]);
        proc_close($process);
        expect($other->rawCommand('BLPOP', 'q', '0.02'), []);
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
