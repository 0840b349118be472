/*
 * What no single setting can know: how settings agree with one another.
 */
#ifndef COWHERD_CONFIG_CHECK_H
#define COWHERD_CONFIG_CHECK_H

#include "bind.h"

/*
 * Settles the defaults that follow other settings, reports contradictions, and notes where the allocators stand.
 * `main_root` is the main file's tree, the binder's origins are the pools'. Nodes that failed before are left out, so
 * that one slip gives one message.
 */
void config_check(struct binder *binder, const struct node *main_root, struct config *config);

#endif
