/* Self-test, then answer whoever speaks the protocol of el_serve.h. */
#include "el_serve.h"
#include "port.h"

static el_server server;

void board_main(void);
void board_fault(const uint32_t *frame);

void board_main(void)
{
    port_init();
    el_server_init(&server);
    for (;;) {
        const uint16_t count = el_server_take(&server, port_read());
        for (uint16_t k = 0; k < count; k++)
            port_write(server.reply[k]);
    }
}

/* Nothing to tell and nobody to tell it to: the host finds the board silent. A watchdog belongs here. */
__attribute__((used)) void board_fault(const uint32_t *frame)
{
    (void)frame;
    for (;;) {
    }
}
