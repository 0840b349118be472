module Web
  # Which method of a controller answers: "GET", "/entries/:id", :entry. What stands in the place of ":id" is a parameter.
  # Of two routes that fit, the one that was added first counts.
  class Router
    NO_PARAMETERS = {}.freeze

    def initialize
      @plain = {} # "/login": actions by request method
      @patterns = {} # those with parameters, by their number of segments
    end

    def on(method, path, action)
      if path.include?(":")
        segments = path.split("/", -1)
        patterns = (@patterns[segments.size] ||= [])
        pattern = patterns.find { |known, _| known == segments }
        patterns << (pattern = [segments, {}]) unless pattern
        pattern[1][method] = action
      else
        (@plain[path] ||= {})[method] = action
      end
    end

    # [actions by request method, parameters], or nil.
    def find(path)
      actions = @plain[path]
      return [actions, NO_PARAMETERS] if actions

      parts = path.split("/", -1)
      found = (@patterns[parts.size] || []).find { |segments, _| fits?(segments, parts) }
      found && [found[1], parameters(found[0], parts)]
    end

    private

    def fits?(segments, parts)
      segments.each_with_index do |segment, index|
        return false unless segment == parts[index] || (segment.start_with?(":") && !parts[index].empty?)
      end
      true
    end

    def parameters(segments, parts)
      found = {}
      segments.each_with_index { |segment, index| found[segment[1..-1]] = parts[index] if segment.start_with?(":") }
      found
    end
  end
end
