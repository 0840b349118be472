module Diary
  # Rows come as arrays, in the order of COLUMNS.
  module Entries
    PAGE = 20
    TITLE_MAX = 200
    TEXT_MAX = 200_000

    WORD = /[\p{L}\p{N}\p{M}]+/
    COLUMNS = "id, path, title, text, html, published_at, updated_at".freeze
    Entry = Struct.new(:id, :path, :title, :text, :html, :published_at, :updated_at) do
      def draft?
        path.nil?
      end
    end

    # Changes with everything that visitors can see.
    def self.version
      DATABASE.value("SELECT version FROM state")
    end

    # [path, day, title, lead, whether there is more, comments], the newest first; one more than a page has when there are
    # more pages.
    def self.page(number)
      DATABASE.rows("SELECT path, replace(substr(path, 1, 10), '/', '-'), title, lead, lead <> html, comments " \
                    "FROM entries WHERE path IS NOT NULL " \
                    "ORDER BY published_at DESC, id DESC LIMIT ? OFFSET ?", PAGE + 1, (number - 1) * PAGE)
    end

    # [path, title, html, published_at, updated_at]
    def self.newest
      DATABASE.rows("SELECT path, title, html, published_at, updated_at FROM entries WHERE path IS NOT NULL " \
                    "ORDER BY published_at DESC, id DESC LIMIT ?", PAGE)
    end

    # [id, title, updated_at]
    def self.drafts
      DATABASE.rows("SELECT id, title, updated_at FROM entries WHERE path IS NULL ORDER BY updated_at DESC, id DESC")
    end

    def self.by_path(path)
      entry(DATABASE.row("SELECT #{COLUMNS} FROM entries WHERE path = ?", path))
    end

    def self.by_id(id)
      id && entry(DATABASE.row("SELECT #{COLUMNS} FROM entries WHERE id = ?", id))
    end

    def self.entry(row)
      row && Entry.new(*row)
    end

    # The path of the neighbour, and its title: [[older], [newer]], nil where there is none.
    def self.neighbours(entry)
      older = DATABASE.row("SELECT path, title FROM entries WHERE path IS NOT NULL AND (published_at, id) < (?, ?) " \
                           "ORDER BY published_at DESC, id DESC LIMIT 1", entry.published_at, entry.id)
      newer = DATABASE.row("SELECT path, title FROM entries WHERE path IS NOT NULL AND (published_at, id) > (?, ?) " \
                           "ORDER BY published_at, id LIMIT 1", entry.published_at, entry.id)
      [older, newer]
    end

    # Why it can't be saved, or nil.
    def self.complaint(title, text)
      return "An entry needs a title." if title.strip.empty?
      return "The title is longer than #{TITLE_MAX} characters." if title.size > TITLE_MAX

      "The text is longer than #{TEXT_MAX} bytes." if text.bytesize > TEXT_MAX
    end

    # The id of a new draft.
    def self.create(title, text)
      DATABASE.insert("INSERT INTO entries (title, text, lead, html, updated_at) VALUES (?, ?, ?, ?, ?)",
                      title, text, Markup.lead(text), Markup.html(text), Time.now.to_i)
    end

    def self.import(path, title, text, time)
      DATABASE.insert("INSERT INTO entries (path, title, text, lead, html, published_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                      path, title, text, Markup.lead(text), Markup.html(text), time, time)
    end

    def self.update(id, title, text)
      DATABASE.run("UPDATE entries SET title = ?, text = ?, lead = ?, html = ?, updated_at = ? WHERE id = ?",
                   title, text, Markup.lead(text), Markup.html(text), Time.now.to_i, id)
    end

    # Gives a draft its place, which it keeps whatever becomes of its title.
    def self.publish(entry)
      DATABASE.transaction do
        now = Time.now
        DATABASE.run("UPDATE entries SET path = ?, published_at = ? WHERE id = ? AND path IS NULL",
                     free_path(now.strftime("%Y/%m/%d-") + slug(entry.title)), now.to_i, entry.id)
      end
    end

    # Back to the drafts: its address is free again.
    def self.withdraw(id)
      DATABASE.run("UPDATE entries SET path = NULL, published_at = NULL WHERE id = ?", id)
    end

    def self.delete(id)
      DATABASE.run("DELETE FROM entries WHERE id = ?", id)
    end

    # Letters and digits of any script.
    def self.slug(title)
      words = title.scan(WORD).join("-")[0, 60].downcase
      words.empty? ? "entry" : words
    end

    def self.free_path(wanted)
      path = wanted
      number = 1
      path = "#{wanted}-#{number += 1}" while DATABASE.value("SELECT 1 FROM entries WHERE path = ?", path)
      path
    end
  end
end
