/*
 * While a program takes over: when it crashes or hangs, the program before it goes on all the same. (Returning an error
 * is upgrade_return's.)
 */
#ifndef COWHERD_UPGRADE_GUARD_H
#define COWHERD_UPGRADE_GUARD_H

struct upgrade_handed;

/* From here on. Nothing is guarded when there is no program before this one. */
void upgrade_guard(const struct upgrade_handed *handed, const char *config_path);
/* It has taken over, or goes back by itself. */
void upgrade_unguard(void);

#endif
