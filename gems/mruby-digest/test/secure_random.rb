assert('SecureRandom') do
  assert_equal [16, 0, 5], [SecureRandom.bytes.bytesize, SecureRandom.random_bytes(0).bytesize, SecureRandom.random_bytes(5).bytesize]
  assert_equal [32, 10], [SecureRandom.hex.size, SecureRandom.hex(5).size]
  assert_equal 100, Array.new(100) { SecureRandom.hex }.uniq.size
  assert_raise(ArgumentError) { SecureRandom.bytes(-1) }
  assert_equal [24, 22, 24], [SecureRandom.base64.size, SecureRandom.urlsafe_base64.size, SecureRandom.urlsafe_base64(16, true).size]
  50.times do
    uuid = SecureRandom.uuid
    assert_equal [36, '4', true], [uuid.size, uuid[14], '89ab'.include?(uuid[19])]
    assert_equal [8, 13, 18, 23], (0...36).select { |i| uuid[i] == '-' }
  end
  text = SecureRandom.alphanumeric(1000)
  assert_equal [1000, 16], [text.size, SecureRandom.alphanumeric.size]
  assert_equal [], text.chars.uniq - SecureRandom::ALPHANUMERIC
  assert_equal [], SecureRandom.alphanumeric(50, chars: %w[a b]).chars.uniq - %w[a b]
end

assert('SecureRandom.random_number') do
  numbers = Array.new(300) { SecureRandom.random_number(6) }
  assert_equal (0..5).to_a, numbers.uniq.sort
  assert_equal [5, 6, 7], Array.new(200) { SecureRandom.random_number(5..7) }.uniq.sort
  assert_equal [5, 6], Array.new(200) { SecureRandom.rand(5...7) }.uniq.sort
  assert_equal [-1, 0, 1], Array.new(200) { SecureRandom.random_number(-1..1) }.uniq.sort
  100.times do
    assert_true SecureRandom.random_number.between?(0, 1)
    assert_true SecureRandom.random_number(2.5).between?(0, 2.5)
    assert_true SecureRandom.random_number(1.5..2.5).between?(1.5, 2.5)
    number = SecureRandom.random_number(2**70)
    assert_true number >= 0 && number - 2**70 < 0
  end
  assert_true Array.new(50) { SecureRandom.random_number(2**70).to_s.size }.max > 18
  assert_raise(ArgumentError) { SecureRandom.random_number(2..1) }
  assert_equal 0, SecureRandom.random_number(1)
  assert_equal Float, SecureRandom.random_number(0).class
end
