DIGEST_TEST_STARTED = Digest::SHA256.new.update('hello ')
DIGEST_TEST_HMAC = OpenSSL::HMAC.new('key', 'SHA256').update('hello ')

assert('Digest: of nothing and of abc') do
  {
    Digest::MD5 => %w[d41d8cd98f00b204e9800998ecf8427e 900150983cd24fb0d6963f7d28e17f72],
    Digest::SHA1 => %w[da39a3ee5e6b4b0d3255bfef95601890afd80709 a9993e364706816aba3e25717850c26c9cd0d89d],
    Digest::SHA256 => %w[e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
                         ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad],
    Digest::SHA384 => %w[38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b
                         cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7]
  }.each do |digest, (empty, abc)|
    assert_equal [empty, abc], [digest.hexdigest(''), digest.hexdigest('abc')]
  end
  assert_equal 'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd' \
               '454d4423643ce80e2a9ac94fa54ca49f', Digest::SHA512.hexdigest('abc')
  assert_equal [16, 20, 32, 48, 64], [Digest::MD5, Digest::SHA1, Digest::SHA256, Digest::SHA384, Digest::SHA512].map { |d|
    d.digest("\0").bytesize
  }
  assert_equal 'ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=', Digest::SHA256.base64digest('abc')
end

assert('Digest: step by step') do
  digest = Digest::SHA256.new
  assert_same digest, digest << 'a'
  other = digest.dup
  digest.update('bc')
  assert_equal Digest::SHA256.hexdigest('abc'), digest.hexdigest
  assert_equal Digest::SHA256.hexdigest('abc'), digest.to_s
  assert_equal Digest::SHA256.hexdigest('a'), other.hexdigest
  assert_true digest == Digest::SHA256.hexdigest('abc')
  assert_true digest == Digest::SHA256.new.update('abc')
  assert_false digest == other
  assert_equal "#<Digest::SHA256: #{digest.hexdigest}>", digest.inspect
  assert_equal Digest::SHA256.hexdigest('abc'), digest.hexdigest!
  assert_equal Digest::SHA256.hexdigest(''), digest.hexdigest
  assert_equal Digest::SHA256.hexdigest('x'), digest.update('y').reset.update('x').hexdigest
  assert_equal [32, 64, 32], [digest.digest_length, digest.block_length, digest.size]
  assert_equal Digest::SHA512.hexdigest('a'), Digest::SHA2.new(512).update('a').hexdigest
  assert_equal Digest::SHA256.hexdigest('a'), Digest::SHA2.hexdigest('a')
  assert_raise(ArgumentError) { Digest::SHA2.new(1) }
  assert_raise(TypeError) { Digest::MD5.hexdigest(nil) }
  assert_equal Digest::MD5.hexdigest(File.open(__FILE__) { |f| f.read }), Digest::MD5.file(__FILE__).hexdigest if File.exist?(__FILE__)
  200.times { Digest::MD5.new.update('x').dup }
end

assert('Digest: begun before') do
  assert_equal Digest::SHA256.hexdigest('hello world'), DIGEST_TEST_STARTED.dup.update('world').hexdigest
  assert_equal OpenSSL::HMAC.hexdigest('SHA256', 'key', 'hello world'), DIGEST_TEST_HMAC.dup.update('world').hexdigest
end

assert('OpenSSL::HMAC') do
  # RFC 2202 and 4231
  assert_equal '750c783e6ab0b503eaa86e310a5db738', OpenSSL::HMAC.hexdigest('MD5', 'Jefe', 'what do ya want for nothing?')
  assert_equal 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79', OpenSSL::HMAC.hexdigest('sha1', 'Jefe', 'what do ya want for nothing?')
  assert_equal '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
               OpenSSL::HMAC.hexdigest(OpenSSL::Digest.new('SHA256'), 'Jefe', 'what do ya want for nothing?')
  assert_equal '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
               OpenSSL::HMAC.hexdigest('SHA256', "\xaa" * 131, 'Test Using Larger Than Block-Size Key - Hash Key First')
  assert_equal 'b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad', OpenSSL::HMAC.hexdigest('SHA256', '', '')
  hmac = OpenSSL::HMAC.new('Jefe', OpenSSL::Digest::SHA256.new)
  hmac << 'what do ya want '
  other = hmac.dup
  assert_equal OpenSSL::HMAC.digest('SHA256', 'Jefe', 'what do ya want '), hmac.digest
  assert_equal '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843', hmac.update('for nothing?').hexdigest
  assert_true other.update('for nothing?') == hmac
  assert_equal OpenSSL::HMAC.base64digest('SHA256', 'Jefe', 'x'), hmac.reset.update('x').base64digest
  assert_raise(RuntimeError) { OpenSSL::HMAC.digest('no such', 'key', 'data') }
  assert_raise(RuntimeError) { OpenSSL::Digest.new('no such') }
  assert_equal Digest::SHA512.hexdigest('a'), OpenSSL::Digest::SHA512.hexdigest('a')
  assert_equal Digest::SHA512.hexdigest('a'), OpenSSL::Digest.hexdigest('SHA512', 'a')
  assert_equal ['SHA256', 32], [OpenSSL::Digest.new('sha256').name, OpenSSL::Digest::SHA256.new('a').digest.bytesize]
end

assert('OpenSSL.secure_compare') do
  assert_true OpenSSL.secure_compare('abc', 'abc')
  assert_false OpenSSL.secure_compare('abc', 'abd')
  assert_false OpenSSL.secure_compare('abc', 'abcd')
  assert_true OpenSSL.fixed_length_secure_compare("a\0c", "a\0c")
  assert_false OpenSSL.fixed_length_secure_compare("a\0c", "a\0d")
  assert_raise(ArgumentError) { OpenSSL.fixed_length_secure_compare('a', 'ab') }
end
