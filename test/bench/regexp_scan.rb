# Scans of 1 MB, in mruby and in CRuby alike: milliseconds, the best of five, and how many matches there were.
LATIN = 'lorem ipsum dolor 1234 ' * 45_000
JAPANESE = '日本語のテキスト、あいう。' * 26_000

def scan(name, text, pattern)
  best = nil
  count = nil
  5.times do
    began = Time.now
    count = text.scan(pattern).size
    taken = Time.now - began
    best = taken if best.nil? || taken < best
  end
  puts "#{name} #{count} #{best * 1000}"
end

scan 'words', LATIN, /\w+/
scan 'groups', LATIN, /(\w)(\w+)/
scan 'alternatives', LATIN, /ipsum|dolor|none/
scan 'no-match', LATIN, /[a-z]+\d/
scan 'kana', JAPANESE, /\p{Hiragana}+/
