module Web
  # A Rack app of a controller and its routes: [method, path, action].
  class Application
    def initialize(controller, routes)
      @controller = controller
      @router = Router.new
      routes.each { |method, path, action| @router.on(method, path, action) }
    end

    def call(env)
      actions, parameters = @router.find(env["PATH_INFO"])
      controller = @controller.new(env, parameters)
      answer(controller, actions, env["REQUEST_METHOD"])
    rescue Problem => problem
      controller.problem(problem.status, problem.message)
    rescue Rack::BadRequest
      controller.problem(400, "This request can't be understood.")
    rescue SQLite3::BusyException
      controller.problem(503, "Too many are writing just now: try again.", { "retry-after" => "5" })
    end

    private

    def answer(controller, actions, method)
      return controller.problem(404, "There is no such page.") unless actions

      action = actions[method] || (method == "HEAD" && actions["GET"])
      return not_allowed(controller, actions) unless action

      controller.before || controller.send(action)
    end

    def not_allowed(controller, actions)
      allowed = actions.keys
      allowed << "HEAD" if actions.key?("GET")
      controller.problem(405, "This can't be asked for in that way.", { "allow" => allowed.join(", ") })
    end
  end
end
