/* cowherd: the command line. Exit status 0 done, 1 failed, 2 usage or configuration. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check_command.h"
#include "config.h"
#include "control_client.h"
#include "fallback_command.h"
#include "front_command.h"
#include "heap_command.h"
#include "load_config.h"
#include "request_command.h"
#include "status_server_command.h"
#include "strbuf.h"
#include "supervisor.h"
#include "trace_command.h"

#define DEFAULT_CONFIG "/etc/cowherd/cowherd.yml"
#define EXIT_USAGE 2

struct options {
    const char *config; /* -c */
    const char *socket; /* -s, NULL: from the configuration */
    bool verbose;       /* -v */
    bool json;          /* --json */
    bool dev;           /* --dev */
    const char *number; /* --requests */
    const char *svg;    /* --svg */
    const char *worker; /* --worker */
    char **arguments;   /* what follows the options */
    int count;
};

struct command {
    const char *name;
    const char *synopsis;
    const char *help;
    int arguments_min, arguments_max;
    int (*run)(const struct options *options);
};

/* The control socket's path from -s or from the configuration. NULL: printed why. free(3). */
static char *control_socket(const struct options *options)
{
    if (options->socket)
        return strdup(options->socket);
    struct config *config = load_config(options->config);
    char *path = config ? strdup(config->control) : NULL;
    if (!config)
        fprintf(stderr, "cowherd: the control socket can't be found without a configuration; name it with -s\n");
    config_release(config);
    return path;
}

static int command_over_control(const struct options *options, const char *line)
{
    char *path = control_socket(options);
    if (!path)
        return EXIT_USAGE;
    struct strbuf text = { 0 };
    int result = control_client_command(path, line, &text);
    if (text.data && strcmp(text.data, "\n") != 0)
        fputs(text.data, result == 0 ? stdout : stderr);
    strbuf_free(&text);
    free(path);
    return result;
}

static int run_run(const struct options *options)
{
    return supervisor_run(options->config, options->dev);
}

static int run_check(const struct options *options)
{
    return check_command(options->config, options->verbose);
}

static int run_reload(const struct options *options)
{
    struct strbuf line = { 0 };
    strbuf_puts(&line, "reload");
    if (options->count > 0)
        strbuf_printf(&line, " %s", options->arguments[0]);
    int result = command_over_control(options, line.data);
    strbuf_free(&line);
    return result;
}

static int run_stop(const struct options *options)
{
    return command_over_control(options, "stop");
}

static int run_reopen(const struct options *options)
{
    return command_over_control(options, "reopen");
}

static int run_upgrade(const struct options *options)
{
    return command_over_control(options, "upgrade");
}

static int run_status(const struct options *options)
{
    return command_over_control(options, options->json ? "status json" : "status");
}

static int run_memory(const struct options *options)
{
    struct strbuf line = { 0 };
    strbuf_printf(&line, "memory %s", options->json ? "json" : "table");
    if (options->count > 0)
        strbuf_printf(&line, " %s", options->arguments[0]);
    int result = command_over_control(options, line.data);
    strbuf_free(&line);
    return result;
}

static int run_heap(const struct options *options)
{
    if (!options->svg || (options->worker && (strspn(options->worker, "0123456789") != strlen(options->worker) ||
                                              strlen(options->worker) - 1 > 8))) {
        fprintf(stderr, "cowherd heap: %s\nusage: cowherd heap --svg FILE [POOL] [--worker N]\n",
                options->svg ? "--worker takes the number of a worker" : "--svg FILE is missing");
        return EXIT_USAGE;
    }
    char *path = control_socket(options);
    if (!path)
        return EXIT_USAGE;
    int result = heap_command(&(struct heap_command){
        .socket = path,
        .file = options->svg,
        .pool = options->count > 0 ? options->arguments[0] : NULL,
        .worker = options->worker,
    });
    free(path);
    return result;
}

static int run_scale(const struct options *options)
{
    const char *number = options->arguments[1];
    if (strspn(number, "0123456789") != strlen(number) || strlen(number) - 1 > 8) {
        fprintf(stderr, "cowherd scale: \"%s\" is not a number of workers\nusage: cowherd scale POOL N\n", number);
        return EXIT_USAGE;
    }
    struct strbuf line = { 0 };
    strbuf_printf(&line, "scale %s %s", options->arguments[0], number);
    int result = command_over_control(options, line.data);
    strbuf_free(&line);
    return result;
}

static int run_trace_writes(const struct options *options)
{
    char *path = control_socket(options);
    int result = path ? trace_command(path, options->arguments[0], options->number, options->json) : EXIT_USAGE;
    free(path);
    return result;
}

static int run_front(const struct options *options)
{
    struct config *config = load_config(options->config);
    if (!config)
        return EXIT_USAGE;
    struct strbuf text = { 0 };
    int result = front_command(config, options->arguments[0], options->count > 1 ? options->arguments[1] : NULL, &text);
    if (text.data)
        fputs(text.data, stdout);
    strbuf_free(&text);
    config_release(config);
    return result;
}

static const struct command commands[] = {
    { "run", "run [--dev] [-c FILE]",
      "run in the foreground until stopped; --dev reloads when a file changes and shows errors in the page", 0, 0,
      run_run },
    { "check", "check [-v] [-c FILE]", "check the configuration and compile the apps; -v prints it in canonical form",
      0, 0, run_check },
    { "reload", "reload [-c FILE | -s SOCKET] [POOL]", "start a new generation, wait for it, drain the old one", 0, 1,
      run_reload },
    { "stop", "stop [-c FILE | -s SOCKET]", "finish the running requests and end, and wait for that", 0, 0, run_stop },
    { "reopen", "reopen [-c FILE | -s SOCKET]", "open the log files anew", 0, 0, run_reopen },
    { "upgrade", "upgrade [-c FILE | -s SOCKET]", "let the program as it is installed now take over, and wait for that",
      0, 0, run_upgrade },
    { "status", "status [--json] [-c FILE | -s SOCKET]", "show pools, workers and their memory", 0, 0, run_status },
    { "scale", "scale POOL N [-c FILE | -s SOCKET]", "give a pool another number of workers while it runs", 2, 2,
      run_scale },
    { "trace-writes", "trace-writes POOL [--requests N] [--json] [-c FILE | -s SOCKET]",
      "show which lines write to preloaded state", 1, 1, run_trace_writes },
    { "memory", "memory [--json] [POOL] [-c FILE | -s SOCKET]", "show what each worker costs, part by part", 0, 1,
      run_memory },
    { "heap", "heap --svg FILE [POOL] [--worker N] [-c FILE | -s SOCKET]", "draw a worker's heap, page by page", 0, 1,
      run_heap },
    { "front", "front SERVER [POOL] [-c FILE]",
      "print a front end's settings: nginx, lighttpd, apache, haproxy, caddy, h2o", 1, 2, run_front },
};

static void usage(FILE *stream)
{
    fprintf(stream, "usage: cowherd COMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(stream, "  %-40s %s\n", commands[i].synopsis, commands[i].help);
    fprintf(stream, "  %-40s %s\n", "request [OPTIONS] SOCKET URI", "send one FastCGI request and print the answer");
    fprintf(stream, "  %-40s %s\n", "version", "print the version");
    fprintf(stream, "\nThe default configuration file is " DEFAULT_CONFIG ".\n"
                    "Exit status: 0 done, 1 failed, 2 usage or configuration.\n");
}

static int usage_error(const struct command *command, const char *problem, const char *what)
{
    fprintf(stderr, "cowherd %s: %s%s%s\nusage: cowherd %s\n", command->name, problem, what ? " " : "",
            what ? what : "", command->synopsis);
    return EXIT_USAGE;
}

static bool takes(const struct command *command, const char *option)
{
    return strstr(command->synopsis, option) != NULL;
}

/* Options may stand before and behind the arguments. */
static int parse(const struct command *command, int argc, char **argv, struct options *options)
{
    options->arguments = argv;
    for (int i = 1; i < argc; i++) {
        char *word = argv[i];
        bool wants_value = strcmp(word, "-c") == 0 || strcmp(word, "-s") == 0 || strcmp(word, "--requests") == 0 ||
                           strcmp(word, "--svg") == 0 || strcmp(word, "--worker") == 0;
        if (*word != '-') {
            options->arguments[options->count++] = word;
            continue;
        }
        if (!takes(command, word))
            return usage_error(command, "does not know the option", word);
        if (wants_value && i + 1 == argc)
            return usage_error(command, "a value is missing behind", word);
        if (strcmp(word, "-c") == 0)
            options->config = argv[++i];
        else if (strcmp(word, "-s") == 0)
            options->socket = argv[++i];
        else if (strcmp(word, "--requests") == 0)
            options->number = argv[++i];
        else if (strcmp(word, "--svg") == 0)
            options->svg = argv[++i];
        else if (strcmp(word, "--worker") == 0)
            options->worker = argv[++i];
        else if (strcmp(word, "-v") == 0)
            options->verbose = true;
        else if (strcmp(word, "--json") == 0)
            options->json = true;
        else if (strcmp(word, "--dev") == 0)
            options->dev = true;
        else
            return usage_error(command, "does not know the option", word);
    }
    if (options->count < command->arguments_min)
        return usage_error(command, "an argument is missing", NULL);
    if (options->count > command->arguments_max)
        return usage_error(command, "does not take the argument", options->arguments[command->arguments_max]);
    return 0;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "request") == 0)
        return request_command(argc - 1, argv + 1);
    if (strcmp(name, "fallback") == 0)
        return fallback_command(argc - 1, argv + 1);
    if (strcmp(name, "status-server") == 0)
        return status_server_command(argc - 1, argv + 1);
    /* For the supervisor, which tries another version by it. */
    if (strcmp(name, "check-upgrade") == 0 && argc == 3)
        return upgrade_check(argv[2]);
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        puts("cowherd " COWHERD_VERSION);
        return 0;
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        usage(stdout);
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(name, commands[i].name) != 0)
            continue;
        struct options options = { .config = DEFAULT_CONFIG };
        int problem = parse(&commands[i], argc - 1, argv + 1, &options);
        return problem ? problem : commands[i].run(&options);
    }
    if (*name)
        fprintf(stderr, "cowherd: there is no command \"%s\"\n", name);
    usage(stderr);
    return EXIT_USAGE;
}
