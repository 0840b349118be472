assert('String#tr') do
  assert_equal '日語', '日本語'.tr('本', '')
  assert_equal 'かたかな', 'カタカナ'.tr('ァ-ン', 'ぁ-ん')
  assert_equal 'ABC123', 'ＡＢＣ１２３'.tr('Ａ-Ｚ０-９', 'A-Z0-9')
  assert_equal '日x', '日本'.tr('^日', 'x')
  assert_equal 'あ日い', 'a日b'.tr('ab', 'あい')
  assert_equal 'abb', 'あいう'.tr('あ-う', 'ab')
  assert_equal "\u{1f600}\u{1f601}\u{1f602}é", 'abcé'.tr('a-c', "\u{1f600}-\u{1f602}")
  assert_equal 'ifmmp', 'hello'.tr('a-y', 'b-z')
  assert_equal '**ll*', 'hello'.tr('^l', '*')
  assert_equal '32113', 'lehhl'.tr('lelh', '1231')
  assert_equal ['a\\bxc^', 'axb', 'xax', 'xhellox'], ['a\\b-c^'.tr('\\-', 'x'), 'a^b'.tr('^', 'x'), '-a-'.tr('-z', 'x'), '-hello-'.tr('q-', 'x')]
  assert_equal ['', 'a', 'a'], [''.tr('a', 'b'), 'a'.tr('', 'b'), 'a'.tr('b', '')]
  assert_equal "\xff本", "\xfe本".tr("\xfe", "\xff")
  assert_equal ['hero', '月本', 'h*o'], ['hello'.tr_s('l', 'r'), '日日本'.tr_s('日', '月'), 'hello'.tr_s('el', '*')]
  changed = '日本'
  assert_equal [nil, '日x', '日x', nil], [changed.tr!('a', 'b'), changed.tr!('本', 'x'), changed, changed.tr_s!('a', 'b')]
  assert_raise_with_message(ArgumentError, 'invalid range "z-a" in string transliteration') { 'a'.tr('z-a', 'x') }
  assert_raise_with_message(ArgumentError, 'invalid range in string transliteration') { 'a'.tr('語-日', 'x') }
  assert_raise_with_message(FrozenError, "can't modify frozen String: \"hello\"") { 'hello'.freeze.tr!('l', 'x') }
  assert_raise(TypeError) { 'a'.tr('a', nil) }
  assert_raise(ArgumentError) { 'a'.tr('a') }
end

assert('String#delete, squeeze and count') do
  assert_equal ['本語', '日日', '日語日'], ['日本語日'.delete('日'), '日本語日'.delete('^日'), '日本語日'.delete('日本', '本')]
  assert_equal ['', 'he', 'azAZ09'], ['abcabc'.delete('a-c'), 'hello'.delete('l-o'), "az;AZ\n09".delete('^a-zA-Z0-9')]
  assert_equal ['日本', '日本本', 'abc', 'aabccdd'], ['日日本本'.squeeze, '日日本本'.squeeze('日'), 'aabbcc'.squeeze('a-c'), 'aabbccdd'.squeeze('b', 'a-c')]
  assert_equal [2, 2, 4, 6, 2, 1, 0], ['日本語日'.count('日'), '日本語日'.count('^日'), '日本語日'.count('日-語'), 'abcabc'.count('a-c'),
                                       'abc'.count('a-c', '^b'), 'hello'.count('lo', 'o'), 'hello'.count('')]
  changed = '日日本'
  assert_equal [nil, '日本', nil, '本', '本'],
               [changed.delete!('x'), changed.squeeze!.dup, changed.squeeze!, changed.delete!('日'), changed]
  assert_raise(ArgumentError) { 'a'.count }
  assert_raise(ArgumentError) { 'a'.delete }
  assert_raise(TypeError) { 'a'.count(3) }
  assert_raise(FrozenError) { 'aa'.freeze.squeeze! }
end

assert('String#delete_prefix and delete_suffix') do
  assert_equal ['湿度', '日本', '日本語', '日本語'],
               ['湿度.svg'.delete_suffix('.svg'), '日本語'.delete_suffix('語'), '日本語'.delete_suffix(''), '日本語'.delete_suffix('x')]
  assert_equal ['語', '日本語', '日本語', 'bc'],
               ['日本語'.delete_prefix('日本'), '日本語'.delete_prefix('x'), '日本語'.delete_prefix('日本語語'), 'abc'.delete_prefix('a')]
  changed = '日本語'
  assert_equal [nil, '本語', nil, '本', '本'],
               [changed.delete_prefix!('x'), changed.delete_prefix!('日').dup, changed.delete_suffix!('x'), changed.delete_suffix!('語'), changed]
  original = 'abc'
  original.delete_suffix('') << 'd'
  assert_equal 'abc', original
  assert_raise(FrozenError) { 'abc'.freeze.delete_prefix!('a') }
  assert_raise(TypeError) { 'abc'.delete_suffix(nil) }
end
