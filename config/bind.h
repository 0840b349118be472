/*
 * From tree to structures, along the settings table. Whatever is wrong is reported with its place and its path
 * ("pools.web.recycle.age: expected ..."), the node is marked as failed, and the setting keeps its default, so that
 * everything wrong is found in one go.
 */
#ifndef COWHERD_BIND_H
#define COWHERD_BIND_H

#include "diagnostics.h"
#include "settings.h"
#include "yaml_tree.h"

/* One step of the way from the root to where the binder is; the steps are on the callers' stacks. */
struct step {
    const struct step *up;
    const char *key; /* NULL: an item of a list */
    size_t index;
};

struct binder {
    struct diagnostics *diagnostics;
    const struct step *step;
    const char *root; /* of the app that is being read */
    /* where each of the configuration's pools was read from, in their order */
    struct pool_origin {
        const struct node *key;
        struct node *node;
    } * origins;
    size_t origin_count;
};

/* Goes a step down, which the caller keeps until it goes up again. */
static inline void bind_enter(struct binder *binder, struct step *step)
{
    step->up = binder->step;
    binder->step = step;
}

static inline void bind_leave(struct binder *binder)
{
    binder->step = binder->step->up;
}

/* Reads a section into `base`, the section's zeroed struct; defaults for what is missing. `node` may be NULL. */
void bind_section(struct binder *binder, enum section section, struct node *node, void *base);

/* Reads an included file's root: its pools are added to `config`. */
void bind_included(struct binder *binder, struct node *root, struct config *config);

/* One scalar setting (numbers and strings) from a node, or from its default, which has to exist. */
void bind_scalar(struct binder *binder, const struct setting *setting, struct node *node, void *base);
void bind_scalar_default(const struct setting *setting, void *base);

/* Lists of strings, listen, env and rlimits. */
void bind_list(struct binder *binder, const struct setting *setting, struct node *node, void *base);

/*
 * The items of a list; a scalar is a list of one (kept in *single), an empty value a list of none. Reports what is
 * neither, and a list that is longer than the setting allows, which is cut.
 */
struct node **bind_items(struct binder *binder, const struct setting *setting, struct node *node, struct node **single,
                         size_t *count);

/* "PATH: text" at the node, which is marked as failed; nothing when it is already. */
void bind_error(struct binder *binder, struct node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "PATH: expected ..., got ..." */
void bind_unexpected(struct binder *binder, const struct setting *setting, struct node *node);
/* "PATH: PROBLEM, got ..." */
void bind_problem(struct binder *binder, struct node *node, const char *problem);

#endif
