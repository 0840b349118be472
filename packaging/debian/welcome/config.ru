TEXT = <<'TEXT'.freeze
cowherd works.

An app of your own, for example in /srv/www/hello/config.ru:

    run ->(env) { [200, {"content-type" => "text/plain"}, ["Hello from #{env["PATH_INFO"]}\n"]] }

its pool, in /etc/cowherd/conf.d/hello.yml:

    pools:
      hello:
        listen: /run/cowherd/hello.sock
        socket: {owner: www-data, mode: "0660"}
        user: cowherd
        apps: [{host: "*", root: /srv/www/hello, rack: config.ru}]

and:

    cowherd reload
    cowherd request /run/cowherd/hello.sock /there
    cowherd front nginx
TEXT

run ->(_env) { [200, { "content-type" => "text/plain; charset=utf-8" }, [TEXT]] }
