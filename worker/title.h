/*
 * A worker's title in ps(1): "cowherd: POOL gen N worker I (STATE)". The state changes twice a request, so it is
 * written in place and not through setproctitle(3).
 */
#ifndef COWHERD_TITLE_H
#define COWHERD_TITLE_H

/* Once per process, with main's own arguments, before anything else of this module. */
void title_init(int argc, char **argv, char **environment);

void title_mold(const char *pool, unsigned generation);
void title_worker(const char *pool, unsigned generation, unsigned worker);

/* One of slot_state_name's. Only after title_worker. */
void title_state(const char *state);

#endif
