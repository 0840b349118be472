/*
 * One app in one interpreter over a fake request, for the tests of worker/rack*.c. Include in one file of a test.
 */
#ifndef COWHERD_TEST_RACK_FIXTURE_H
#define COWHERD_TEST_RACK_FIXTURE_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_request.h"

#include <cmocka.h>

#include "app.h"
#include "log.h"
#include "rack.h"
#include "vm.h"

#include <mruby/compile.h>

static char directory[64];
static char rackup[96]; /* config.ru in it */
static struct config_app app_config;
static struct app app;
static struct request_transport transport;
static struct request request;
static int log_fd;
static char logged[65536];
static bool show_errors;

static inline int set_up(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/cowherd-rack-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(rackup, sizeof rackup, "%s/config.ru", directory);
    app_config = (struct config_app){ .name = "blog.example.org/", .root = directory, .rack = rackup };
    app = (struct app){
        .config = &app_config,
        .vm = vm_open("test"),
        .callable = mrb_nil_value(),
        .root_fd = open(directory, O_PATH | O_DIRECTORY),
    };
    if (app.vm == NULL || app.root_fd == -1)
        return -1;
    rack_define(app.vm);
    request = (struct request){ .transport = &transport, .params = transport.params, .script_name = "" };
    log_fd = memfd_create("log", MFD_CLOEXEC);
    log_to_descriptor(log_fd);
    log_set_level(LOG_LEVEL_DEBUG);
    show_errors = false;
    return log_fd == -1;
}

static inline int tear_down(void **state)
{
    char command[96];

    (void)state;
    vm_close(app.vm);
    close(app.root_fd);
    close(log_fd);
    fake_clear(&transport);
    if (chdir("/") == -1)
        return -1;
    snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command);
}

static inline void write_file(const char *path, const char *bytes, size_t length)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* Loads `source` as config.ru; false with the description in *error. */
static inline bool load_source(const char *source, struct strbuf *error)
{
    write_file(rackup, source, strlen(source));
    return rack_load(app.vm, rackup, &app.callable, error);
}

static inline void load_app(const char *source)
{
    struct strbuf error = { 0 };

    if (!load_source(source, &error))
        fail_msg("%s", error.data);
    strbuf_free(&error);
}

static inline void param(const char *text)
{
    fake_param(&transport, text);
}

static inline void body(const char *bytes, size_t length)
{
    transport.body = bytes;
    transport.body_length = length;
}

/* Everything that the log has, from the start. */
static inline const char *log_text(void)
{
    ssize_t length = pread(log_fd, logged, sizeof logged - 1, 0);

    logged[length > 0 ? length : 0] = '\0';
    return logged;
}

/* Serves `method path` with the params given so far, and returns all that was written. */
static inline const char *serve(const char *method, const char *path)
{
    char text[4096];
    int arena = mrb_gc_arena_save(app.vm->mrb);

    strbuf_consume(&transport.out, transport.out.length);
    transport.flushes = 0;
    request = (struct request){
        .transport = &transport,
        .params = transport.params,
        .script_name = "",
        .path_info = path,
        .body_limit = request.body_limit,
        .app = &app,
    };
    snprintf(text, sizeof text, "REQUEST_METHOD=%s", method);
    param(text);
    rack_serve(&app, &request, show_errors);
    assert_int_equal(mrb_gc_arena_save(app.vm->mrb), arena);
    assert_null(app.vm->mrb->exc);
    if (!request.client_gone) {
        assert_true(transport.out.length > 0); /* no answer is ever empty */
        assert_non_null(strstr(transport.out.data, "Status: "));
        assert_non_null(strstr(transport.out.data, "\r\n\r\n"));
    }
    return transport.out.data != NULL ? transport.out.data : "";
}

static inline const char *get(const char *path)
{
    return serve("GET", path);
}

/* What `source`, the body of a lambda of `env`, returns, as inspect shows it. */
static inline const char *evaluate(const char *source)
{
    char app_source[8192];
    const char *out;

    snprintf(app_source, sizeof app_source, "run ->(env) {\nvalue = begin\n%s\nend\n[200, {}, [value.inspect]] }",
             source);
    load_app(app_source);
    out = strstr(get("/"), "\r\n\r\n") + 4;
    if (request.status != 200)
        fail_msg("%s", log_text());
    return out;
}

#define assert_has(text, part)                                                                                         \
    do {                                                                                                               \
        if (strstr((text), (part)) == NULL)                                                                            \
            fail_msg("no \"%s\" in:\n%s", (part), (text));                                                             \
    } while (0)
#define assert_has_not(text, part)                                                                                     \
    do {                                                                                                               \
        if (strstr((text), (part)) != NULL)                                                                            \
            fail_msg("\"%s\" in:\n%s", (part), (text));                                                                \
    } while (0)
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
