# What the example apps share: HTML, JSON and query strings in plain mruby. cowherd preloads it once, before it forks.
module Web
  ESCAPES = { "&" => "&amp;", "<" => "&lt;", ">" => "&gt;", '"' => "&quot;", "'" => "&#39;" }.freeze
  JSON_ESCAPES = { '"' => '\\"', "\\" => "\\\\", "\n" => "\\n", "\r" => "\\r", "\t" => "\\t" }.freeze
  STYLE = "body{font:16px/1.6 sans-serif;max-width:42em;margin:2em auto;padding:0 1em;color:#222}" \
          "time,footer{color:#777}table{border-collapse:collapse}td,th{padding:.1em 1em;text-align:right}".freeze

  def self.escape(text)
    ESCAPES.each { |character, entity| text = text.gsub(character, entity) if text.include?(character) }
    text
  end

  # A Rack response: `body` is HTML already.
  def self.page(title, body, status = 200)
    html = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>#{escape(title)}</title>" \
           "<style>#{STYLE}</style></head>\n<body>\n<h1>#{escape(title)}</h1>\n#{body}\n</body>\n</html>\n"
    respond(status, "text/html; charset=utf-8", html)
  end

  def self.json(value, status = 200)
    respond(status, "application/json", to_json(value) + "\n")
  end

  def self.text(text, status = 200, headers = {})
    respond(status, "text/plain; charset=utf-8", text + "\n", headers)
  end

  def self.respond(status, type, body, headers = {})
    [status, { "content-type" => type, "content-length" => body.bytesize.to_s }.merge(headers), [body]]
  end

  # Answers 405 unless the request's method is among `methods`, else what the block gives.
  def self.only(env, *methods)
    methods << "HEAD" if methods.include?("GET")
    return yield if methods.include?(env["REQUEST_METHOD"])

    text("Method Not Allowed", 405, "allow" => methods.join(", "))
  end

  def self.to_json(value)
    case value
    when nil, true, false, Integer then value.inspect.sub("nil", "null")
    when Float then number(value)
    when Array then "[" + value.map { |item| to_json(item) }.join(",") + "]"
    when Hash then "{" + value.map { |key, item| quote(key.to_s) + ":" + to_json(item) }.join(",") + "}"
    else quote(value.to_s)
    end
  end

  def self.number(float)
    raise ArgumentError, "#{float} has no form in JSON" unless float.finite?

    float.to_s
  end

  def self.quote(text)
    '"' + text.each_char.map { |c| JSON_ESCAPES[c] || (c < " " ? "\\u%04x" % c.ord : c) }.join + '"'
  end

  # "a=1&b=%E9%9B%AA" as a Hash; a name that comes twice has its last value.
  def self.query(string)
    pairs = {}
    string.to_s.split("&").each do |pair|
      name, value = pair.split("=", 2)
      pairs[unescape(name.to_s)] = unescape(value.to_s)
    end
    pairs
  end

  # Percent-decodes; an escape that is none stays as it came.
  def self.unescape(text)
    parts = text.gsub("+", " ").split("%", -1)
    decoded = parts.shift.to_s
    parts.each do |part|
      digits = part[0, 2]
      hex = digits.size == 2 && digits.each_char.all? { |c| "0123456789abcdefABCDEF".include?(c) }
      decoded << (hex ? digits.hex.chr + part[2..-1] : "%" + part)
    end
    decoded
  end
end
