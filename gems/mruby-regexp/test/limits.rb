module RegexpTest
  # What the block raises comes soon enough for the test to end.
  def self.timeout(seconds)
    before = Regexp.timeout
    Regexp.timeout = seconds
    yield
  ensure
    Regexp.timeout = before
  end
end

assert('a pattern that comes back without end raises Regexp::TimeoutError') do
  assert_equal RegexpError, Regexp::TimeoutError.superclass
  RegexpTest.timeout(0.02) do
    hostile = 'a' * 40 + '!'
    assert_raise_with_message(Regexp::TimeoutError, 'regexp match timeout') { hostile =~ /\A(a+)+\z/ }
    assert_raise(Regexp::TimeoutError) { hostile.match?(/\A(a|a?)+\z/) }
    assert_raise(Regexp::TimeoutError) { hostile.gsub(/\A(a+)+\z/, '') }
    assert_raise(Regexp::TimeoutError) { hostile.scan(/\A(a+)+\z/) }
    assert_raise(Regexp::TimeoutError) { hostile.split(/\A(a+)+\z/) }
    assert_raise(Regexp::TimeoutError) { hostile.index(/\A(a+)+\z/) }
    assert_raise(Regexp::TimeoutError) { hostile.rindex(/\A(a+)+\z/) }
    assert_raise(Regexp::TimeoutError) { hostile.start_with?(/(a+)+\z/) }
    assert_raise(Regexp::TimeoutError) { hostile[/\A(a+)+\z/] }
    assert_raise(Regexp::TimeoutError) { hostile.dup[/\A(a+)+\z/] = '' }
    assert_raise(Regexp::TimeoutError) { hostile.sub(/\A(a+)+\z/) { '' } }
    assert_equal 40, /a+/.match(hostile)[0].size
  end
end

assert('so does one that is slow from each character on') do
  RegexpTest.timeout(0.02) do
    assert_raise(Regexp::TimeoutError) { ('a' * 1_000_000 + 'by') =~ /(?>a*)x?y/ }
    assert_raise(Regexp::TimeoutError) { ('a' * 1_000_000 + 'bx') =~ /a*bz?y/ }
    assert_raise(Regexp::TimeoutError) { (' ' * 1_000_000 + 'x').sub(/\s+\z/, '') }
  end
end

assert('a Regexp has a time-out of its own') do
  assert_raise(Regexp::TimeoutError) { ('a' * 40 + '!') =~ Regexp.new('\A(a+)+\z', timeout: 0.01) }
  assert_equal 0.5, Regexp.new('a', timeout: 0.5).timeout
  assert_nil(/a/.timeout)
  assert_equal 1.0, Regexp.timeout
  RegexpTest.timeout(nil) { assert_nil Regexp.timeout }
  assert_raise(ArgumentError) { Regexp.timeout = 0 }
  assert_raise(ArgumentError) { Regexp.timeout = -1 }
  assert_raise(ArgumentError) { Regexp.new('a', timeout: 0) }
end

assert('patterns nested too deeply are refused') do
  assert_raise(RegexpError) { Regexp.new('(' * 5000 + ')' * 5000) }
  assert_raise(RegexpError) { Regexp.new('[' * 5000 + 'a' + ']' * 5000) }
  assert_raise(RegexpError) { Regexp.new('a{100001}') }
  assert_raise(RegexpError) { Regexp.new('(*tick)a') }
end

assert('long strings are searched by the clock with the same result') do
  RegexpTest.timeout(60) do # collections at every allocation take their time, too
    long = 'あb' * 3000
    assert_equal 6000, (long + 'x') =~ /x/
    assert_equal 6000, (long + 'x').index(/x\z/)
    assert_equal 0, ('x' + long).rindex(/x/)
    assert_equal 0, ('x' + long).rindex(/\Ax/)
    assert_equal 5998, long.rindex(/あ/)
    assert_nil long =~ /z/
    assert_nil long.rindex(/z/)
    assert_equal 5999, long =~ /b\z/
    assert_equal 6001, (long + "\nx") =~ /^x/
    assert_equal 6000, (long + 'xyz').rindex(/xyz/)
    assert_equal 3000, long.scan(/あ/).size
    assert_equal [long], (long + ',').split(/,/)
    assert_nil long.match(/\Gb/)
    assert_equal [long, 'b'], long.match(/.*(.)/).to_a
    assert_equal 6000, ('あ' * 6000).match(/あ+/)[0].size
    assert_equal 6000, ('b' * 6000 + 'x') =~ /(?<=bbb)x/
  end
end

assert('an empty pattern and empty strings') do
  assert_equal 0, '' =~ //
  assert_equal [''], ''.scan(//)
  assert_equal '-', ''.gsub(//, '-')
  assert_equal 0, ''.rindex(//)
  assert_equal '', ''[//]
  assert_nil ''[/./]
end

assert('literals and Regexp.compile are compiled once') do
  made = (1..3).map { /the same/i }
  assert_true made.all? { |regexp| regexp.equal?(made[0]) }
  assert_same Regexp.compile('the same', 'i'), made[0]
  assert_not_same Regexp.compile('the same'), made[0]
  assert_not_same Regexp.new('the same', 'i'), made[0]
  2000.times { |i| assert_equal 0, Regexp.compile("x#{i}\\z") =~ "x#{i}" }
  assert_equal "x5\\z", Regexp.compile("x5\\z").source
end

assert('what a Regexp is made of') do
  assert_raise(ArgumentError) { Regexp.new('a', 'q') }
  assert_equal 5, Regexp.new('a', 'mi').options
  assert_equal(/a/, /a/.dup)
  assert_equal 0, /a/.clone =~ 'a'
  assert_true Regexp.new('a').source.frozen?
  assert_raise(TypeError) { Regexp.allocate.source } if Regexp.respond_to?(:allocate)
  source = 'abc'
  regexp = Regexp.new(source)
  source << 'd'
  assert_equal 'abc', regexp.source
  assert_equal(/a/, Regexp.try_convert(/a/))
  assert_nil Regexp.try_convert('a')
  child = Class.new(Regexp)
  assert_kind_of child, child.compile('a')
  assert_equal '/a\x01b/', Regexp.new("a\x01b").inspect
end

assert('patterns of bytes: /n') do
  assert_equal 1, "\xff\xfe".index(/\xfe/n)
  assert_equal "\xfe", "\xff\xfe"[/[\xfe]/n]
end

assert('MatchData, in bytes and for pattern matching') do
  match = /(?<first>い)(x)?/.match('あいう')
  assert_equal [3, 6], match.byteoffset(0)
  assert_equal({ first: 'い' }, match.deconstruct_keys(nil))
  assert_equal({ first: 'い' }, match.deconstruct_keys([:first]))
  assert_equal({}, match.deconstruct_keys([:last]))
  assert_raise(TypeError) { match.deconstruct_keys(1) }
  assert_raise(TypeError) { match.deconstruct_keys(['first']) }
  assert_equal ['い'], match.deconstruct
  assert_equal({ first: 'い' }, match.named_captures(symbolize_names: true))
  assert_raise(NoMethodError) { MatchData.new }
  assert_equal match, /(?<first>い)(x)?/.match('あいう')
  assert_not_equal match, /(?<first>い)(x)?/.match('あい')
end

assert('$~ takes a MatchData or nil') do
  match = /b/.match('abc')
  'zzz' =~ /z/
  $~ = match
  assert_equal 'a', $`
  assert_raise(TypeError) { $~ = 1 }
  $~ = nil
  assert_nil $&
  'plain'.gsub('l') { assert_equal 'l', $& }
  assert_equal(/l/, $~.regexp)
end

assert('the String may change while its matches are used') do
  string = 'a1b2'
  string.gsub(/\d/) { |digit| string << digit; '' }
  assert_equal 'a1b212', string
  string = 'x' * 100
  match = /x+/.match(string)
  string.replace('y')
  assert_equal 100, match[0].size
  assert_raise(FrozenError) { match.string << 'z' }
end

assert('enumerators can stop and go on') do
  each = 'a1b2'.gsub(/\d/)
  assert_equal '1', each.next
  assert_equal '2', each.next
  fiber = Fiber.new { 'a1b2'.scan(/\d/) { |digit| Fiber.yield(digit) } }
  assert_equal '1', fiber.resume
  assert_equal '2', fiber.resume
end

assert('matches survive collections') do
  kept = (0...200).map { |i| /(\d+)-(?<word>\w+)?/n.match("#{i}-") || /(\d+)/.match("#{i}!") }
  GC.start
  assert_equal (0...200).map(&:to_s), kept.map { |match| match[0].to_i.to_s }
  made = (0...200).map { |i| Regexp.new("(#{i})") }
  GC.start
  made.each_with_index { |regexp, i| assert_equal i.to_s, regexp.match("<#{i}>")[1] }
end

assert('what has no Regexp in it is mruby\'s own') do
  assert_raise(TypeError) { 'abc'.index(1) }
  assert_raise(TypeError) { 'abc'.split(1) }
  assert_raise(TypeError) { 'abc'.partition(1) }
  assert_equal 'b', 'abc'[-2]
  assert_equal %w[a b], 'a b'.split(' ')
end
