module Rack
  # Puts an application together from `run`, `use` and `map`. A rackup file (config.ru) is evaluated with a builder as
  # its self; `Rack::Builder.new { ... }` does the same with a block.
  class Builder
    def self.app(default = nil, &block)
      new(default, &block).to_app
    end

    def initialize(default = nil, &block)
      @app = default
      @middleware = []
      @routes = {}
      instance_eval(&block) if block
    end

    # The application that stands behind the middleware: anything that responds to call, or a block.
    def run(app = nil, &block)
      raise ArgumentError, 'run takes an application or a block, not both' if app && block
      app = block if app.nil?
      raise ArgumentError, 'run needs an application or a block' if app.nil?
      unless app.respond_to?(:call)
        raise ArgumentError, "run needs an application that responds to call, not #{app.inspect}"
      end
      @app = app
      nil
    end

    # A middleware class, with what its `new` takes after the application. The first one used stands outermost. One
    # that is used after a `map` stands around what is mapped, as all others do.
    def use(middleware, *arguments, **keywords, &block)
      @middleware << proc { |app| middleware.new(app, *arguments, **keywords, &block) }
      nil
    end

    # What answers below a path ("/admin", or "http://host/admin"): a builder of its own.
    def map(location, &block)
      raise ArgumentError, "map #{location.inspect} needs a block" unless block
      @routes[location] = block
      nil
    end

    # True once `run` or `map` has said what answers.
    def app?
      !@app.nil? || !@routes.empty?
    end

    def to_app
      raise 'nothing to run: neither run nor map was called' unless app?
      app = @routes.empty? ? @app : URLMap.new(mapped)
      @middleware.reverse_each { |wrap| app = wrap.call(app) }
      app
    end

    def call(env)
      to_app.call(env)
    end

    private

    def mapped
      apps = {}
      apps['/'] = @app if @app
      @routes.each { |location, block| apps[location] = self.class.new(@app, &block).to_app }
      apps
    end
  end
end
