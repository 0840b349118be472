/*
 * Files whose change is waited for, by inotify. Directories are watched and not the files themselves: editors save by
 * writing another file and renaming it, and what is removed may come again.
 */
#ifndef COWHERD_WATCH_H
#define COWHERD_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "strbuf.h"

struct watch;

/* NULL with errno. */
struct watch *watch_new(void);
void watch_free(struct watch *watch); /* NULL is fine */

/* Readable when something has happened; non-blocking. */
int watch_descriptor(const struct watch *watch);

/*
 * From now on. `path` is absolute and may not exist yet, nor its folder; a link's target is watched, too. What is
 * watched already stays so. What can't be watched is logged.
 */
void watch_file(struct watch *watch, const char *path);

/* All files below the folder whose names end in .rb, also those in folders that come later; not in hidden ones. */
void watch_tree(struct watch *watch, const char *folder);

/* Folders that were not there, or have gone, are looked for again. To be called after a change. */
void watch_again(struct watch *watch);

/*
 * Takes what has happened. true: something that is waited for has changed, was removed or is new; `changed` has its
 * path, if that is known and nothing is in there yet.
 */
bool watch_read(struct watch *watch, struct strbuf *changed);

/*
 * The rule: whether an event of inotify(7) in a folder concerns what is waited for there, one of `names` or, in a
 * tree, any Ruby file. A file that is merely created is still empty: it counts when it is closed.
 */
bool watch_matters(char *const *names, size_t count, bool tree, uint32_t mask, const char *name);

#endif
