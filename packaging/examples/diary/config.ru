# A small diary. The entries are read when the app is loaded, before the fork: every worker shares them, and
# `cowherd reload` brings a new one in.
class Diary
  Entry = Struct.new(:path, :date, :title, :paragraphs)

  # entries/list names the files, newest first: "2026/11/21-first-snow" is entries/2026/11/21-first-snow.txt.
  def initialize(directory)
    slugs = File.read("#{directory}/list").split("\n")
    @entries = slugs.map { |slug| read_entry("/#{slug}", "#{directory}/#{slug}.txt") }
    @by_path = {}
    @entries.each { |entry| @by_path[entry.path] = entry }
  end

  def call(env)
    Web.only(env, "GET") do
      prefix = env["SCRIPT_NAME"]
      entry = @by_path[env["PATH_INFO"]]
      if entry
        show(prefix, entry)
      elsif env["PATH_INFO"] == "/"
        list(prefix)
      else
        Web.page("Not found", "<p><a href=\"#{prefix}/\">All entries</a></p>", 404)
      end
    end
  end

  private

  def read_entry(path, file)
    title, *paragraphs = File.read(file).split("\n\n").map(&:strip)
    year, month, name = path[1..-1].split("/")
    Entry.new(path, "#{year}-#{month}-#{name.split("-").first}", title, paragraphs)
  end

  def list(prefix)
    items = @entries.map do |entry|
      "<li><time>#{entry.date}</time> <a href=\"#{prefix}#{entry.path}\">#{Web.escape(entry.title)}</a></li>"
    end
    Web.page("Diary", "<ul>\n#{items.join("\n")}\n</ul>")
  end

  def show(prefix, entry)
    paragraphs = entry.paragraphs.map { |text| "<p>#{Web.escape(text)}</p>" }
    footer = "<footer><time>#{entry.date}</time> <a href=\"#{prefix}/\">All entries</a></footer>"
    Web.page(entry.title, (paragraphs + [footer]).join("\n"))
  end
end

run Diary.new("entries")
