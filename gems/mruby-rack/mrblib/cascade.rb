module Rack
  # Asks one application after the other, until one answers with something else than 404 or 405.
  class Cascade
    attr_reader :apps

    def initialize(apps, cascade_for = [404, 405])
      @apps = []
      apps.each { |app| add(app) }
      @cascade_for = {}
      [*cascade_for].each { |status| @cascade_for[status] = true }
    end

    def call(env)
      response = nil
      @apps.each do |app|
        body = response && response[2]
        body.close if body.respond_to?(:close)
        response = app.call(env)
        return response unless @cascade_for.include?(response[0])
      end
      response || [404, { 'content-type' => 'text/plain' }, []]
    end

    def add(app)
      @apps << app
    end

    def include?(app)
      @apps.any? { |one| one.equal?(app) }
    end

    alias << add
  end
end
