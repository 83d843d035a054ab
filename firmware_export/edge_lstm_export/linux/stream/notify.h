/* What a service manager is told, over the socket that it names in NOTIFY_SOCKET (sd_notify(3)); nothing without. */
#ifndef EL_NOTIFY_H
#define EL_NOTIFY_H

void el_notify_open(void);
void el_notify(const char *state);

/* Say that samples are taken or waited for, if half the watchdog's time has passed since it was last said. */
void el_notify_alive(void);

/* Milliseconds until that is due; -1: nobody asks. */
int el_notify_due(void);

#endif
