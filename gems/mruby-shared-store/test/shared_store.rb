def shared_store_test(name, size = 1 << 20)
  assert("SharedStore: #{name}") do
    store = SharedStore.new(size: size)
    yield store
  end
end

# The condition becomes true by the clock alone.
def wait_for_expiry
  loop { break if yield }
end

shared_store_test('get, set, [] and []=') do |store|
  assert_nil store['a']
  assert_equal 'none', store.get('a', 'none')
  assert_equal 1, (store['a'] = 1)
  assert_equal 1, store['a']
  assert_equal 2, store.set('a', 2)
  assert_equal 2, store.get('a')
  store['nothing'] = nil
  assert_nil store.get('nothing', 'none')
  assert_true store.key?('nothing')
end

shared_store_test('values keep their types') do |store|
  long = 'x' * 100_000
  [nil, true, false, 0, -1, 1 << 62, -(1 << 62), 0.5, -1e300, '', "a\0b\xff", long, [], {}, [1, [2.5, [nil]], 'x'],
   { 'a' => [1, { 2 => false }], nil => {} }, [long, long]].each do |value|
    store['v'] = value
    assert_equal value, store['v']
    assert_equal value.class, store['v'].class
  end
  store['nan'] = 0.0 / 0.0
  assert_true store['nan'].nan?
end

shared_store_test('what comes back is a copy') do |store|
  array = ['a']
  store['v'] = array
  array << 'b'
  store['v'] << 'c'
  assert_equal ['a'], store['v']
  assert_false store['v'].frozen?
end

shared_store_test('refuses what it can not keep') do |store|
  [:symbol, Object.new, 1..2, -> {}, Object, [:symbol], { a: 1 }, { 'a' => Object.new }].each do |value|
    assert_raise(TypeError) { store['v'] = value }
  end
  assert_raise_with_message_pattern(TypeError, "Symbol can't be kept in a shared store: String, *") { store['v'] = :a }
  assert_raise(RangeError) { store['v'] = 1 << 70 }
  deep = []
  100.times { deep = [deep] }
  assert_raise(ArgumentError) { store['v'] = deep }
  round = []
  round << round
  assert_raise(ArgumentError) { store['v'] = round }
  assert_false store.key?('v')
  assert_equal 0, store.size
end

shared_store_test('keys are Strings of at most 510 bytes') do |store|
  ['', "\0", 'k', "\xff\0", 'k' * 510].each_with_index do |key, i|
    store[key] = i
    assert_equal i, store[key]
  end
  assert_equal 5, store.size
  assert_raise_with_message(ArgumentError, 'a key has at most 510 bytes, this one has 511') { store['k' * 511] }
  assert_raise_with_message(TypeError, 'a key must be a String, not Symbol') { store[:a] = 1 }
  assert_raise(TypeError) { store.get(nil) }
  assert_raise(TypeError) { store.increment(1) }
end

shared_store_test('delete gives the value back') do |store|
  store['a'] = [1]
  assert_equal [1], store.delete('a')
  assert_nil store.delete('a')
  assert_false store.key?('a')
  assert_equal 0, store.size
end

shared_store_test('fetch') do |store|
  store['a'] = nil
  assert_nil store.fetch('a')
  assert_equal 7, store.fetch('b', 7)
  assert_false store.key?('b')
  assert_equal 'b!', store.fetch('b') { |key| "#{key}!" }
  assert_equal 'b!', store.fetch('b') { raise 'is there' }
  assert_raise_with_message(KeyError, 'key not found: "c"') { store.fetch('c') }
  assert_raise(ArgumentError) { store.fetch('c', 1, 2) }
  assert_raise(RuntimeError) { store.fetch('c') { raise 'no value' } }
  assert_false store.key?('c')
end

shared_store_test('increment and decrement') do |store|
  assert_equal 1, store.increment('n')
  assert_equal 11, store.increment('n', 10)
  assert_equal 10, store.decrement('n')
  assert_equal(-5, store.decrement('n', 15))
  assert_equal(-5, store['n'])
  store['big'] = (1 << 63) - 1
  assert_raise(RangeError) { store.increment('big') }
  assert_equal((1 << 63) - 1, store['big'])
  ['1', 1.5, nil, []].each do |value|
    store['s'] = value
    assert_raise_with_message(TypeError, 'the value is no Integer') { store.increment('s') }
  end
  assert_raise(TypeError) { store.increment('n', 1.5) }
end

shared_store_test('add and compare_and_set') do |store|
  assert_true store.add('a', 1)
  assert_false store.add('a', 2)
  assert_equal 1, store['a']
  assert_false store.compare_and_set('a', 2, 3)
  assert_false store.compare_and_set('a', 1.0, 3)
  assert_true store.compare_and_set('a', 1, { 'x' => [1] })
  assert_true store.compare_and_set('a', { 'x' => [1] }, 4)
  assert_equal 4, store['a']
  assert_false store.compare_and_set('none', nil, 1)
  store['nil'] = nil
  assert_true store.compare_and_set('nil', nil, 1)
end

shared_store_test('what has expired is absent') do |store|
  store.set('short', 1, expires_in: 0.000001)
  store.set('long', 2, expires_in: 3600)
  wait_for_expiry { !store.key?('short') }
  assert_nil store['short']
  assert_equal ['long'], store.keys
  assert_equal 1, store.size
  assert_nil store.delete('short')
  assert_false store.compare_and_set('short', 1, 2)
  assert_true store.add('short', 3)
  store.set('n', 5, expires_in: 0.000001)
  wait_for_expiry { store['n'].nil? }
  assert_equal 1, store.increment('n')
  assert_equal 'new', store.fetch('f', expires_in: 0.000001) { 'new' }
  wait_for_expiry { !store.key?('f') }
end

shared_store_test('whose expiry counts') do |store|
  store.increment('n', 1, expires_in: 3600)
  store.increment('n', 1, expires_in: 0.000001)
  assert_equal 2, store['n']
  store.set('a', 1, expires_in: 0.000001)
  store.set('a', 2)
  100.times { store.increment('b') }
  assert_equal 2, store['a']
  [0, -1, 0.0, 0.0 / 0.0].each do |seconds|
    assert_raise(ArgumentError) { store.set('a', 1, expires_in: seconds) }
  end
  assert_raise(TypeError) { store.set('a', 1, expires_in: '1') }
  assert_equal 3, store.set('a', 3, expires_in: nil)
  assert_equal 4, store.set('a', 4, expires_in: 1.0 / 0.0)
  assert_equal 4, store['a']
end

shared_store_test('each, keys, to_h and clear') do |store|
  %w[b a c].each_with_index { |key, i| store[key] = i }
  assert_equal %w[a b c], store.keys
  assert_equal({ 'a' => 1, 'b' => 0, 'c' => 2 }, store.to_h)
  seen = []
  store.each do |key, value|
    seen << [key, value]
    store.delete('c')
    store['d'] = 1
  end
  assert_equal [['a', 1], ['b', 0]], seen
  assert_equal %w[a b d], store.map { |key, _| key }
  assert_same store, store.clear
  assert_true store.empty?
  assert_equal [], store.to_a
  assert_equal 0, store.stat['bytes']
end

shared_store_test('the oldest go when it is full') do |store|
  store['counter'] = 0
  3000.times do |i|
    store["key#{i}"] = 'x' * 1000
    store.increment('counter')
  end
  stat = store.stat
  assert_true stat['bytes'] <= stat['size']
  assert_true stat['entries'] > 300
  assert_equal 3000, store['counter']
  first = 2999
  first -= 1 while store.key?("key#{first}")
  assert_equal stat['entries'], 2999 - first + 1
  assert_true (0..first).none? { |i| store.key?("key#{i}") }
end

shared_store_test('what is set again is young') do |store|
  store['keep'] = 'x' * 1000
  3000.times do |i|
    store["key#{i}"] = 'x' * 1000
    store['keep'] = 'y' * 1000 if i % 100 == 0
  end
  assert_equal 'y' * 1000, store['keep']
end

shared_store_test('what has expired goes before what is old') do |store|
  store['old'] = 'x' * 1000
  100.times { |i| store.set("short#{i}", 'x' * 8000, expires_in: 0.000001) }
  wait_for_expiry { !store.key?('short99') }
  100.times { |i| store["new#{i}"] = 'x' * 8000 }
  assert_true store.key?('old')
  assert_true store.key?('new0')
  assert_equal 101, store.size
end

shared_store_test('what is set again and again is reckoned once') do |store|
  sizes = [10, 3000, 40_000]
  [nil, 3600, 1800, nil].each do |seconds|
    sizes.each do |size|
      50.times { |i| store.set("key#{i * 7 % 20}", 'x' * size, expires_in: seconds) }
      bytes = store.stat['bytes']
      keys = store.keys
      store.clear
      keys.each { |key| store.set(key, 'x' * size, expires_in: seconds) }
      assert_equal bytes, store.stat['bytes']
    end
  end
  store.keys.each { |key| store.delete(key) }
  assert_equal({ 'entries' => 0, 'bytes' => 0, 'size' => store.stat['size'] }, store.stat)
end

shared_store_test('one that grows is the last to go') do |store|
  20.times { |i| store["key#{i}"] = 'x' * 8000 }
  store['key0'] = 'y' * (store.stat['size'] - 40_000)
  assert_equal 'y', store['key0'][0]
  assert_true store.key?('key19')
  assert_false store.key?('key1')
end

shared_store_test('values of all sizes come and go') do |store|
  length = 1
  2000.times do |i|
    length = (length * 7919 + i) % 60_000
    store["key#{i % 97}"] = i.to_s * (length / i.to_s.size)
    store.delete("key#{i * 31 % 97}") if i % 5 == 0
  end
  stat = store.stat
  assert_true stat['bytes'] <= stat['size']
  assert_equal stat['entries'], store.keys.size
  store.keys.each { |key| store.delete(key) }
  assert_equal 0, store.stat['bytes']
end

shared_store_test('a value larger than the store') do |store|
  store['small'] = 1
  store['large'] = 'x'
  assert_raise_with_message(SharedStore::FullError, 'larger than the whole store') { store['large'] = 'x' * (1 << 20) }
  assert_equal 'x', store['large']
  assert_equal 1, store['small']
  store['large'] = 'x' * 900_000
  assert_equal 900_000, store['large'].size
end

shared_store_test('children share it') do |store|
  store['a'] = 1
  assert_equal 0, SharedStoreTest.in_child { store['a'] == 1 && store.increment('a') == 2 }
  assert_equal 2, store['a']
  GC.start
  assert_equal 0, SharedStoreTest.in_child { store.clear.empty? }
  assert_false store.key?('a')
end

# In a small one, what is old is evicted when the others run out of pages while one reads and has no turn.
shared_store_test('writers that are killed lose nothing that came back', 256 << 20) do |store|
  acknowledged = 0
  kills = 0
  10.times do
    acknowledged += SharedStoreTest.killed(4, 200) do
      store.increment('sum')
      store["key#{store['sum'] % 50}"] = 'x' * (store['sum'] % 3000)
    end
    kills += 4
    sum = store['sum']
    assert_true sum >= acknowledged && sum <= acknowledged + kills, "#{sum} of #{acknowledged}"
  end
  store.keys.each { |key| assert_true store.key?(key) }
end

shared_store_test('two stores know nothing of each other') do |store|
  other = SharedStore.new
  store['a'] = 1
  assert_nil other['a']
  assert_equal 16 << 20, other.stat['size']
end

assert('SharedStore: in a file') do
  directory = SharedStoreTest.directory
  begin
    file = "#{directory}/values"
    store = SharedStore.new(size: 1 << 20, file: file)
    store['a'] = 1
    store.set('b', 2, expires_in: 3600)
    assert_equal 1, SharedStore.new(size: 1 << 20, file: file)['a']
    SharedStoreTest.close_all
    assert_equal({ 'a' => 1, 'b' => 2 }, store.to_h)
    assert_equal 0, SharedStoreTest.in_child { SharedStore.new(file: file).increment('a') == 2 }
    assert_equal 2, store['a']
    2000.times { |i| store["key#{i}"] = 'x' * (i * 37 % 5000) }
    assert_true SharedStoreTest.bytes_of(file) <= 3 << 20

    SharedStoreTest.link(file, "#{directory}/again")
    assert_raise(SharedStore::Error) { SharedStore.new(file: "#{directory}/again")['a'] }
    File.open("#{directory}/broken", 'w') { |io| io.write('no store ' * 2000) }
    assert_raise(SharedStore::Error) { SharedStore.new(file: "#{directory}/broken")['a'] }
    assert_raise(SharedStore::Error) { SharedStore.new(file: "#{directory}/no/where")['a'] }
    assert_raise(ArgumentError) { SharedStore.new(file: 'relative') }
  ensure
    SharedStoreTest.close_all
    SharedStoreTest.remove_directory(directory)
  end
end

assert('SharedStore.new: sizes') do
  assert_raise(ArgumentError) { SharedStore.new(size: 1000) }
  assert_raise(TypeError) { SharedStore.new(size: 'x') }
  assert_equal 65_536, SharedStore.new(size: 65_536).stat['size']
  200.times { SharedStore.new(size: 65_536)['a'] = 1 }
  GC.start
end

assert('SharedStore.default') do
  assert_raise(SharedStore::Error) { SharedStore.default }
  store = SharedStore.new
  SharedStoreTest.select(store)
  assert_same store, SharedStore.default
  SharedStoreTest.select(nil)
  assert_raise(SharedStore::Error) { SharedStore.default }
end

assert('SharedStore: an object without a store') do
  assert_raise(TypeError) { SharedStore.allocate['a'] }
end if SharedStore.respond_to?(:allocate)
