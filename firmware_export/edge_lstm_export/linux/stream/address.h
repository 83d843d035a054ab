/* Addresses of sources and destinations, SCHEME:WHERE[?key=value], taken apart once, and what is behind them. */
#ifndef EL_ADDRESS_H
#define EL_ADDRESS_H

#include <stdint.h>

#define EL_HOST_BYTES 256

typedef struct {
    const char *url;  /* as it was written */
    char scheme[16];  /* "-": standard input or output */
    char where[4096]; /* between the colon and the question mark */
    char host[EL_HOST_BYTES];
    uint16_t port;
    double baud;
} el_address;

/* Take `url` apart; `schemes` ends with NULL. */
int el_read_address(el_address *address, const char *url, const char *const *schemes);

/* Its //HOST:PORT; the host may be left out if `any_host`. */
int el_read_host(el_address *address, int any_host);

/* A connection to it, and a socket that waits for others: a handle, or EL_FAILED. */
int el_connect(const el_address *address);
int el_listen(const el_address *address, int kind);

#endif
