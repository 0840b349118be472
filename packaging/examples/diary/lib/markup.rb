module Diary
  # Plain text as HTML: paragraphs between empty lines, "# headings", "- lists", "> quotes", addresses as links. All of it is
  # escaped: what is written is what is read.
  module Markup
    # In Japanese text an address ends where ASCII does; a full stop behind it is not its own.
    ADDRESS = %r{(https?://[A-Za-z0-9\-._~:/?\#\[\]@!$&()*+,;=%]*[A-Za-z0-9/_~=&%+\-])}

    LINE_END = /\r\n?/
    EMPTY_LINES = /\n[ \t]*\n\s*/

    def self.html(text)
      blocks(text).map { |block| block_html(block) }.join("\n")
    end

    # The first block.
    def self.lead(text)
      block = blocks(text).first
      block ? block_html(block) : ""
    end

    def self.blocks(text)
      text.gsub(LINE_END, "\n").split(EMPTY_LINES).map(&:strip).reject(&:empty?)
    end

    def self.block_html(block)
      lines = block.split("\n")
      if lines.size == 1 && block.start_with?("# ")
        "<h2>#{inline(block[2..-1])}</h2>"
      elsif lines.all? { |line| line.start_with?("- ") }
        "<ul>\n#{lines.map { |line| "<li>#{inline(line[2..-1])}</li>\n" }.join}</ul>"
      elsif lines.all? { |line| line.start_with?(">") }
        "<blockquote><p>#{broken(lines.map { |line| line[1..-1].strip })}</p></blockquote>"
      else
        "<p>#{broken(lines)}</p>"
      end
    end

    def self.broken(lines)
      lines.map { |line| inline(line) }.join("<br>\n")
    end

    def self.inline(text)
      linked = false
      text.split(ADDRESS).map do |part|
        escaped = ERB::Util.h(part)
        linked = !linked
        linked ? escaped : "<a href=\"#{escaped}\" rel=\"nofollow\">#{escaped}</a>"
      end.join
    end
  end
end
