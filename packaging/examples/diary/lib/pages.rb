module Diary
  # What everybody may see.
  class Pages < Web::Controller
    views "views"
    settings TITLE, LANGUAGE

    def site_title
      TITLE
    end

    def language
      LANGUAGE
    end

    def head_links
      "<link rel=\"alternate\" type=\"application/atom+xml\" href=\"#{base}/feed.atom\" title=\"Atom\">\n"
    end

    def navigation
      author? ? view_navigation : ""
    end

    # Where HTTPS is spoken, its cookie goes that way alone.
    def session
      env["rack.session.options"][:secure] = request.ssl?
      super
    end

    def author?
      @author = env.key?("HTTP_COOKIE") && Author.logged_in?(session["author"]) if @author.nil?
      @author
    end

    def before
      check_origin unless Web::Controller::SAFE.include?(env["REQUEST_METHOD"])
    end

    # -- entries

    def front
      number = positive(query("page", "1"))
      return problem(404, "There is no such page.") unless number

      etag = etag_for(number)
      unchanged(etag) || document(kept("#{base} #{number}") { front_page(number) }, 200, cached(etag))
    end

    def entry
      etag = etag_for(nil)
      unchanged(etag) || begin
        entry = asked_for
        headers = cached(etag)
        headers["last-modified"] = Time.at(entry.updated_at).httpdate
        show_entry(entry, nil, 200, headers)
      end
    end

    def feed
      etag = etag_for(here)
      unchanged(etag) || begin
        entries = Entries.newest
        newest = entries.map(&:last).max || 0
        headers = cached(etag)
        headers["last-modified"] = Time.at(newest).httpdate
        respond(200, "application/atom+xml; charset=utf-8", view_feed(entries, newest), headers)
      end
    end

    # -- comments

    # The author's appear at once. The field "website" is one that people don't see: only programs fill it.
    def comment
      entry = asked_for
      check_csrf_token if author?
      name = form("name", "")
      text = form("text", "")
      return to_thanks(entry) unless form("website", "").empty?

      complaint = Comments.complaint(name, text)
      complaint ||= "Too many comments are waiting. Please come back later." unless
        complaint || Comments.add(entry.id, name, text, author? ? 1 : 0)
      return show_entry(entry, complaint, 422, {}) if complaint

      author? ? redirect("/#{entry.path}") : to_thanks(entry)
    end

    # Once behind a comment, by the session; whoever loads it again sees the entry, and sends nothing again.
    def thanks
      path = "/#{asked_for.path}"
      return redirect(path) unless env.key?("HTTP_COOKIE") && session.delete("thanks")

      page("Thank you", view_thanks(path), 200, { "cache-control" => "no-store" })
    end

    # -- login

    def login_form
      page("Log in", view_login(nil))
    end

    def login
      check_csrf_token
      address = env["REMOTE_ADDR"].to_s
      return problem(429, "Too many logins have failed. Please wait.", { "retry-after" => "600" }) if Author.locked_out?(address)

      kept = Author.log_in(form("name", ""), form("password", ""))
      if kept
        begin_session(kept)
        redirect("/desk")
      else
        Author.note_failure(address)
        page("Log in", view_login("This name and password don't belong together."), 403)
      end
    end

    def set_up_form
      return redirect("/login") if Author.exists?

      page("Set up", view_set_up(nil))
    end

    def set_up
      complaint = Author.set_up(form("setup_token", ""), form("name", ""), form("password", ""))
      complaint ? page("Set up", view_set_up(complaint), 403) : redirect("/login")
    end

    private

    def front_page(number)
      entries = Entries.page(number)
      raise Web::Problem.new(404, "There is no such page.") if entries.empty? && number > 1

      older = entries.size > Entries::PAGE && entries.pop ? number + 1 : nil
      view_layout(TITLE, view_front(entries, number, older))
    end

    def asked_for
      path = "#{parameters["year"]}/#{parameters["month"]}/#{parameters["name"]}"
      (path.valid_encoding? && Entries.by_path(path)) || raise(Web::Problem.new(404, "There is no such entry."))
    end

    def show_entry(entry, complaint, status, headers)
      older, newer = Entries.neighbours(entry)
      page(entry.title, view_entry(entry, Comments.of(entry.id), older, newer, complaint), status, headers)
    end

    def to_thanks(entry)
      session["thanks"] = "yes"
      redirect("/#{entry.path}/thanks")
    end

    # Of what is public; the author's pages have links that others don't get.
    def etag_for(what)
      author? ? "W/\"#{SecureRandom.hex(8)}\"" : "W/\"#{Pages.fingerprint}-#{version}-#{what}\""
    end

    def version
      @version ||= Entries.version
    end

    # For everybody but the author a page is made once, until something changes.
    def kept(key, &block)
      author? || !KEEP_PAGES ? yield : DATABASE.keep(key, version, &block)
    end

    def cached(etag)
      { "etag" => etag, "cache-control" => author? ? "no-store" : "no-cache", "vary" => "cookie" }
    end

    # Nothing of what was there before the login stays.
    def begin_session(kept)
      session.clear
      session["author"] = kept
      csrf_token
    end

    def day(path)
      path[0, 10].tr("/", "-")
    end

    def clock(time)
      Time.at(time).strftime("%Y-%m-%d %H:%M")
    end
  end
end
