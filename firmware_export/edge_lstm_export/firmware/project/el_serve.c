#include "el_serve.h"

#include "el_self_test.h"

static uint8_t *el_put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
    return at + 2;
}

/* Memory to memory, byte by byte: payloads are not aligned. Codes are little-endian on the wire and in memory. */
static void el_copy(void *to, const void *from, size_t bytes)
{
    uint8_t *target = (uint8_t *)to;
    const uint8_t *source = (const uint8_t *)from;
    for (; bytes != 0; bytes--)
        *target++ = *source++;
}

static uint16_t el_info(const el_server *server, uint8_t *out)
{
    uint8_t *at = out;
    *at++ = EL_PROTOCOL;
    *at++ = server->passed;
    at = el_put16(at, EL_CHANNELS);
    at = el_put16(at, EL_OUTPUTS);
    at = el_put16(at, EL_UNITS);
    for (uint8_t k = 0; k < EL_MODEL_ID_BYTES; k++)
        *at++ = EL_LOAD_U8(el_model_id + k);
    return (uint16_t)(at - out);
}

static uint16_t el_answer_step(el_server *server, const uint8_t *payload, uint8_t *out)
{
    el_code x[EL_CHANNELS], y[EL_OUTPUTS];
    el_copy(x, payload, sizeof x);
    el_step(&server->state, x, y);
    el_copy(out, y, sizeof y);
    return (uint16_t)sizeof y;
}

static uint16_t el_get_state(const el_server *server, uint8_t *out)
{
    el_copy(out, server->state.cell, sizeof server->state.cell);
    el_copy(out + sizeof server->state.cell, server->state.hidden, sizeof server->state.hidden);
    return (uint16_t)EL_STATE_BYTES;
}

static uint16_t el_set_state(el_server *server, const uint8_t *payload)
{
    el_copy(server->state.cell, payload, sizeof server->state.cell);
    el_copy(server->state.hidden, payload + sizeof server->state.cell, sizeof server->state.hidden);
    return 0;
}

/* Payload bytes a request of that kind has, -1 for no such kind. */
static int32_t el_request_bytes(uint8_t kind)
{
    switch (kind) {
    case EL_INFO:
    case EL_RESET:
    case EL_GET_STATE:
        return 0;
    case EL_STEP:
        return (int32_t)(sizeof(el_code) * EL_CHANNELS);
    case EL_SET_STATE:
        return (int32_t)EL_STATE_BYTES;
    default:
        return -1;
    }
}

static uint16_t el_obey(el_server *server, uint8_t kind, const uint8_t *payload, uint8_t *out)
{
    switch (kind) {
    case EL_INFO:
        return el_info(server, out);
    case EL_STEP:
        return el_answer_step(server, payload, out);
    case EL_GET_STATE:
        return el_get_state(server, out);
    case EL_SET_STATE:
        return el_set_state(server, payload);
    default:
        el_reset(&server->state);
        return 0;
    }
}

static uint16_t el_answer(el_server *server)
{
    const uint8_t *const payload = server->request + EL_FRAME_HEAD;
    uint8_t *const out = server->reply + EL_FRAME_HEAD;
    const uint8_t sequence = server->request[3], kind = server->request[4];
    const int32_t wanted = el_request_bytes(kind);
    if (wanted == (int32_t)el_frame_payload_bytes(server->request))
        return el_frame_close(server->reply, sequence, (uint8_t)(kind | 0x80U), el_obey(server, kind, payload, out));
    out[0] = wanted < 0 ? EL_UNKNOWN_KIND : EL_WRONG_LENGTH;
    return el_frame_close(server->reply, sequence, EL_REFUSED, 1);
}

void el_server_init(el_server *server)
{
    server->passed = el_self_test(&server->state);
    server->receiver.bytes = server->request;
    server->receiver.capacity = (uint16_t)EL_FRAME_MOST;
    server->receiver.count = 0;
    server->reply_bytes = 0;
}

uint16_t el_server_take(el_server *server, uint8_t byte)
{
    uint16_t crc;
    if (!el_frame_take(&server->receiver, byte))
        return 0;
    crc = el_crc16(0xffff, server->request + 1, (uint16_t)(EL_FRAME_HEAD - 1 + el_frame_payload_bytes(server->request)));
    if (server->reply_bytes == 0 || server->sequence != server->request[3] || server->answered != crc) {
        server->reply_bytes = el_answer(server);
        server->sequence = server->request[3];
        server->answered = crc;
    }
    el_frame_done(&server->receiver);
    return server->reply_bytes;
}
