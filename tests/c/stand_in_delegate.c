/* Stands in for an Edge TPU's delegate: takes the custom operator and computes next to nothing.
 *
 * The structures are those of TFLite's C interface, as far as they are used here; sizes count where the interpreter
 * has them in arrays or by value.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN __attribute__((visibility("default")))

typedef struct {
    int size;
    int data[];
} ints;

typedef struct {
    int type;
    union {
        int8_t *int8;
        void *raw;
    } data;
    ints *dims;
    float scale;
    int32_t zero;
    int allocation;
    size_t bytes;
    const void *file;
    const char *name;
    void *delegate;
    int handle;
    char stale, variable;
    int quantization;
    void *quantization_params;
    void *sparsity;
    const ints *signature;
} tensor;

typedef struct {
    ints *inputs, *outputs;
} node;

typedef struct context context;

typedef struct {
    void *(*init)(context *, const char *, size_t);
    void (*release)(context *, void *);
    int (*prepare)(context *, node *);
    int (*invoke)(context *, node *);
    const char *(*profile)(const context *, const node *);
    int32_t builtin;
    const char *custom;
    int version;
    void *more[4];
} registration;

struct context {
    size_t count;
    int (*plan)(context *, ints **);
    tensor *tensors;
    void *own;
    int (*resize)(context *, tensor *, ints *);
    void (*report)(context *, const char *, ...);
    int (*add)(context *, int, int *);
    int (*node_at)(context *, int, node **, registration **);
    int (*replace)(context *, registration, const ints *, void *);
};

typedef struct delegate {
    void *data;
    int (*prepare)(context *, struct delegate *);
    void *copies[3];
    int64_t flags;
    void *builder;
} delegate;

static node taken;

static ints *copy_of(const ints *from)
{
    size_t bytes = sizeof(int) * (size_t)(from->size + 1);
    return memcpy(malloc(bytes), from, bytes);
}

static int ready(context *c, node *n)
{
    (void)c, (void)n;
    return 0;
}

/* Inputs x, h0, c0, h1, …; outputs y and the new states. */
static int invoke(context *c, node *n)
{
    (void)n;
#ifdef FAILS
    static int calls;
    if (calls++ == 4)
        return 1;
#endif
    tensor *h = &c->tensors[taken.inputs->data[1]], *y = &c->tensors[taken.outputs->data[0]];
    memcpy(y->data.raw, h->data.raw, y->bytes);
    for (int k = 1; k < taken.inputs->size; k++) {
        tensor *in = &c->tensors[taken.inputs->data[k]], *out = &c->tensors[taken.outputs->data[k]];
        for (size_t i = 0; i < in->bytes; i++)
            out->data.int8[i] = (int8_t)(in->data.int8[i] + 1);
    }
    return 0;
}

static int take(context *c, delegate *self)
{
    ints *plan;
    if (c->plan(c, &plan) != 0)
        return 1;
    plan = copy_of(plan);
    for (int k = 0; k < plan->size; k++) {
        node *each;
        registration *of;
        if (c->node_at(c, plan->data[k], &each, &of) != 0)
            return 1;
        if (of->custom == NULL || strcmp(of->custom, "edgetpu-custom-op") != 0)
            continue;
        taken.inputs = copy_of(each->inputs);
        taken.outputs = copy_of(each->outputs);
        registration ours = {.prepare = ready, .invoke = invoke, .custom = "stand-in", .version = 1};
        ints *one = malloc(2 * sizeof(int));
        one->size = 1;
        one->data[0] = plan->data[k];
        return c->replace(c, ours, one, self);
    }
    return 0;
}

static int ignore(context *c, delegate *self)
{
    (void)c, (void)self;
    return 0;
}

SHOWN delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *))
{
    (void)keys, (void)values, (void)count;
#ifdef REFUSES
    report("no device on the bus");
    return NULL;
#endif
    (void)report;
    delegate *made = calloc(1, sizeof *made);
    /* "Allow dynamic tensors": without it the interpreter prepares every operator first, and has no kernel of ours. */
    made->flags = 1;
#ifdef IGNORES
    made->prepare = ignore;
    (void)take;
#else
    made->prepare = take;
    (void)ignore;
#endif
    return made;
}

SHOWN void tflite_plugin_destroy_delegate(delegate *made)
{
    free(made);
}
