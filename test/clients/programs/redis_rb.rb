# The checks of client-checks.ts with redis-rb.

require 'redis'

PORT = Integer(ARGV[0])
$stdout.sync = true

def connect(**options)
  Redis.new(host: '127.0.0.1', port: PORT, timeout: 20, **options)
end

def expect(got, wanted)
  raise "got #{got.inspect[0, 250]}, wanted #{wanted.inspect[0, 250]}" unless got == wanted
end

def expect_error(kind, text)
  got = yield
rescue kind => error
  expect(error.class, kind)
  raise "error #{error.inspect} without #{text.inspect}" unless error.message.include?(text)
else
  raise "no error but #{got.inspect}"
end

r = connect

checks = {
  'connect' => lambda {
    expect(r.ping, 'PONG')
    expect(r.echo('hello'), 'hello')
    expect(r.dbsize, 0)
  },
  'auth' => lambda {
    called = 'AUTH <password> called without any password configured for the default user'
    expect_error(Redis::CommandError, called) { connect.auth('secret') }
    expect(r.config(:set, 'requirepass', 'secret'), 'OK')
    expect_error(Redis::CommandError, 'NOAUTH Authentication required.') { connect.ping }
    wrong = 'WRONGPASS invalid username-password pair or user is disabled.'
    expect_error(Redis::CommandError, wrong) { connect(username: 'default', password: 'wrong').ping }
    expect(connect(password: 'secret').ping, 'PONG')
    expect(connect(username: 'default', password: 'secret').ping, 'PONG')
    expect(r.config(:set, 'requirepass', ''), 'OK')
    expect(connect.ping, 'PONG')
  },
  'select' => lambda {
    other = connect(db: 9)
    other.set('where', 'nine')
    expect(r.get('where'), nil)
    expect(r.call(%w[SWAPDB 0 9]), 'OK')
    expect(r.get('where'), 'nine')
    expect(r.move('where', 3), true)
    other.select(3)
    expect(other.dbsize, 1)
    expect_error(Redis::CommandError, 'DB index is out of range') { other.select(16) }
    expect(r.flushall, 'OK')
  },
  'set-options' => lambda {
    expect(r.set('k', '1', ex: 100), 'OK')
    expect(r.set('k', '2', nx: true), false)
    expect(r.set('k', '2', xx: true, keepttl: true), true)
    expect(r.ttl('k').positive?, true)
    expect(r.set('k', '3', px: 50_000, get: true), '2')
    expect(r.pttl('k') <= 50_000, true)
    expect(r.getex('k', persist: true), '3')
    expect(r.ttl('k'), -1)
    expect(r.getdel('k'), '3')
    expect(r.setnx('k', '4'), true)
    expect(r.setex('k', 10, '5'), 'OK')
    expect(r.psetex('k', 10_000, '6'), 'OK')
    expect(r.getset('k', '7'), '6')
  },
  'binary' => lambda {
    every = (0..255).map(&:chr).join.b
    expect(r.set(every, every), 'OK')
    expect(r.get(every).b, every)
    expect(r.append(every, every), 512)
    expect(r.getrange(every, 250, 260).b, every[250..] + every[0, 5])
    expect(r.setrange(every, 510, "\r\n\0"), 513)
    expect(r.get(every).b[505..], every[249, 5] + "\r\n\0".b)
    expect(r.strlen(every), 513)
    expect(r.del(every), 1)
  },
  'pipeline' => lambda {
    replies = r.pipelined do |pipe|
      5_000.times do |i|
        pipe.set("pipe:#{i}", i)
        pipe.get("pipe:#{i}")
      end
    end
    expect(replies, (0...5_000).flat_map { |i| ['OK', i.to_s] })
  },
  'mget-mset' => lambda {
    expect(r.mset('a', 1, 'b', 'two', 'c', "\0"), 'OK')
    expect(r.mget('a', 'nosuch', 'c', 'b'), ['1', nil, "\0", 'two'])
    expect(r.msetnx('a', 2, 'd', 2), false)
    expect(r.exists('a', 'b', 'd', 'a'), 3)
    expect(r.del('a', 'b', 'c', 'd'), 3)
  },
  'counters' => lambda {
    expect(r.incr('n'), 1)
    expect(r.incrby('n', 41), 42)
    expect(r.decr('n'), 41)
    expect(r.decrby('n', 100), -59)
    expect(r.incrbyfloat('n', 0.5), -58.5)
    expect(r.get('n'), '-58.5')
  },
  'expiry' => lambda {
    r.set('e', '1')
    expect(r.expire('e', 100), true)
    expect(r.expire('e', 200, lt: true), false)
    expect([99, 100].include?(r.ttl('e')), true)
    expect(r.persist('e'), true)
    expect(r.ttl('e'), -1)
    expect(r.pexpireat('e', (Time.now.to_f * 1000).to_i + 30), true)
    sleep 0.01 while r.exists?('e')
    expect(r.ttl('e'), -2)
  },
  'scan' => lambda {
    r.flushall
    names = (0...5_000).map { |i| "scan:#{i}" }
    r.mset(*names.flat_map { |name| [name, 'x'] })
    r.mset(*(0...100).flat_map { |i| ["other:#{i}", 'x'] })
    expect(r.scan_each(match: 'scan:*', count: 500).to_a.sort, names.sort)
    expect(r.scan_each(type: 'string').to_a.uniq.length, 5_100)
    expect(r.scan_each(type: 'list').to_a, [])
    expect(r.keys('other:?').length, 10)
    expect(r.randomkey.match?(/^(scan|other):/), true)
  },
  'bits' => lambda {
    r.set('bits', "\xf0\x0f".b)
    expect(r.setbit('bits', 7, 1), 0)
    expect(r.getbit('bits', 7), 1)
    expect(r.bitcount('bits'), 9)
    expect(r.bitcount('bits', 1, 1), 4)
    expect(r.bitpos('bits', 0), 4)
    r.set('more', "\xff".b)
    expect(r.bitop('AND', 'dest', 'bits', 'more'), 2)
    expect(r.get('dest').b, "\xf1\0".b)
    expect(r.call(%w[BITFIELD field OVERFLOW SAT INCRBY u8 #1 300 GET i4 8]), [255, -1])
  },
  'hyperloglog' => lambda {
    expect(r.pfadd('h1', (0...1000).to_a), true)
    expect(r.pfadd('h2', (500...1500).to_a), true)
    expect((r.pfcount('h1') - 1000).abs < 50, true)
    expect(r.pfmerge('h3', 'h1', 'h2'), true)
    expect((r.pfcount('h3') - 1500).abs < 75, true)
    expect(r.pfcount('h1', 'h2'), r.pfcount('h3'))
  },
  'lists' => lambda {
    expect(r.rpush('l', %w[a b c b]), 4)
    expect(r.lpush('l', 'z'), 5)
    expect(r.lrange('l', 0, -1), %w[z a b c b])
    expect(r.lindex('l', -1), 'b')
    expect(r.linsert('l', 'BEFORE', 'a', 'y'), 6)
    expect(r.lset('l', 0, 'x'), 'OK')
    expect(r.call(%w[LPOS l b RANK -1]), 5)
    expect(r.lrem('l', 1, 'b'), 1)
    expect(r.lmove('l', 'm', 'LEFT', 'RIGHT'), 'x')
    expect(r.lpop('l', 2), %w[y a])
    expect(r.call(%w[LMPOP 2 nosuch l RIGHT COUNT 5]), ['l', %w[b c]])
    expect(r.rpoplpush('m', 'l'), 'x')
    expect(r.llen('l'), 1)
    expect(r.rpop('m'), nil)
    many = (0...3000).map { |i| "element #{i}" }
    expect(r.rpush('long', many), 3000)
    expect(r.ltrim('long', 10, -11), 'OK')
    expect(r.lrange('long', 0, -1), many[10..-11])
  },
  'hashes' => lambda {
    expect(r.hset('h', 'name' => 'Ada', 'age' => 36, 'score' => 1.5), 3)
    expect(r.hgetall('h'), 'name' => 'Ada', 'age' => '36', 'score' => '1.5')
    expect(r.hmget('h', 'age', 'nosuch'), ['36', nil])
    expect(r.hincrby('h', 'age', 5), 41)
    expect(r.hincrbyfloat('h', 'score', 0.25), 1.75)
    expect(r.hsetnx('h', 'name', 'Bob'), false)
    expect(r.hexists('h', 'name'), true)
    expect(r.hstrlen('h', 'name'), 3)
    expect(r.hkeys('h').sort, %w[age name score])
    expect(r.hrandfield('h', 5).length, 3)
    expect(r.hdel('h', %w[age score nosuch]), 2)
    expect(r.hvals('h'), %w[Ada])
    r.hset('many', (0...1000).to_h { |i| ["f#{i}", i] })
    expect(r.hscan_each('many', count: 50).to_h, r.hgetall('many'))
    expect(r.hlen('many'), 1000)
  },
  'sets' => lambda {
    expect(r.sadd('s1', %w[a b c 1]), 4)
    expect(r.sadd('s2', %w[b c d]), 3)
    expect(r.smembers('s1').sort, %w[1 a b c])
    expect(r.sismember('s1', 'a'), true)
    expect(r.smismember('s1', 'a', 'x'), [true, false])
    expect(r.sinter('s1', 's2').sort, %w[b c])
    expect(r.sunion('s1', 's2').length, 5)
    expect(r.sdiff('s1', 's2').sort, %w[1 a])
    expect(r.call(%w[SINTERCARD 2 s1 s2 LIMIT 1]), 1)
    expect(r.sunionstore('s3', 's1', 's2'), 5)
    expect(r.smove('s1', 's2', 'a'), true)
    expect(r.srem('s1', %w[1 x]), 1)
    expect(%w[b c].include?(r.srandmember('s1')), true)
    expect(r.spop('s3', 5).length, 5)
    expect(r.exists('s3'), 0)
    members = (0...1000).map { |i| "m#{i}" }
    r.sadd('smany', members)
    expect(r.sscan_each('smany').to_a.sort, members.sort)
    expect(r.scard('smany'), 1000)
  },
  'sorted-sets' => lambda {
    expect(r.zadd('z', [[1, 'one'], [2.5, 'two'], ['+inf', 'last']]), 3)
    expect(r.zadd('z', [[0, 'one'], [3, 'two']], gt: true, ch: true), 1)
    expect(r.zrange('z', 0, -1, with_scores: true), [['one', 1.0], ['two', 3.0], ['last', Float::INFINITY]])
    expect(r.zrange('z', '(3', 1, by_score: true, rev: true), %w[one])
    expect(r.zincrby('z', 0.1, 'one'), 1.1)
    expect(r.zscore('z', 'last'), Float::INFINITY)
    expect(r.zmscore('z', 'two', 'x'), [3.0, nil])
    expect([r.zrank('z', 'two'), r.zrevrank('z', 'two')], [1, 1])
    expect(r.zcount('z', 1, 3), 2)
    r.zadd('lex', [[0, 'a'], [0, 'b'], [0, 'c']])
    expect(r.zrangebylex('lex', '[a', '(c'), %w[a b])
    expect(r.zunionstore('zu', %w[z lex], weights: [2, 1], aggregate: 'max'), 6)
    expect(r.zscore('zu', 'two'), 6.0)
    expect(r.zpopmin('z'), ['one', 1.1])
    expect(r.zremrangebyscore('z', '-inf', 'inf'), 2)
    r.zadd('zmany', (0...1000).map { |i| [i, "m#{i}"] })
    expect(r.zrange('zmany', 500, 501), %w[m500 m501])
    expect(r.zscan_each('zmany').to_a.length, r.zcard('zmany'))
  },
  'streams' => lambda {
    expect(r.xadd('x', { 'sensor' => '7', 'value' => 'a' }, id: '1-1'), '1-1')
    expect(r.xadd('x', { 'sensor' => '8' }, id: '1-*'), '1-2')
    expect(r.xadd('x', { 'sensor' => '9' }).match?(/\A\d{13}-0\z/), true)
    expect(r.xlen('x'), 3)
    first = ['1-1', { 'sensor' => '7', 'value' => 'a' }]
    second = ['1-2', { 'sensor' => '8' }]
    expect(r.xrange('x', '-', '(1-2'), [first])
    expect(r.xrevrange('x', '+', '-', count: 1)[0][1], 'sensor' => '9')
    expect(r.xgroup(:create, 'x', 'g', '0'), 'OK')
    expect(r.xreadgroup('g', 'alice', 'x', '>', count: 2), 'x' => [first, second])
    expect(r.xack('x', 'g', '1-1', '9-9'), 1)
    pending = { 'size' => 1, 'min_entry_id' => '1-2', 'max_entry_id' => '1-2', 'consumers' => { 'alice' => '1' } }
    expect(r.xpending('x', 'g'), pending)
    expect(r.xclaim('x', 'g', 'bob', 0, '1-2'), [second])
    expect(r.xpending('x', 'g', '-', '+', 10)[0]['consumer'], 'bob')
    expect(r.xautoclaim('x', 'g', 'carol', 0, '0')['entries'], [second])
    expect(r.xinfo(:groups, 'x')[0]['name'], 'g')
    expect(r.xdel('x', '1-2'), 1)
    expect(r.xtrim('x', 1), 1)
    expect(r.xread('x', '$'), {})
  },
  'geo' => lambda {
    expect(r.geoadd('Sicily', 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania'), 2)
    expect(r.geodist('Sicily', 'Palermo', 'Catania', 'km'), '166.2742')
    expect(r.geohash('Sicily', %w[Palermo x]), ['sqc8b49rny0', nil])
    palermo, none = r.geopos('Sicily', %w[Palermo x])
    expect([palermo.map { |n| n.to_f.round(6) }, none], [[13.361389, 38.115556], nil])
    near = [%w[Catania 56.4413], %w[Palermo 190.4424]]
    expect(r.call(%w[GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km ASC WITHDIST]), near)
    expect(r.georadius('Sicily', 15, 37, 200, 'km', sort: 'asc', options: :WITHDIST), near)
    expect(r.call(%w[GEOSEARCHSTORE near Sicily FROMMEMBER Palermo BYBOX 10 10 km]), 1)
  },
  'blocking' => lambda {
    other = connect
    later = lambda { |&run|
      Thread.new do
        sleep 0.05
        run.call(connect)
      end
    }
    r.rpush('q', 'first')
    expect(other.blpop('nosuch', 'q', timeout: 5), %w[q first])
    later.call { |pusher| pusher.rpush('q', 'second') }
    expect(other.blpop('q', timeout: 20), %w[q second])
    later.call { |pusher| pusher.rpush('q', 'third') }
    expect(other.blmove('q', 'done', 'LEFT', 'RIGHT', timeout: 20), 'third')
    expect(r.llen('done'), 1)
    later.call { |pusher| pusher.zadd('zq', [[2, 'b'], [1, 'a']]) }
    expect(other.bzpopmin('zq', timeout: 20), ['zq', 'a', 1.0])
    later.call { |pusher| pusher.xadd('xq', { 'f' => 'v' }, id: '1-1') }
    expect(other.xread('xq', '$', block: 20_000), 'xq' => [['1-1', { 'f' => 'v' }]])
    expect(other.call(%w[BLPOP q 0.02]), nil)
  },
  'errors' => lambda {
    r.set('text', 'abc')
    expect_error(Redis::CommandError, 'ERR value is not an integer or out of range') { r.incr('text') }
    expect_error(Redis::CommandError, "ERR unknown command 'NOSUCH'") { r.call(%w[NOSUCH]) }
    expect_error(Redis::CommandError, 'ERR syntax error') { r.call(%w[SET a b BAD]) }
    wrong = 'WRONGTYPE Key is not a valid HyperLogLog string value.'
    expect_error(Redis::CommandError, wrong) { r.pfadd('text', 'x') }
    expect_error(Redis::CommandError, 'ERR value is not an integer') do
      r.pipelined do |pipe|
        pipe.get('text')
        pipe.incr('text')
        pipe.set('text', 'behind the error')
      end
    end
    expect(r.get('text'), 'behind the error')
  },
  'client-info' => lambda {
    named = connect(id: 'check-ruby')
    expect(named.client(:setname, 'check-ruby'), 'OK')
    expect(named.client(:getname), 'check-ruby')
    found = r.client(:list).select { |entry| entry['name'] == 'check-ruby' }
    expect(found.length, 1)
    expect(found[0]['id'].to_i, named.client(:id))
    expect(r.client(:kill, 'ID', found[0]['id']), 1)
  },
  'info' => lambda {
    info = r.info
    expect(info['redis_mode'], 'standalone')
    expect(info['redis_version'].to_i >= 7, true)
    expect(info['connected_clients'].to_i >= 1, true)
    expect(info['tcp_port'].to_i, PORT)
    expect(info['used_memory'].to_i.positive?, true)
    expect(info['db0'].start_with?("keys=#{r.dbsize},expires="), true)
    expect(r.info(:commandstats)['ping']['calls'].to_i >= 1, true)
    expect(r.config(:get, 'maxmemory-policy'), { 'maxmemory-policy' => 'noeviction' })
    expect(r.call(%w[COMMAND COUNT]) > 70, true)
    expect(r.object('encoding', 'text'), 'embstr')
    expect(r.time.length, 2)
    expect(r.call(%w[HELLO 2])[5], 2)
  },
  'large-value' => lambda {
    value = "0123456789abcdef\r\n" * (50_000_000 / 18)
    expect(r.set('large', value), 'OK')
    expect(r.strlen('large'), value.length)
    expect(r.get('large') == value, true)
    expect(r.getrange('large', -4, -1), "ef\r\n")
    expect(r.unlink('large'), 1)
  },
  'reconnect' => lambda {
    expect(r.ping, 'PONG')
    puts 'restart'
    expect($stdin.gets, "restarted\n")
    expect(r.set('after', '1'), 'OK')
    expect(r.get('after'), '1')
  }
}

checks.each do |name, check|
  check.call
  puts "ok #{name}"
rescue StandardError => error
  puts "not ok #{name}: #{error.class}: #{error.message} #{error.backtrace[1]}".tr("\n", ' ')
end
