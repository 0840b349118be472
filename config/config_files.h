/*
 * The files that a configuration consists of: the main one (or a text in its place) and what it includes.
 *
 * Bounds, far from any real configuration: CONFIG_FILE_MAX bytes a file, CONFIG_TOTAL_MAX bytes and CONFIG_FILES_MAX
 * files together. An included file includes nothing itself, so there are no cycles; a file that several patterns match
 * is read once, and one that includes itself is an error.
 */
#ifndef COWHERD_CONFIG_FILES_H
#define COWHERD_CONFIG_FILES_H

#include <sys/stat.h>

#include "bind.h"

#define CONFIG_FILE_MAX (1 << 20)
#define CONFIG_TOTAL_MAX (8 << 20)
#define CONFIG_FILES_MAX 1024
/* A text from memory: the canonical form is longer than what it was made from. */
#define CONFIG_TEXT_MAX (64 << 20)

struct config_file {
    struct source *source;
    char *path;         /* absolute; NULL for a text */
    struct node *root;  /* NULL: nothing in it */
    struct stat status; /* when it was opened */
};

struct config_files {
    struct diagnostics *diagnostics;
    struct config_file **items;
    size_t count;
    size_t bytes;
    bool unreadable; /* a file could not be read to its end */
    bool vanished;   /* one that was to be read was not there */
};

/* Reads the main file; `name` stands for it in messages. */
void config_files_read(struct config_files *files, const char *name, const char *path);

/* Takes a text for the main file. */
void config_files_text(struct config_files *files, const char *name, const char *directory, const char *text,
                       size_t length);

/* Reads what the main file includes; `include` may be NULL. */
void config_files_include(struct config_files *files, struct node *include, struct binder *binder);

/* Whether one of them is no longer what was read: what was read may be of no one version. */
bool config_files_changed(const struct config_files *files);

/* Copies the files' paths. */
void config_files_names(const struct config_files *files, struct config_strings *names);

void config_files_free(struct config_files *files);

#endif
