run ->(env) { [200, { 'content-type' => 'text/plain; charset=utf-8' }, ["Welcome from #{env['COUNTRY']}\n"]] }
