assert('Password') do
  kept = Password.create('secret', rounds: 4)
  assert_true kept.start_with?('$scrypt$ln=4,r=8,p=5$'), kept
  assert_true Password.verify('secret', kept)
  assert_false Password.verify('Secret', kept)
  assert_false Password.verify('', kept)
  assert_false kept == Password.create('secret', rounds: 4)
  assert_true Password.stale?(kept)
  assert_false Password.stale?(kept, rounds: 4)
  assert_true Password.verify("\0\xff", Password.create("\0\xff", rounds: 4))
  assert_raise(TypeError) { Password.create(nil) }
  assert_raise(ArgumentError) { Password.create('x', rounds: 24) }
end

assert('Password: as RFC 7914 says') do
  salt = Base64.strict_encode64('NaCl').delete('=')
  hash = ['fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d' \
          '8360cbdfa2cc0640'].pack('H*')
  kept = "$scrypt$ln=10,r=8,p=16$#{salt}$#{Base64.strict_encode64(hash).delete('=')}"
  assert_true Password.verify('password', kept)
  assert_false Password.verify('passwore', kept)
end

assert('Password: forms that create has not made') do
  kept = Password.create('secret', rounds: 1)
  head, tail = kept[0, 20], kept[20..-1]
  ['', 'x', '$', '$scrypt$', kept + '$', kept + '!', kept[0..-30], "x#{kept}", kept.sub('scrypt', 'argon2id'),
   kept.sub('ln=1', 'ln=24'), kept.sub('ln=1', 'ln=0'), kept.sub('ln=1', 'ln=-1'), kept.sub('ln=1', 'ln=01'), kept.sub('ln=1', 'n=1'),
   kept.sub('r=8', 'r=65'), kept.sub('p=5', 'p=999999999999999999999'), kept.sub(',p=5', ''), kept.sub('p=5', 'p=5,q=1'),
   "$scrypt$ln=1,r=8,p=5$!!$#{tail}", "\0" + head].each do |text|
    assert_raise(ArgumentError, text) { Password.verify('secret', text) }
  end
end
