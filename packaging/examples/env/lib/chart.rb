module Station
  # A line through [time, value], in a picture of WIDTH and HEIGHT.
  class Chart
    WIDTH = 640
    HEIGHT = 200
    LEFT = 52
    RIGHT = 12
    TOP = 12
    BOTTOM = 28
    # Longer silence interrupts the line, in parts of the span.
    GAP = 12

    attr_reader :from, :to, :low, :high

    def initialize(points, from, to)
      @points = points
      @from = from
      @to = to
      values = points.map { |point| point[1] }
      @low, @high = values.empty? ? [0.0, 1.0] : bounds(values.min, values.max)
    end

    def empty?
      @points.empty?
    end

    # "M52,188 L60,180 ..."
    def path
      last = nil
      gap = (@to - @from) / GAP
      @points.map do |time, value|
        letter = last && time - last <= gap ? "L" : "M"
        last = time
        "#{letter}#{x(time)},#{y(value)}"
      end.join(" ")
    end

    # [value, y] of the lines across.
    def values
      step = (@high - @low) / 4
      (0..4).map { |index| [label(@low + step * index), y(@low + step * index)] }
    end

    # [text, x] of five times.
    def times
      format = @to - @from > 3 * Readings::DAY ? "%m-%d" : "%H:%M"
      (0..4).map do |index|
        time = @from + (@to - @from) * index / 4
        [Time.at(time).strftime(format), x(time)]
      end
    end

    private

    def x(time)
      (LEFT + (WIDTH - LEFT - RIGHT) * (time - @from).to_f / (@to - @from)).round(1)
    end

    def y(value)
      (HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - @low) / (@high - @low)).round(1)
    end

    def label(value)
      @high - @low < 4 ? value.round(2) : value.round(1)
    end

    # Some air above and below, even where all values are the same.
    def bounds(least, greatest)
      air = greatest > least ? (greatest - least) * 0.1 : [least.abs * 0.1, 1.0].max
      [least - air, greatest + air]
    end
  end
end
