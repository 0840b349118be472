assert('Regexp') do
  assert_equal("a2b", /a#{1+1}b/i.source)
  assert_true(/い/.match("あいう").string.frozen?)
  assert_true(/a/ === :a)
  assert_false(/a/ === 3)
  assert_false(/a/ === nil)
  assert_equal("a", /a/i.source)
  assert_equal("a/b", /a\/b/.source)
  assert_equal("/a\\/b/", /a\/b/.inspect)
  assert_equal("/a\\/b/", %r{a/b}.inspect)
  assert_equal("(?-mix:a\\/b)", Regexp.new("a/b").to_s)
  assert_equal("(?mix:a)", /a/mix.to_s)
  assert_equal("(?-mix:a)", /a/.to_s)
  assert_equal("/a/mix", /a/mix.inspect)
  assert_equal(7, /a/mix.options)
  assert_equal(16, /あ/.options)
  assert_false(/a/ == /a/i)
  assert_true(/a/ == /a/)
  assert_true(/a/.eql?(/a/))
  assert_true(/a/.hash == /a/.hash)
  assert_equal(1, ({ /a/ => 1 }[/a/]))
  assert_equal("/a/ix", Regexp.new("a", Regexp::IGNORECASE | Regexp::EXTENDED).inspect)
  assert_equal(1, Regexp.new("a", true).options)
  assert_equal(1, Regexp.new(/x/i).options)
  assert_equal("\\[a\\-b\\]\\ \\*\\.\\?\\+\\^\\$\\|\\(\\)\\{\\}\\\\\\#\\n\\t\\r\\f\\v/あ\\-", Regexp.escape("[a-b] *.?+^$|(){}\\#\n\t\r\f\v/あ-"))
  assert_equal("a\\.b", Regexp.quote("a.b"))
  assert_equal(/(?!)/, Regexp.union)
  assert_equal(/a\.b/, Regexp.union("a.b"))
  assert_equal(/a|(?i-mx:b)|c\|d/, Regexp.union("a", /b/i, "c|d"))
  assert_equal(/x|y\./, Regexp.union(["x", "y."]))
  assert_equal(/a/, Regexp.union(/a/))
  assert_equal(/(?-mix:a)|(?m-ix:b)/, Regexp.union(/a/, /b/m))
  assert_false(/a/.casefold?)
  assert_true(/a/i.casefold?)
  assert_true(/a/.frozen?)
  assert_equal(1, Regexp.new("a\0b") =~ "xa\0b")
  assert_equal("a\\.b|c", /#{Regexp.escape("a.b")}|c/.source)
  assert_equal("(?i-mx:x)y", /#{/x/i}y/.source)
  assert_equal("/./n", /./n.inspect)
  assert_equal("[/a/, /b/]", [/a/, /b/].inspect)
end

assert('Patterns mean what they mean in CRuby') do
  assert_equal(2, /a/ =~ "cba")
  assert_equal(1, /あ/ =~ "xあ")
  assert_equal(1, /a#{1+1}b/ =~ "xa2b")
  assert_equal(["あい", "あ", "い"], /(.)(.)?/.match("あい").to_a)
  assert_equal(["あ", "あ", nil], /(.)(x)?/.match("あい").to_a)
  assert_equal(["a"], /a/.match("ba", 1).to_a)
  assert_nil(/a/.match("ba", 2))
  assert_nil(/い/.match("いあい", -4))
  assert_false(/a/.match?("xa", 2))
  assert_nil(/a/.match("b") { |m| 1 })
  assert_equal("aa", /a/.match("a") { |m| m[0] * 2 })
  assert_raise(TypeError) { /a/.match(1) }
  assert_raise_with_message(RegexpError, "end pattern with unmatched parenthesis: /(/") { Regexp.new("(") }
  assert_raise_with_message(RegexpError, "unmatched close parenthesis: /a)/") { Regexp.new("a)") }
  assert_raise_with_message(RegexpError, "premature end of char-class: /[/") { Regexp.new("[") }
  assert_raise_with_message(RegexpError, "target of repeat operator is not specified: /*/") { Regexp.new("*") }
  assert_raise(RegexpError) { Regexp.new("\\") }
  assert_raise_with_message(RegexpError, "numbered backref/call is not allowed. (use name): /(?<a>x)\\1/") { Regexp.new("(?<a>x)\\1") }
  assert_raise_with_message(RegexpError, "undefined name <z> reference: /\\k<z>/") { Regexp.new("\\k<z>") }
  assert_raise(TypeError) { Regexp.new(3) }
  assert_equal(1, /\d+/ =~ "٣4")
  assert_equal(["ab_1"], /\w+/.match("éab_1").to_a)
  assert_equal(["é"], /\W/.match("é").to_a)
  assert_equal(["a-b_"], /[\w-]+/.match("a-b_é").to_a)
  assert_equal(["a"], /[^\s-]+/.match(" a-b").to_a)
  assert_equal(["é"], /[\W]/.match("é").to_a)
  assert_equal(["1-x"], /[\d\-x]+/.match("1-x").to_a)
  assert_nil(/\s/ =~ "\u00a0")
  assert_equal(0, /[[:space:]]/ =~ "\u00a0")
  assert_equal(2, /\bé/ =~ "a é")
  assert_equal(["あい"], /\p{Hiragana}+/.match("aあいx").to_a)
  assert_equal(["fF0"], /\h+/.match("xyzfF0").to_a)
  assert_equal(1, /\u{3042 3044}/ =~ "xあい")
  assert_equal(1, /\u3042/ =~ "xあい")
  assert_equal(["ああ"], /\u{3042}+/.match("ああ").to_a)
  assert_equal(["あい"], /[\u{3042}-\u{3093}]+/.match("xあいy").to_a)
  assert_equal(["\r\n"], /\R/.match("a\r\n").to_a)
  assert_equal(2, /^b$/ =~ "a\nb\nc")
  assert_nil(/\Ab/ =~ "a\nb")
  assert_nil(/a.b/ =~ "a\nb")
  assert_equal(0, /a.b/m =~ "a\nb")
  assert_nil(/a\z/ =~ "a\n")
  assert_equal(0, /a\Z/ =~ "a\n")
  assert_equal(["ab12"], / a b # comment [ \w
 \d+ /x.match("ab12").to_a)
  assert_equal(["ab"], /a(?#x[ \w)\w/.match("abc").to_a)
  assert_equal(0, /(?i)ABC/ =~ "abc")
  assert_equal(["a"], /a(?=b)/.match("ab").to_a)
  assert_equal(2, /(?<!a)b/ =~ "abb")
  assert_equal(["bar"], /foo\Kbar/.match("foobar").to_a)
  assert_equal(["b", nil, "b"], /(a)|(b)/.match("b").to_a)
  assert_equal(["b"], /\Gb/.match("abb", 1).to_a)
  assert_equal(["(a(b)c)", "(a(b)c)"], /(?<p>\((?:[^()]|\g<p>)*\))/.match("x(a(b)c)").to_a)
  assert_raise_with_message(TypeError, "type mismatch: String given") { "hello" =~ "h" }
  assert_equal(0, /(a*)*b/ =~ "aaab")
  assert_equal(["xxx"], /x{2,3}/.match("xxxx").to_a)
  assert_equal(["xx"], /x{2,}?/.match("xxxx").to_a)
  assert_equal(["xxxx"], /x++/.match("xxxx").to_a)
  assert_nil(/(?>x+)x/ =~ "xxx")
  assert_equal(0, /É/i =~ "é")
  assert_equal(0, /ß/i =~ "SS")
  assert_equal(0, /[é]/i =~ "É")
  assert_equal(["xy", "x"], /(?<a>.)(.)/.match("xy").to_a)
end

assert('MatchData') do
  assert_equal("2024", /(?<y>\d+)-(?<m>\d+)/.match("on 2024-05")[:y])
  assert_equal({"y"=>"2024", "m"=>"05"}, /(?<y>\d+)-(?<m>\d+)/.match("on 2024-05").named_captures)
  assert_equal(["y", "m"], /(?<y>\d+)-(?<m>\d+)/.match("on 2024-05").names)
  assert_equal({"y"=>[1], "m"=>[2]}, /(?<y>\d+)-(?<m>\d+)/.named_captures)
  assert_equal(["y", "m"], /(?<y>\d+)-(?<m>\d+)/.names)
  assert_equal({"b"=>[1, 3], "a"=>[2]}, /(?<b>.)(?<a>.)(?<b>.)/.named_captures)
  assert_equal("z", /(?<b>.)(?<a>.)(?<b>.)/.match("xyz")[:b])
  assert_equal("#<MatchData \"2024-05\" y:\"2024\" m:\"05\">", /(?<y>\d+)-(?<m>\d+)/.match("on 2024-05").inspect)
  assert_raise_with_message(IndexError, "undefined group name reference: z") { /(?<y>\d+)-(?<m>\d+)/.match("on 2024-05")[:z] }
  assert_equal(["あ", nil], /(.)(x)?/.match("あい").captures)
  assert_equal("#<MatchData \"あ\" 1:\"あ\" 2:nil>", /(.)(x)?/.match("あい").inspect)
  assert_equal(1, /い/.match("あいう").begin(0))
  assert_equal(2, /い/.match("あいう").end(0))
  assert_equal([nil, nil], /い(z)?/.match("あいう").offset(1))
  assert_equal([1, 2], /い/.match("あいう").offset(0))
  assert_equal("あ", /い/.match("あいう").pre_match)
  assert_equal("う", /い/.match("あいう").post_match)
  assert_raise_with_message(IndexError, "index 1 out of matches") { /い/.match("あいう").begin(1) }
  assert_equal(["HX1138", "X", "113"], /(.)(.)(\d+)(\d)/.match("THX1138: The Movie").values_at(0, 2, -2))
  assert_equal(["H", "X"], /(.)(.)(\d+)(\d)/.match("THX1138: The Movie")[1,2])
  assert_equal(["H", "X", "113"], /(.)(.)(\d+)(\d)/.match("THX1138: The Movie")[1..3])
  assert_equal("X", /(.)(.)(\d+)(\d)/.match("THX1138: The Movie")[-3])
  assert_equal(5, /(.)(.)(\d+)(\d)/.match("THX1138: The Movie").size)
  assert_true(/(.)(.)/.match("ab") == /(.)(.)/.match("ab"))
  assert_equal(2, /い/.match("いあい", 1).begin(0))
  assert_equal(2, /い/.match("いあい", -1).begin(0))
  assert_equal(2, /\X/.match("e\u0301x")[0].size)
  assert_equal(2, "hello".match(/l/).begin(0))
  assert_equal("ll", "hello".match("l+")[0])
  assert_equal(3, "hello".match(/l/, 3).begin(0))
  assert_equal([2024, 1, 2], "2024-01-02".match(/(\d+)-(\d+)-(\d+)/).captures.map(&:to_i))
  assert_equal("12", /(\d+)/.match("a12").to_s)
  assert_equal(1, /\//.match("a/b").begin(0))
  assert_equal(1, "é".match(/./)[0].size)
  assert_equal(["t", "e"], "test".match(/(?<a>t)(?<b>e)/).values_at(:a, "b"))
end

assert('Last match') do
  /あ/ =~ "xあ"
  assert_equal(MatchData, $~.class)
  /あ/ =~ "xあ"
  assert_equal("あ", $~[0])
  "foo bar" =~ /(o+) (b)/
  assert_equal(["oo", "b", nil, "oo b", "f", "ar", "b"], [$1, $2, $3, $&, $`, $', $+])
  /x/ =~ "abc"
  assert_equal([nil, nil, nil], [$~, $1, $&])
  "ab" =~ /b/
  assert_equal("b", Regexp.last_match[0])
  "ab" =~ /(b)/
  assert_equal("b", Regexp.last_match(1))
  "a1b2".scan(/[a-z]\d/) { |m| m }
  assert_equal("b2", $~[0])
  "a1b2".scan(/([a-z])(\d)/) { |a, b| a }
  assert_equal("b", $1)
  "abc".scan(/z/)
  assert_nil($~)
  assert_equal("heLlLlo", "hello".gsub(/l/) { |m| m.upcase + $& })
  assert_equal("he23o", "hello".gsub(/l/) { $~.begin(0).to_s })
  assert_equal("e", ("hello".start_with?(/h(.)/) && $1))
  assert_equal(["1", "2"], (case "v1.2" when /\Av(\d+)\.(\d+)\z/ then [$1, $2] end))
  assert_equal(["a", "c"], %w[a1 b c2].grep(/([a-z])\d/) { $1 })
  $~ = nil
  assert_nil($1)
  assert_equal("a", "abc".then { |s| s =~ /b/; $~.pre_match })
  assert_equal("aBC", "a-b_c".gsub(/[-_](.)/) { $1.upcase })
  assert_equal("aabc", "abc".gsub(/(?<first>a)/) { $~[:first] * 2 })
end

assert('String#scan') do
  assert_equal(["o", "o"], "hello world".scan(/o/))
  assert_equal([["l", "o"], ["w", "o"]], "hello world".scan(/(.)(o)/))
  assert_equal(["あ", "い", "う"], "あいう".scan(/./))
  assert_equal(["", "", "", ""], "abc".scan(/x*/))
  assert_equal(["", "", ""], "あい".scan(//))
  assert_equal(["X", "X"], "aXbX".scan("X"))
  assert_equal([[nil]], "abc".scan(/(x)?b/))
  assert_raise_with_message(TypeError, "wrong argument type Integer (expected Regexp)") { "abc".scan(1) }
  assert_equal([["x", "1"], ["y", "2"]], "x=1&y=2".scan(/(\w+)=(\w+)/))
end

assert('String#gsub and sub') do
  assert_equal("heLLo", "hello".gsub(/l/, "L"))
  assert_equal("he<l-l>o", "hello".gsub(/(l)(l)/, '<\2-\1>'))
  assert_equal("he[l]o", "hello".gsub(/l(?<n>.)/, '[\k<n>]'))
  assert_equal("hell\\ll\\o", "hello".gsub(/l/, '\0\0\\\\'))
  assert_equal("he[he|ll|o]o", "hello".gsub(/ll/, "[\\`|\\&|\\']"))
  assert_equal("h3ll*", "hello".gsub(/[eo]/, "e" => "3", "o" => "*"))
  assert_equal("h3", "hello".gsub(/[elo]/, "e" => 3))
  assert_equal("あxう", "あいう".gsub(/い/, "x"))
  assert_equal("あxう", "あいう".gsub("い", "x"))
  assert_equal("あいいう", "あいう".gsub("い") { |m| m + m })
  assert_equal("-あ-い-う-", "あいう".gsub(//, "-"))
  assert_equal("-a-b-c-", "abc".gsub(/x*/, "-"))
  assert_equal("-a--c-", "abc".gsub(/b*/, "-"))
  assert_equal(["l", "l"], "hello".gsub(/l/).to_a)
  assert_equal(["l", "ll"], "hello".gsub(/l/).with_index.map { |m, i| m * (i + 1) })
  assert_equal("hello", "hello".gsub(/z/, "x"))
  assert_raise_with_message(IndexError, "undefined group name reference: q") { "hello".gsub(/(?<n>l)/, '\k<q>') }
  assert_equal("he|\\x|\\xo", "hello".gsub(/l/, '\9|\x'))
  assert_raise(TypeError) { "hello".gsub(/l/, 1) }
  assert_raise_with_message(TypeError, "wrong argument type Integer (expected Regexp)") { "hello".gsub(1, "x") }
  s = "hello"
  assert_equal(["heLLo", "heLLo"], [s.gsub!(/l/, "L"), s])
  s = "hello"
  assert_equal([nil, "hello"], [s.gsub!(/z/, "L"), s])
  s = "hello"
  assert_equal(["heLlo", "heLlo"], [s.sub!(/l/, "L"), s])
  s = "hello"
  assert_equal(["heQlo", "heQlo"], [s.sub!(/l/) { "Q" }, s])
  s = "hello"
  assert_equal(["heLlo", "heLlo"], [s.sub!("l") { |m| m.upcase }, s])
  assert_raise_with_message(FrozenError, "can't modify frozen String: \"hello\"") { "hello".freeze.gsub!(/z/, "") }
  assert_equal("heLlo", "hello".sub(/l/, "L"))
  assert_equal("he<ll>o", "hello".sub(/(?<a>l+)/, '<\k<a>>'))
  assert_equal("he[l]lo", "hello".sub("l", "[\\0]"))
  assert_equal("he[]o", "hello".gsub(/(?<a>l)(l)/, '[\1\2]'))
  assert_equal("he[l]lo", "hello".sub(/(?<a>l)/, '[\0]'))
  assert_equal("he[]lo", "hello".sub("l", '[\1]'))
  [/(?<a>l)/, /(l)/].each do |l|
    assert_raise_with_message(IndexError, "undefined group name reference: 1") { "hello".gsub(l, '\k<1>') }
  end
  assert_equal("heeello", "hello".sub("e") { |m| m * 3 })
  assert_equal("he1lo", "hello".sub(/l/, "l" => "1"))
  assert_equal("hello", "hello".sub(/z/, "L"))
  assert_raise_with_message(ArgumentError, "wrong number of arguments (given 1, expected 2)") { "hello".sub(/l/) }
  assert_equal("axb", "%s" % "a.b".gsub(".") { "x" })
  assert_equal("path::to", "path/to".gsub("/", "::"))
  assert_equal("camel_case_string", "CamelCaseString".gsub(/([A-Z]+)([A-Z][a-z])/, '\1_\2').gsub(/([a-z\d])([A-Z])/, '\1_\2').downcase)
  assert_equal("a", "  a ".sub(/\A\s+/, "").sub(/\s+\z/, ""))
  assert_equal("Smith, John", "John Smith".sub(/(\w+) (\w+)/, '\2, \1'))
  assert_equal("foo-bar[ baz]", "foo.bar(, baz)".gsub(/[.,()]/, "." => "-", "," => "", "(" => "[", ")" => "]"))
  assert_equal("ac", "abc".gsub(/b/) { nil })
  assert_equal("a1c", "abc".gsub(/b/) { 1 })
  assert_equal(5, "abc".gsub(/b/) { break 5 })
end

assert('String#split') do
  assert_equal(["a", "b", "c"], "a,b;c".split(/[,;]/))
  assert_equal(["a", ",", "b", ";", "c"], "a,b;c".split(/([,;])/))
  assert_equal(["あ", "い", "う"], "あ い　う".split(/\s|　/))
  assert_equal(["a", "b", "c"], "abc".split(//))
  assert_equal(["あ", "い", "う"], "あいう".split(//))
  assert_equal(["a", "", "b", "c"], "a  b c".split(/ /))
  assert_equal(["", "a", "b", "c"], " a  b c".split(/\s+/))
  assert_equal(["a", "b", "c"], "a,b,c,,".split(/,/))
  assert_equal(["a", "b", "c", "", ""], "a,b,c,,".split(/,/, -1))
  assert_equal(["a", "b,c,,"], "a,b,c,,".split(/,/, 2))
  assert_equal(["a,b,c"], "a,b,c".split(/,/, 1))
  assert_equal([], "".split(/,/))
  assert_equal([], "".split(//))
  assert_equal(["a", "c"], "abc".split(/b/, 2))
  assert_equal(["a", "b", "c"], "abc".split(/(b)|(z)/))
  assert_equal(["a", "b", "c"], "a b c".split)
  assert_equal(["a", "b"], "a,b".split(","))
  assert_equal(["a", "X", "bXXc"], "aXXbXXc".split(/X(X)/, 2))
  assert_equal(["a", "bc"], "abc".split(//, 2))
  assert_equal(["1", "2", "3"], "1, 2,3".split(/,\s*/))
  assert_equal(["a", "b"], "a\0b".split(/\0/))
  assert_equal(["a", "b.c"], "a.b.c".split(".", 2))
  parts = []
  assert_equal("a,b", "a,b".split(/,/) { |part| parts << part })
  assert_equal("c d", "c d".split { |part| parts << part })
  assert_equal(["a", "b", "c", "d"], parts)
  assert_equal(1, "a,b".split(/,/) { break 1 })
end

assert('String#[] and slice') do
  assert_equal("ll", "hello"[/l+/])
  assert_equal("e", "hello"[/(h)(e)/, 2])
  assert_equal("l", "hello"[/(?<x>l)/, "x"])
  assert_equal("l", "hello"[/(?<x>l)/, :x])
  assert_nil("hello"[/z/])
  assert_equal("e", "hello"[1])
  assert_equal("el", "hello"[1, 2])
  assert_equal("ll", "hello"["ll"])
  assert_equal("el", "hello"[1..2])
  assert_equal("el", "hello".slice(/e./))
  assert_nil("hello"[/(h)/, 5])
  s = "hello"
  s[/l+/] = "LL"
  assert_equal("heLLo", s)
  s = "あいう"
  s[/い(う)/, 1] = "x"
  assert_equal("あいx", s)
  s = "hello"
  s[/(?<q>e)/, "q"] = "E"
  assert_equal("hEllo", s)
  s = "hello"
  assert_raise_with_message(IndexError, "regexp not matched") { s[/z/] = "" }
  s = "hello"
  assert_raise_with_message(IndexError, "regexp group 1 not matched") { s[/(z)?h/, 1] = "" }
  s = "hello"
  s["e"] = "E"
  assert_equal("hEllo", s)
  s = "hello"
  s[0] = "J"
  assert_equal("Jello", s)
  s = "hello"
  assert_equal(["ll", "heo"], [s.slice!(/l+/), s])
  s = "hello"
  assert_equal(["e", "hllo"], [s.slice!(/h(e)/, 1), s])
  s = "hello"
  assert_equal([nil, "hello"], [s.slice!(/z/), s])
  s = "hello"
  assert_equal(["e", "hllo"], [s.slice!(1), s])
  s = "hello"
  assert_equal(["ll", "heo"], [s.slice!("ll"), s])
  assert_equal("12", "ab12cd".tr("a", "b").slice(/\d+/))
  assert_nil("hello"[/l(l)(z)?/, 2])
end

assert('String#index, partition and start_with?') do
  assert_equal(2, "hello".index(/l/))
  assert_equal(3, "hello".index(/l/, 3))
  assert_equal(3, "hello".index(/l/, -2))
  assert_nil("hello".index(/l/, 10))
  assert_nil("hello".index(/l/, -10))
  assert_equal(3, "あいうい".index(/い/, 2))
  assert_equal(3, "あいうい".rindex(/い/))
  assert_equal(1, "あいうい".rindex(/い/, 2))
  assert_equal(1, "あいうい".rindex(/い/, -2))
  assert_equal(3, "hello".rindex(/l+/))
  assert_nil("hello".rindex(/l/, -10))
  assert_equal(3, "hello".rindex(/l/, 99))
  assert_equal(5, "hello".rindex(//))
  assert_equal(2, "hello".index("l"))
  assert_equal(3, "hello".rindex("l"))
  assert_equal(["he", "ll", "o"], "hello".partition(/l+/))
  assert_equal(["hello", "", ""], "hello".partition(/z/))
  assert_equal(["he", "l", "lo"], "hello".partition("l"))
  assert_equal(["hel", "l", "o"], "hello".rpartition(/l/))
  assert_equal(["", "", "hello"], "hello".rpartition(/z/))
  assert_equal(["hel", "l", "o"], "hello".rpartition("l"))
  assert_false("hello".start_with?(/e/))
  assert_true("hello".start_with?("x", /he/))
  assert_true("hello".start_with?("he"))
  assert_equal(1, "aé".rindex(/é/))
  assert_equal(2, "ééé".index(/é/, -1))
end

assert('String#match and case') do
  assert_nil("abc" =~ nil)
  assert_nil(nil =~ /x/)
  assert_equal(1, :abc =~ /b/)
  assert_equal("c", :abc.match(/b(.)/)[1])
  assert_false(:abc.match?(/z/))
  assert_true("a" !~ /b/)
  assert_nil(/a/.match(nil))
  assert_false(/a/.match?(nil))
  assert_equal(["éa"], /[[:alpha:]]+/.match("éa1").to_a)
  assert_equal(["éa1"], /[[:alpha:]\d]+/.match("éa1-").to_a)
  assert_false("hello".match?(/z/))
  assert_true("hello".match?("h."))
  assert_equal(2, (case "zz" when /a/ then 1 when /z/ then 2 end))
  assert_equal(["a1", "c2"], %w[a1 b c2].grep(/\d/))
  assert_true(%w[a1 b c2].any? { |s| s =~ /c/ })
  assert_equal(1, "a\0b" =~ /\0/)
end

assert('Broken strings') do
  assert_raise(RegexpError) { Regexp.new("\xff") }
  assert_raise_with_message(ArgumentError, "invalid byte sequence in UTF-8") { "\xff" =~ /x/ }
  assert_raise_with_message(ArgumentError, "invalid byte sequence in UTF-8") { "\xff".scan(/x/) }
  assert_raise_with_message(ArgumentError, "invalid byte sequence in UTF-8") { "\xff".gsub(/x/, "") }
  assert_raise_with_message(ArgumentError, "invalid byte sequence in UTF-8") { "\xffabc".match?(/c/) }
  assert_raise_with_message(ArgumentError, "invalid byte sequence in UTF-8") { "\xffabc".split(/c/) }
  assert_raise_with_message(ArgumentError, "invalid byte sequence in UTF-8") { "\xffabc".index(/c/) }
end
