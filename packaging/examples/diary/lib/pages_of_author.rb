module Diary
  # What only the author may do.
  class Pages
    def desk
      for_author { page("Desk", view_desk(Entries.drafts, Comments.waiting, nil)) }
    end

    def new_entry
      for_author { page("New entry", view_form(nil, "", "", nil)) }
    end

    def edit_entry
      for_author do
        entry = named
        page(entry.title, view_form(entry, entry.title, entry.text, nil))
      end
    end

    def create_entry
      for_author { save(nil) }
    end

    def update_entry
      for_author { save(named) }
    end

    def delete_entry
      for_author do
        Entries.delete(named.id)
        redirect("/desk")
      end
    end

    def approve_comment
      for_author { settle(Comments.approve(positive(parameters["id"]))) }
    end

    def delete_comment
      for_author { settle(Comments.delete(positive(parameters["id"]))) }
    end

    def logout
      for_author do
        Author.end_sessions
        session.clear
        redirect("/")
      end
    end

    def change_password
      for_author do
        complaint = Author.password_complaint(form("new", ""))
        complaint ||= "The old password is another one." unless complaint || Author.log_in(form("name", ""), form("old", ""))
        return page("Desk", view_desk(Entries.drafts, Comments.waiting, complaint), 422) if complaint

        begin_session(Author.change_password(form("new")))
        redirect("/desk")
      end
    end

    private

    # Others are sent to the login; a form without its token is refused.
    def for_author
      return redirect("/login") unless author?

      check_csrf_token unless Web::Controller::SAFE.include?(env["REQUEST_METHOD"])
      answer = yield
      answer[1]["cache-control"] = "no-store"
      answer
    end

    def named
      Entries.by_id(positive(parameters["id"])) || raise(Web::Problem.new(404, "There is no such entry."))
    end

    def settle(done)
      done ? redirect("/desk") : problem(404, "There is no such comment.")
    end

    # The button says what is to become of it: "publish", "draft", or nothing: it stays what it is.
    def save(entry)
      title = form("title", "")
      text = form("text", "")
      complaint = Entries.complaint(title, text)
      return page("Entry", view_form(entry, title, text, complaint), 422) if complaint

      title = title.strip
      entry ? Entries.update(entry.id, title, text) : entry = Entries.by_id(Entries.create(title, text))
      entry.title = title
      case form("do")
      when "publish" then Entries.publish(entry) if entry.draft?
      when "withdraw" then Entries.withdraw(entry.id)
      end
      saved = Entries.by_id(entry.id)
      redirect(saved.draft? ? "/entries/#{saved.id}" : "/#{saved.path}")
    end
  end
end
