/* Whom the kernel ends when the machine is out of memory. */
#ifndef COWHERD_OOM_SCORE_H
#define COWHERD_OOM_SCORE_H

/* That of the calling process, -1000 to 1000; 0 where it can't be read. What it starts inherits it. */
int oom_score_get(void);

/*
 * 0, or -1 with errno: EACCES where less than what it has (or once had without the privilege to have less) is asked for
 * without CAP_SYS_RESOURCE. After a change of user it is for root alone to call.
 */
int oom_score_set(int adjustment);

#endif
