/* Times one ONNX model on the machine it runs on and answers in JSON lines: what every remote target starts there.
 *
 *     runner LIBRARY MODEL THREADS CPUS [KEY=VALUE...]
 *
 * LIBRARY is libonnxruntime.so, CPUS the processors to keep to (`4-7`, `0,1`, or `-` for any), KEY=VALUE a session's
 * setting; `optimized=FILE` keeps the graph that the session makes of the model, `provider=cpu|xnnpack|nnapi` asks for that one, and
 * for what goes where but for `cpu`, `power=FOLDER` for what the battery of that folder gives, `marks=load` for marks (see below) around
 * loading too. The first line answers {load_ms, runtime_bytes, provider, placed: {PROVIDER: NODES}, runtime, inputs, outputs} or
 * {error, at}, where `at` is `machine` or `model`. Then each line on stdin is a request, its words apart by tabs:
 *
 *     load MODEL                                takes that model instead: answers as the first line does
 *     input INDEX FILE DIM...                   takes that input from FILE, raw and dense; no answer
 *     run WARMUP COUNT LEAST BOX_S SPREAD       times runs; BOX_S and SPREAD below 0 mean without: {latencies_ms, waited_ms, power_w, battery,
 *                                               peak_bytes}
 *     save FILE...                              runs once more, writes output n to the n-th file, raw: {shapes}
 *
 * An {error} answers a request that failed; the next one is taken up as if nothing had been. Each timed run stands between
 * two calls of prctl that no kernel knows (MARK), where an emulator may count. */
#ifdef __BIONIC__
#include "bionic.h"
#else
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#endif

#include "ort.h"
#include "power.h"
#include "provider.h"

enum { MARK = 0x50495853, BEGIN = 1, END = 2, PORTS = 16, DIMS = 8, RUNS = 1000000, LINE = 1 << 16 };

void *const *ort_api;
static void *library;
static int marks_load;
static OrtRunOptions *quietly; /* for runs of a session that tells of its providers; else none */

typedef struct {
    char *name;
    int type;
    void *data;
    size_t bytes;
    OrtValue *value;
} Port;

typedef struct {
    OrtEnv *env;
    OrtSessionOptions *options;
    OrtSession *session;
    OrtAllocator *allocator;
    OrtMemoryInfo *memory;
    Port in[PORTS], out[PORTS];
    size_t n_in, n_out;
    int threads;
} Model;

static char fault[2048]; /* what went wrong with the request at hand; empty while all is well */

static void blame(const char *what, const char *why) {
    if (!fault[0]) snprintf(fault, sizeof fault, "%s%s%.1900s", what, why[0] ? ": " : "", why);
}

/* Whether the call succeeded; its message is kept, its status freed. */
static int fine(const char *what, OrtStatus *status) {
    if (!status) return 1;
    blame(what, GetErrorMessage()(status));
    ReleaseStatus()(status);
    return 0;
}

static void print_string(const char *text) {
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\') printf("\\%c", *c);
        else if (*c < 0x20) printf("\\u%04x", *c);
        else putchar(*c);
    }
    putchar('"');
}

static void print_fault(void) {
    printf("{\"error\": ");
    print_string(fault);
    printf("}\n");
    fault[0] = 0;
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

/* A call that no kernel knows; see above. */
static void mark(int which) { syscall(SYS_prctl, MARK, which, 0, 0, 0); }

/* The most memory this process has had resident; ru_maxrss may begin with that of the process that started this one. */
static long long peak_bytes(void) {
    long long kilobytes = -1;
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %lld", &kilobytes) == 1) break;
    if (status) fclose(status);
    if (kilobytes < 0) {
        struct rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        kilobytes = usage.ru_maxrss;
    }
    return kilobytes * 1024;
}

/* Milliseconds that the threads of this process were ready but had no core; 0 where the kernel does not count them. */
static double queued_ms(void) {
    unsigned long long total = 0, ran, waited;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *task; tasks && (task = readdir(tasks));) {
        char path[300];
        snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", task->d_name);
        FILE *file = task->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (file && fscanf(file, "%llu %llu", &ran, &waited) == 2) total += waited;
        if (file) fclose(file);
    }
    if (tasks) closedir(tasks);
    return total / 1e6;
}

static int keep_to(const char *cpus) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (!strcmp(cpus, "-")) return 1;
    for (const char *at = cpus; *at;) {
        int first, last, read;
        if (sscanf(at, "%d-%d%n", &first, &last, &read) != 2) {
            if (sscanf(at, "%d%n", &first, &read) != 1) return blame("cannot read the list of processors", cpus), 0;
            last = first;
        }
        for (int cpu = first; cpu <= last && cpu < CPU_SETSIZE; cpu++) CPU_SET(cpu, &set);
        at += read + (at[read] == ',');
    }
    if (sched_setaffinity(0, sizeof set, &set)) return blame("this machine has no such processors", cpus), 0;
    return 1;
}

static const char *open_library(const char *path) {
    library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!library) return blame("the library cannot be loaded", dlerror()), NULL;
    const OrtApiBase *(*base)(void) = (const OrtApiBase *(*)(void))dlsym(library, "OrtGetApiBase");
    if (!base) return blame("the library is no ONNX Runtime", path), NULL;
    ort_api = base()->GetApi(ORT_API_VERSION);
    if (!ort_api) return blame("the library is too old", base()->GetVersionString()), NULL;
    return base()->GetVersionString();
}

/* Give a session the provider and let it say what goes where, but only while it is opened. */
static int set_provider(OrtSessionOptions *options, const char *provider, int threads) {
    char number[16];
    const char *wrong = NULL;
    if (!strcmp(provider, "cpu")) return 1; /* which takes all */
    snprintf(number, sizeof number, "%d", threads);
    if (!fine(provider, append_provider(library, options, provider, number, &wrong))) return 0;
    if (wrong) return blame("the library has no such provider", wrong), 0;
    return fine("log", SetSessionLogSeverityLevel()(options, ORT_LOGGING_VERBOSE)) && fine("log", CreateRunOptions()(&quietly)) &&
           fine("log", RunOptionsSetRunLogSeverityLevel()(quietly, ORT_LOGGING_ERROR));
}

static int set_options(OrtSessionOptions *options, int threads, char **settings) {
    int ok = fine("threads", SetIntraOpNumThreads()(options, threads)) && fine("threads", SetInterOpNumThreads()(options, 1));
    for (; ok && *settings; settings++) {
        char *value = strchr(*settings, '=');
        if (!value) return blame("a setting has no value", *settings), 0;
        *value++ = 0;
        if (!strcmp(*settings, "optimized")) ok = fine("a setting", SetOptimizedModelFilePath()(options, value));
        else if (!strcmp(*settings, "power")) battery = value;
        else if (!strcmp(*settings, "marks")) marks_load = !strcmp(value, "load");
        else if (!strcmp(*settings, "provider")) ok = set_provider(options, value, threads);
        else ok = fine("a setting", AddSessionConfigEntry()(options, *settings, value));
    }
    return ok;
}

static int read_ports(Model *m) {
    if (!fine("inputs", SessionGetInputCount()(m->session, &m->n_in)) || !fine("outputs", SessionGetOutputCount()(m->session, &m->n_out))) return 0;
    if (m->n_in > PORTS || m->n_out > PORTS) return blame("the model has too many inputs or outputs", ""), 0;
    for (size_t i = 0; i < m->n_in; i++) {
        OrtTypeInfo *info;
        const OrtShapeInfo *shape = NULL;
        if (!fine("an input", SessionGetInputName()(m->session, i, m->allocator, &m->in[i].name))) return 0;
        if (!fine("an input", SessionGetInputTypeInfo()(m->session, i, &info))) return 0;
        if (!fine("an input", CastTypeInfoToTensorInfo()(info, &shape)) || !shape) return blame("an input is no tensor", m->in[i].name), 0;
        if (!fine("an input", GetTensorElementType()(shape, &m->in[i].type))) return 0;
        ReleaseTypeInfo()(info);
    }
    for (size_t i = 0; i < m->n_out; i++)
        if (!fine("an output", SessionGetOutputName()(m->session, i, m->allocator, &m->out[i].name))) return 0;
    return 1;
}

static int prepare(Model *m, char **settings) {
    if (!fine("environment", CreateEnvWithCustomLogger()(hear, NULL, ORT_LOGGING_ERROR, "pixsearch", &m->env))) return 0;
    if (!fine("options", CreateSessionOptions()(&m->options)) || !set_options(m->options, m->threads, settings)) return 0;
    if (!fine("allocator", GetAllocatorWithDefaultOptions()(&m->allocator))) return 0;
    return fine("memory", CreateCpuMemoryInfo()(ORT_ARENA_ALLOCATOR, ORT_MEM_DEFAULT, &m->memory));
}

static int load(Model *m, const char *path, double *load_ms) {
    n_placed = 0;
    double start = now_ms();
    if (marks_load) mark(BEGIN);
    int ok = fine("model", CreateSession()(m->env, path, m->options, &m->session));
    if (marks_load) mark(END);
    *load_ms = now_ms() - start;
    return ok && read_ports(m);
}

static size_t element_bytes(int type) {
    switch (type) {
        case ORT_FLOAT: case ORT_INT32: return 4;
        case ORT_FLOAT16: case ORT_UINT16: return 2;
        case ORT_UINT8: case ORT_INT8: return 1;
        default: return 0;
    }
}

static void free_outputs(Model *m) {
    for (size_t i = 0; i < m->n_out; i++)
        if (m->out[i].value) ReleaseValue()(m->out[i].value), m->out[i].value = NULL;
}

/* input INDEX FILE DIM... */
static void take_input(Model *m, char *rest) {
    char *index = strtok(rest, "\t"), *path = strtok(NULL, "\t");
    size_t at = index ? strtoul(index, NULL, 10) : PORTS;
    if (at >= m->n_in || !path) return blame("there is no such input", index ? index : "");
    Port *port = &m->in[at];
    int64_t dims[DIMS];
    size_t rank = 0, bytes = element_bytes(port->type);
    if (!bytes) return blame("an input is of a type that the runner does not know", port->name);
    for (char *word; rank < DIMS && (word = strtok(NULL, "\t")); rank++) bytes *= dims[rank] = strtoll(word, NULL, 10);
    if (port->value) ReleaseValue()(port->value), port->value = NULL;
    free(port->data);
    port->data = malloc(bytes ? bytes : 1);
    FILE *file = fopen(path, "rb");
    size_t got = file && port->data ? fread(port->data, 1, bytes, file) : 0;
    if (file) fclose(file);
    if (got != bytes) return blame("the input's file is missing or too short", path);
    fine("an input", CreateTensorWithDataAsOrtValue()(m->memory, port->data, bytes, dims, rank, port->type, &port->value));
}

static int run_once(Model *m) {
    const char *in[PORTS], *out[PORTS];
    const OrtValue *values[PORTS];
    OrtValue *results[PORTS] = {0};
    if (!m->session) return blame("no model is loaded", ""), 0;
    free_outputs(m);
    for (size_t i = 0; i < m->n_in; i++) {
        if (!m->in[i].value) return blame("an input was not given", m->in[i].name), 0;
        in[i] = m->in[i].name, values[i] = m->in[i].value;
    }
    for (size_t i = 0; i < m->n_out; i++) out[i] = m->out[i].name;
    int ok = fine("run", Run()(m->session, quietly, in, values, m->n_in, out, m->n_out, results));
    for (size_t i = 0; i < m->n_out; i++) m->out[i].value = results[i];
    return ok;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Whether the median's standard error (1.25 sigma / sqrt(n), sigma from the quartiles) is below `spread` of the median. */
static int settled(const double *ms, const double *waited, int n, int threads, double spread) {
    static double sorted[RUNS];
    if (spread < 0 || n < 4) return 0;
    for (int i = 0; i < n; i++) sorted[i] = ms[i] - (threads == 1 ? waited[i] : 0);
    qsort(sorted, n, sizeof *sorted, ascending);
    double error = 1.25 * (sorted[3 * n / 4] - sorted[n / 4]) / 1.35, limit = spread * sorted[n / 2];
    return error * error < limit * limit * n;
}

static void print_numbers(const char *name, const double *values, int n) {
    printf("\"%s\": [", name);
    for (int i = 0; i < n; i++) printf("%s%.6f", i ? ", " : "", values[i]);
    printf("], ");
}

/* run WARMUP COUNT LEAST BOX_S SPREAD */
static void time_runs(Model *m, const char *rest) {
    static double ms[RUNS], waited[RUNS];
    int warmup, count, least, n = 0;
    double box_s, spread;
    if (sscanf(rest, "%d %d %d %lf %lf", &warmup, &count, &least, &box_s, &spread) != 5) return blame("cannot read the request", rest);
    for (int i = 0; i < warmup; i++)
        if (!run_once(m)) return;
    n_watts = 0;
    double end = now_ms() + box_s * 1e3;
    while (n < count && n < RUNS) {
        double queued = queued_ms(), start = now_ms();
        mark(BEGIN);
        int ok = run_once(m);
        mark(END);
        double now = now_ms();
        ms[n] = now - start;
        waited[n] = (queued_ms() - queued) / m->threads;
        if (!ok) return;
        n++;
        read_power(now);
        if (n >= least && ((box_s >= 0 && now_ms() > end) || settled(ms, waited, n, m->threads, spread))) break;
    }
    printf("{");
    print_numbers("latencies_ms", ms, n);
    print_numbers("waited_ms", waited, n);
    print_numbers("power_w", watts, n_watts);
    char status[64];
    battery_status(status, sizeof status);
    printf("\"battery\": ");
    print_string(status);
    printf(", \"peak_bytes\": %lld}\n", peak_bytes());
}

static int write_output(Port *port, const char *path, int64_t *dims, size_t *rank) {
    OrtShapeInfo *shape;
    size_t count;
    void *data;
    int type, ok = fine("an output", GetTensorTypeAndShape()(port->value, &shape));
    if (!ok) return 0;
    ok = fine("an output", GetDimensionsCount()(shape, rank)) && *rank <= DIMS && fine("an output", GetDimensions()(shape, dims, *rank)) &&
         fine("an output", GetTensorElementType()(shape, &type)) && fine("an output", GetTensorShapeElementCount()(shape, &count)) &&
         fine("an output", GetTensorMutableData()(port->value, &data));
    ReleaseTensorTypeAndShapeInfo()(shape);
    if (!ok || !element_bytes(type)) return blame("an output is of a type that the runner does not know", port->name), 0;
    port->type = type;
    FILE *file = fopen(path, "wb");
    size_t bytes = count * element_bytes(type), put = file ? fwrite(data, 1, bytes, file) : 0;
    if ((file && fclose(file)) || put != bytes) return blame("the output cannot be written", path), 0;
    return 1;
}

/* save FILE... */
static void save(Model *m, char *rest) {
    int64_t dims[PORTS][DIMS];
    size_t rank[PORTS];
    if (!run_once(m)) return;
    for (size_t i = 0; i < m->n_out; i++) {
        char *path = strtok(i ? NULL : rest, "\t");
        if (!path) return blame("there are fewer files than outputs", "");
        if (!write_output(&m->out[i], path, dims[i], &rank[i])) return;
    }
    printf("{\"shapes\": [");
    for (size_t i = 0; i < m->n_out; i++) {
        printf("%s[", i ? ", " : "");
        for (size_t d = 0; d < rank[i]; d++) printf("%s%lld", d ? ", " : "", (long long)dims[i][d]);
        printf("]");
    }
    printf("], \"types\": [");
    for (size_t i = 0; i < m->n_out; i++) printf("%s%d", i ? ", " : "", m->out[i].type);
    printf("]}\n");
}

static void print_ports(const char *name, const Port *ports, size_t n) {
    printf(", \"%s\": [", name);
    for (size_t i = 0; i < n; i++) printf("%s", i ? ", " : ""), print_string(ports[i].name);
    printf("]");
}

static void tell_loaded(const Model *m, double load_ms, long long runtime_bytes, const char *version) {
    char runtime[64];
    printf("{\"load_ms\": %.6f, \"runtime_bytes\": %lld, \"provider\": ", load_ms, runtime_bytes);
    print_string(main_provider());
    print_placed();
    printf(", \"runtime\": ");
    snprintf(runtime, sizeof runtime, "onnxruntime %s", version);
    print_string(runtime);
    print_ports("inputs", m->in, m->n_in);
    print_ports("outputs", m->out, m->n_out);
    printf("}\n");
    fflush(stdout);
}

/* load MODEL */
static void take_model(Model *m, const char *path, const char *version) {
    double load_ms = 0;
    free_outputs(m);
    for (size_t i = 0; i < m->n_in; i++) {
        if (m->in[i].value) ReleaseValue()(m->in[i].value);
        free(m->in[i].data);
        m->in[i] = (Port){0};
    }
    m->n_in = m->n_out = 0;
    if (m->session) ReleaseSession()(m->session), m->session = NULL;
    if (load(m, path, &load_ms)) tell_loaded(m, load_ms, peak_bytes(), version);
}

static void serve(Model *m, const char *version) {
    static char line[LINE];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "input\t", 6)) {
            take_input(m, line + 6);
            continue; /* a fault of it is told in answer to the run that follows */
        }
        if (!fault[0]) {
            if (!strncmp(line, "run\t", 4)) time_runs(m, line + 4);
            else if (!strncmp(line, "save\t", 5)) save(m, line + 5);
            else if (!strncmp(line, "load\t", 5)) take_model(m, line + 5, version);
            else blame("cannot read the request", line);
        }
        if (fault[0]) print_fault();
        fflush(stdout);
    }
}

int main(int argc, char **argv) {
    static Model m;
    double load_ms = 0;
    if (argc < 5) return fprintf(stderr, "usage: runner LIBRARY MODEL THREADS CPUS [KEY=VALUE...]\n"), 2;
    m.threads = atoi(argv[3]);
    const char *version = keep_to(argv[4]) ? open_library(argv[1]) : NULL;
    long long runtime_bytes = peak_bytes();
    if (!version || !prepare(&m, argv + 5) || !load(&m, argv[2], &load_ms)) {
        printf("{\"at\": \"%s\", \"error\": ", version ? "model" : "machine");
        print_string(fault);
        printf("}\n");
        fflush(stdout);
        _exit(0);
    }
    tell_loaded(&m, load_ms, runtime_bytes, version);
    serve(&m, version);
    fflush(stdout);
    _exit(0); /* without the library's own end, which may outlast its threads */
}
