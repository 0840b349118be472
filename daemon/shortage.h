/*
 * What a machine can run out of, for people.
 */
#ifndef COWHERD_SHORTAGE_H
#define COWHERD_SHORTAGE_H

/* strerror's text for an errno, and which limits to look at when it says that there is no more of something. */
const char *shortage_text(int error);

#endif
