module Web
  # An error that is the visitor's: answered with its status and message.
  class Problem < StandardError
    attr_reader :status

    def initialize(status, message)
      @status = status
      super(message)
    end
  end

  # Answers one request, by the method that the route names. A subclass has a title and views of its own.
  class Controller
    SAFE = %w[GET HEAD OPTIONS].freeze
    # Everything comes from the app itself, nothing runs in the page, nobody frames it.
    SECURITY = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
               .freeze

    NUMBER = /\A[1-9][0-9]{0,8}\z/
    # What word processors leave in a text, and no feed may have in it (XML 1.0, 2.2).
    CONTROLS = /[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f\ufffe\uffff]/
    BETWEEN_ETAGS = /,\s*/

    # Compiles the layout and the views of `directory`; in the mold, so that the workers share them.
    def self.views(directory)
      @fingerprint = digest(Views.define(self, "#{__dir__}/views"), Views.define(self, directory))
    end

    # What the pages show besides, and what stays the same until the app is loaded anew.
    def self.settings(*values)
      @fingerprint = digest(@fingerprint, *values)
    end

    def self.digest(*values)
      Digest::SHA256.hexdigest(values.inspect)[0, 32]
    end

    # Changes with the templates and the settings, for ETags.
    def self.fingerprint
      @fingerprint
    end

    attr_reader :env, :parameters

    def initialize(env, parameters)
      @env = env
      @parameters = parameters
    end

    def request
      @request ||= Rack::Request.new(@env)
    end

    def session
      @env["rack.session"]
    end

    # Before every action: what it returns, unless it is nil, is the answer.
    def before; end

    # What the app lies below: "" or "/prefix".
    def base
      @env["SCRIPT_NAME"]
    end

    def here
      request.base_url + base
    end

    # -- what was sent

    # A parameter of the query, as text without surprises: never a nested one, always UTF-8.
    def query(name, default = nil)
      text(request.GET[name], default)
    end

    def form(name, default = nil)
      text(request.POST[name], default)
    end

    def text(value, default)
      return default unless value.is_a?(String)
      raise Problem.new(400, "This is no text in UTF-8.") if !value.valid_encoding? || value.include?("\0")

      value.gsub(CONTROLS, " ")
    end

    # A positive number from the query or the path; anything else is `default`.
    def positive(text, default = nil)
      text && text.match?(NUMBER) ? text.to_i : default
    end

    # -- answers

    def respond(status, type, body, headers = {})
      headers["content-type"] = type
      headers["content-length"] = body.bytesize.to_s
      headers["x-content-type-options"] = "nosniff"
      [status, headers, [body]]
    end

    # `content`: HTML.
    def page(title, content, status = 200, headers = {})
      document(view_layout(title, content), status, headers)
    end

    def document(html, status = 200, headers = {})
      headers["content-security-policy"] = SECURITY
      headers["referrer-policy"] = "same-origin"
      respond(status, "text/html; charset=utf-8", html, headers)
    end

    def json(value, status = 200, headers = {})
      respond(status, "application/json", JSON.generate(value) << "\n", headers)
    end

    def redirect(path)
      location = base + path.split("/", -1).map { |part| Rack::Utils.escape_path(part) }.join("/")
      respond(303, "text/plain; charset=utf-8", "See #{location}\n", { "location" => location })
    end

    # For `env` as it is, has the visitor what `etag` names? Then a 304 is the answer.
    def unchanged(etag)
      known = @env["HTTP_IF_NONE_MATCH"]
      [304, { "etag" => etag, "cache-control" => "no-cache" }, []] if known && known.split(BETWEEN_ETAGS).include?(etag)
    end

    def problem(status, message, headers = {})
      page(Rack::Utils::HTTP_STATUS_CODES[status], view_problem(message), status, headers)
    end

    # -- requests that other sites make visitors send

    # Browsers say where a form comes from; one of another site is refused.
    def check_origin
      site = @env["HTTP_SEC_FETCH_SITE"]
      origin = @env["HTTP_ORIGIN"]
      foreign = site ? !%w[same-origin none].include?(site) : origin && origin.split("://", 2)[1] != @env["HTTP_HOST"]
      raise Problem.new(403, "This form was sent by another site.") if foreign
    end

    # Goes into a field named "token" of each form.
    def csrf_token
      session["csrf"] ||= SecureRandom.urlsafe_base64(24)
    end

    def check_csrf_token
      known = session["csrf"]
      return if known.is_a?(String) && OpenSSL.secure_compare(form("token", ""), known)

      raise Problem.new(403, "This form is too old: go back, load the page again and send it once more.")
    end
  end
end
