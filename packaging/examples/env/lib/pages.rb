module Station
  class Pages < Web::Controller
    SPANS = { "day" => Readings::DAY, "week" => 7 * Readings::DAY, "month" => 31 * Readings::DAY,
              "year" => 366 * Readings::DAY }.freeze
    POINTS = 288

    views "views"

    def site_title
      TITLE
    end

    def language
      LANGUAGE
    end

    def head_links
      ""
    end

    def navigation
      view_navigation(SPANS.keys)
    end

    def overview
      page(TITLE, view_overview(Readings.latest, span, newest_time))
    end

    # The chart of one series, a picture of its own: browsers keep it for a minute.
    def chart
      sensor = utf8(parameters["sensor"])
      quantity = utf8(parameters["quantity"]).delete_suffix(".svg")
      series = Readings.find(sensor, quantity)
      raise Web::Problem.new(404, "There is no such series.") unless series

      seconds = SPANS[span]
      to = positive_time(query("to")) || Time.now.to_i
      rows = Readings.summary(series, to - seconds, to + 1, seconds / POINTS, POINTS + 2)
      chart = Chart.new(rows.map { |start, _, _, mean, _| [[start, to - seconds].max, mean] }, to - seconds, to)
      respond(200, "image/svg+xml", view_chart(chart, "#{sensor}, #{quantity}"),
              { "cache-control" => "max-age=60", "content-security-policy" => "default-src 'none'; style-src 'unsafe-inline'" })
    end

    private

    def span
      @span ||= SPANS.key?(asked = query("span", "day")) ? asked : "day"
    rescue Rack::BadRequest, Web::Problem # the page that tells of it shows the spans, too
      @span = "day"
    end

    # Charts end at the newest reading, so that a sensor that has stopped still shows something.
    def newest_time
      Readings.latest.map { |_, _, time, _| time }.max || Time.now.to_i
    end

    def positive_time(text)
      text && Incoming.seconds(text)
    end

    def utf8(text)
      raise Web::Problem.new(404, "There is no such series.") unless text.valid_encoding?

      text
    end

    def unit(quantity)
      Readings::UNITS.fetch(quantity, "")
    end

    def clock(time)
      Time.at(time).utc.iso8601
    end
  end
end
