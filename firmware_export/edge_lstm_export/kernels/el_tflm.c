#include "el_tflm_math.h"

/* State in memory: cell (units) int16, hidden (units) int8, then scratch at the next multiple of four bytes. Layers lie
 * one after the other in each part; the scratch is shared. */
static el_tflm_lstm_state el_tflm_first_layer(const el_tflm_net *net, void *memory)
{
    const size_t bytes = net->units * (sizeof(int16_t) + sizeof(int8_t));
    el_tflm_lstm_state state;
    state.c = (int16_t *)memory;
    state.h = (int8_t *)(void *)(state.c + net->units);
    state.work = el_words_behind(memory, bytes);
    return state;
}

static void el_tflm_next_layer(el_tflm_lstm_state *state, uint16_t units)
{
    state->c += units;
    state->h += units;
}

static void el_tflm_apply(const el_tflm_dense *head, const int8_t *h, int8_t *y)
{
    const int8_t *weights = head->weights;
    for (uint16_t row = 0; row < head->outputs; row++) {
        int32_t acc = EL_LOAD_I32(head->bias + row);
        for (uint16_t k = 0; k < head->units; k++, weights++)
            acc += (int32_t)h[k] * EL_LOAD_I8(weights);
        y[row] = (int8_t)el_tflm_clamp(el_tflm_multiply(acc, &head->multiplier) + head->zero, -128, 127);
    }
}

void el_tflm_step(const el_tflm_net *net, void *state, const int8_t *x, int8_t *y)
{
    el_tflm_lstm_state layer_state = el_tflm_first_layer(net, state);
    const el_tflm_lstm *layer = net->layers, *const end = layer + net->layer_count;
    for (; layer != end; layer++) {
        layer->step(layer, &layer_state, x);
        x = layer_state.h;
        el_tflm_next_layer(&layer_state, layer->units);
    }
    if (y != NULL)
        el_tflm_apply(net->head, x, y);
}

void el_tflm_run(const el_tflm_net *net, void *state, const int8_t *x, uint32_t steps, int8_t *y)
{
    for (; steps != 0; steps--) {
        el_tflm_step(net, state, x, y);
        x += net->channels;
        if (y != NULL)
            y += net->outputs;
    }
}

void el_tflm_reset(const el_tflm_net *net, void *state)
{
    el_tflm_lstm_state layer_state = el_tflm_first_layer(net, state);
    const el_tflm_lstm *layer = net->layers, *const end = layer + net->layer_count;
    for (; layer != end; layer++) {
        for (uint16_t k = 0; k < layer->units; k++) {
            layer_state.c[k] = 0;
            layer_state.h[k] = layer->hidden_zero;
        }
        el_tflm_next_layer(&layer_state, layer->units);
    }
}

/* The codec gives int16_t: one channel at a time. */
void el_tflm_encode(const el_encoder *encoder, const float *physical, int8_t *codes)
{
    el_encoder channel = *encoder;
    channel.channels = 1;
    for (uint16_t k = 0; k < encoder->channels; k++) {
        int16_t code;
        el_encode_with(&channel, physical + k, &code);
        codes[k] = (int8_t)code;
        channel.offset++, channel.gain++, channel.low++, channel.high++;
    }
}

void el_tflm_decode(const el_decoder *decoder, const int8_t *codes, float *values)
{
    el_decoder output = *decoder;
    output.outputs = 1;
    for (uint16_t k = 0; k < decoder->outputs; k++) {
        const int16_t code = codes[k];
        el_decode_with(&output, &code, values + k);
        output.gain++, output.offset++;
    }
}

uint16_t el_tflm_argmax(const int8_t *codes, uint16_t count)
{
    uint16_t best = 0;
    for (uint16_t k = 1; k < count; k++)
        if (codes[k] > codes[best])
            best = k;
    return best;
}
