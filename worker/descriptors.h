/*
 * The descriptors of a mold while apps load: which are cowherd's own, and must be there afterwards, and which an app
 * has opened and holds.
 */
#ifndef COWHERD_DESCRIPTORS_H
#define COWHERD_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "strbuf.h"

struct descriptor {
    int fd;
    dev_t device;
    ino_t inode;
    const char *app;  /* who opened it; NULL: cowherd */
    const char *what; /* what it is for cowherd */
};

struct descriptors {
    struct descriptor *items;
    size_t count;
    bool unseen; /* they can't be looked at, and the log says so */
};

/* All that are open and not known yet are cowherd's (`app` NULL) or that app's (its name is kept, not copied). */
void descriptors_claim(struct descriptors *descriptors, const char *app);

/* Whether cowherd's own are what they were; else appends what is wrong with the first that is not. */
bool descriptors_intact(const struct descriptors *descriptors, struct strbuf *error);

/* Logs a warning for each one that an app still holds: all workers would share it. */
void descriptors_warn_held(const struct descriptors *descriptors);

void descriptors_free(struct descriptors *descriptors);

#endif
