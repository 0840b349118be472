module Station
  # What programs ask for: JSON in and out, errors too.
  class Pages
    BODY_MAX = 256 * 1024
    LIMIT = 100
    LIMIT_MAX = 10_000
    EVERY = { "minute" => 60, "hour" => Readings::HOUR, "day" => Readings::DAY }.freeze

    def api_sensors
      sensors = Readings.latest.map do |sensor, quantity, time, value|
        { "sensor" => sensor, "quantity" => quantity, "unit" => unit(quantity), "time" => clock(time), "value" => value }
      end
      json({ "sensors" => sensors })
    end

    # ?sensor=&quantity=&from=&to=&limit=, the newest first.
    def api_readings
      rows = Readings.range(asked_series, *asked_times, asked_limit)
      json({ "readings" => rows.map { |time, value| { "time" => clock(time), "value" => value } } })
    end

    # ?sensor=&quantity=&from=&to=&every=hour&limit=, the oldest first.
    def api_summary
      every = EVERY[query("every", "hour")] || raise(Web::Problem.new(400, "every: #{EVERY.keys.join(", ")}"))
      rows = Readings.summary(asked_series, *asked_times, every, asked_limit)
      json({ "summary" => rows.map do |start, count, least, mean, greatest|
        { "time" => clock(start), "count" => count, "min" => least, "mean" => mean, "max" => greatest }
      end })
    end

    def api_add
      return json({ "error" => "the API key is missing or wrong" }, 401, { "www-authenticate" => "Bearer" }) unless key?

      body = env["rack.input"].read(BODY_MAX + 1) || ""
      raise Web::Problem.new(413, "more than #{BODY_MAX} bytes") if body.bytesize > BODY_MAX

      values = Incoming.read(body)
      Incoming.store(values)
      Readings.forget_old
      json({ "stored" => values.size }, 201)
    end

    # Errors of the API are JSON, the others pages.
    def problem(status, message, headers = {})
      env["PATH_INFO"].start_with?("/api/") ? json({ "error" => message }, status, headers) : super
    end

    private

    # Takes as long for every wrong key.
    def key?
      kind, key = env["HTTP_AUTHORIZATION"].to_s.split(" ", 2)
      kind.to_s.downcase == "bearer" && OpenSSL.secure_compare(key.to_s, KEY)
    end

    def asked_series
      sensor = query("sensor")
      quantity = query("quantity")
      raise Web::Problem.new(400, "sensor and quantity are wanted") unless sensor && quantity

      Readings.find(sensor, quantity) || raise(Web::Problem.new(404, "there is no such series"))
    end

    # [from, to)
    def asked_times
      from, to = [["from", 0], ["to", 1 << 40]].map do |name, default|
        given = query(name)
        given ? Incoming.seconds(given) || raise(Web::Problem.new(400, "#{name}: no time")) : default
      end
      [from, to]
    end

    def asked_limit
      [positive(query("limit"), LIMIT), LIMIT_MAX].min
    end
  end
end
