/*
 * The program that runs, as /proc says. Where /proc can't be read (any more) it is as it was, or by the path that it
 * was started by.
 */
#ifndef COWHERD_OWN_PROGRAM_H
#define COWHERD_OWN_PROGRAM_H

/* Its file's path, with " (deleted)" behind it when another one lies there by now. NULL with errno. */
const char *own_program_path(void);

/* What to open or execute: this very program, whatever lies at its path by now. */
const char *own_program(void);

#endif
