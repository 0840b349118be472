assert('Base64: there and back') do
  (0..70).each do |length|
    bytes = SecureRandom.bytes(length)
    assert_equal bytes, Base64.strict_decode64(Base64.strict_encode64(bytes))
    assert_equal bytes, Base64.decode64(Base64.encode64(bytes))
    assert_equal bytes, Base64.urlsafe_decode64(Base64.urlsafe_encode64(bytes))
    assert_equal bytes, Base64.urlsafe_decode64(Base64.urlsafe_encode64(bytes, padding: false))
    assert_equal [bytes].pack('m0'), Base64.strict_encode64(bytes)
  end
  assert_equal %w[Zg== Zm8= Zm9v Zm9vYg==], %w[f fo foo foob].map { |text| Base64.strict_encode64(text) }
  assert_equal "#{'eHh4' * 15}\n#{'eHh4' * 5}\n", Base64.encode64('x' * 60)
  assert_equal ['', ''], [Base64.encode64(''), Base64.strict_encode64('')]
  assert_equal '-_8=', Base64.urlsafe_encode64("\xfb\xff")
  assert_equal '-_8', Base64.urlsafe_encode64("\xfb\xff", padding: false)
end

assert('Base64: what is none') do
  ['Zg', 'Zg=', 'Z', 'Zg==x', 'Zg==\n', 'Zm9v\n', 'Zm=v', 'Zh==', '====', '=', 'Zm9v====', '-_8=', "Zm\09"].each do |text|
    assert_raise(ArgumentError, text) { Base64.strict_decode64(text) }
  end
  ['Z', 'Zg=', 'Zh', 'Z!==', '=', '==='].each do |text|
    assert_raise(ArgumentError, text) { Base64.urlsafe_decode64(text) }
  end
  assert_equal 'foob', Base64.decode64("Zm 9v\nYg==ignored")
  assert_equal 'f', Base64.decode64('Zg')
end
