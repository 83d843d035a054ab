/* Waiting for the world, which SIGTERM and SIGINT break off: between two samples and never inside one. */
#ifndef EL_WAITING_H
#define EL_WAITING_H

/* From here on the signals are kept until somebody waits. Before, they end the process. */
int el_begin_waiting(void);

/* 1: `handle` is ready for `events` of poll(), 0: `milliseconds` are over, EL_STOPPED. Handle -1 is never ready, and
 * -1 milliseconds are never over. */
int el_wait(int handle, short events, int milliseconds);

/* The signal that came; 0: none. */
int el_signal(void);

#endif
