# Writes a database of this format: https://maxmind.github.io/MaxMind-DB/
class TinyDatabase
  MARKER = "\xab\xcd\xefMaxMind.com"
  TYPES = { string: 2, double: 3, bytes: 4, uint16: 5, uint32: 6, map: 7, int32: 8, uint64: 9, uint128: 10, array: 11,
            boolean: 14, float: 15 }.freeze

  def initialize(version: 6, size: 24)
    @version = version
    @size = size
    @tree = [nil, nil]
    @data = ''
  end

  # `bits` as "0101"; of an IPv4 network in an IPv6 tree behind 96 times 0.
  def add(bits, value)
    node = @tree
    bits = "#{'0' * 96}#{bits}" if @version == 6 && bits.length <= 32
    bits[0..-2].each_char { |bit| node = (node[bit.to_i] ||= [nil, nil]) }
    node[bits[-1].to_i] = @data.bytesize
    @data = join(@data, encode(value))
    self
  end

  def to_s
    nodes = []
    collect(@tree, nodes)
    tree = nodes.map { |node| record(node, nodes) }
    join(*tree, "\0" * 16, @data, MARKER, encode(metadata(nodes.length)))
  end

  # Bytes, whatever they mean as UTF-8.
  def join(*strings)
    strings.map(&:bytes).flatten.pack('C*')
  end

  def metadata(count)
    { 'node_count' => [:uint32, count], 'record_size' => [:uint16, @size], 'ip_version' => [:uint16, @version],
      'database_type' => 'Tiny', 'languages' => %w[en ja], 'binary_format_major_version' => [:uint16, 2],
      'binary_format_minor_version' => [:uint16, 0], 'build_epoch' => [:uint64, 1_700_000_000],
      'description' => { 'en' => 'of the tests' } }
  end

  def collect(node, nodes)
    nodes << node
    node.each { |child| collect(child, nodes) if child.is_a?(Array) }
  end

  def record(node, nodes)
    left, right = node.map do |child|
      case child
      when nil then nodes.length
      when Array then nodes.index { |other| other.equal?(child) }
      else nodes.length + 16 + child
      end
    end
    case @size
    when 24 then big(left, 3) + big(right, 3)
    when 28 then big(left & 0xffffff, 3) + big(left >> 24 << 4 | right >> 24, 1) + big(right & 0xffffff, 3)
    else big(left, 4) + big(right, 4)
    end.pack('C*')
  end

  def big(number, count)
    Array.new(count) { |i| number >> 8 * (count - 1 - i) & 255 }
  end

  def encode(value)
    case value
    when String then join(control(:string, value.bytesize), value)
    when Float then join(control(:double, 8), [value].pack('G'))
    when true, false then control(:boolean, value ? 1 : 0)
    when Hash then join(control(:map, value.length), *value.map { |key, one| join(encode(key), encode(one)) })
    when Array
      return encode_as(*value) if value[0].is_a?(Symbol)

      join(control(:array, value.length), *value.map { |one| encode(one) })
    end
  end

  def encode_as(type, value)
    case type
    when :float then join(control(type, 4), [value].pack('g'))
    when :bytes then join(control(type, value.bytesize), value)
    when :pointer then [1 << 5 | value >> 8, value & 255].pack('C*')
    else
      count = { uint16: 2, uint32: 4, int32: 4, uint64: 8, uint128: 16 }[type]
      join(control(type, count), big(value, count).pack('C*'))
    end
  end

  def control(type, size)
    type = TYPES[type]
    length = size < 29 ? [] : size < 285 ? [size - 29] : big(size - 285, 2)
    first = size < 29 ? size : 28 + length.length
    (type > 7 ? [first, type - 7, *length] : [type << 5 | first, *length]).pack('C*')
  end
end

def bits(*bytes)
  bytes.map { |byte| byte.to_s(2).rjust(8, '0') }.join
end

def with_database(bytes)
  path = "/tmp/mruby-maxminddb-#{rand(1 << 60)}.mmdb"
  File.open(path, 'w') { |file| file.write(bytes) }
  yield path
ensure
  File.delete(path) if path && File.exist?(path)
end

JAPAN = {
  'city' => { 'geoname_id' => [:uint32, 1_850_147], 'names' => { 'en' => 'Tokyo', 'ja' => '東京' } },
  'continent' => { 'code' => 'AS', 'names' => { 'en' => 'Asia' } },
  'country' => { 'iso_code' => 'JP', 'is_in_european_union' => false, 'names' => { 'en' => 'Japan', 'ja' => '日本' } },
  'location' => { 'latitude' => 35.6895, 'longitude' => 139.69171, 'time_zone' => 'Asia/Tokyo',
                  'accuracy_radius' => [:uint16, 20] },
  'postal' => { 'code' => '101-8656' },
  'subdivisions' => [{ 'iso_code' => '13', 'names' => { 'en' => 'Tokyo' } }],
  'traits' => { 'is_anonymous_proxy' => true }
}.freeze

# Used again after a freeze, where the tests run twice; the file is gone, the mapping stays.
unless Object.const_defined?(:KEPT)
  KEPT = with_database(TinyDatabase.new.add(bits(192, 0, 2), JAPAN).to_s) { |path| MaxMindDB.new(path) }
end

assert('MaxMindDB#lookup') do
  result = KEPT.lookup('192.0.2.77')
  assert_true result.found?
  assert_equal 'JP', result.country.iso_code
  assert_equal 'Japan', result.country.name
  assert_equal '日本', result.country.name(:ja)
  assert_nil result.country.name('xx')
  assert_false result.country.is_in_european_union
  assert_equal '東京', result.city.name('ja')
  assert_equal 1_850_147, result.city.geoname_id
  assert_equal 'AS', result.continent.code
  assert_equal 35.6895, result.location.latitude
  assert_equal 139.69171, result.location.longitude
  assert_equal 'Asia/Tokyo', result.location.time_zone
  assert_equal 20, result.location.accuracy_radius
  assert_nil result.location.metro_code
  assert_equal '101-8656', result.postal.code
  assert_equal 1, result.subdivisions.length
  assert_equal '13', result.subdivisions.most_specific.iso_code
  assert_true result.traits.is_anonymous_proxy
  assert_nil result.traits.is_satellite_provider
  assert_nil result.connection_type
  assert_equal '192.0.2.0/24', result.network
  assert_equal 'JP', result['country']['iso_code']
  assert_equal 'Tokyo', result.to_hash['city']['names']['en']
  assert_equal '192.0.2.0/24', result.to_hash['network']
end

assert('MaxMindDB#lookup of what is not there') do
  result = KEPT.lookup('192.0.3.1')
  assert_false result.found?
  assert_equal({}, result.to_hash)
  assert_nil result.country.iso_code
  assert_nil result.city.name
  assert_nil result.location.latitude
  assert_nil result.subdivisions.most_specific.name
  assert_nil result.network
  assert_nil result['country']
end

assert('MaxMindDB#lookup of addresses in every form') do
  assert_true KEPT.lookup(192 << 24 | 2 << 8 | 9).found?
  assert_true KEPT.lookup('::192.0.2.1').found?
  ['', 'localhost', '192.0.2', '192.0.2.256', '192.0.2.1 ', "192.0.2.1\0", '1::2::3', 'fe80::1%eth0', -1, 1 << 32].each do |bad|
    error = assert_raise(ArgumentError) { KEPT.lookup(bad) }
    assert_equal "invalid address: #{bad}", error.message
  end
  assert_raise(TypeError) { KEPT.lookup(nil) }
  assert_raise(TypeError) { KEPT.lookup(:a) }
end

assert('MaxMindDB, IPv4 and IPv6, records of every size') do
  [4, 6].each do |version|
    [24, 28, 32].each do |size|
      tiny = TinyDatabase.new(version: version, size: size)
      tiny.add(bits(10), { 'country' => { 'iso_code' => 'DE' } }).add(bits(11, 1)[0, 13], { 'a' => [:uint16, 1] })
      tiny.add(bits(0x20, 0x01, 0x0d, 0xb8, 0, 7), { 'country' => { 'iso_code' => 'FR' } }) if version == 6
      with_database(tiny.to_s) do |path|
        database = MaxMindDB.new(path)
        assert_equal 'DE', database.lookup('10.255.3.4').country.iso_code
        assert_equal '10.0.0.0/8', database.lookup('10.255.3.4').network
        assert_equal '11.0.0.0/13', database.lookup('11.7.0.1').network
        assert_false database.lookup('11.8.0.1').found?
        assert_equal version == 6, database.lookup('2001:db8:7::1').found?
        assert_equal '2001:db8:7::/48', database.lookup('2001:DB8:7:1::5').network if version == 6
        assert_equal [version, size], database.metadata.values_at('ip_version', 'record_size')
      end
    end
  end
end

assert('MaxMindDB types of values') do
  long = 'x' * 300
  values = { 'double' => -1.5, 'float' => [:float, 0.25], 'bytes' => [:bytes, "\x00\xff"], 'uint16' => [:uint16, 65_535],
             'uint32' => [:uint32, 0xffffffff], 'int32' => [:int32, -5], 'uint64' => [:uint64, (1 << 64) - 1],
             'uint128' => [:uint128, (1 << 127) + 1], 'true' => true, 'false' => false, 'array' => ['a', { 'b' => 'c' }, []],
             'map' => {}, 'long' => long, 'text' => 'long ' * 10, 'names' => 'é' }
  with_database(TinyDatabase.new.add(bits(10), values).to_s) do |path|
    found = MaxMindDB.new(path).lookup('10.0.0.1')
    assert_equal [-1.5, "\x00\xff", 65_535, 0xffffffff, -5, true, false, ['a', { 'b' => 'c' }, []], {}],
                 %w[double bytes uint16 uint32 int32 true false array map].map { |key| found[key] }
    assert_equal %w[18446744073709551615 170141183460469231731687303715884105729],
                 [found['uint64'].to_s, found['uint128'].to_s]
    assert_equal [long, 'long ' * 10, 'é'], %w[long text names].map { |key| found[key] }
    assert_true found.to_hash.keys.all?(&:frozen?)
  end
end

assert('MaxMindDB#metadata, inspect, local_ip_alias') do
  metadata = KEPT.metadata
  assert_equal 'Tiny', metadata['database_type']
  assert_equal %w[en ja], metadata['languages']
  assert_equal 1_700_000_000, metadata['build_epoch']
  assert_equal 'of the tests', metadata['description']['en']
  assert_equal '#<MaxMindDB::Client: DBPath:', KEPT.inspect[0, 28]
  with_database(TinyDatabase.new.add(bits(10), JAPAN).to_s) do |path|
    database = MaxMindDB.new(path, MaxMindDB::LOW_MEMORY_FILE_READER)
    assert_false database.lookup('127.0.0.1').found?
    database.local_ip_alias = '10.1.2.3'
    assert_true database.lookup('127.0.0.1').found?
    assert_true database.lookup('::1').found?
    assert_false database.lookup('127.0.0.2').found?
    assert_raise(TypeError) { database.dup }
  end
end

assert('MaxMindDB.new of bad files') do
  error = assert_raise(SystemCallError) { MaxMindDB.new('/nowhere/at/all.mmdb') }
  assert_true error.message.include?('/nowhere/at/all.mmdb')
  assert_raise(ArgumentError) { MaxMindDB.new("a\0b") }
  assert_raise(TypeError) { MaxMindDB.new(nil) }
  whole = TinyDatabase.new.add(bits(10), JAPAN).to_s
  ['', 'no database', whole.byteslice(0, whole.bytesize - 200), "#{TinyDatabase::MARKER}\xe0"].each do |bytes|
    with_database(bytes) do |path|
      error = assert_raise(RuntimeError) { MaxMindDB.new(path) }
      assert_true error.message.start_with?("invalid file format: #{path}: ")
    end
  end
  assert_raise(RuntimeError) { MaxMindDB.new('/tmp') }
end

assert('MaxMindDB#lookup in a damaged file') do
  # The record is a pointer beyond the end; and one that is no map.
  { [:pointer, 2000] => 'pointer', 'text' => 'text' }.each_key do |value|
    with_database(TinyDatabase.new.add(bits(10), value).to_s) do |path|
      database = MaxMindDB.new(path)
      assert_raise(RuntimeError) { database.lookup('10.1.1.1') }
      assert_false database.lookup('11.1.1.1').found?
    end
  end
end
