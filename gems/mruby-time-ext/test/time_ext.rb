# The zone of whoever runs this is not known: what is local is compared with what Time itself says.

TIME_EXT_TEST = Time.utc(2026, 1, 2, 3, 4, 5, 678_901)

assert('Time#strftime') do
  {
    '%Y-%m-%d %H:%M:%S' => '2026-01-02 03:04:05', '%F %T %R %D' => '2026-01-02 03:04:05 03:04 01/02/26',
    '%y %C %j %e %k %l %I' => '26 20 002  2  3  3 03', '%a %A %b %B %h' => 'Fri Friday Jan January Jan',
    '%p %P %#p' => 'AM am am', '%L %N %3N %6N %12N' => '678 678901000 678 678901 678901000000',
    '%z %:z %::z %Z' => '+0000 +00:00 +00:00:00 UTC', '%u %w %U %W %V %G %g' => '5 5 00 00 01 2026 26',
    '%s' => '1767323045', '%c' => 'Fri Jan  2 03:04:05 2026', '%v' => ' 2-JAN-2026', '%r' => '03:04:05 AM',
    '%%%n%t' => "%\n\t", '%-d %-m %-H %_m %05d %^a %10A %-10A %010A' => '2 1 3  1 00002 FRI     Friday Friday 0000Friday',
    '%q %:q %Ey %Od' => '%q %:q 26 02', '' => '', "\0é%Y" => "\0é2026",
    '%5Q %: %::: %::::z %:5z %E %Ez %EY %Oz' => '%5Q %: %::: %::::z %:5z %E %Ez 2026 %Oz',
    '%:::z %_z %-z %_:z %-:z %_::z %_10z %010z %-10z %_5:::z' =>
      '+00  +000 -0000  +0:00 -00:00  +0:00:00       +000 +000000000 -000000000    +0'
  }.each { |format, text| assert_equal text, TIME_EXT_TEST.strftime(format) }
  assert_equal '12 PM 12 AM', "#{Time.utc(2026, 1, 1, 12).strftime('%I %p')} #{Time.utc(2026, 1, 1).strftime('%I %p')}"
  assert_equal '53 2020', Time.utc(2021, 1, 1).strftime('%V %G')
  assert_raise(ArgumentError) { TIME_EXT_TEST.strftime('%99999999999d') }
  ['%', 'a%5', '%-', '%d%^', '%:%', '%E%'].each do |format|
    assert_raise_with_message(ArgumentError, "invalid format: #{format}", format) { TIME_EXT_TEST.strftime(format) }
  end
  assert_equal 1024, TIME_EXT_TEST.strftime('%1024d').size
  assert_raise(TypeError) { TIME_EXT_TEST.strftime(nil) }
end

assert('Time: as the web writes it') do
  assert_equal 'Fri, 02 Jan 2026 03:04:05 GMT', TIME_EXT_TEST.httpdate
  assert_equal 'Fri, 02 Jan 2026 03:04:05 GMT', TIME_EXT_TEST.getlocal.httpdate
  assert_equal 'Fri, 02 Jan 2026 03:04:05 -0000', TIME_EXT_TEST.rfc2822
  assert_equal '2026-01-02T03:04:05Z', TIME_EXT_TEST.iso8601
  assert_equal '2026-01-02T03:04:05.678901000Z', TIME_EXT_TEST.xmlschema(9)
  local = TIME_EXT_TEST.getlocal
  assert_equal local.iso8601, local.strftime('%Y-%m-%dT%H:%M:%S%:z')
  assert_equal local.utc_offset, Time.utc(local.year, local.month, local.day, local.hour, local.min, local.sec).to_i - local.to_i
  assert_equal [0, 678_901_000], [TIME_EXT_TEST.utc_offset, TIME_EXT_TEST.nsec]
  assert_raise(ArgumentError) { TIME_EXT_TEST.iso8601(10) }
end

assert('Time: there and back') do
  [0, -1, 951_782_400, 1_230_768_000, 1_767_323_045, 253_402_200_000].each do |seconds|
    [Time.at(seconds), Time.at(seconds).utc].each do |time|
      assert_equal time, Time.iso8601(time.iso8601)
      assert_equal time, Time.httpdate(time.httpdate)
      assert_equal time, Time.rfc2822(time.rfc2822)
      assert_equal time, Time.parse(time.iso8601)
      assert_equal time, Time.parse(time.rfc2822)
      assert_equal time, Time.strptime(time.strftime('%s'), '%s')
      assert_equal time, Time.strptime(time.strftime('%d/%b/%Y:%H:%M:%S %z'), '%d/%b/%Y:%H:%M:%S %z')
    end
  end
end

assert('Time.iso8601, httpdate, rfc2822') do
  assert_equal [TIME_EXT_TEST, true], [Time.iso8601('2026-01-02T03:04:05.678901Z'), Time.iso8601('2026-01-02T03:04:05Z').utc?]
  assert_equal Time.utc(2026, 1, 1, 18, 4, 5), Time.iso8601('2026-01-02T03:04:05+09:00')
  assert_equal Time.utc(2026, 1, 1, 18, 4, 5), Time.rfc2822('Fri, 2 Jan 2026 03:04:05 +0900')
  assert_equal Time.utc(2026, 1, 2, 8, 4), Time.rfc2822('2 Jan 26 03:04 EST')
  ['Sun, 06 Nov 1994 08:49:37 GMT', 'Sunday, 06-Nov-94 08:49:37 GMT', 'Sun Nov  6 08:49:37 1994'].each do |text|
    assert_equal Time.utc(1994, 11, 6, 8, 49, 37), Time.httpdate(text)
    assert_true Time.httpdate(text).utc?
  end
  {
    iso8601: ['2026-01-02', '2026-01-02 03:04:05Z', '2026-01-02T03:04Z', '2026-1-2T03:04:05Z', '2026-01-02T03:04:05Zx', '12026-01-02T03:04:05Z',
              '2026-02-29T00:00:00Z', '2026-01-02T25:00:00Z', '2026-01-02T03:04:05+99:00', '2026-01-02T03:04:05+9', ''],
    httpdate: ['Sun, 06 Nov 1994 08:49:37', 'Sun, 6 Nov 1994 08:49:37 GMT', 'Sun, 06 Nov 1994 08:49:37 JST', 'Sun', 'Sun, 31 Feb 1994 08:49:37 GMT', ''],
    rfc2822: ['2 Jan 2026', '2 Jan 2026 03:04:05', 'Fri 2 Jan 2026 03:04:05 +0000', '2 Foo 2026 03:04:05 +0000', '']
  }.each do |method, texts|
    texts.each { |text| assert_raise(ArgumentError, "#{method} #{text}") { Time.__send__(method, text) } }
  end
end

assert('Time.parse') do
  {
    '2026-01-02' => [2026, 1, 2], '2026/1/2 15:04' => [2026, 1, 2, 15, 4], '20260102T030405' => [2026, 1, 2, 3, 4, 5],
    'Jan 2, 2026 3:04 pm' => [2026, 1, 2, 15, 4], '2 January 2026' => [2026, 1, 2], '12:30:15 2026-01-02' => [2026, 1, 2, 12, 30, 15],
    'Sun Nov  6 08:49:37 1994' => [1994, 11, 6, 8, 49, 37], '6-Nov-2026 12:00 am' => [2026, 11, 6], '2026-07' => [2026, 7, 1],
    '2026-01-01T24:00:00' => [2026, 1, 2], '20260102030405' => [2026, 1, 2, 3, 4, 5], 'January 2nd, 2026' => [2026, 1, 2],
    '3rd Feb 2026 3pm' => [2026, 2, 3, 15], '2026-01-02 12 AM' => [2026, 1, 2], '21st Jan 2026' => [2026, 1, 21]
  }.each { |text, fields| assert_equal Time.local(*fields), Time.parse(text), text }
  assert_equal [Time.utc(2026, 1, 2, 3), true], [Time.parse('2026-01-02 03:00 UTC'), Time.parse('2026-01-02 03:00 UTC').utc?]
  assert_equal Time.utc(2026, 1, 2, 7, 30, 0, 500_000), Time.parse('2026-01-02 03:00:00.5 -0430')
  assert_equal Time.utc(2026, 1, 1, 18, 4, 5), Time.parse('Fri Jan 02 2026 03:04:05 GMT+0900 (Japan Standard Time)')
  assert_equal Time.utc(2026, 1, 2, 11, 4), Time.parse('Fri, 02 Jan 2026 03:04 -0800 (PST)')
  assert_equal [15, 0], [Time.parse('3pm').hour, Time.parse('3 pm').min]
  assert_equal [6, 7], [Time.parse('06:07').hour, Time.parse('06:07').min]
  ['', 'hello', '25:00', '2026-02-30', '2026-13-01', '2026-01-02 25:00', "2026-01-02\0", '-', '+0900', '99999999999999999999', '2026-01-02 13:00 pm',
   'Z', '3pmx', '13pm', '2026-01-02 03:04:05 UTC+0900+0900', '2026-01-02 3:04 +0900 (JST', '(x) 2026-01-02', '2026-01-02 +0900',
   '20261302030405', '2026-01-02 20260102030405', '2tt Jan 2026', 'x' * 129, '2026-01-02 ' * 12].each { |text| assert_raise(ArgumentError, text) { Time.parse(text) } }
  assert_raise(TypeError) { Time.parse(nil) }
end

assert('Time.parse: beside a time') do
  now = Time.local(2020, 1, 2, 3, 4, 5)
  {
    '10:11' => [2020, 1, 2, 10, 11], '5 Mar' => [2020, 3, 5], 'Mar 2019' => [2019, 3, 1], '12' => [2020, 1, 12], '2010-05-06' => [2010, 5, 6]
  }.each { |text, fields| assert_equal Time.local(*fields), Time.parse(text, now), text }
  late = Time.utc(2020, 1, 2, 20)
  assert_equal Time.utc(2020, 1, 3, 1, 11), Time.parse('10:11 +0900', late)
  assert_equal Time.utc(2020, 1, 2, 10, 11), Time.parse('10:11 UTC', late)
  assert_equal Time.parse('10:11'), Time.parse('10:11', nil)
  assert_raise(TypeError) { Time.parse('10:11', 5) }
end

assert('Time: round, floor, ceil') do
  time = Time.at(1, 123_456).utc
  assert_equal [123_000, 123_460, 123_456], [time.round(3).usec, time.round(5).usec, time.round(8).usec]
  assert_equal [123_400, 124_000], [time.floor(4).usec, time.ceil(3).usec]
  assert_equal [Time.at(1), Time.at(1), Time.at(2)], [time.round, time.floor, time.ceil]
  assert_equal [Time.at(2), Time.at(-1), Time.at(2)], [Time.at(1, 500_000).round, Time.at(-2, 500_000).round, Time.at(1, 999_999).round(3)]
  assert_equal [true, false], [time.round.utc?, Time.at(1).round.utc?]
  assert_raise_with_message(ArgumentError, 'negative ndigits given') { time.round(-1) }
  assert_raise(TypeError) { time.round('a') }
end

assert('Time.strptime') do
  assert_equal Time.local(2026, 1, 2, 22, 11), Time.strptime('10:11 PM 2026-1-2', '%I:%M %p %Y-%m-%d')
  assert_equal Time.local(2026, 2, 14), Time.strptime('2026-045', '%Y-%j')
  assert_equal Time.local(2026, 1, 2, 3, 4, 5), Time.strptime('Fri Jan  2 03:04:05 2026', '%c')
  [['x', '%Y'], ['2026-01-02x', '%Y-%m-%d'], ['2026', '%Q'], ['13 PM', '%H %p'], ['2026-13', '%Y-%m'], ['', '%Y']].each do |text, format|
    assert_raise(ArgumentError, text) { Time.strptime(text, format) }
  end
end
