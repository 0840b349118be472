module Diary
  ROUTES = [
    ["GET", "/", :front],
    ["GET", "/feed.atom", :feed],
    ["GET", "/set-up", :set_up_form],
    ["POST", "/set-up", :set_up],
    ["GET", "/login", :login_form],
    ["POST", "/login", :login],
    ["POST", "/logout", :logout],
    ["GET", "/desk", :desk],
    ["POST", "/password", :change_password],
    ["GET", "/entries/new", :new_entry],
    ["POST", "/entries", :create_entry],
    ["GET", "/entries/:id", :edit_entry],
    ["POST", "/entries/:id", :update_entry],
    ["POST", "/entries/:id/delete", :delete_entry],
    ["POST", "/comments/:id/approve", :approve_comment],
    ["POST", "/comments/:id/delete", :delete_comment],
    ["GET", "/:year/:month/:name", :entry],
    ["POST", "/:year/:month/:name/comments", :comment],
    ["GET", "/:year/:month/:name/thanks", :thanks],
  ].freeze
end
