/* `cowherd top`: the status, again and again. */
#ifndef COWHERD_TOP_COMMAND_H
#define COWHERD_TOP_COMMAND_H

struct top_command {
    const char *socket; /* the control socket */
    double delay_s;     /* between two looks */
    long count;         /* of looks; 0: until it is interrupted */
};

/*
 * On a terminal each look takes the place of the one before, cut to what fits; elsewhere they follow each other. 0: the
 * looks are done, or an interrupt has ended them; 1: the supervisor does not answer, said why.
 */
int top_command(const struct top_command *top);

#endif
