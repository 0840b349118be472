assert('ERB: text, code, expressions') do
  assert_equal '', ERB.new('').result
  assert_equal "a\nb", ERB.new("a\nb").result
  assert_equal '1 + 1 = 2.', ERB.new('1 + 1 = <%= 1 + 1 %>.').result
  assert_equal '012', ERB.new('<% 3.times do |i| %><%= i %><% end %>').result
  assert_equal 'yes', ERB.new('<% if true %>yes<% else %>no<% end %>').result
  assert_equal '', ERB.new('<%= nil %>').result
  assert_equal 'x', ERB.new("<%= 'x' if true %>").result
  assert_equal "a\nb", ERB.new("<%= \"a\n\" +\n'b' %>").result
end

assert('ERB: text is taken as it is') do
  text = "\"quoted\" \#{no} \\n 'x' \u3042 \xff \0 \t \r\n \#$0 <a href='%>'> % 100"
  assert_equal text, ERB.new(text).result
  long = "0123456789\u3042\n" * 3000
  assert_equal long, ERB.new(long).result
  assert_equal '<% and %>', ERB.new("<%% and <%= '%%>' %>").result
end

assert('ERB: comments') do
  assert_equal 'ab', ERB.new('a<%# nothing <%= %>b').result
  assert_equal "a\nb", ERB.new("a<% # nothing %>\nb").result
  assert_equal "a\n", ERB.new("a<%# two\nlines %>\n").result
end

assert('ERB: trim modes') do
  template = "<% 2.times do |i| %>\n  <%= i %>\n<% end %>\nend\n"
  assert_equal "\n  0\n\n  1\n\nend\n", ERB.new(template).result
  assert_equal "  0  1end\n", ERB.new(template, trim_mode: '>').result
  assert_equal "  0\n  1\nend\n", ERB.new(template, trim_mode: '<>').result
  assert_equal "\n3a", ERB.new("<% x = 1\ny = 2 %>\n<%= x + y %>\n<%= 'a' %>\n", trim_mode: '<>').result
  assert_equal "a\n", ERB.new("  <%- x = 1 -%>\na\n", trim_mode: '-').result
  assert_equal "  a\n", ERB.new("  <% x = 1 -%>\r\na\n", trim_mode: '-').result
  assert_equal "b <%- no\n", ERB.new("b <%%- no\n", trim_mode: '-').result
  assert_equal "0\n1\n% x\n", ERB.new("% 2.times do |i|\n<%= i %>\n% end\n%% x\n", trim_mode: '%').result
  assert_equal "0\n1\n", ERB.new("% 2.times do |i|\n<%= i %>\n  <%- -%>\n% end\n", trim_mode: '%-').result
  assert_raise(ArgumentError) { ERB.new('', trim_mode: 'x') }
end

assert('ERB: escapes when asked to') do
  assert_equal '<&>', ERB.new("<%= '<&>' %>").result
  template = ERB.new("<%= '<a href=\"x\">&\\'' %><%== '<b>' %><%= 1 %>", escape: true)
  assert_equal '&lt;a href=&quot;x&quot;&gt;&amp;&#39;<b>1', template.result
  assert_equal '<b>', ERB.new("<%== '<b>' %>").result
  assert_equal '&lt;&#39;', ERB::Util.h("<'")
  assert_equal 'a', ERB::Util.html_escape(:a)
  assert_equal '%E3%81%82%20%26~%00', ERB::Util.url_encode("\u3042 &~\0")
end

assert('ERB: the values of tags') do
  assert_equal 'a1b2.5c', ERB.new('a<%= 1 %>b<%= 2.5 %>c<%= nil %>').result
  shouting = Object.new
  def shouting.to_s
    '<!>'
  end
  assert_equal '&lt;!&gt;<!>', ERB.new('<%= x %><%== x %>', escape: true).result_with_hash(x: shouting)
  template = ERB.new('<<%= _erbout %>><%= _erbout << "&"; 1 %>', escape: true)
  assert_equal '<&lt;>&1', template.result
  value = '<a>'
  assert_equal '&lt;a&gt;&lt;a&gt;', ERB.new('<%= v %><%= v %>', escape: true).result_with_hash(v: value)
  assert_equal '<a>', value
  plain = 'plain'
  ERB::Util.h(plain) << '!'
  assert_equal 'plain', plain
  assert_equal "#{'&amp;' * 3000}x", ERB.new('<%= "&" * 3000 %>x', escape: true).result
  assert_equal '1 2', ERB.new("<%= 1 # one\n%> <%= 2 # two\n-%>", trim_mode: '-').result
end

assert('ERB: self and local variables') do
  page = Object.new
  def page.title
    "<#{@text}>"
  end
  page.instance_variable_set(:@text, 'T')
  assert_equal '<T> T', ERB.new('<%= title %> <%= @text %>').result(page)
  assert_equal '<T> 1', ERB.new('<%= title %> <%= n %>').render(page, n: 1)
  template = ERB.new('<%= a %>-<%= b %>')
  assert_equal '1-2', template.result_with_hash(a: 1, b: 2)
  assert_equal '3-4', template.result_with_hash(b: 4, a: 3)
  assert_raise(NameError) { template.result_with_hash(a: 1) }
  declared = ERB.new('<%= a %>-<%= b.inspect %>', locals: [:a, :b])
  assert_equal '1-nil', declared.result_with_hash(a: 1)
  assert_equal 'nil', ERB.new('<%= x.inspect %>', locals: ['x']).result
  assert_raise(NameError) { template.result_with_hash('a; exit'.to_sym => 1) }
  assert_raise(NameError) { template.result_with_hash(if: 1) }
  assert_raise(NameError) { template.result_with_hash(Const: 1) }
  assert_raise(TypeError) { template.result_with_hash('a' => 1, 'b' => 2) }
  100.times { |i| assert_equal i.to_s, ERB.new("<%= v#{i} %>").result_with_hash("v#{i}".to_sym => i) if i % 25 == 0 }
end

assert('ERB: as a method') do
  holder = Class.new { def initialize(name) @name = name end }
  ERB.new("Hello <%= @name %>, <%= other %>!").def_method(holder, 'greet(other)')
  assert_equal 'Hello me, you!', holder.new('me').greet('you')
  assert_equal '5', ERB.new('<%= 2 + 3 %>').def_class.new.result
  other = Class.new
  ERB.new('<%= self.class::NAME %>!').def_method(other, 'greet')
  other.const_set(:NAME, 'other')
  assert_equal ['Hello me, you!', 'other!'], [holder.new('me').greet('you'), other.new.greet]
  assert_equal [true, [:greet]], [holder.instance_methods(false).include?(:greet), other.instance_methods(false)]
  assert_raise(NoMethodError) { Object.new.greet }
  assert_raise(NoMethodError) { Object.new.result }
  made = ERB.new('x').def_module('text')
  assert_equal 'x', Class.new { include made }.new.text
end

assert('ERB: errors tell file and line') do
  error = assert_raise(ZeroDivisionError) do
    ERB.new("one\n\n<%# \n %>\n<%= 1 / 0 %>\n", filename: 'views/a.erb').result
  end
  assert_equal 'views/a.erb:5', error.backtrace[0][0, 13]
  ['', '<>', '>', '-'].each do |mode|
    template = "a\n<% x = 1 %>\n<%- y = 2 -%>\n#{'t' * 9000}\n<%= x %>\n<% raise 'here' %>\n"
    template = template.split('-').join unless mode == '-'
    error = assert_raise(RuntimeError) { ERB.new(template, trim_mode: mode, filename: 'b.erb', lineno: 11).result }
    assert_equal 'b.erb:16', error.backtrace[0][0, 8], mode
  end
  silent = Object.new
  def silent.to_s
    raise 'here'
  end
  [true, false].each do |escape|
    template = ERB.new("one\n<%= x %>two\nthree\n<%= 1 %>\n", escape: escape, filename: 'f.erb')
    error = assert_raise(RuntimeError) { template.result_with_hash(x: silent) }
    assert_include error.backtrace.join("\n"), 'f.erb:2'
  end
  error = assert_raise(SyntaxError) { ERB.new("a\nb\n<% if x %>\n<% ) %>", filename: 'c.erb') }
  assert_equal 'c.erb:4', error.message[0, 7]
  error = assert_raise(SyntaxError) { ERB.new("a\n<% x", filename: 'd.erb') }
  assert_equal 'd.erb:2: this <% is never closed by %>', error.message
  template = ERB.new('<%= 1 / 0 %>')
  template.location = ['e.erb', 7]
  error = assert_raise(ZeroDivisionError) { template.result }
  assert_equal 'e.erb:7', error.backtrace[0][0, 7]
end

module ERBTestTitle
  def self.to_s
    'Di<ary'
  end
end

class ERBTestProxy < BasicObject
  def method_missing(name, *arguments)
    name == :to_s ? 'be<hind' : super
  end
end

assert('ERB: values say themselves what they are') do
  assert_equal 'Di<ary be<hind 1 a <', ERB.new("<%= ERBTestTitle %> <%= ERBTestProxy.new %> <%= 1 %> <%= :a %><%= nil %> <%= '<' %>").result
  assert_equal 'Di&lt;ary', ERB.new('<%= ERBTestTitle %>', escape: true).result
  assert_equal 'Di&lt;ary', ERB::Util.html_escape(ERBTestTitle)
end

assert('ERB: the output variable') do
  assert_equal 'ab', ERB.new("a<% out << 'b' %>", eoutvar: 'out').result
  assert_raise(NameError) { ERB.new('', eoutvar: 'x = 1;') }
end

PRELOADED_TEMPLATE = ERB.new("<% items.each do |item| %><%= item %>;<% end %>", escape: true, locals: [:items])

assert('ERB: compiled once, used often') do
  20.times { assert_equal 'a;&lt;;', PRELOADED_TEMPLATE.result_with_hash(items: ['a', '<']) }
end
