# The checks of client-checks.ts with Perl's Redis.pm.

use strict;
use warnings;
use Redis;
use Time::HiRes qw(usleep time);

my $port = $ARGV[0];
$| = 1;

sub connect_new {
    return Redis->new(server => "127.0.0.1:$port", reconnect => 20, every => 100_000, @_);
}

sub show {
    my ($value) = @_;
    return 'undef' unless defined $value;
    return '[' . join(', ', map { show($_) } @$value) . ']' if ref $value eq 'ARRAY';
    return "'" . substr($value, 0, 200) . "'";
}

sub expect {
    my ($got, $wanted) = @_;
    die 'got ' . substr(show($got), 0, 250) . ', wanted ' . substr(show($wanted), 0, 250) . "\n"
        unless same($got, $wanted);
}

sub same {
    my ($one, $two) = @_;
    return !defined $one && !defined $two unless defined $one && defined $two;
    return $one eq $two unless ref $one eq 'ARRAY' && ref $two eq 'ARRAY';
    return 0 unless @$one == @$two;
    for my $i (0 .. $#$one) { return 0 unless same($one->[$i], $two->[$i]); }
    return 1;
}

# Redis.pm dies with the text of an error reply.
sub expect_error {
    my ($text, $run) = @_;
    my $got = eval { $run->(); 1 };
    die "no error but $got\n" if $got;
    die "error $@ without $text\n" if index($@, $text) < 0;
}

my $r = connect_new();

my @checks = (
    'connect' => sub {
        expect($r->ping, 'PONG');
        expect($r->echo('hello'), 'hello');
        expect($r->dbsize, 0);
    },
    'auth' => sub {
        my $called = 'AUTH <password> called without any password configured for the default user';
        expect_error($called, sub { connect_new()->auth('secret') });
        expect($r->config_set('requirepass', 'secret'), 'OK');
        expect_error('NOAUTH Authentication required.', sub { connect_new()->get('x') });
        expect_error('WRONGPASS invalid username-password pair or user is disabled.',
            sub { connect_new()->auth('default', 'wrong') });
        expect(connect_new(password => 'secret')->ping, 'PONG');
        expect($r->config_set('requirepass', ''), 'OK');
        expect(connect_new()->ping, 'PONG');
    },
    'select' => sub {
        my $other = connect_new();
        expect($other->select(9), 'OK');
        expect($other->set('where', 'nine'), 'OK');
        expect($r->get('where'), undef);
        expect($r->swapdb(0, 9), 'OK');
        expect($r->get('where'), 'nine');
        expect($r->move('where', 3), 1);
        expect($other->select(3), 'OK');
        expect($other->dbsize, 1);
        expect_error('DB index is out of range', sub { $other->select(16) });
        expect($r->flushall, 'OK');
    },
    'set-options' => sub {
        expect($r->set('k', '1', 'EX', 100), 'OK');
        expect($r->set('k', '2', 'NX'), undef);
        expect($r->set('k', '2', 'XX', 'KEEPTTL'), 'OK');
        expect($r->ttl('k') > 0, 1);
        expect($r->set('k', '3', 'PX', 50_000, 'GET'), '2');
        expect($r->pttl('k') <= 50_000, 1);
        expect($r->getex('k', 'PERSIST'), '3');
        expect($r->ttl('k'), -1);
        expect($r->getdel('k'), '3');
        expect($r->setnx('k', '4'), 1);
        expect($r->setex('k', 10, '5'), 'OK');
        expect($r->psetex('k', 10_000, '6'), 'OK');
        expect($r->getset('k', '7'), '6');
    },
    'binary' => sub {
        my $every = join '', map { chr } 0 .. 255;
        expect($r->set($every, $every), 'OK');
        expect($r->get($every), $every);
        expect($r->append($every, $every), 512);
        expect($r->getrange($every, 250, 260), substr($every, 250) . substr($every, 0, 5));
        expect($r->setrange($every, 510, "\r\n\0"), 513);
        expect(substr($r->get($every), 505), substr($every, 249, 5) . "\r\n\0");
        expect($r->strlen($every), 513);
        expect($r->del($every), 1);
    },
    'pipeline' => sub {
        my @replies;
        for my $i (0 .. 4999) {
            $r->set("pipe:$i", $i, sub { push @replies, $_[0] });
            $r->get("pipe:$i", sub { push @replies, $_[0] });
        }
        $r->wait_all_responses;
        expect(\@replies, [map { ('OK', $_) } 0 .. 4999]);
    },
    'mget-mset' => sub {
        expect($r->mset('a', 1, 'b', 'two', 'c', "\0"), 'OK');
        expect([$r->mget('a', 'nosuch', 'c', 'b')], ['1', undef, "\0", 'two']);
        expect($r->msetnx('a', 2, 'd', 2), 0);
        expect($r->exists('a', 'b', 'd', 'a'), 3);
        expect($r->del('a', 'b', 'c', 'd'), 3);
    },
    'counters' => sub {
        expect($r->incr('n'), 1);
        expect($r->incrby('n', 41), 42);
        expect($r->decr('n'), 41);
        expect($r->decrby('n', 100), -59);
        expect($r->incrbyfloat('n', '0.5'), '-58.5');
        expect($r->get('n'), '-58.5');
    },
    'expiry' => sub {
        $r->set('e', '1');
        expect($r->expire('e', 100), 1);
        expect($r->expire('e', 200, 'LT'), 0);
        expect($r->ttl('e') >= 99, 1);
        expect($r->persist('e'), 1);
        expect($r->ttl('e'), -1);
        expect($r->pexpireat('e', int(time() * 1000) + 30), 1);
        usleep(10_000) while $r->exists('e');
        expect($r->ttl('e'), -2);
    },
    'scan' => sub {
        $r->flushall;
        my @names = map { "scan:$_" } 0 .. 4999;
        $r->mset(map { ($_, 'x') } @names);
        $r->mset(map { ("other:$_", 'x') } 0 .. 99);
        my ($cursor, @seen) = (0);
        do {
            my ($next, $keys) = $r->scan($cursor, 'MATCH', 'scan:*', 'COUNT', 500);
            push @seen, @$keys;
            $cursor = $next;
        } while ($cursor ne '0');
        expect([sort @seen], [sort @names]);
        expect(scalar(my @few = $r->keys('other:?')), 10);
        expect($r->randomkey =~ /^(?:scan|other):/, 1);
    },
    'bits' => sub {
        $r->set('bits', "\xf0\x0f");
        expect($r->setbit('bits', 7, 1), 0);
        expect($r->getbit('bits', 7), 1);
        expect($r->bitcount('bits'), 9);
        expect($r->bitcount('bits', 1, 1), 4);
        expect($r->bitpos('bits', 0), 4);
        $r->set('more', "\xff");
        expect($r->bitop('AND', 'dest', 'bits', 'more'), 2);
        expect($r->get('dest'), "\xf1\0");
        expect([$r->bitfield('field', 'OVERFLOW', 'SAT', 'INCRBY', 'u8', '#1', 300, 'GET', 'i4', 8)], [255, -1]);
    },
    'hyperloglog' => sub {
        expect($r->pfadd('h1', 0 .. 999), 1);
        expect($r->pfadd('h2', 500 .. 1499), 1);
        expect(abs($r->pfcount('h1') - 1000) < 50, 1);
        expect($r->pfmerge('h3', 'h1', 'h2'), 'OK');
        expect(abs($r->pfcount('h3') - 1500) < 75, 1);
        expect($r->pfcount('h1', 'h2'), $r->pfcount('h3'));
    },
    'lists' => sub {
        expect($r->rpush('l', qw(a b c b)), 4);
        expect($r->lpush('l', 'z'), 5);
        expect([$r->lrange('l', 0, -1)], [qw(z a b c b)]);
        expect($r->lindex('l', -1), 'b');
        expect($r->linsert('l', 'BEFORE', 'a', 'y'), 6);
        expect($r->lset('l', 0, 'x'), 'OK');
        expect($r->lpos('l', 'b', 'RANK', -1), 5);
        expect($r->lrem('l', 1, 'b'), 1);
        expect($r->lmove('l', 'm', 'LEFT', 'RIGHT'), 'x');
        expect([$r->lpop('l', 2)], [qw(y a)]);
        expect([$r->lmpop(2, 'nosuch', 'l', 'RIGHT', 'COUNT', 5)], ['l', [qw(b c)]]);
        expect($r->rpoplpush('m', 'l'), 'x');
        expect($r->llen('l'), 1);
        expect($r->rpop('m'), undef);
        my @many = map { "element $_" } 0 .. 2999;
        expect($r->rpush('long', @many), 3000);
        expect($r->ltrim('long', 10, -11), 'OK');
        expect([$r->lrange('long', 0, -1)], [@many[10 .. 2989]]);
    },
    'hashes' => sub {
        expect($r->hset('h', name => 'Ada', age => 36, score => 1.5), 3);
        my %person = $r->hgetall('h');
        expect([map { $_, $person{$_} } sort keys %person], ['age', 36, 'name', 'Ada', 'score', '1.5']);
        expect([$r->hmget('h', 'age', 'nosuch')], ['36', undef]);
        expect($r->hincrby('h', 'age', 5), 41);
        expect($r->hincrbyfloat('h', 'score', 0.25), '1.75');
        expect($r->hsetnx('h', 'name', 'Bob'), 0);
        expect($r->hexists('h', 'name'), 1);
        expect($r->hstrlen('h', 'name'), 3);
        expect([sort $r->hkeys('h')], [qw(age name score)]);
        expect(scalar(my @random = $r->hrandfield('h', 5)), 3);
        expect($r->hdel('h', 'age', 'score', 'nosuch'), 2);
        expect([$r->hvals('h')], ['Ada']);
        expect($r->hset('many', map { ("f$_", $_) } 0 .. 999), 1000);
        my ($cursor, %seen) = (0);
        do {
            my $part;
            ($cursor, $part) = $r->hscan('many', $cursor, 'COUNT', 50);
            %seen = (%seen, @$part);
        } while ($cursor);
        expect(scalar(keys %seen), $r->hlen('many'));
    },
    'sets' => sub {
        expect($r->sadd('s1', qw(a b c 1)), 4);
        expect($r->sadd('s2', qw(b c d)), 3);
        expect([sort $r->smembers('s1')], [qw(1 a b c)]);
        expect($r->sismember('s1', 'a'), 1);
        expect([$r->smismember('s1', 'a', 'x')], [1, 0]);
        expect([sort $r->sinter('s1', 's2')], [qw(b c)]);
        expect(scalar(my @union = $r->sunion('s1', 's2')), 5);
        expect([sort $r->sdiff('s1', 's2')], [qw(1 a)]);
        expect($r->sintercard(2, 's1', 's2', 'LIMIT', 1), 1);
        expect($r->sunionstore('s3', 's1', 's2'), 5);
        expect($r->smove('s1', 's2', 'a'), 1);
        expect($r->srem('s1', '1', 'x'), 1);
        expect($r->srandmember('s1') =~ /^[bc]$/ ? 1 : 0, 1);
        expect(scalar(my @popped = $r->spop('s3', 5)), 5);
        expect($r->exists('s3'), 0);
        expect($r->sadd('smany', map { "m$_" } 0 .. 999), 1000);
        my ($cursor, %seen) = (0);
        do {
            my $part;
            ($cursor, $part) = $r->sscan('smany', $cursor);
            $seen{$_} = 1 for @$part;
        } while ($cursor);
        expect(scalar(keys %seen), $r->scard('smany'));
    },
    'sorted-sets' => sub {
        expect($r->zadd('z', 1, 'one', 2.5, 'two', '+inf', 'last'), 3);
        expect($r->zadd('z', 'GT', 'CH', 0, 'one', 3, 'two'), 1);
        expect([$r->zrange('z', 0, -1, 'WITHSCORES')], [qw(one 1 two 3 last inf)]);
        expect([$r->zrange('z', '(3', 1, 'BYSCORE', 'REV')], ['one']);
        expect($r->zincrby('z', 0.1, 'one'), '1.1000000000000001');
        expect($r->zscore('z', 'last'), 'inf');
        expect([$r->zmscore('z', 'two', 'x')], [3, undef]);
        expect([$r->zrank('z', 'two'), $r->zrevrank('z', 'two')], [1, 1]);
        expect($r->zcount('z', 1, 3), 2);
        expect($r->zadd('lex', 0, 'a', 0, 'b', 0, 'c'), 3);
        expect([$r->zrangebylex('lex', '[a', '(c')], [qw(a b)]);
        expect($r->zunionstore('zu', 2, 'z', 'lex', 'WEIGHTS', 2, 1, 'AGGREGATE', 'MAX'), 6);
        expect($r->zscore('zu', 'two'), 6);
        expect([$r->zpopmin('z')], ['one', '1.1000000000000001']);
        expect($r->zremrangebyscore('z', '-inf', 'inf'), 2);
        expect($r->zadd('zmany', map { ($_, "m$_") } 0 .. 999), 1000);
        expect([$r->zrange('zmany', 500, 501)], [qw(m500 m501)]);
        my ($cursor, %seen) = (0);
        do {
            my $part;
            ($cursor, $part) = $r->zscan('zmany', $cursor);
            %seen = (%seen, @$part);
        } while ($cursor);
        expect(scalar(keys %seen), $r->zcard('zmany'));
    },
    'streams' => sub {
        expect($r->xadd('x', '1-1', 'sensor', 7, 'value', 'a'), '1-1');
        expect($r->xadd('x', '1-*', 'sensor', 8), '1-2');
        expect($r->xadd('x', '*', 'sensor', 9) =~ /^\d{13}-0$/ ? 1 : 0, 1);
        expect($r->xlen('x'), 3);
        my $first = ['1-1', [qw(sensor 7 value a)]];
        my $second = ['1-2', [qw(sensor 8)]];
        expect([$r->xrange('x', '-', '(1-2')], [$first]);
        expect(($r->xrevrange('x', '+', '-', 'COUNT', 1))[0][1], [qw(sensor 9)]);
        expect($r->xgroup('CREATE', 'x', 'g', '0'), 'OK');
        my @read = $r->xreadgroup('GROUP', 'g', 'alice', 'COUNT', 2, 'STREAMS', 'x', '>');
        expect(\@read, [['x', [$first, $second]]]);
        expect($r->xack('x', 'g', '1-1', '9-9'), 1);
        expect([$r->xpending('x', 'g')], [1, '1-2', '1-2', [['alice', 1]]]);
        expect([$r->xclaim('x', 'g', 'bob', 0, '1-2')], [$second]);
        expect(($r->xpending('x', 'g', '-', '+', 10))[0][1], 'bob');
        expect(($r->xautoclaim('x', 'g', 'carol', 0, '0'))[1], [$second]);
        expect(($r->xinfo('GROUPS', 'x'))[0][1], 'g');
        expect($r->xdel('x', '1-2'), 1);
        expect($r->xtrim('x', 'MAXLEN', 1), 1);
        expect(scalar($r->xread('STREAMS', 'x', '$')), undef);
    },
    'geo' => sub {
        my @places = (13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania');
        expect($r->geoadd('Sicily', @places), 2);
        expect($r->geodist('Sicily', 'Palermo', 'Catania', 'km'), '166.2742');
        expect([$r->geohash('Sicily', 'Palermo', 'x')], ['sqc8b49rny0', undef]);
        my ($palermo, $none) = $r->geopos('Sicily', 'Palermo', 'x');
        expect([map { sprintf '%.6f', $_ } @$palermo], ['13.361389', '38.115556']);
        expect($none, undef);
        my @near = $r->geosearch('Sicily', 'FROMLONLAT', 15, 37, 'BYRADIUS', 200, 'km', 'ASC', 'WITHDIST');
        expect(\@near, [['Catania', '56.4413'], ['Palermo', '190.4424']]);
        expect($r->geosearchstore('near', 'Sicily', 'FROMMEMBER', 'Palermo', 'BYBOX', 10, 10, 'km'), 1);
    },
    'blocking' => sub {
        my $other = connect_new();
        # With a callback a command is sent at once, and its reply read later.
        my $served = sub {
            my ($push, @command) = @_;
            my $name = shift @command;
            my $reply;
            $other->$name(@command, sub { $reply = $_[0] });
            usleep(50_000);
            $push->();
            $other->wait_all_responses;
            return $reply;
        };
        $r->rpush('q', 'first');
        expect([$other->blpop('nosuch', 'q', 5)], [qw(q first)]);
        expect($served->(sub { $r->rpush('q', 'second') }, 'blpop', 'q', 20), [qw(q second)]);
        expect($served->(sub { $r->rpush('q', 'third') }, 'blmove', 'q', 'done', 'LEFT', 'RIGHT', 20), 'third');
        expect($r->llen('done'), 1);
        expect($served->(sub { $r->zadd('zq', 2, 'b', 1, 'a') }, 'bzpopmin', 'zq', 20), [qw(zq a 1)]);
        my $entry = $served->(sub { $r->xadd('xq', '1-1', 'f', 'v') }, 'xread', 'BLOCK', 20_000, 'STREAMS', 'xq', '$');
        expect($entry, [['xq', [['1-1', [qw(f v)]]]]]);
        expect(scalar($other->blpop('q', 0.02)), undef);
    },
    'errors' => sub {
        $r->set('text', 'abc');
        expect_error('ERR value is not an integer or out of range', sub { $r->incr('text') });
        expect_error("ERR unknown command 'NOSUCH'", sub { $r->nosuch });
        expect_error('ERR syntax error', sub { $r->set('a', 'b', 'BAD') });
        expect_error('WRONGTYPE Key is not a valid HyperLogLog string value.', sub { $r->pfadd('text', 'x') });
        my @replies;
        $r->get('text', sub { push @replies, $_[0] });
        $r->incr('text', sub { push @replies, $_[1] });
        $r->get('text', sub { push @replies, $_[0] });
        $r->wait_all_responses;
        expect(\@replies, ['abc', 'ERR value is not an integer or out of range', 'abc']);
    },
    'client-info' => sub {
        my $named = connect_new(name => 'check-perl');
        expect($named->client_getname, 'check-perl');
        my @found = grep { / name=check-perl / } split /\n/, $r->client_list;
        expect(scalar @found, 1);
        my ($id) = $found[0] =~ /^id=(\d+) /;
        expect($named->client('ID'), $id);
        expect($r->client('KILL', 'ID', $id), 1);
    },
    'info' => sub {
        my $info = $r->info;
        expect($info->{redis_mode}, 'standalone');
        expect($info->{redis_version} =~ /^[7-9]\./, 1);
        expect($info->{connected_clients} >= 1, 1);
        expect($info->{tcp_port}, $port);
        expect($info->{used_memory} > 0, 1);
        expect($info->{db0} =~ /^keys=(\d+),/ && $1, $r->dbsize);
        expect(defined $r->info('commandstats')->{cmdstat_ping}, 1);
        expect([$r->config_get('maxmemory-policy')], ['maxmemory-policy', 'noeviction']);
        expect($r->command('COUNT') > 70, 1);
        expect($r->object('ENCODING', 'text'), 'embstr');
        expect(scalar(my @time = $r->time), 2);
        my @hello = $r->hello(2);
        expect($hello[5], 2);
    },
    'large-value' => sub {
        my $value = "0123456789abcdef\r\n" x int(50_000_000 / 18);
        expect($r->set('large', $value), 'OK');
        expect($r->strlen('large'), length $value);
        expect($r->get('large') eq $value, 1);
        expect($r->getrange('large', -4, -1), "ef\r\n");
        expect($r->unlink('large'), 1);
    },
    'reconnect' => sub {
        expect($r->ping, 'PONG');
        print "restart\n";
        expect(scalar <STDIN>, "restarted\n");
        expect($r->set('after', '1'), 'OK');
        expect($r->get('after'), '1');
    },
);

while (my ($name, $check) = splice @checks, 0, 2) {
    if (eval { $check->(); 1 }) {
        print "ok $name\n";
    } else {
        (my $text = $@) =~ s/\s+/ /g;
        print "not ok $name: $text\n";
    }
}
