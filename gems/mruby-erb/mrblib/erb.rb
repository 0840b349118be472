class ERB
  TRIM_MODES = [nil, '', '%', '>', '<>', '-', '%>', '%<>', '%-', '<>%', '>%', '-%'].freeze
  VARIANTS_MAX = 32

  attr_reader :src, :filename, :lineno

  # Compiles at once: a template that is made while an app loads is shared by all workers. `locals` are the names that
  # result_with_hash and render will give.
  def initialize(template, trim_mode: nil, eoutvar: '_erbout', escape: false, filename: nil, lineno: 1, locals: [])
    raise TypeError, "no implicit conversion of #{template.class} into String" unless template.is_a?(String)
    raise ArgumentError, "invalid trim_mode: #{trim_mode.inspect}" unless TRIM_MODES.include?(trim_mode)
    @template = template.dup.freeze
    @trim_mode = trim_mode.to_s
    @variable = ERB._name(eoutvar)
    @escape = escape ? true : false
    @locals = locals.map { |name| ERB._name(name).to_sym }
    @filename = filename || '(erb)'
    @lineno = lineno
    _compile
  end

  def filename=(filename)
    @filename = filename
    _compile
  end

  def location=(location)
    @filename, @lineno = location
    @lineno ||= 1
    _compile
  end

  # `self` of the template is the object, else main.
  def result(object = ERB._main)
    object.instance_exec({}, &@code)
  end

  def result_with_hash(hash)
    render(ERB._main, hash)
  end

  # The template with `self` and local variables of its own.
  def render(object, locals = {})
    object.instance_exec(locals, &_code_for(locals))
  end

  def run(object = ERB._main)
    print result(object)
  end

  # Makes the template a method: def_method(Page, 'render(title, entries)').
  def def_method(owner, signature, filename = @filename)
    code = "->(_) { def #{signature}; #{@variable} = ''; #{@src}\n; #{@variable}\nend }"
    owner.class_eval(&ERB._evaluate(code, filename, @lineno))
  end

  def def_module(signature = 'erb')
    made = Module.new
    def_method(made, signature)
    made
  end

  def def_class(superclass = Object, signature = 'result')
    made = Class.new(superclass)
    def_method(made, signature)
    made
  end

  def _compile
    @src = ERB._translate(@template, @trim_mode, @variable, @escape, @filename, @lineno)
    @variants = {}
    @code = _code(@locals)
  end

  def _code(names)
    settings = names.map { |name| "#{name} = __locals[:#{name}]; " }.join
    ERB._evaluate("->(__locals) { #{settings}#{@variable} = ''; #{@src}\n; #{@variable} }", @filename, @lineno)
  end

  def _code_for(locals)
    names = locals.keys
    return @code if names.all? { |name| @locals.include?(name) }
    @variants[names] || begin
      names.each do |name|
        raise TypeError, "#{name.inspect} is no Symbol: local variables are named by Symbols" unless name.is_a?(Symbol)
        ERB._name(name)
      end
      @variants.clear if @variants.size >= VARIANTS_MAX
      @variants[names] = _code(@locals | names)
    end
  end

  KEYWORDS = %w[__ENCODING__ __FILE__ __LINE__ __locals alias and begin break case class def do else elsif end ensure false
                for if in module next nil not or redo rescue retry return self super then true undef unless until when
                while yield].freeze

  # A name that code can be made of.
  def self._name(name)
    name = name.to_s
    valid = !name.empty? && !KEYWORDS.include?(name)
    name.each_byte do |byte|
      letter = (byte >= 0x61 && byte <= 0x7a) || byte == 0x5f || byte >= 0x80
      later = (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x30 && byte <= 0x39)
      valid &&= letter || later
    end
    first = name.getbyte(0)
    valid &&= !(first >= 0x30 && first <= 0x5a)
    raise NameError, "wrong local variable name #{name.inspect}" unless valid
    name
  end

  def self.version
    '4.0'
  end
end
