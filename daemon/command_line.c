#include "command_line.h"

#include <stdio.h>
#include <string.h>

#include "mdoc.h"

const struct option_help option_helps[OPTION_COUNT] = {
#define X(name, flag, value, help) { flag, value, help },
    OPTION_LIST(X)
#undef X
};

const struct command *command_find(const struct command *commands, const char *name)
{
    for (; commands->name; commands++)
        if (strcmp(commands->name, name) == 0)
            return commands;
    return NULL;
}

static void append_option(enum option option, struct strbuf *out)
{
    const struct option_help *help = &option_helps[option];

    strbuf_puts(out, help->flag);
    if (help->value)
        strbuf_printf(out, " %s", help->value);
}

void command_synopsis(const struct command *command, struct strbuf *out)
{
    strbuf_puts(out, command->name);
    for (int option = 0; option < OPTION_COUNT; option++) {
        bool required = command->required & 1u << option;
        if (!(command->options & 1u << option) || option == OPTION_CONFIG || option == OPTION_SOCKET)
            continue;
        strbuf_puts(out, required ? " " : " [");
        append_option((enum option)option, out);
        strbuf_puts(out, required ? "" : "]");
    }
    if ((command->options & TAKES_CONTROL) == TAKES_CONTROL)
        strbuf_puts(out, " [-c FILE | -s SOCKET]");
    else if (command->options & TAKES(CONFIG))
        strbuf_puts(out, " [-c FILE]");
    if (*command->arguments)
        strbuf_printf(out, " %s", command->arguments);
}

void command_list_help(const struct command *commands, struct strbuf *out)
{
    strbuf_puts(out, "usage: cowherd COMMAND [OPTIONS] [ARGUMENTS]\n\n");
    for (; commands->name; commands++)
        strbuf_printf(out, "  %-14s%s\n", commands->name, commands->help);
    strbuf_puts(out, "\ncowherd help COMMAND tells a command's options.\n"
                     "Exit status: 0 done, 1 failed, 2 usage or configuration.\n");
}

void command_help(const struct command *command, struct strbuf *out)
{
    strbuf_puts(out, "usage: cowherd ");
    command_synopsis(command, out);
    strbuf_printf(out, "\n\n%s.\n", command->help);
    if (command->options)
        strbuf_puts(out, "\n");
    for (int option = 0; option < OPTION_COUNT; option++) {
        struct strbuf name = { 0 };
        if (!(command->options & 1u << option))
            continue;
        append_option((enum option)option, &name);
        strbuf_printf(out, "  %-20s%s\n", name.data, option_helps[option].help);
        strbuf_free(&name);
    }
}

static void mdoc_option(enum option option, struct strbuf *out)
{
    const struct option_help *help = &option_helps[option];

    strbuf_printf(out, "Fl %s", help->flag + 1);
    if (help->value)
        strbuf_printf(out, " Ar %s", help->value);
}

/* Words, those in brackets may be left out. */
static void mdoc_arguments(const char *words, struct strbuf *out)
{
    while (*words) {
        size_t length = strcspn(words, " ");
        bool optional = *words == '[';
        strbuf_puts(out, optional ? " Op Ar " : " Ar ");
        strbuf_append(out, words + optional, length - 2 * optional);
        words += length + strspn(words + length, " ");
    }
    strbuf_puts(out, "\n");
}

static void mdoc_command(const struct command *command, struct strbuf *out)
{
    struct strbuf sentence = { 0 };

    strbuf_printf(&sentence, "%s.", command->help);
    strbuf_printf(out, ".It Cm %s", command->name);
    mdoc_arguments(command->arguments, out);
    mdoc_text(sentence.data, out);
    strbuf_free(&sentence);
    if (!command->options)
        return;
    strbuf_puts(out, ".Bl -tag -width Ds -compact\n");
    for (int option = 0; option < OPTION_COUNT; option++) {
        if (!(command->options & 1u << option) || option == OPTION_CONFIG || option == OPTION_SOCKET)
            continue;
        strbuf_puts(out, ".It ");
        mdoc_option((enum option)option, out);
        strbuf_puts(out, "\n");
        mdoc_text(option_helps[option].help, out);
    }
    if (command->options & TAKES(SOCKET))
        strbuf_puts(out, ".It Fl c Ar FILE | Fl s Ar SOCKET\nthe configuration, or the control socket itself\n");
    else if (command->options & TAKES(CONFIG))
        strbuf_puts(out, ".It Fl c Ar FILE\nthe configuration\n");
    strbuf_puts(out, ".El\n");
}

void command_list_mdoc(const struct command *commands, struct strbuf *out)
{
    strbuf_puts(out, ".Bl -tag -width Ds\n");
    for (; commands->name; commands++)
        mdoc_command(commands, out);
    strbuf_puts(out, ".El\n");
}

int command_usage(const struct command *command, const char *problem, const char *what)
{
    struct strbuf synopsis = { 0 };

    command_synopsis(command, &synopsis);
    fprintf(stderr, "cowherd %s: %s%s%s\nusage: cowherd %s\n", command->name, problem, what ? " " : "",
            what ? what : "", synopsis.data);
    strbuf_free(&synopsis);
    return EXIT_USAGE;
}

/* OPTION_COUNT: the command does not take it. */
static enum option find_option(const struct command *command, const char *word)
{
    for (int option = 0; option < OPTION_COUNT; option++)
        if (command->options & 1u << option && strcmp(option_helps[option].flag, word) == 0)
            return (enum option)option;
    return OPTION_COUNT;
}

static int check_counts(const struct command *command, const struct command_line *line)
{
    for (int option = 0; option < OPTION_COUNT; option++)
        if (command->required & 1u << option && !line->options[option])
            return command_usage(command, "an option is missing:", option_helps[option].flag);
    if (line->count < command->arguments_min)
        return command_usage(command, "an argument is missing", NULL);
    if (line->count > command->arguments_max)
        return command_usage(command, "does not take the argument", line->arguments[command->arguments_max]);
    return 0;
}

int command_line_parse(const struct command *command, int argc, char **argv, struct command_line *line)
{
    bool options_end = false;

    *line = (struct command_line){ .arguments = argv };
    for (int i = 1; i < argc; i++) {
        char *word = argv[i];
        if (options_end || *word != '-') {
            line->arguments[line->count++] = word;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            options_end = true;
            continue;
        }
        enum option option = find_option(command, word);
        if (option == OPTION_COUNT)
            return command_usage(command, "does not know the option", word);
        if (option_helps[option].value && i + 1 == argc)
            return command_usage(command, "a value is missing behind", word);
        line->options[option] = option_helps[option].value ? argv[++i] : "";
    }
    return check_counts(command, line);
}
