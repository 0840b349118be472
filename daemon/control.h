/*
 * The control socket. A client sends one line, "COMMAND [ARGUMENT...]" separated by single spaces, and reads until the
 * end of file: the first line of the answer is "ok" or "error", what follows is for people (or JSON). One who waits for
 * a trace and shuts its side down for writing gets what was found so far. Only root and the supervisor's own user are
 * served; the socket's mode is 0600.
 */
#ifndef COWHERD_CONTROL_H
#define COWHERD_CONTROL_H

#include "strbuf.h"

struct control;
struct listener_set;
struct supervisor;
struct state_reader;
struct state_writer;

/* NULL: `error` says why (another cowherd runs, the folder is missing, ...). */
struct control *control_open(struct supervisor *supervisor, const char *path, struct strbuf *error);

/* Binds the socket anew where its file was removed. `watch`: as for listener_look. */
void control_look(struct control *control, int watch);

/* Those that it listens on. */
const struct listener_set *control_listeners(const struct control *control);

/*
 * For an upgrade (upgrade.h): who waits for an outcome, but for that of the upgrade, is told to ask again; then the
 * socket and its clients are saved, and adopted by the program that comes. control_adopt: NULL with the reader's error.
 */
void control_ask_again(struct control *control);
void control_save(const struct control *control, struct state_writer *writer);
struct control *control_adopt(struct supervisor *supervisor, struct state_reader *reader);
void control_adopt_client(struct control *control, struct state_reader *reader);

/* Closes and removes the socket; clients that are connected stay. */
void control_stop_listening(struct control *control);
/* The same, then sends what is still to be sent (for a moment at most) and closes the connections. */
void control_close(struct control *control);

#endif
