def env_test(name)
  assert("ENV: #{name}") do
    before = ENV.to_h
    begin
      yield
    ensure
      ENV.replace(before)
    end
  end
end

env_test('get, set, delete') do
  assert_nil ENV['COWHERD_TEST']
  assert_equal 'one', (ENV['COWHERD_TEST'] = 'one')
  assert_equal 'one', ENV['COWHERD_TEST']
  assert_true ENV['COWHERD_TEST'].frozen?
  assert_true ENV.key?('COWHERD_TEST')
  assert_equal 'one', ENV.delete('COWHERD_TEST')
  assert_nil ENV.delete('COWHERD_TEST')
  assert_equal 'no COWHERD_TEST', ENV.delete('COWHERD_TEST') { |name| "no #{name}" }
  ENV.store('COWHERD_TEST', '')
  assert_equal '', ENV['COWHERD_TEST']
  ENV['COWHERD_TEST'] = nil
  assert_false ENV.include?('COWHERD_TEST')
end

env_test('what programs see') do
  ENV['COWHERD_TEST'] = "two words, \u3042"
  assert_equal "two words, \u3042\n", IO.popen('echo "$COWHERD_TEST"') { |io| io.read }
  ENV.delete('COWHERD_TEST')
  assert_equal "unset\n", IO.popen('echo "${COWHERD_TEST-unset}"') { |io| io.read }
end

env_test('refuses what is no name or value') do
  assert_raise_with_message(TypeError, 'Symbol cannot be converted to String') { ENV[:PATH] }
  assert_raise(TypeError) { ENV['COWHERD_TEST'] = 1 }
  assert_raise(TypeError) { ENV[nil] = 'x' }
  assert_raise_with_message(ArgumentError, 'bad environment variable name: contains null byte') { ENV["A\0B"] }
  assert_raise_with_message(ArgumentError, 'bad environment variable name: contains null byte') { ENV["A\0B"] = 'x' }
  assert_raise_with_message(ArgumentError, 'bad environment variable value: contains null byte') do
    ENV['COWHERD_TEST'] = "a\0b"
  end
  assert_raise(Errno::EINVAL) { ENV['A=B'] = 'x' }
  assert_raise(Errno::EINVAL) { ENV[''] = 'x' }
  assert_nil ENV['']
  assert_nil ENV['A=B']
  assert_false ENV.key?('COWHERD_TEST')
end

env_test('fetch') do
  ENV['COWHERD_TEST'] = 'one'
  assert_equal 'one', ENV.fetch('COWHERD_TEST')
  assert_raise_with_message(KeyError, 'key not found: "COWHERD_NOT"') { ENV.fetch('COWHERD_NOT') }
  assert_equal 'other', ENV.fetch('COWHERD_NOT', 'other')
  assert_nil ENV.fetch('COWHERD_NOT', nil)
  assert_equal 'COWHERD_NOT?', ENV.fetch('COWHERD_NOT') { |name| "#{name}?" }
end

env_test('as a hash') do
  ENV.replace('A' => '1', 'B' => '2', 'C' => '1')
  assert_equal({ 'A' => '1', 'B' => '2', 'C' => '1' }, ENV.to_h)
  assert_equal ENV.to_h, ENV.to_hash
  assert_equal({ '1' => 'A', '2' => 'B' }, ENV.slice('A', 'B').invert)
  assert_equal [['A', '1'], ['B', '2'], ['C', '1']], ENV.to_a.sort
  assert_equal %w[A B C], ENV.keys.sort
  assert_equal %w[1 1 2], ENV.values.sort
  assert_equal ['2', nil], ENV.values_at('B', 'Z')
  assert_equal 3, ENV.size
  assert_false ENV.empty?
  assert_true ENV.value?('2')
  assert_false ENV.value?('3')
  assert_equal 'B', ENV.key('2')
  assert_nil ENV.key('3')
  assert_equal %w[B 2], ENV.assoc('B')
  assert_equal %w[B 2], ENV.rassoc('2')
  assert_equal({ 'B' => '2' }, ENV.select { |_, value| value == '2' })
  assert_equal({ 'B' => '2' }, ENV.reject { |_, value| value == '1' })
  assert_equal({ 'A' => '1', 'B' => '2' }, ENV.except('C'))
  assert_equal %w[A1 B2 C1], ENV.map { |name, value| name + value }.sort
  assert_equal({ 'a' => 1, 'b' => 2, 'c' => 1 }, ENV.to_h { |name, value| [name.downcase, value.to_i] })
  names = []
  assert_same ENV, ENV.each_pair { |name, value| names << name }
  assert_equal %w[A B C], names.sort
  assert_equal 'ENV', ENV.to_s
  assert_equal '{"A"=>"1"}', ENV.slice('A').inspect
end

env_test('changes') do
  ENV.replace('A' => '1', 'B' => '2')
  assert_same ENV, ENV.update({ 'B' => '3', 'C' => '4' }, { 'D' => '5' })
  assert_equal({ 'A' => '1', 'B' => '3', 'C' => '4', 'D' => '5' }, ENV.to_h)
  ENV.update('A' => '9') { |_, old, new| old + new }
  assert_equal '19', ENV['A']
  assert_same ENV, ENV.delete_if { |name, _| name == 'A' }
  assert_nil ENV.reject! { false }
  assert_same ENV, ENV.keep_if { |name, _| name != 'D' }
  assert_equal %w[B C], ENV.keys.sort
  assert_raise(TypeError) { ENV.replace('A' => '1', 'B' => 2) }
  assert_equal %w[B C], ENV.keys.sort
  assert_true ENV.clear.empty?
  assert_nil ENV.shift
end

env_test('is neither copied nor frozen') do
  assert_raise(TypeError) { ENV.freeze }
  assert_raise(TypeError) { ENV.dup }
  assert_raise(TypeError) { ENV.clone }
end
