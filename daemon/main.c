/* cowherd: the commands. Exit status 0 done, 1 failed, 2 usage or configuration. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_command.h"
#include "command_line.h"
#include "completion.h"
#include "config.h"
#include "control_client.h"
#include "fallback_command.h"
#include "front_command.h"
#include "heap_command.h"
#include "load_config.h"
#include "request_command.h"
#include "settings_command.h"
#include "status_server_command.h"
#include "strbuf.h"
#include "supervisor.h"
#include "top_command.h"
#include "trace_command.h"

/* Of the table below. */
static const struct command *all_commands(void);

static const char *config_file(const struct command_line *line)
{
    return line->options[OPTION_CONFIG] ? line->options[OPTION_CONFIG] : DEFAULT_CONFIG;
}

/* NULL when there are fewer. */
static const char *argument(const struct command_line *line, int number)
{
    return number < line->count ? line->arguments[number] : NULL;
}

static bool is_number(const char *text)
{
    return strspn(text, "0123456789") == strlen(text) && strlen(text) - 1 <= 8;
}

/* The control socket's path from -s or from the configuration. NULL: printed why. free(3). */
static char *control_socket(const struct command_line *line)
{
    if (line->options[OPTION_SOCKET])
        return strdup(line->options[OPTION_SOCKET]);
    struct config *config = load_config(config_file(line));
    char *path = config ? strdup(config->control) : NULL;
    if (!config)
        fprintf(stderr, "cowherd: the control socket can't be found without a configuration; name it with -s\n");
    config_release(config);
    return path;
}

/* `first`, and `second` and `third` where they are not NULL, as one line. */
static int tell(const struct command_line *line, const char *first, const char *second, const char *third)
{
    struct strbuf words = { 0 }, text = { 0 };
    char *path = control_socket(line);

    if (!path)
        return EXIT_USAGE;
    strbuf_puts(&words, first);
    if (second)
        strbuf_printf(&words, " %s", second);
    if (third)
        strbuf_printf(&words, " %s", third);
    int result = control_client_command(path, words.data, &text);
    if (text.data && strcmp(text.data, "\n") != 0)
        fputs(text.data, result == 0 ? stdout : stderr);
    strbuf_free(&words);
    strbuf_free(&text);
    free(path);
    return result;
}

static int run_run(const struct command_line *line)
{
    return supervisor_run(config_file(line), line->options[OPTION_DEV] != NULL);
}

static int run_check(const struct command_line *line)
{
    return check_command(config_file(line), line->options[OPTION_VERBOSE] != NULL);
}

static int run_reload(const struct command_line *line)
{
    return tell(line, "reload", argument(line, 0), NULL);
}

static int run_stop(const struct command_line *line)
{
    return tell(line, "stop", NULL, NULL);
}

static int run_reopen(const struct command_line *line)
{
    return tell(line, "reopen", NULL, NULL);
}

static int run_upgrade(const struct command_line *line)
{
    return tell(line, "upgrade", NULL, NULL);
}

static int run_status(const struct command_line *line)
{
    return tell(line, "status", line->options[OPTION_JSON] ? "json" : NULL, NULL);
}

static int run_memory(const struct command_line *line)
{
    return tell(line, "memory", line->options[OPTION_JSON] ? "json" : "table", argument(line, 0));
}

static int run_top(const struct command_line *line)
{
    const char *delay = line->options[OPTION_DELAY], *count = line->options[OPTION_LOOKS];
    char *end = NULL;
    struct top_command top = { .delay_s = delay ? strtod(delay, &end) : 2 };

    if (delay && (end == delay || *end != '\0' || !(top.delay_s >= 0.1 && top.delay_s <= 3600)))
        return command_usage(command_find(all_commands(), "top"), "--delay takes seconds from 0.1 to 3600, not", delay);
    if (count && !is_number(count))
        return command_usage(command_find(all_commands(), "top"), "--count takes a number, not", count);
    char *path = control_socket(line);
    if (!path)
        return EXIT_USAGE;
    top.socket = path;
    top.count = count ? atol(count) : 0;
    int result = top_command(&top);
    free(path);
    return result;
}

static int run_heap(const struct command_line *line)
{
    const char *worker = line->options[OPTION_WORKER];

    if (worker && !is_number(worker))
        return command_usage(command_find(all_commands(), "heap"), "--worker takes the number of a worker, not",
                             worker);
    char *path = control_socket(line);
    if (!path)
        return EXIT_USAGE;
    int result = heap_command(&(struct heap_command){
        .socket = path,
        .file = line->options[OPTION_SVG],
        .pool = argument(line, 0),
        .worker = worker,
    });
    free(path);
    return result;
}

static int run_scale(const struct command_line *line)
{
    if (!is_number(argument(line, 1)))
        return command_usage(command_find(all_commands(), "scale"), "not a number of workers:", argument(line, 1));
    return tell(line, "scale", argument(line, 0), argument(line, 1));
}

static int run_trace_writes(const struct command_line *line)
{
    char *path = control_socket(line);
    int result = path ? trace_command(path, argument(line, 0), line->options[OPTION_REQUESTS],
                                      line->options[OPTION_JSON] != NULL)
                      : EXIT_USAGE;
    free(path);
    return result;
}

static void print(struct strbuf *text)
{
    if (text->data)
        fputs(text->data, stdout);
    strbuf_free(text);
}

static int run_front(const struct command_line *line)
{
    struct config *config = load_config(config_file(line));
    struct strbuf text = { 0 };

    if (!config)
        return EXIT_USAGE;
    int result = front_command(config, argument(line, 0), argument(line, 1), &text);
    print(&text);
    config_release(config);
    return result;
}

static int run_settings(const struct command_line *line)
{
    struct strbuf text = { 0 };

    if (!settings_write(argument(line, 0), line->options[OPTION_MDOC] != NULL, &text))
        return command_usage(command_find(all_commands(), "settings"),
                             "there is no such setting (without a name all are listed):", argument(line, 0));
    print(&text);
    return 0;
}

static int run_completion(const struct command_line *line)
{
    struct strbuf text = { 0 };

    if (!completion_write(argument(line, 0), all_commands(), &text))
        return command_usage(command_find(all_commands(), "completion"), "knows bash and zsh, not", argument(line, 0));
    print(&text);
    return 0;
}

static int run_version(const struct command_line *line)
{
    (void)line;
    puts("cowherd " COWHERD_VERSION);
    return 0;
}

static int run_help(const struct command_line *line)
{
    struct strbuf text = { 0 };
    const char *name = argument(line, 0);
    const struct command *command = name ? command_find(all_commands(), name) : NULL;

    if (name && !command)
        return command_usage(command_find(all_commands(), "help"), "there is no command", name);
    if (command)
        command_help(command, &text);
    else if (line->options[OPTION_MDOC])
        command_list_mdoc(all_commands(), &text);
    else
        command_list_help(all_commands(), &text);
    print(&text);
    return 0;
}

/* In the order of the help. */
static const struct command commands[] = {
    {
        .name = "run",
        .arguments = "",
        .options = TAKES(DEV) | TAKES(CONFIG),
        .help = "Run in the foreground until stopped",
        .run = run_run,
    },
    {
        .name = "check",
        .arguments = "",
        .options = TAKES(VERBOSE) | TAKES(CONFIG),
        .help = "Check the configuration and compile the apps",
        .run = run_check,
    },
    {
        .name = "reload",
        .arguments = "[POOL]",
        .arguments_max = 1,
        .options = TAKES_CONTROL,
        .help = "Start a new generation of each pool, wait until it serves; the old one goes on if it fails",
        .run = run_reload,
    },
    {
        .name = "upgrade",
        .arguments = "",
        .options = TAKES_CONTROL,
        .help = "Let the program as it is installed now take over, and wait for that",
        .run = run_upgrade,
    },
    {
        .name = "stop",
        .arguments = "",
        .options = TAKES_CONTROL,
        .help = "Finish the running requests and end, and wait for that",
        .run = run_stop,
    },
    {
        .name = "reopen",
        .arguments = "",
        .options = TAKES_CONTROL,
        .help = "Open the log files anew",
        .run = run_reopen,
    },
    {
        .name = "scale",
        .arguments = "POOL N",
        .arguments_min = 2,
        .arguments_max = 2,
        .options = TAKES_CONTROL,
        .help = "Give a pool another number of workers while it runs",
        .run = run_scale,
    },
    {
        .name = "status",
        .arguments = "",
        .options = TAKES(JSON) | TAKES_CONTROL,
        .help = "Show pools, generations, workers and their memory",
        .run = run_status,
    },
    {
        .name = "top",
        .arguments = "",
        .options = TAKES(DELAY) | TAKES(LOOKS) | TAKES_CONTROL,
        .help = "Show the status again and again, until interrupted",
        .run = run_top,
    },
    {
        .name = "memory",
        .arguments = "[POOL]",
        .arguments_max = 1,
        .options = TAKES(JSON) | TAKES_CONTROL,
        .help = "Show what each worker costs, part by part",
        .run = run_memory,
    },
    {
        .name = "heap",
        .arguments = "[POOL]",
        .arguments_max = 1,
        .options = TAKES(SVG) | TAKES(WORKER) | TAKES_CONTROL,
        .required = TAKES(SVG),
        .help = "Draw a worker's heap, page by page",
        .run = run_heap,
    },
    {
        .name = "trace-writes",
        .arguments = "POOL",
        .arguments_min = 1,
        .arguments_max = 1,
        .options = TAKES(REQUESTS) | TAKES(JSON) | TAKES_CONTROL,
        .help = "Show which lines write to preloaded state",
        .run = run_trace_writes,
    },
    {
        .name = "front",
        .arguments = "SERVER [POOL]",
        .arguments_min = 1,
        .arguments_max = 2,
        .words = "nginx lighttpd apache haproxy caddy h2o",
        .options = TAKES(CONFIG),
        .help = "Print a front end's settings: nginx, lighttpd, apache, haproxy, caddy, h2o",
        .run = run_front,
    },
    {
        .name = "request",
        .arguments = "SOCKET URI",
        .options = TAKES(METHOD) | TAKES(HEADER) | TAKES(BODY) | TAKES(TIMEOUT) | TAKES(KEEP) | TAKES(AUTHORIZER),
        .help = "Send one FastCGI request to a path, host:port or [v6]:port, and print the answer",
        .run_words = request_command,
    },
    {
        .name = "settings",
        .arguments = "[NAME]",
        .arguments_max = 1,
        .options = TAKES(MDOC),
        .help = "Explain the settings, or those whose name, or a part of it, begins so",
        .run = run_settings,
    },
    {
        .name = "completion",
        .arguments = "SHELL",
        .arguments_min = 1,
        .arguments_max = 1,
        .words = "bash zsh",
        .help = "Print completions for bash or zsh",
        .run = run_completion,
    },
    {
        .name = "version",
        .arguments = "",
        .help = "Print the version",
        .run = run_version,
    },
    {
        .name = "help",
        .arguments = "[COMMAND]",
        .arguments_max = 1,
        .options = TAKES(MDOC),
        .help = "Explain a command, or list them all",
        .run = run_help,
    },
    { 0 },
};

static const struct command *all_commands(void)
{
    return commands;
}

/* Started by cowherd itself. */
static bool run_hidden(const char *name, int argc, char **argv, int *status)
{
    if (strcmp(name, "fallback") == 0)
        *status = fallback_command(argc, argv);
    else if (strcmp(name, "status-server") == 0)
        *status = status_server_command(argc, argv);
    else if (strcmp(name, "check-upgrade") == 0 && argc == 2)
        *status = upgrade_check(argv[1]);
    else
        return false;
    return true;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct command_line line;

    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return run_help(&(struct command_line){ .arguments = argv, .count = 1 });
    if (command->run_words)
        return command->run_words(argc, argv);
    int problem = command_line_parse(command, argc, argv, &line);
    return problem ? problem : command->run(&line);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    int status;

    if (strcmp(name, "--version") == 0)
        name = "version";
    else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    const struct command *command = command_find(commands, name);
    if (command)
        return run_command(command, argc - 1, argv + 1);
    if (run_hidden(name, argc - 1, argv + 1, &status))
        return status;
    struct strbuf text = { 0 };
    if (*name)
        strbuf_printf(&text, "cowherd: there is no command \"%s\"\n", name);
    command_list_help(commands, &text);
    fputs(text.data, stderr);
    strbuf_free(&text);
    return EXIT_USAGE;
}
