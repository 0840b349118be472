module RackShowExceptionsTest
  HTML = { 'HTTP_ACCEPT' => 'text/html,application/xhtml+xml,*/*;q=0.8' }.freeze

  class Odd < StandardError
    def initialize(message, frames)
      super(message)
      @frames = frames
    end

    def backtrace
      @frames
    end
  end

  def self.ask(error, more = {})
    RackTest.ask(Rack::ShowExceptions.new(->(_) { raise error }), '/path', more)
  end
end

assert('Rack::ShowExceptions passes what is fine') do
  assert_equal [201, { 'x-a' => 'b' }, 'x'], RackTest.ask(Rack::ShowExceptions.new(RackTest.app(['x'], 201, 'x-a' => 'b')))
end

assert('Rack::ShowExceptions answers programs with text, and tells the log') do
  errors = StringIO.new
  error = RackShowExceptionsTest::Odd.new("<b>\n", ['/srv/a.rb:1:in call', '/srv/config.ru:2'])
  [{}, { 'HTTP_ACCEPT' => '*/*' }, { 'HTTP_ACCEPT' => 'text/html;q=0, text/plain' }].each do |more|
    status, headers, text = RackShowExceptionsTest.ask(error, { 'rack.errors' => errors }.merge(more))
    assert_equal [500, 'text/plain; charset=utf-8'], [status, headers['content-type']]
    assert_equal "<b>\n (RackShowExceptionsTest::Odd)\n    /srv/a.rb:1:in call\n    /srv/config.ru:2\n", text
    assert_include errors.string, text
  end
end

assert('Rack::ShowExceptions answers browsers with the source') do
  RackTest.in_folder('app.rb' => (1..20).map { |line| "line#{line} <b> & \"it's\"\e\n" }.join) do |folder|
    error = RackShowExceptionsTest::Odd.new("<script>\e", ["#{folder}/none.rb:1", "#{folder}/app.rb:7:in call"])
    env = RackShowExceptionsTest::HTML.merge('QUERY_STRING' => 'q=%3Cq%3E', 'HTTP_COOKIE' => 'c=<d>',
                                             'HTTP_X_BAD' => '<i>')
    status, headers, page = RackShowExceptionsTest.ask(error, env)
    assert_equal [500, 'text/html; charset=utf-8'], [status, headers['content-type']]
    assert_include page, '&lt;script&gt;\x1B (RackShowExceptionsTest::Odd)'
    ['<script>', '<i>', '<q>', '<d>', "\e"].each { |raw| assert_false page.include?(raw), raw }
    ['&lt;i&gt;', '&lt;q&gt;', '&lt;d&gt;', 'GET /path'].each { |escaped| assert_include page, escaped }
    assert_include page, "    2  line2 &lt;b&gt; &amp; &quot;it&#39;s&quot;\\x1B\n"
    assert_include page, '<b>    7  line7 '
    assert_include page, '   12  line12 '
    assert_false page.include?('line1 ')
    assert_false page.include?('line13')
    assert_include page, "<div>#{folder}/none.rb:1</div>"
    assert_include page, "<details open><summary>#{folder}/app.rb:7:in call</summary>"
  end
end

assert('Rack::ShowExceptions with places that cannot be shown') do
  RackTest.in_folder('short.rb' => "one\n") do |folder|
    File.mkfifo("#{folder}/fifo.rb")
    frames = ["#{folder}/short.rb:99", "#{folder}/fifo.rb:1", "#{folder}/gone.rb:1", 'app.rb:1', '(unknown):0', '',
              ".rb:#{'9' * 30}", "#{folder}/short.rb:1"]
    [frames, [], nil].each do |trace|
      status, _, page = RackShowExceptionsTest.ask(RackShowExceptionsTest::Odd.new('odd', trace), RackShowExceptionsTest::HTML)
      assert_equal 500, status
      assert_equal trace == frames, page.include?('<b>    1  one</b>')
    end
  end
end

assert('Rack::ShowExceptions and a request that is itself the trouble') do
  env = RackShowExceptionsTest::HTML.merge('QUERY_STRING' => 'a=1&a[b]=2&%', 'HTTP_COOKIE' => '%=%;;=')
  assert_equal 500, RackShowExceptionsTest.ask(RuntimeError.new(''), env)[0]
end

assert('Rack::ShowExceptions leaves to the server what is no error of the application') do
  assert_raise(Exception) { RackShowExceptionsTest.ask(Exception.new('time-out')) }
  assert_equal 500, RackShowExceptionsTest.ask(NotImplementedError.new('x'))[0]
end
