module Rack
  # Serves files of some urls itself; other requests go to the application.
  #
  #     use Rack::Static, urls: ['/css', '/images'], root: 'public'
  #     use Rack::Static, urls: [''], root: 'public', index: 'index.html', cascade: true
  #     use Rack::Static, urls: { '/' => '/index.html' }, root: 'public'
  #
  # header_rules: [[rule, headers], ...]; a rule is :all, :fonts, a folder or the beginning of a path ('/css'), an Array
  # of extensions (%w[css js]) or a Regexp. Later ones win.
  class Static
    OPTIONS = %i[urls root index cascade gzip header_rules cache_control].freeze
    FONTS = %w[ttf otf eot woff2 woff svg].freeze

    def initialize(app, options = {})
      unknown = options.keys - OPTIONS
      raise ArgumentError, "unknown option of Rack::Static: #{unknown.join(', ')}" unless unknown.empty?
      @app = app
      @urls = options[:urls] || ['/favicon.ico']
      @index = options[:index]
      @gzip = options[:gzip]
      @cascade = options[:cascade]
      @header_rules = options[:header_rules] || []
      control = options[:cache_control]
      @header_rules = [[:all, { 'cache-control' => control }]] + @header_rules if control
      @files = Files.new(options[:root] || Dir.pwd)
    end

    def call(env)
      path = path_of(env)
      file = file_of(path)
      return @app.call(env) unless file
      response = (serve_compressed(env, file) if @gzip && accepts_gzip?(env)) || serve(env, file)
      status, headers, = response
      return @app.call(env) if @cascade && status == 404
      if status < 400
        headers['vary'] = 'accept-encoding' if @gzip
        applicable_rules(file).each { |_, more| headers.merge!(more) }
      end
      response
    end

    # Of the header_rules, those for a path.
    def applicable_rules(path)
      @header_rules.select { |rule, _| applies?(rule, path) }
    end

    private

    # Cleaned, but for the slash at its end.
    def path_of(env)
      asked = env['PATH_INFO']
      path = Utils.clean_path_info(asked)
      asked.end_with?('/') && !path.end_with?('/') ? "#{path}/" : path
    end

    # What the urls make of a path; nil: it is the application's.
    def file_of(path)
      if @urls.is_a?(Hash)
        named = @urls[path]
        return named && (named.start_with?('/') ? named : "/#{named}")
      end
      return unless @urls.any? { |url| path == url || path.start_with?(url.end_with?('/') ? url : "#{url}/") }
      @index && path.end_with?('/') ? path + @index : path
    end

    def serve(env, path)
      asked = env['PATH_INFO']
      env['PATH_INFO'] = path
      @files.call(env)
    ensure
      env['PATH_INFO'] = asked
    end

    # nil: there is no FILE.gz.
    def serve_compressed(env, path)
      response = serve(env, "#{path}.gz")
      status, headers, = response
      return if status == 404
      if status == 200 || status == 206
        headers['content-type'] = Mime.mime_type(File.extname(path), 'text/plain') unless multipart?(headers)
        headers['content-encoding'] = 'gzip'
      end
      response
    end

    def multipart?(headers)
      headers['content-type'].to_s.start_with?('multipart/byteranges')
    end

    def accepts_gzip?(env)
      Utils.q_values(env['HTTP_ACCEPT_ENCODING']).any? { |name, quality| name.downcase == 'gzip' && quality > 0 }
    end

    def applies?(rule, path)
      case rule
      when :all then true
      when :fonts then FONTS.include?(extension(path))
      when String then path.start_with?(rule) || path.start_with?("/#{rule}")
      when Array then rule.include?(extension(path))
      else rule.respond_to?(:match?) && rule.match?(path)
      end
    end

    def extension(path)
      File.extname(path)[1, path.size].to_s
    end
  end
end
