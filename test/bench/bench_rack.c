/*
 * What a request costs without its transport: a Rack call with 25 parameters whose answer goes to memory, its working
 * directory, and the choice among 500 virtual hosts. Prints microseconds, the best of several rounds.
 *
 *   bench_rack [calls in a round]
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mruby.h>
#include <mruby/array.h>

#include "app.h"
#include "clock.h"
#include "log.h"
#include "rack.h"
#include "rack_env.h"
#include "rack_input.h"
#include "request.h"
#include "strbuf.h"
#include "vhost.h"
#include "vm.h"

#include "../unit/request_param.h"

#define ROUNDS 200
#define HOSTS 500

static char *params[] = {
    "REQUEST_METHOD=GET",
    "SCRIPT_NAME=",
    "PATH_INFO=/articles/12345/comments",
    "QUERY_STRING=page=2&sort=asc",
    "SERVER_NAME=www.example.com",
    "SERVER_PORT=443",
    "SERVER_PROTOCOL=HTTP/1.1",
    "SERVER_SOFTWARE=nginx/1.22.1",
    "REMOTE_ADDR=192.168.10.20",
    "REMOTE_PORT=51234",
    "REQUEST_URI=/articles/12345/comments?page=2&sort=asc",
    "DOCUMENT_ROOT=/var/www/html",
    "CONTENT_TYPE=",
    "CONTENT_LENGTH=",
    "HTTP_HOST=www.example.com",
    "HTTP_USER_AGENT=Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0",
    "HTTP_ACCEPT=text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "HTTP_ACCEPT_LANGUAGE=en-US,en;q=0.5",
    "HTTP_ACCEPT_ENCODING=gzip, deflate, br",
    "HTTP_COOKIE=session=abcdef0123456789abcdef0123456789; theme=dark",
    "HTTP_CONNECTION=keep-alive",
    "HTTP_REFERER=https://www.example.com/",
    "GATEWAY_INTERFACE=CGI/1.1",
    "HTTPS=on",
    "REQUEST_SCHEME=https",
    NULL,
};

static char output[1 << 16];
static size_t output_length;

ssize_t request_read(struct request *request, void *buffer, size_t length)
{
    (void)request;
    (void)buffer;
    (void)length;
    return 0;
}

int request_write(struct request *request, const void *bytes, size_t length)
{
    (void)request;
    if (output_length + length > sizeof output)
        output_length = 0;
    memcpy(output + output_length, bytes, length);
    output_length += length;
    return 0;
}

int request_flush(struct request *request)
{
    (void)request;
    return 0;
}

static struct app app;
static struct request request = {
    .params = params, .script_name = "", .path_info = "/articles/12345/comments", .app = &app
};
static struct config_app hosts[HOSTS];
static volatile long sink;

static void serve(void)
{
    output_length = 0;
    rack_serve(&app, &request, false);
}

/* The hello, as a script. */
static void serve_script(void)
{
    request.script_name = "";
    request.path_info = "/hello.rb";
    serve();
}

static mrb_value env_body(mrb_state *mrb, void *data)
{
    struct rack_exchange *exchange = data;

    exchange->input = rack_input_new(mrb, exchange->rack);
    exchange->finished = mrb_ary_new_capa(mrb, 0);
    return rack_env_new(mrb, exchange);
}

static void make_env(void)
{
    struct rack_exchange exchange = { .rack = app.vm->rack, .vm = app.vm, .app = &app, .request = &request };
    int arena = mrb_gc_arena_save(app.vm->mrb);
    mrb_value env;

    vm_call(app.vm, env_body, &exchange, &env);
    mrb_gc_arena_restore(app.vm->mrb, arena);
}

static void enter_by_descriptor(void)
{
    if (fchdir(app.root_fd) == -1)
        abort();
}

static void enter_by_path(void)
{
    if (chdir(app.config->root) == -1)
        abort();
}

static void match_first(void)
{
    sink = vhost_match(hosts, HOSTS, "host-0.example.org", "/articles");
}

static void match_last(void)
{
    sink = vhost_match(hosts, HOSTS, "host-499.example.org", "/articles");
}

static void match_none(void)
{
    sink = vhost_match(hosts, HOSTS, "unknown.example.org", "/articles");
}

static void measure(const char *name, void (*run)(void), long calls)
{
    double best = 1e9;

    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = clock_monotonic_ns();
        for (long i = 0; i < calls; i++)
            run();
        double each = (double)(clock_monotonic_ns() - start) / (double)calls / 1000;
        if (each < best)
            best = each;
    }
    printf("%-44s %7.2f us\n", name, best);
}

static void load(const char *path, const char *source)
{
    struct strbuf error = { 0 };
    FILE *file = fopen(path, "w");

    if (file == NULL || fputs(source, file) == EOF || fclose(file) == EOF)
        abort();
    if (!rack_load(app.vm, path, &app.callable, &error)) {
        fprintf(stderr, "%s\n", error.data);
        exit(1);
    }
}

static void measure_scripts(const char *directory, struct config_app *config, long calls)
{
    char path[80];
    struct strbuf error = { 0 };

    snprintf(path, sizeof path, "%s/hello.rb", directory);
    FILE *file = fopen(path, "w");
    if (file == NULL)
        abort();
    fputs("[200, { 'content-type' => 'text/plain' }, ['Hello, world!']]", file);
    fclose(file);
    config->scripts.enabled = true;
    config->scripts.index = (char[]){ "index.rb" };
    config->scripts.follow_symlinks = FOLLOW_OWNER;
    for (int cache = 1; cache >= 0; cache--) {
        config->scripts.cache = cache;
        app.scripts = scripts_new(app.vm, config, app.root_fd);
        if (!scripts_load(app.scripts, &error))
            abort();
        measure(cache ? "script hello, cache: true" : "script hello, cache: false", serve_script, calls);
        scripts_free(app.scripts);
        app.scripts = NULL;
    }
    unlink(path);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        const char *source;
    } apps[] = {
        { "hello (lambda, Array body)",
          "run ->(env) { [200, { 'content-type' => 'text/plain' }, ['Hello, world!']] }" },
        { "hello with 8 headers", "run ->(env) { [200, { 'content-type' => 'text/html; charset=utf-8', 'cache-control' "
                                  "=> 'no-cache', 'etag' => '\"1\"',"
                                  " 'set-cookie' => ['a=1', 'b=2'], 'x-frame-options' => 'DENY', 'vary' => 'accept', "
                                  "'x-a' => 'b', 'x-c' => 'd' },"
                                  " ['Hello, world!']] }" },
        { "hello by each", "class B\n  def each; yield 'Hello, world!'; end\nend\nrun ->(env) { [200, { 'content-type' "
                           "=> 'text/plain' }, B.new] }" },
        { "hello behind map and one middleware",
          "class M\n  def initialize(app) @app = app end\n  def call(env) @app.call(env) end\nend\nuse M\n"
          "map('/articles') { run ->(env) { [200, { 'content-type' => 'text/plain' }, ['Hello, world!']] } }" },
        { "exception, answered with 500", "run ->(env) { raise 'x' }" },
    };
    char directory[] = "/tmp/cowherd-bench-XXXXXX";
    char path[64];
    static char names[HOSTS][32];
    long calls = argc > 1 ? atol(argv[1]) : 1000;
    struct config_app config = { .name = "bench", .path = "/", .root = directory };

    if (mkdtemp(directory) == NULL)
        abort();
    snprintf(path, sizeof path, "%s/config.ru", directory);
    app = (struct app){ .config = &config, .vm = vm_open("bench"), .root_fd = open(directory, O_PATH | O_DIRECTORY) };
    rack_define(app.vm);
    log_to_descriptor(open("/dev/null", O_WRONLY));
    for (int i = 0; i < HOSTS; i++) {
        snprintf(names[i], sizeof names[i], "host-%d.example.org", i);
        hosts[i] = (struct config_app){ .host = names[i], .path = "/" };
    }

    for (size_t i = 0; i < sizeof apps / sizeof apps[0]; i++) {
        load(path, apps[i].source);
        measure(apps[i].name, serve, calls);
    }
    measure_scripts(directory, &config, calls);
    request.script_name = "";
    request.script_path = NULL;
    measure("  the env alone (25 parameters)", make_env, calls);
    measure("  its root: fchdir of an O_PATH descriptor", enter_by_descriptor, calls);
    measure("  its root: chdir of a path (not used)", enter_by_path, calls);
    measure("vhost, 500 hosts: the first", match_first, calls);
    measure("vhost, 500 hosts: the last", match_last, calls);
    measure("vhost, 500 hosts: none", match_none, calls);
    unlink(path);
    rmdir(directory);
    vm_close(app.vm);
    return 0;
}
