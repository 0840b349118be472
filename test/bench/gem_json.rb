# JSON.parse and JSON.generate of a document of 100 kB, as an API would answer it. Prints seconds for one of each.
require 'json' if RUBY_ENGINE == 'ruby'

records = (0...500).map do |i|
  {
    'id' => i * 7919, 'name' => "sensor number #{i}", 'place' => { 'lat' => 35.5 + i / 64.0, 'lon' => 139.25 - i / 128.0 },
    'tags' => ['outside', "室外 #{i % 7}", nil, true], 'values' => [i * 0.5, -i, i * 1_000_003, i / 8.0],
    'note' => "a \"quoted\" line\nand another"
  }
end
text = JSON.generate({ 'records' => records })
raise "#{text.bytesize} bytes" unless text.bytesize.between?(95_000, 110_000)
raise 'it came back changed' unless JSON.parse(text) == { 'records' => records }

rounds = 30
start = Time.now
rounds.times { JSON.generate(JSON.parse(text)) }
puts (Time.now - start) / rounds
