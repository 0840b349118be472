# Integers and floats come from texts: mruby reads floats in a program less exactly than strtod does.

def json_message(error)
  yield
  nil
rescue error => e
  e.message
end

assert('JSON.parse: every kind of value') do
  assert_equal({ 'a' => [1, -2, 2.5, true, false, nil, 'x', {}, []] },
               JSON.parse(' {"a" : [1,-2, 2.5, true,false,null,"x",{}, [] ]}'))
  assert_equal 'x', JSON.parse('"x"')
  assert_equal 1, JSON.parse('1')
  assert_nil JSON.parse('null')
  assert_equal "é😀\0/\"\\\b\f\n\r\t", JSON.parse('"\u00e9\ud83d\ude00\u0000\/\"\\\\\b\f\n\r\t"')
  assert_equal({ 'a' => 2 }, JSON.parse('{"a":1,"a":2}'))
  assert_equal %w[z a m], JSON.parse('{"z":1,"a":2,"m":3}').keys
end

assert('JSON.parse: keys are Strings, Symbols when asked') do
  assert_equal({ a: { b: [{ c: 1 }] } }, JSON.parse('{"a":{"b":[{"c":1}]}}', symbolize_names: true))
  list = JSON.parse('[{"name":1},{"name":2}]')
  assert_true list[0].keys[0].frozen?
  assert_equal 2, list[1]['name']
end

assert('JSON.parse: integers are exact') do
  text = '[9223372036854775807,-9223372036854775808,4611686018427387904,1000000000000000000,-999999999999999999]'
  assert_equal text, JSON.generate(JSON.parse(text))
  text = '[9223372036854775808,"12345678901234567890",-123456789012345678901234567890,1000000000000000001,' \
         '{"1000000000000000002":[18446744073709551616,-1]},1234567890123456789012.5]'
  parsed = JSON.parse(text)
  assert_equal 2**63, parsed[0]
  assert_equal '12345678901234567890', parsed[1]
  assert_equal(-123_456_789_012_345_678_901_234_567_890, parsed[2])
  assert_equal 1_000_000_000_000_000_001, parsed[3]
  assert_equal({ '1000000000000000002' => [2**64, -1] }, parsed[4])
  assert_equal Float, parsed[5].class
  message = json_message(JSON::ParserError) { JSON.parse('[9223372036854775808,0123456789012345678901]') }
  assert_true message.include?('column 2'), message
end

assert('JSON: floats come back as the shortest text') do
  ['0.1', '0.3', '1.0e-05', '0.0001', '1.0e+15', '100000000000000.0', '1.0e+20', '-0.0', '0.0', '100.0', '1.5e+300', '12.25',
   '123456789.125', '1.0e+23', '-2.5e-10'].each do |text|
    assert_equal text, JSON.generate(JSON.parse(text))
  end
  state = 1
  300.times do
    state = (state * 6_364_136_223 + 1_442_695_041) & 0xFFFFFFFFFFFF
    float = (state - 0x7FFFFFFFFFFF) * (0.5**(state & 63))
    assert_equal float, JSON.parse(JSON.generate(float))
  end
  assert_raise(JSON::ParserError) { JSON.parse('1e400') }
end

assert('JSON: floats of 17 digits') do
  %w[0.30000000000000004 1.7976931348623157e+308 5.0e-324 2.2250738585072014e-308 9007199254740993.5].each do |text|
    skip 'this mruby keeps 62 bits of a Float' if JSON.parse('5e-324') == 0
    wanted = text == '9007199254740993.5' ? '9.007199254740994e+15' : text
    assert_equal wanted, JSON.generate(JSON.parse(text))
  end
end

assert('JSON.parse: what is no JSON') do
  ['', ' ', '[1,]', '{"a":1,}', '[1 2]', '{1:2}', "{'a':1}", '[NaN]', '[Infinity]', '-', '[01]', '+1', '.5', '1.', '"\x"', "\"a\tb\"",
   '"\ud800"', '"', '[', '{"a"', 'nul', '[1] x', '[1]/*c*/', "\xEF\xBB\xBF[1]", "\"a\0b\"", "\0", "\"\xff\"", "\"\xc0\x80\"",
   "\"\xed\xa0\x80\""].each do |text|
    assert_raise(JSON::ParserError, text.inspect) { JSON.parse(text) }
  end
  assert_raise(TypeError) { JSON.parse(nil) }
  assert_equal 'no implicit conversion of nil into String', json_message(TypeError) { JSON.parse(nil) }
  assert_equal 'no implicit conversion of Integer into String', json_message(TypeError) { JSON.parse(1) }
end

assert('JSON::ParserError says where') do
  begin
    JSON.parse("{\n  \"a\": 1,\n  \"b\": nope\n}")
    flunk
  rescue JSON::ParserError => e
    assert_equal [3, 11], [e.line, e.column]
    assert_true e.message.end_with?("near 'nope' at line 3 column 11"), e.message
  end
  assert_equal [JSON::JSONError, StandardError], [JSON::ParserError.superclass, JSON::JSONError.superclass]
  assert_equal [JSON::ParserError, JSON::JSONError], [JSON::NestingError.superclass, JSON::GeneratorError.superclass]
end

assert('JSON: limits of depth and size') do
  deep = ->(n) { '[' * n + ']' * n }
  assert_equal 1, JSON.parse(deep[100]).size
  assert_equal 'nesting of 101 is too deep', json_message(JSON::NestingError) { JSON.parse(deep[101]) }
  assert_equal 'nesting of 3 is too deep', json_message(JSON::NestingError) { JSON.parse('[{"a":[]}]', max_nesting: 2) }
  assert_equal 1, JSON.parse(deep[2000], max_nesting: false).size
  assert_raise(JSON::NestingError) { JSON.parse(deep[2049], max_nesting: 0) }
  assert_raise(JSON::NestingError) { JSON.parse('[' * 100_000, max_nesting: 0) }
  assert_raise(JSON::NestingError) { JSON.parse('{"a":' * 100_000, max_nesting: 0) }
  assert_equal 'source of 5 bytes is larger than max_size, 4', json_message(JSON::ParserError) { JSON.parse('[1,2]', max_size: 4) }
  assert_equal [1, 2], JSON.parse('[1,2]', max_size: nil)

  array = []
  array << array
  assert_equal 'nesting of 101 is too deep', json_message(JSON::NestingError) { JSON.generate(array) }
  assert_raise(JSON::NestingError) { JSON.generate(array, max_nesting: 0) }
  assert_raise(JSON::NestingError) { JSON.generate([[1]], max_nesting: 1) }
end

assert('JSON.parse: options') do
  frozen = JSON.parse('{"a":["x"]}', freeze: true)
  assert_true frozen.frozen? && frozen['a'].frozen? && frozen['a'][0].frozen?
  assert_equal [1], JSON.parse('[1]', nil)
  assert_equal 'JSON.parse does not support allow_nan', json_message(ArgumentError) { JSON.parse('1', allow_nan: true) }
  assert_equal [1], JSON.parse('[1]', create_additions: false)
end

assert('JSON.generate: core classes') do
  assert_equal '[1,-2,2.5,true,false,null,"x","y",[],{}]', JSON.generate([1, -2, 2.5, true, false, nil, 'x', :y, [], {}])
  assert_equal '{"a":1,"b":2,"3":3,"":4,"[5]":5}', JSON.generate({ 'a' => 1, b: 2, 3 => 3, nil => 4, [5] => 5 })
  assert_equal '"1..2"', JSON.generate(1..2)
  assert_equal '"\"\\\\\b\f\n\r\t\u0000\u001f' + "\x7f/é😀\"", JSON.generate("\"\\\b\f\n\r\t\0\x1f\x7f/é😀")
  assert_equal '[1180591620717411303424,-1180591620717411303424]', JSON.generate([2**70, -(2**70)])
  ['1', 'null', 'true', 'false', '2.5', '"a"', '[1]', '{"a":1}'].zip([1, nil, true, false, 2.5, 'a', [1], { a: 1 }]) do |text, object|
    assert_equal text, object.to_json
  end
  assert_equal '"a"', :a.to_json
  long = Array.new(500) { |i| { 'key' => 'é' * i, 'n' => i } }
  assert_equal long, JSON.parse(JSON.generate(long))
end

assert('JSON.generate: what it refuses') do
  ["\xff", "a\xe3\x81", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80"].each do |text|
    assert_raise(JSON::GeneratorError) { JSON.generate(text) }
    assert_raise(JSON::GeneratorError) { JSON.generate({ text => 1 }) }
  end
  assert_equal 'NaN not allowed in JSON', json_message(JSON::GeneratorError) { JSON.generate([0.0 / 0]) }
  assert_equal '-Infinity not allowed in JSON', json_message(JSON::GeneratorError) { JSON.generate(-1.0 / 0) }
  assert_equal '[NaN,Infinity]', JSON.generate([0.0 / 0, 1.0 / 0], allow_nan: true)
  assert_raise(TypeError) { JSON.generate(1, 'x') }
end

assert('JSON.generate: forms') do
  assert_equal "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1,\n    {\n      \"d\": 2\n    }\n  ]\n}",
               JSON.pretty_generate({ a: [], b: {}, c: [1, { d: 2 }] })
  assert_equal "[\n\t1,\n\t{\n\t\t\"a\" : 2\n\t}\n]",
               JSON.generate([1, { a: 2 }], indent: "\t", array_nl: "\n", object_nl: "\n", space: ' ', space_before: ' ')
  assert_equal '"\u00e9\ud83d\ude00"', JSON.generate('é😀', ascii_only: true)
  assert_equal '"<\/script>\u2028"', JSON.generate("</script>\u2028", script_safe: true)
end

class JSONTestPoint
  def initialize(x)
    @x = x
  end

  def to_json(*arguments)
    { 'x' => @x }.to_json(*arguments)
  end
end

class JSONTestText < String; end

class JSONTestWrong
  def to_json(*)
    1
  end
end

assert('JSON.generate: objects with a to_json of their own') do
  assert_equal '[{"x":1},{"x":[{"x":2}]}]', JSON.generate([JSONTestPoint.new(1), JSONTestPoint.new([JSONTestPoint.new(2)])])
  assert_equal "[\n  {\n    \"x\": 1\n  }\n]", JSON.pretty_generate([JSONTestPoint.new(1)])
  assert_equal '{"x":1}', JSONTestPoint.new(1).to_json
  assert_equal '["t"]', JSON.generate([JSONTestText.new('t')])
  assert_raise(TypeError) { JSON.generate([JSONTestWrong.new]) }
  assert_raise(JSON::NestingError) { JSON.generate([JSONTestPoint.new(1)], max_nesting: 1) }
  assert_equal '["{}"]', JSON.generate([Class.new { def to_s = '{}' }.new])
end

assert('JSON.generate: a to_json that changes what is written') do
  changing = {}
  meddler = Class.new { define_method(:to_json) { |*| 200.times { |i| changing["k#{i}"] = i }; '1' } }.new
  changing['a'] = meddler
  changing['b'] = 2
  begin
    JSON.generate(changing)
  rescue RuntimeError => e
    assert_true e.message.include?('modified')
  end
  list = [nil, 2, 3]
  list[0] = Class.new { define_method(:to_json) { |*| list.clear; '1' } }.new
  assert_equal '[1]', JSON.generate([list])[1..-2] if list.size == 3
end

assert('JSON.load, dump, [], load_file') do
  assert_equal [nil, nil, [1]], [JSON.load(nil), JSON.load(''), JSON.load('[1]')]
  seen = []
  JSON.load('[1,{"a":2}]', ->(value) { seen << value })
  assert_equal [1, 'a', 2, { 'a' => 2 }, [1, { 'a' => 2 }]], seen
  assert_equal ['null', '[Infinity]'], [JSON.dump(nil), JSON.dump([1.0 / 0])]
  assert_raise(ArgumentError) { JSON.dump([[[1]]], 2) }
  io = Class.new { attr_reader :text; def write(text) = @text = text; def read = '[3]' }.new
  assert_same io, JSON.dump([1], io)
  assert_equal '[1]', io.text
  assert_equal [3], JSON.load(io)
  assert_equal [[1], '[1]'], [JSON['[1]'], JSON[[1]]]
end

# Made when the file is loaded: in a frozen interpreter, before the freeze.
JSON_TEST_STATE = JSON::State.new(indent: '  ', array_nl: "\n")
JSON_TEST_TREE = JSON.parse('{"list":[{"name":"a","value":1.5},{"name":"b","value":12345678901234567890}]}')

assert('JSON: what was there before') do
  assert_equal "[\n  1\n]", JSON.generate([1], JSON_TEST_STATE)
  assert_equal "[\n  1\n]", JSON_TEST_STATE.generate([1])
  assert_equal '{"list":[{"name":"a","value":1.5},{"name":"b","value":12345678901234567890}]}', JSON.generate(JSON_TEST_TREE)
  assert_equal JSON_TEST_TREE, JSON.parse(JSON.generate(JSON_TEST_TREE))
end
