module Rack
  class ShowExceptions
    # The page for browsers.
    class Page
      LINES_AROUND = 5
      LINE_SHOWN_MAX = 300
      VALUE_SHOWN_MAX = 1000
      FILE_READ_MAX = 1 << 20
      SOURCES_MAX = 20
      STYLE = 'body{font:16px/1.5 sans-serif;margin:2em;color:#222;background:#fff}' \
              'pre{font:14px/1.5 monospace;padding:1em;overflow:auto;background:#f4f4f4}' \
              '.m{white-space:pre-wrap;color:#a00;font-weight:bold}' \
              'b{display:block;background:#fdd}h2{font-size:1em;margin:2em 0 .5em}' \
              'table{font:14px/1.5 monospace;border-collapse:collapse}' \
              'td{padding:.1em 1em .1em 0;vertical-align:top;word-break:break-all}td:first-child{word-break:normal}'.freeze

      def initialize(env, exception)
        @env = env
        @exception = exception
      end

      def to_s
        title = escape(@exception.message.split("\n").first.to_s[0, 120])
        <<~HTML
          <!DOCTYPE html>
          <html lang="en">
          <meta charset="utf-8">
          <title>500: #{title}</title>
          <style>#{STYLE}</style>
          <h1>500 Internal Server Error</h1>
          <pre class="m">#{escape("#{@exception.message} (#{@exception.class})")}</pre>
          <p>#{escape("#{@env['REQUEST_METHOD']} #{@env['SCRIPT_NAME']}#{@env['PATH_INFO']}")}</p>
          <h2>Backtrace</h2>
          #{frames}
          #{request}
        HTML
      end

      private

      # Folded but for the first one whose file can be read.
      def frames
        shown = 0
        (@exception.backtrace || []).map do |frame|
          lines = source_of(frame) if shown < SOURCES_MAX
          next "<div>#{escape(frame)}</div>\n" unless lines
          shown += 1
          "<details#{' open' if shown == 1}><summary>#{escape(frame)}</summary>\n<pre>#{lines}</pre></details>\n"
        end.join
      end

      def request
        tables = { 'Query' => query, 'Form' => @env['rack.request.form_hash'], 'Cookies' => cookies, 'Env' => @env }
        tables.map { |name, pairs| pairs.nil? || pairs.empty? ? '' : "<h2>#{name}</h2>\n#{table(pairs)}" }.join
      end

      def query
        Request.new(@env).GET
      rescue StandardError # what is no query may be what the exception is about
        nil
      end

      def cookies
        Request.new(@env).cookies
      rescue StandardError
        nil
      end

      def table(pairs)
        rows = pairs.keys.sort_by { |key| key.to_s }.map do |key|
          value = pairs[key]
          value = inspected(value) unless value.is_a?(String)
          "<tr><td>#{escape(key)}<td>#{escape(value[0, VALUE_SHOWN_MAX])}\n"
        end
        "<table>\n#{rows.join}</table>\n"
      end

      def inspected(value)
        value.inspect
      rescue StandardError => error
        "(its inspect raises #{error.class})"
      end

      # The lines around "PATH:LINE:...", escaped; nil when there is no such file.
      def source_of(frame)
        path, number = place_of(frame)
        return unless number && path.start_with?('/') && File.file?(path) && File.size(path) <= FILE_READ_MAX
        lines = File.read(path).split("\n", -1)
        return if number > lines.size
        first = [number - LINES_AROUND, 1].max
        lines[first - 1..number + LINES_AROUND - 1].each_with_index.map do |line, index|
          text = "#{(first + index).to_s.rjust(5)}  #{escape(line[0, LINE_SHOWN_MAX])}"
          first + index == number ? "<b>#{text}</b>" : "#{text}\n"
        end.join
      rescue SystemCallError, IOError
        nil
      end

      def place_of(frame)
        %w[.rb: .ru:].each do |ending|
          at = frame.index(ending)
          number = frame[at + ending.size, 10].to_i if at
          return [frame[0, at + ending.size - 1], number] if number && number > 0
        end
        nil
      end

      # Control bytes as well: a terminal may be where this is read.
      def escape(text)
        escaped = Utils.escape_html(text)
        return escaped if escaped.bytes.none? { |byte| control?(byte) }
        escaped.chars.map { |char| control?(char.getbyte(0)) ? format('\x%02X', char.getbyte(0)) : char }.join
      end

      def control?(byte)
        (byte < 32 && byte != 10 && byte != 9) || byte == 127
      end
    end
  end
end
