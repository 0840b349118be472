module Rack
  # Sends a request to the application that is mapped to the longest prefix of its path. The prefix moves from PATH_INFO
  # to SCRIPT_NAME for as long as that application runs.
  class URLMap
    SCHEMES = ['http://', 'https://'].freeze

    Route = Struct.new(:host, :prefix, :app)

    def initialize(map = {})
      remap(map)
    end

    def remap(map)
      routes = map.map { |location, app| route(location, app) }
      # Of two that fit, the one with a host goes before the one without, then the longer prefix before the shorter.
      @routes = routes.sort_by { |route| [route.host ? 0 : 1, -route.prefix.length] }
    end

    def call(env)
      path = env['PATH_INFO'] || ''
      script = env['SCRIPT_NAME'] || ''
      host = host_of(env)
      route = @routes.find { |candidate| fits?(candidate, host, path) }
      return not_found(path) unless route
      begin
        env['SCRIPT_NAME'] = script + route.prefix
        env['PATH_INFO'] = path[route.prefix.length, path.length]
        route.app.call(env)
      ensure
        env['SCRIPT_NAME'] = script
        env['PATH_INFO'] = path
      end
    end

    private

    def route(location, app)
      host = nil
      prefix = location
      if scheme = SCHEMES.find { |candidate| location.start_with?(candidate) }
        rest = location[scheme.length, location.length]
        slash = rest.index('/') || rest.length
        host = rest[0, slash].downcase
        prefix = rest[slash, rest.length]
      end
      unless prefix.empty? || prefix.start_with?('/')
        raise ArgumentError, "#{location.inspect} is no path: it must start with /"
      end
      prefix = prefix[0, prefix.length - 1] while prefix.end_with?('/')
      Route.new(host, prefix, app)
    end

    def fits?(route, host, path)
      return false if route.host && route.host != host && route.host != host.split(':').first
      return true if route.prefix.empty?
      return false unless path.start_with?(route.prefix)
      path.length == route.prefix.length || path[route.prefix.length] == '/'
    end

    def host_of(env)
      (env['HTTP_HOST'] || env['SERVER_NAME'] || '').downcase
    end

    def not_found(path)
      [404, { 'content-type' => 'text/plain', 'x-cascade' => 'pass' }, ["Not Found: #{path}\n"]]
    end
  end
end
