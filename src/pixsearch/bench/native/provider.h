/* An execution provider beside the CPU's: how a session is given it, and what it took of the model. Included by runner.c alone.
 *
 * Which nodes go where is what ONNX Runtime says while it opens a session, and nowhere else before version 1.24. */
#ifndef PIXSEARCH_PROVIDER_H
#define PIXSEARCH_PROVIDER_H

enum { NNAPI_CPU_DISABLED = 4, PLACES = 8, NAME = 64 };

static struct {
    char name[NAME];
    long nodes;
} placed[PLACES]; /* nodes of the model at hand by provider, as far as they are told */
static size_t n_placed;

/* Node(s) placed on [NnapiExecutionProvider]. Number of nodes: 3 */
static void hear(void *nothing, int severity, const char *category, const char *id, const char *where, const char *message) {
    (void)nothing, (void)severity, (void)category, (void)id, (void)where;
    const char *at = strstr(message, "placed on ["), *count = at ? strstr(at, "Number of nodes: ") : NULL;
    if (!count || n_placed == PLACES) return;
    if (sscanf(at, "placed on [%63[^]]", placed[n_placed].name) == 1 && sscanf(count, "Number of nodes: %ld", &placed[n_placed].nodes) == 1) n_placed++;
}

/* Give the session `provider` (`xnnpack` or `nnapi`); NNAPI without its own CPU code, which is slower than ONNX Runtime's. */
static OrtStatus *append_provider(void *library, OrtSessionOptions *options, const char *provider, const char *threads, const char **wrong) {
    if (!strcmp(provider, "xnnpack")) {
        const char *keys[] = {"intra_op_num_threads"}, *values[] = {threads};
        return SessionOptionsAppendExecutionProvider()(options, "XNNPACK", keys, values, 1);
    }
    if (!strcmp(provider, "nnapi")) {
        OrtStatus *(*append)(OrtSessionOptions *, uint32_t) = dlsym(library, "OrtSessionOptionsAppendExecutionProvider_Nnapi");
        if (append) return append(options, NNAPI_CPU_DISABLED);
    }
    *wrong = provider;
    return NULL;
}

/* The provider that has the most of what is not the CPU's; the CPU's where that has all. */
static const char *main_provider(void) {
    const char *found = "CPUExecutionProvider";
    long most = 0;
    for (size_t i = 0; i < n_placed; i++)
        if (strcmp(placed[i].name, "CPUExecutionProvider") && placed[i].nodes > most) found = placed[i].name, most = placed[i].nodes;
    return found;
}

static void print_placed(void) {
    printf(", \"placed\": {");
    for (size_t i = 0; i < n_placed; i++) printf("%s\"%s\": %ld", i ? ", " : "", placed[i].name, placed[i].nodes);
    printf("}");
}

#endif
