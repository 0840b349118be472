# A small environment monitor: readings of one sensor, kept in readings.csv in the app's directory.
#
#   GET  /                        a page with the last readings
#   GET  /api/readings?limit=24   the last readings as JSON, newest first
#   POST /api/readings            temperature=21.5&humidity=40: one more reading
class Monitor
  Reading = Struct.new(:time, :temperature, :humidity)

  RANGES = { "temperature" => (-90.0..60.0), "humidity" => (0.0..100.0) }.freeze
  BODY_MAX = 1000

  def initialize(file)
    @file = file
  end

  def call(env)
    case env["PATH_INFO"]
    when "/" then Web.only(env, "GET") { overview }
    when "/api/readings" then Web.only(env, "GET", "POST") { env["REQUEST_METHOD"] == "POST" ? add(env) : list(env) }
    else Web.text("Not Found", 404)
    end
  end

  private

  # The last `count` readings, newest first. The file is looked at each time: any worker may have added to it.
  def last(count)
    lines = File.read(@file).split("\n").last(count).reverse
    lines.map do |line|
      time, temperature, humidity = line.split(",")
      Reading.new(time.to_i, temperature.to_f, humidity.to_f)
    end
  end

  def overview
    readings = last(8)
    rows = readings.map { |r| "<tr><td><time>#{clock(r.time)}</time></td><td>#{r.temperature}</td><td>#{r.humidity}</td></tr>" }
    temperatures = readings.map(&:temperature)
    Web.page("Environment", <<HTML)
<p>#{readings.first.temperature} °C now, #{temperatures.min} to #{temperatures.max} °C in the last #{readings.size} readings.</p>
<table>
<tr><th>UTC</th><th>°C</th><th>% humidity</th></tr>
#{rows.join("\n")}
</table>
HTML
  end

  def list(env)
    limit = Web.query(env["QUERY_STRING"])["limit"].to_i
    limit = 24 unless (1..1000).include?(limit)
    readings = last(limit).map { |r| { "time" => clock(r.time), "temperature" => r.temperature, "humidity" => r.humidity } }
    Web.json({ "readings" => readings })
  end

  def add(env)
    form = Web.query(env["rack.input"].read(BODY_MAX))
    values = RANGES.map { |name, range| number(form[name], range) }
    return Web.json({ "error" => "temperature and humidity are wanted, as numbers" }, 400) unless values.all?

    reading = Reading.new(Time.now.to_i, *values)
    # One write to a file opened for appending: readings of several workers don't mix.
    File.open(@file, "a") { |file| file.write("#{reading.time},#{reading.temperature},#{reading.humidity}\n") }
    Web.json({ "time" => clock(reading.time), "temperature" => reading.temperature, "humidity" => reading.humidity }, 201)
  end

  def number(text, range)
    value = Float(text.to_s)
    value if range.include?(value)
  rescue ArgumentError
    nil
  end

  def clock(seconds)
    t = Time.at(seconds).utc
    format("%04d-%02d-%02dT%02d:%02d:%02dZ", t.year, t.month, t.day, t.hour, t.min, t.sec)
  end
end

run Monitor.new("readings.csv")
